"""Give rows panes that windows of several kinds share, and hand what was added up in them to each kind.

The windows of several groupings over one stream are put together from the same panes: the longest stretches
that no start or end of any of them cuts. Rows are added up once; behind the exchange each grouping takes its
own aggregates, and its own panes, which are whole numbers of common ones.

Lateness is judged per (row, window) as ever. For which windows a row is in time follows from how far event
time was before it: what counts for a window is what its first open end tells, for all windows at once.

Not here: which groupings share panes (physical/sharing.py), windows from panes (pane_group.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import BEFORE, FIRST, PANE, Batch
from thalweg.columnar.cells import pick
from thalweg.columnar.eager import beside, gather_rows, numbers, renamed, without
from thalweg.operators.aggregation import GroupingSpec
from thalweg.operators.parts import CountedPart
from thalweg.operators.windows import late_pairs, late_sides, micros
from thalweg.progress.lateness import Micros, minus
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.keeping import late_by
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import StateSpec

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class JudgedWindow:
    """The windows of one of the groupings.

    Attributes:
        window: the windows.
        port: the output for their late rows.
        columns: the columns that late rows are reported with, and where the rows hold them.
    """

    window: WindowSpec
    port: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CommonPanesSpec:
    """Give each row its pane.

    Attributes:
        id: the step's name.
        column: the time column.
        grid: the panes, as windows back to back.
        windows: all kinds of windows; each starts and ends where panes do.
        slack_us: how far the column may lag behind the watermark; None where nothing is known: then
            no row is late.
    """

    id: str
    column: str
    grid: WindowSpec
    windows: tuple[JudgedWindow, ...]
    slack_us: int | None

    def states(self) -> Iterable[StateSpec]:
        """None: rows are judged by what they carry."""
        return ()

    def late(self) -> Iterable[str]:
        """Pairs of a row and a window that is complete."""
        yield late_by("(row, window) pairs, with the window's end <=", self.slack_us)

    def build(self, context: Context) -> CommonPanesOp:
        """The operator."""
        return CommonPanesOp(self, context.rows_max)

    def describe(self) -> str:
        """One line."""
        kinds = ", ".join(dict.fromkeys(str(w.window) for w in self.windows))
        return f"panes {str(self.grid).removeprefix('tumbling ')} on {self.column} for {kinds}"


class CommonPanesOp(Step):
    """Assign common panes to rows, and turn late pairs away.

    Emits:      each row with its pane, unless it is late for all of its windows; on the `late` outputs
                one row per missed pair.
    State:      none.
    Late rows:  a (row, window) pair is late if the window's end is at or before the split's
                watermark before the row, less the column's slack.
    Batch mode: no row is late unless `lateness="as_stream"`.
    """

    def __init__(self, spec: CommonPanesSpec, rows_max: int) -> None:
        self._spec, self._rows_max = spec, rows_max

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Rows with their panes."""
        del port
        spec = self._spec
        times = micros(batch.frame, spec.column)
        panes = reached = spec.grid.pane_start(times)
        is_open: Array | None = None
        if BEFORE in batch.frame.columns and spec.slack_us is not None:
            is_open = np.zeros(len(times), np.bool_)
            for judged in spec.windows:
                yield from self._turned_away(batch, times, judged, is_open)
            reached = self._reached(batch, times)
        frame = beside(without(batch.frame, BEFORE), [numbers(PANE, panes), numbers(FIRST, reached)])
        made = Batch(frame, batch.weight)
        if is_open is not None and not is_open.all():
            made = made.filter(pl.Series(is_open))
        if len(made):
            yield made

    def _turned_away(
        self, batch: Batch, times: Micros, judged: JudgedWindow, is_open: Array
    ) -> Iterator[Output]:
        """The late pairs of one kind of windows; notes the rows that are in time for one of them."""
        assert self._spec.slack_us is not None, "else no row is judged"
        before, known = _before(batch)
        verdict = judged.window.judge(times, before, known, self._spec.slack_us)
        is_open |= ~verdict.is_late
        if not verdict.missed_count:
            return
        rows, ends = judged.window.missed_pairs(times, verdict)
        named = dict(judged.columns)
        bounds = judged.window.window_start(ends), ends
        late = late_pairs(batch, rows, bounds, self._spec.column, tuple(named.values()))
        names = [*named, *late.frame.columns[len(named) :]]
        columns = zip(late.frame.get_columns(), names, strict=True)
        late = late.with_frame(to_frame([renamed(c, n) for c, n in columns]))
        # what is in time for no window is late for those of the last kind too, and counted with them
        is_last = judged is self._spec.windows[-1]
        yield from late_sides(judged.port, late, self._rows_max, int((~is_open).sum()) if is_last else 0)

    def _reached(self, batch: Batch, times: Micros) -> Micros:
        """The pane from which on windows must end later: that of the row, or how far event time was."""
        assert self._spec.slack_us is not None, "else no row is judged"
        before, known = _before(batch)
        ends = [judged.window.last_end(times) for judged in self._spec.windows]
        # past the last window it does not matter how far
        reached = np.minimum(minus(before, self._spec.slack_us), np.maximum.reduce(ends))
        if known is not None:
            reached = np.where(known, reached, times)
        return self._spec.grid.pane_start(np.maximum(times, reached))


def _before(batch: Batch) -> tuple[Array, Array | None]:
    """The watermark before each row, and which rows had one (None: all)."""
    marks = batch.frame.get_column(BEFORE)
    known = marks.is_not_null().to_numpy() if marks.null_count() else None
    return marks.fill_null(0).to_numpy(), known


@dataclass(frozen=True)
class OwnPanesSpec:
    """Make the panes of one grouping of common ones.

    Attributes:
        id: the step's name.
        source: what is added up by common pane.
        grouping: the grouping that takes the panes.
        arguments: for each argument of the grouping's aggregates, what the source calls it.
    """

    id: str
    source: GroupingSpec
    grouping: GroupingSpec
    arguments: Mapping[str, str]

    @property
    def window(self) -> WindowSpec:
        """The windows of the grouping."""
        assert self.grouping.window is not None, "the planner puts this before windows"
        assert self.grouping.window.window is not None, "the planner puts this before panes"
        return self.grouping.window.window

    def states(self) -> Iterable[StateSpec]:
        """None: every partial result is dealt with by itself."""
        return ()

    def build(self, context: Context) -> OwnPanesOp:
        """The operator."""
        del context
        return OwnPanesOp(self)

    def describe(self) -> str:
        """One line."""
        return f"panes of {self.window} from common panes"

    def places(self) -> Array:
        """Where each stored column of the grouping is among those of the source."""
        own, source = self.grouping.layout, self.source.layout
        found: dict[str, str] = {}
        for (kind, argument), part in own.parts.items():
            same = source.parts[kind, None if argument is None else self.arguments[argument]]
            for name in part.columns:
                suffix = name.removeprefix(part.prefix)
                found[name] = same.column if isinstance(same, CountedPart) else f"{same.prefix}{suffix}"
        stored = list(source.stored)
        return np.array([stored.index(found.get(name, name)) for name in own.stored], np.int64)


class OwnPanesOp(Step):
    """Move partial results to the panes of one grouping, with its aggregates alone.

    Emits:      each partial result that counts for one of the grouping's windows.
    State:      none.
    Late rows:  were turned away, per (row, window); what is in time for others only is left out here.
    Batch mode: each window is put together from its panes.
    """

    def __init__(self, spec: OwnPanesSpec) -> None:
        self._window, self._places = spec.window, spec.places()
        self._cells = spec.grouping.key_cells
        self._names = dict(zip(spec.source.keys, spec.grouping.keys, strict=True))
        if self._cells is not None:
            keys = np.arange(self._cells.height)
            self._places = np.concatenate([keys, self._cells.height + self._places])

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The partial results, for this grouping."""
        del port
        assert batch.parts is not None, "rows were added up before the exchange"
        parts = batch.parts[self._places]
        if self._cells is not None:
            panes, firsts = (self._cells.column(parts, n) for n in (PANE, FIRST))
            kept = self._move(panes, firsts)
            parts = parts if kept is None else pick(parts, kept)
            if parts.shape[1]:
                yield Batch(batch.frame, parts=parts)
            return
        panes, firsts = (batch.frame.get_column(n).to_numpy().copy() for n in (PANE, FIRST))
        kept = self._move(panes, firsts)
        columns = [renamed(batch.frame.get_column(old), new) for old, new in self._names.items()]
        frame = to_frame([*columns, numbers(PANE, panes), numbers(FIRST, firsts)])
        if kept is not None:
            frame, parts = gather_rows(frame, kept), pick(parts, kept)
        if frame.height:
            yield Batch(frame, parts=parts)

    def _move(self, panes: Array, firsts: Array) -> Array | None:
        """Turn common panes into own ones in place; returns the rows that count, None if all do."""
        lasts = self._window.last_end(panes)
        panes[:] = self._window.pane_start(panes)
        firsts[:] = self._window.first_end(firsts)
        is_open = firsts <= lasts
        return None if is_open.all() else np.flatnonzero(is_open).astype(np.uint32)
