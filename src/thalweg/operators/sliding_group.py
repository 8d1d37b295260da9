"""Group rows by pane, and put windows of many panes together without adding up all of them each time.

A window that follows another one has lost a few panes and got a few. What is to be lost is kept as sums
from each pane on (the front), what has come since as one sum (the back); a window is one of both. When the
front is used up, the panes of the window are added up anew, once for as many windows as it has panes (the
two stacks of a queue: Tangwongsan et al., "General Incremental Sliding-Window Aggregation", VLDB 2015).
Rows that came late for some of their windows are added to each window by themselves until then.

Not here: the sums (pane_sums.py); windows of few panes, and aggregates without exact sums (pane_group.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from thalweg.columnar.batch import FIRST, PANE, Batch
from thalweg.operators.aggregation import DONE, GroupingSpec
from thalweg.operators.pane_group import window_rows
from thalweg.operators.pane_sums import PanePart, PaneSums, Waiting, parts_of
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import KeyedColumns

Array = np.ndarray[Any, Any]
MANY = 16
"""So many panes at least: with fewer of them it is quicker to add them all up."""


class SlidingGroupOp:
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
        self._spec, self._slack_us = spec, spec.window.slack_us
        self._window: WindowSpec = spec.window.window
        self._state: KeyedColumns = context.state("groups")
        self._rows_max = context.rows_max
        self._sums = PaneSums(spec, self._state)
        self._entering: Waiting = {}
        """Slots, each time those of one pane, by the end of the first window that they count for."""
        self._leaving: Waiting = {}
        """Those that have entered, by the end of the last one."""
        self._emitted: int | None = None
        self._noted: int | None = None
        """The last window that the state says was emitted."""
        self._know(self._state.live())

    @property
    def due(self) -> int | None:
        """The watermark that closes the next window."""
        end = self._next_end
        return None if end is None else end + self._slack_us

    @property
    def _next_end(self) -> int | None:
        """The end of the window that closes first: nothing waits for an earlier one."""
        first = min(self._entering, default=None)
        if not self._leaving:
            return first
        assert self._emitted is not None, "slots enter with a window"
        follows = self._emitted + self._window.slide_us
        return follows if first is None else min(first, follows)

    def _know(self, slots: Array) -> None:
        """Slots that are new."""
        if len(slots):
            words = self._state.words(slots, (PANE, FIRST))
            panes, firsts = words[:, 0], words[:, 1]
            starts = np.maximum(firsts, self._state.column(DONE)[slots] + self._window.slide_us)
            keys = self._sums.numbered(slots)
            for pane, start, places in _runs(panes, starts):
                part = PanePart(pane, slots[places], keys[places])
                self._entering.setdefault(start, []).append(part)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows."""
        del port
        if len(batch):
            self._spec.take(self._state, batch)
            self._know(self._state.last_new.copy())
        return iter(())

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the windows that are complete."""
        return self._close(time - self._slack_us)

    def on_end(self, port: int) -> Iterator[Output]:
        """Every window is complete."""
        del port
        return self._close(None)

    def _close(self, until: int | None) -> Iterator[Output]:
        """Windows in the order of their ends; with each the panes that no later one needs."""
        while (end := self._next_end) is not None and (until is None or end <= until):
            found, gone, height = [], [], 0
            # several windows at once: what is done with a batch costs the same for one row
            while end is not None and (until is None or end <= until) and height < self._rows_max:
                self._enter(end)
                slots, cells = self._sums.window()
                found.append((slots, cells, np.full(len(slots), end)))
                height += len(slots)
                left = self._leaving.pop(end, [])
                self._sums.leave(left)
                gone += [part.slots for part in left]
                end = self._next_end
            yield from self._rows(*zip(*found, strict=True))
            if gone:
                self._state.free(np.concatenate(gone))

    def _rows(
        self, slots: Sequence[Array], cells: Sequence[Array], ends: Sequence[Array]
    ) -> Iterator[Output]:
        """What is emitted of some windows."""
        layout, state = self._spec.layout, self._state
        outputs = layout.outputs(state, layout.cells.named(np.concatenate(cells, axis=1)))
        keys = state.keys(np.concatenate(slots))
        made = window_rows(self._spec, keys, outputs, np.concatenate(ends))
        yield from Batch(made).slices(self._rows_max)

    def _enter(self, end: int) -> None:
        """The slots that count from this window on."""
        assert self._emitted is None or end > self._emitted, "a row that is in time finds its window open"
        is_first, self._emitted = self._emitted is None, end
        for part in self._entering.pop(end, []):
            self._leaving.setdefault(self._window.last_end(part.pane), []).append(part)
            self._sums.enter(part, is_late=self._window.first_end(part.pane) != end)
        if is_first or self._sums.is_used_up:
            self._sums.renew(self._leaving, self._entering)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: open windows are state, with the last one that was emitted."""
        del number
        if self._emitted is not None and self._emitted != self._noted and self._leaving:
            slots = np.concatenate([part.slots for part in parts_of(self._leaving)])
            self._state.column(DONE)[slots] = self._emitted
            self._state.touch(slots)
            self._noted = self._emitted
        return iter(())


def _runs(panes: Array, starts: Array) -> Iterator[tuple[int, int, Any]]:
    """The places of each pane and start."""
    if (panes == panes[0]).all() and (starts == starts[0]).all():
        yield int(panes[0]), int(starts[0]), slice(None)
        return
    order = np.lexsort((starts, panes))
    panes, starts = panes[order], starts[order]
    is_other = (panes[1:] != panes[:-1]) | (starts[1:] != starts[:-1])
    begins = [0, *(np.flatnonzero(is_other) + 1).tolist()]
    for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
        yield int(panes[begin]), int(starts[begin]), order[begin:end]


def can_slide(spec: GroupingSpec) -> bool:
    """Whether windows have so many panes that it pays, and sums that are exact in whatever order."""
    assert spec.window is not None, "asked of windows"
    window = spec.window.window
    assert window is not None, "asked of panes"
    return spec.layout.rules is not None and window.size_us // window.pane_us >= MANY
