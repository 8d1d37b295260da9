"""Group rows by the sessions of their keys, and emit a session when it is over.

Before the exchange the rows of a batch are added up per key and stretch of time; behind it, stretches
are merged into the open sessions. Two sessions that a row connects become one, with the sum of what both
have. Aggregates that cannot be added up elsewhere get their rows one by one.

Reads:    the kernels of columnar/stretches.py and columnar/sessions.py.
Not here: which rows are late (sessions.py), the parts of aggregates (parts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import MOMENT, Batch
from thalweg.columnar.buffers import values_and_validity
from thalweg.columnar.eager import gather_rows, numbers, pick
from thalweg.columnar.groups import group_rows
from thalweg.columnar.keys import KeyCodec
from thalweg.columnar.stretches import find_runs
from thalweg.operators.aggregation import SHOWN, GroupingSpec, key_frame
from thalweg.operators.session_table import SessionTable, session_states
from thalweg.plan.properties import WINDOW_TIME_US, bound_type
from thalweg.plan.window_columns import Bound
from thalweg.protocols.keeping import Keeping, watermark_passes
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import ColumnSpec, StateSpec

Array = np.ndarray[Any, Any]

_COMPACT_AFTER = 64
_NO_WORDS = np.empty((0, 1), np.int64)
_NO_COLUMNS = pl.DataFrame()


@dataclass(frozen=True)
class SessionPartialsSpec:
    """Add up each batch by key and stretch of time."""

    id: str
    grouping: GroupingSpec
    gap_us: int

    def states(self) -> Iterable[StateSpec]:
        """None: nothing is kept from one batch to the next."""
        return ()

    def build(self, context: Context) -> SessionPartialsOp:
        """The operator."""
        del context
        return SessionPartialsOp(self)

    def describe(self) -> str:
        """One line."""
        return f"partial sessions by {', '.join(self.grouping.keys) or '()'}"


class SessionPartialsOp(Step):
    """Turn rows into one partial result per key and stretch of time.

    Emits:      for each batch the stretches of each key: first and last time, and the parts beside them.
    State:      none; what is added up goes out at once.
    Late rows:  were turned away before.
    Batch mode: Polars sorts and counts instead.
    """

    def __init__(self, spec: SessionPartialsSpec) -> None:
        self._layout, self._cells, self._gap = spec.grouping.layout, spec.grouping.key_cells, spec.gap_us
        self._keys = list(spec.grouping.keys)
        self._codec = KeyCodec(spec.grouping.keys)
        self._batches = 0

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The stretches of the batch."""
        del port
        keys = key_frame(batch.frame, self._keys)
        words = self._codec.encode(keys)
        groups = group_rows(words)
        times = _times(batch)
        runs = find_runs(groups.ids, groups.height, times, self._gap)
        self._batches += 1
        if self._batches % _COMPACT_AFTER == 0:
            self._codec.compact(words)
        above = 0 if self._cells is None else self._cells.height
        made = self._layout.accumulators(len(runs.rows), above=above + 2)
        if self._cells is not None:
            self._cells.fill(words.take(runs.rows, axis=0), made.whole)
        made.whole[above], made.whole[above + 1] = runs.firsts, runs.lasts
        self._layout.update(made, runs.ids, batch)
        shown = _NO_COLUMNS if self._cells is not None else gather_rows(keys, runs.rows)
        yield Batch(shown, parts=made.whole)


def _times(batch: Batch) -> Array:
    return values_and_validity(batch.frame.get_column(MOMENT))[0]


@dataclass(frozen=True)
class SessionGroupSpec:
    """Group rows by key and session.

    Attributes:
        id: the step's name.
        grouping: keys, aggregates and output columns; its keys are those of the sessions.
        gap_us: the gap that ends a session.
        slack_us: how far the time may lag behind the watermark.
        bounds: the columns of the output that hold a bound, and which one.
        time: the type of the bounds.
        lag_us: how far the time may lag in rows that are in time: sessions are emitted then, and corrected
            until the slack has passed; None: they are emitted once.
    """

    id: str
    grouping: GroupingSpec
    gap_us: int
    slack_us: int
    bounds: Mapping[str, Bound]
    time: pl.DataType
    lag_us: int | None = None

    def states(self) -> Iterable[StateSpec]:
        """Open sessions with the parts of their aggregates, and whether they were emitted."""
        shown = {} if self.lag_us is None else {SHOWN: ColumnSpec("bool", initial=False)}
        return session_states(self.grouping.keys, self.grouping.layout.stored | shown)

    def keeps(self) -> Iterable[Keeping]:
        """Open sessions, and the keys that have some."""
        until = watermark_passes("the end of the session", self.slack_us)
        keys = ", ".join(self.grouping.keys) or "()"
        yield Keeping("sessions", f"one open session by {keys}", until)
        yield Keeping("keys", f"one key with open sessions by {keys}", until)

    def build(self, context: Context) -> SessionGroupOp:
        """The operator."""
        if self.lag_us is None:
            return SessionGroupOp(self, context)
        from thalweg.operators.corrected_sessions import CorrectedSessionsOp

        return CorrectedSessionsOp(self, context)

    def describe(self) -> str:
        """One line."""
        return f"{self.grouping.describe()} in sessions{'' if self.lag_us is None else ', corrected'}"


class SessionGroupOp:
    """One row per key and session.

    Emits:      a session with its aggregates once the watermark has passed its end.
    State:      per open session its bounds and the parts of the aggregates; forgotten when it is emitted.
    Late rows:  were turned away before the exchange.
    Batch mode: `End` closes every session, so the result equals sorting each key by time and cutting
                it at the gaps.
    """

    def __init__(self, spec: SessionGroupSpec, context: Context) -> None:
        self.spec, self._grouping, self.layout = spec, spec.grouping, spec.grouping.layout
        self.rows_max = context.rows_max
        self.table = SessionTable(context, spec.grouping.keys, spec.gap_us)

    @property
    def due(self) -> int | None:
        """The watermark that closes the next session."""
        end = self.table.open.first_end
        return None if end is None else end + self.spec.slack_us + 1

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows, or stretches of them."""
        del port
        if len(batch):
            self.add(batch, *self.table.take(*self.stretches(batch)))
        return iter(())

    @cached_property
    def _height(self) -> int:
        """How many rows of what came from partials hold keys."""
        return 0 if self._grouping.key_cells is None else self._grouping.key_cells.height

    def stretches(self, batch: Batch) -> tuple[Array, Array, Array]:
        """Keys, first and last times of the rows of a batch."""
        parts, cells = batch.parts, self._grouping.key_cells
        if parts is None or cells is None:
            owners = self.table.keys.slots(key_frame(batch.frame, self._grouping.keys))
        else:
            owners = self.table.keys.slots_of(cells.words(parts))
        if parts is None:
            times = _times(batch)
            return owners, times, times
        return owners, parts[self._height], parts[self._height + 1]

    def add(self, batch: Batch, slots: Array, gone: Array, into: Array) -> None:
        """Add the rows of a batch to their sessions, and those of sessions that are gone."""
        state = self.table.state
        if batch.parts is None:
            self.layout.update(state, slots, batch)
        else:
            self.layout.merge(state, slots, self.layout.cells.named(batch.parts[self._height + 2 :]))
        if len(gone):
            found = self.layout.take(state, gone)
            self.layout.merge(state, into, self.layout.carried(state, found))
            state.touch(into)
            state.free(gone)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the sessions that are over."""
        until = time - self.spec.slack_us
        return self._close(until) if self.table.open.is_due(until) else iter(())

    def _close(self, until: int | None) -> Iterator[Output]:
        for slots, firsts, lasts in self.table.closed(until, self.rows_max):
            yield Batch(self.rows(slots, firsts, lasts + self.spec.gap_us))

    def rows(self, slots: Array, start: Array, end: Array) -> pl.DataFrame:
        """What is emitted of sessions."""
        state = self.table.state
        outputs = self.layout.outputs(state, self.layout.take(state, slots))
        values = {"start": start, "end": end, "time": end - WINDOW_TIME_US}
        made = {s.name: s for s in (*self.table.own(slots).get_columns(), *outputs.get_columns())}
        for name, bound in self.spec.bounds.items():
            made[name] = numbers(name, values[bound].copy()).cast(bound_type(bound, self.spec.time))
        return pick(pl.DataFrame(list(made.values())), self._grouping.columns)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: open sessions are state."""
        del number
        self.table.settle()
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """Every session is complete."""
        del port
        return self._close(None)
