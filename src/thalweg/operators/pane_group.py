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

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import FIRST, PANE, Batch
from thalweg.columnar.eager import numbers, without
from thalweg.columnar.groups import group_rows
from thalweg.operators.aggregation import DONE, GroupingSpec, least_key
from thalweg.plan.properties import WINDOW_TIME_US, bound_type
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import KeyedColumns

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
        self._slack_us = spec.window.slack_us
        self._window: WindowSpec = spec.window.window
        self._state: KeyedColumns = context.state("groups")
        self._rows_max = context.rows_max
        self._keys = list(spec.keys)
        self._next_end = self._find_next()

    @property
    def due(self) -> int | None:
        """The watermark that closes the next window."""
        return None if self._next_end is None else self._next_end + self._slack_us

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows."""
        del port
        self._spec.take(self._state, batch)
        least = least_key(self._spec, batch, FIRST)
        if least is not None and (self._next_end is None or least < self._next_end):
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
        panes, firsts = self._panes(live)
        done = self._state.column(DONE)
        starts = np.maximum(firsts, done[live] + self._window.slide_us)
        lasts = self._window.last_end(panes)
        for end in _ends(starts, lasts, until, self._window.slide_us):
            inside = (panes >= self._window.window_start(end)) & (panes < end) & (starts <= end)
            chosen = live[inside]
            if len(chosen):
                done[chosen] = end
                self._state.touch(chosen)
                yield from self._emit(chosen, end)
        closed = live if until is None else live[lasts <= until]
        if len(closed):
            self._state.free(closed)
        self._next_end = None if until is None else self._find_next()

    def _panes(self, slots: Array) -> tuple[Array, Array]:
        """The pane of each slot, and the end of the first window that its rows count for."""
        words = self._state.words(slots, (PANE, FIRST))
        return words[:, 0], words[:, 1]

    def _emit(self, slots: Array, end: int) -> Iterator[Output]:
        """One window from its panes."""
        layout, state = self._layout, self._state
        found = layout.take(state, slots)
        groups = group_rows(state.words(slots, self._keys))
        if groups.height == len(slots):
            outputs = layout.outputs(state, found)
        else:
            sums = layout.accumulators(groups.height)
            layout.merge(sums, groups.ids, layout.carried(state, found))
            outputs = layout.outputs(sums, sums.arrays)
            slots = slots[groups.firsts]
        made = window_rows(self._spec, state.keys(slots), outputs, np.full(len(slots), end))
        yield from Batch(made).slices(self._rows_max)

    def _find_next(self) -> int | None:
        """The end of the window that closes first."""
        live = self._state.live()
        if not len(live):
            return None
        _, firsts = self._panes(live)
        return int(np.maximum(firsts, self._state.column(DONE)[live] + self._window.slide_us).min())


def window_rows(spec: GroupingSpec, keys: pl.DataFrame, outputs: pl.DataFrame, ends: Array) -> pl.DataFrame:
    """What is emitted of windows: keys, aggregates and bounds."""
    assert spec.window is not None, "the planner puts this on windows"
    assert spec.window.window is not None, "the planner puts this on panes"
    own = without(keys, PANE, FIRST)
    made = {s.name: s for s in (*own.get_columns(), *outputs.get_columns())}
    for name, bound in spec.window.bounds.items():
        values = spec.window.window.window_start(ends) if bound == "start" else ends
        values = values - WINDOW_TIME_US if bound == "time" else values.copy()
        made[name] = numbers(name, values).cast(bound_type(bound, spec.window.time))
    return to_frame([made[name] for name in spec.columns])


def _ends(starts: Array, lasts: Array, until: int | None, slide: int) -> list[int]:
    """The ends of the windows to emit, in order: those that some pane still has ahead."""
    bounded = lasts if until is None else np.minimum(lasts, until)
    spans = pl.DataFrame({"start": starts, "last": bounded}).unique()
    found: set[int] = set()
    for start, last in spans.iter_rows():
        found.update(range(start, last + 1, slide))
    return sorted(found)
