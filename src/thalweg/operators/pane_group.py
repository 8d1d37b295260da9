"""Group rows by pane, and put windows together from panes when they close.

A row is added to one pane, whatever the number of windows it lies in; a window is the sum of its
panes. A row that is late for the first of its windows is kept apart from the others of its pane by
the end of the first window that it counts for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import FIRST, PANE, Batch, pick
from thalweg.operators.aggregation import DONE, ROWS, GroupingSpec, key_frame
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME
from thalweg.plan.properties import WINDOW_TIME_US
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns

Array = np.ndarray[Any, Any]


class PaneGroupOp:
    """One row per key and window, from panes.

    Emits:      the groups of a window once the watermark passes the window's end.
    State:      per key and pane the parts of the aggregates, and the last window emitted;
                forgotten with the last window that the pane lies in.
    Late rows:  were turned away, per (row, window), where panes were assigned.
    Batch mode: `End` closes every window, so the result equals grouping the whole table.
    """

    def __init__(self, spec: GroupingSpec, context: Context) -> None:
        assert spec.window is not None, "the planner puts this on windows"
        assert spec.window.window is not None, "the planner puts this on panes"
        self._spec, self._layout = spec, spec.layout
        self._slack_us, self._time = spec.window.slack_us, spec.window.time
        self._window: WindowSpec = spec.window.window
        self._state: KeyedColumns = context.state("groups")
        self._rows_max = context.rows_max
        self._keys = list(spec.keys)
        columns = {ROWS: ColumnSpec("int64")} | self._layout.columns
        self._sums = context.scratch(ColumnsSpec("window", spec.keys, columns))
        self._next_end = self._find_next()

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows."""
        del port
        frame = batch.frame
        slots = self._state.slots(key_frame(frame, [*self._keys, PANE, FIRST]))
        if self._spec.partials:
            self._layout.merge(self._state, slots, self._layout.made(frame))
        else:
            self._layout.update(self._state, slots, batch)
        least = frame.get_column(FIRST).min()
        if isinstance(least, int) and (self._next_end is None or least < self._next_end):
            self._next_end = least
        return iter(())

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the windows that are complete."""
        until = time - self._slack_us
        if self._next_end is not None and self._next_end <= until:
            yield from self._close(until)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: open windows are state."""
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """Every window is complete."""
        del port
        return self._close(None)

    def _close(self, until: int | None) -> Iterator[Output]:
        """Windows in the order of their ends; then the panes that no open window needs."""
        live = self._state.live()
        keys = self._state.keys(live)
        panes, firsts = _array(keys, PANE), _array(keys, FIRST)
        done = self._state.column(DONE)
        starts = np.maximum(firsts, done[live] + self._window.slide_us)
        lasts = self._window.last_end(panes)
        for end in _ends(starts, lasts, until, self._window.slide_us):
            inside = (panes >= self._window.window_start(end)) & (panes < end) & (starts <= end)
            chosen = live[inside]
            if len(chosen):
                done[chosen] = end
                yield from self._emit(keys.filter(pl.Series(inside)), chosen, end)
        closed = live if until is None else live[lasts <= until]
        if len(closed):
            self._state.free(closed)
        self._next_end = None if until is None else self._find_next()

    def _emit(self, keys: pl.DataFrame, slots: Array, end: int) -> Iterator[Output]:
        """One window from its panes."""
        layout, source = self._layout, self._state
        own = key_frame(keys, self._keys)
        found = layout.take(source, slots)
        if self._needs_sum(keys):
            carried = layout.carried(source, found)
            source = self._sums
            at = source.slots(own)
            layout.merge(source, at, carried)
            used = source.live()
            own = source.keys(used) if self._keys else pl.DataFrame(height=len(used))
            found = layout.take(source, used)
            outputs = layout.outputs(source, found)
            source.free(used)
        else:
            outputs = layout.outputs(source, found)
        start = int(self._window.window_start(end))
        bounds = {WINDOW_START: start, WINDOW_END: end, WINDOW_TIME: end - WINDOW_TIME_US}
        made = own.hstack(outputs) if own.width else outputs
        made = made.with_columns([_constant(v, self._time).alias(n) for n, v in bounds.items()])
        yield from Batch(pick(made, self._spec.columns)).slices(self._rows_max)

    def _needs_sum(self, keys: pl.DataFrame) -> bool:
        """Whether a key may have several panes in one window."""
        if keys.height <= 1:
            return False
        panes, firsts = keys.get_column(PANE), keys.get_column(FIRST)
        return not (panes.min() == panes.max() and firsts.min() == firsts.max())

    def _find_next(self) -> int | None:
        """The end of the window that closes first."""
        live = self._state.live()
        if not len(live):
            return None
        firsts = _array(self._state.keys(live), FIRST)
        return int(np.maximum(firsts, self._state.column(DONE)[live] + self._window.slide_us).min())


def _ends(starts: Array, lasts: Array, until: int | None, slide: int) -> list[int]:
    """The ends of the windows to emit, in order: those that some pane still has ahead."""
    bounded = lasts if until is None else np.minimum(lasts, until)
    spans = pl.DataFrame({"start": starts, "last": bounded}).unique()
    found: set[int] = set()
    for start, last in spans.iter_rows():
        found.update(range(start, last + 1, slide))
    return sorted(found)


def _constant(value: int, held: pl.DataType | None) -> pl.Expr:
    assert held is not None, "a window has a time type"
    return pl.lit(value, dtype=pl.Int64).cast(held)


def _array(frame: pl.DataFrame, name: str) -> Array:
    return frame.get_column(name).to_numpy()
