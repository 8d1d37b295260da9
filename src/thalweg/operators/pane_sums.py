"""Add up the panes of a window that moves on: from each pane that is to go on, and what has come since.

Reads:    the state of panes, by slot; what is kept here is made from it, and never saved.
Not here: which panes a window has (sliding_group.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.cells import pick, take
from thalweg.columnar.index import KeyIndex
from thalweg.operators.aggregation import NEVER, GroupingSpec
from thalweg.protocols.state import KeyedColumns

Array = np.ndarray[Any, Any]
_NONE = np.empty(0, np.int64)
_LATE_MAX = 4
"""So many times as many late slots as keys are added one by one; with more of them all is added up anew."""


class PaneSums:
    """The sums of a window by key; keys are numbered.

    Attributes:
        is_used_up: whether what is kept no longer fits the window: `renew` is due.
    """

    def __init__(self, spec: GroupingSpec, state: KeyedColumns) -> None:
        self._layout, self._state, self._keys = spec.layout, state, list(spec.keys)
        self.is_used_up = False
        self._clear(0)

    def _clear(self, rows: int) -> None:
        """Keep nothing; there will be so many rows in front."""
        self._index = KeyIndex(1)
        self._back = self._layout.accumulators(self._index.capacity)
        self._has_back = np.zeros(self._index.capacity, np.bool_)
        self._latest = np.zeros(self._index.capacity, np.int64)
        self._latest_pane = np.full(self._index.capacity, NEVER)
        self._front = np.full(self._index.capacity, -1)
        """By key the row of `_sums` that its panes in front add up to."""
        self._sums = np.empty((len(self._layout.stored), rows), np.int64)
        self._owners, self._next = np.empty(rows, np.int64), np.empty(rows, np.int64)
        """By row of `_sums` its key, and the row without its own pane."""
        self._in_front: dict[int, tuple[int, int]] = {}
        self._late = self._late_keys = _NONE
        self.is_used_up = False

    def enter(self, pane: int, slots: Array, *, is_late: bool) -> None:
        """Slots of a pane belong to the window; those that are late leave before others that are there."""
        keys = self._numbered(pane, slots)
        if is_late:
            self._late = np.concatenate([self._late, slots])
            self._late_keys = np.concatenate([self._late_keys, keys])
            self.is_used_up |= len(self._late) > _LATE_MAX * self._index.count
            return
        self._layout.merge(self._back, keys, self._layout.take(self._state, slots))
        self._has_back[keys] = True

    def leave(self, parts: Iterable[tuple[int, Array]]) -> None:
        """Slots belong to the window no more: all that their panes have."""
        left = 0
        for pane, slots in parts:
            begin, end = self._in_front.pop(pane, (0, 0))
            self._front[self._owners[begin:end]] = self._next[begin:end]
            left += len(slots) - (end - begin)
            if len(self._late):
                stays = ~np.isin(self._late, slots)
                left -= len(stays) - int(stays.sum())
                self._late, self._late_keys = self._late[stays], self._late_keys[stays]
        self.is_used_up |= left > 0

    def renew(self, parts: Iterable[tuple[int, Array]]) -> None:
        """Add up anew: these slots belong to the window."""
        ordered = sorted(parts, key=lambda part: part[0])
        slots = np.concatenate([some for _, some in ordered])
        self._clear(len(slots))
        end = 0
        for pane, some in ordered:
            begin, end = end, end + len(some)
            self._owners[begin:end] = self._numbered(pane, some)
            self._in_front[pane] = self._in_front.get(pane, (begin, end))[0], end
        cells, added = take(self._state.addresses[: len(self._sums)], slots), self._back
        addresses, named = added.addresses, self._layout.cells.named
        for begin, end in reversed(self._in_front.values()):
            own = self._owners[begin:end]
            self._layout.merge(added, own, named(cells[:, begin:end]))
            self._sums[:, begin:end] = take(addresses, own)
            self._next[begin:end] = self._front[own]
            self._front[own] = np.arange(begin, end)
        self._back = self._layout.accumulators(self._index.capacity)

    def window(self) -> tuple[Array, Array]:
        """For each key of the window a slot that has it, and its sums: int64[columns, keys]."""
        layout = self._layout
        is_there = (self._front >= 0) | self._has_back
        is_there[self._late_keys] = True
        keys = np.flatnonzero(is_there)
        made = layout.accumulators(len(keys))
        rows = self._front[keys]
        places = np.flatnonzero(rows >= 0)
        layout.merge(made, places, layout.cells.named(pick(self._sums, rows[places].astype(np.uint32))))
        places = np.flatnonzero(self._has_back[keys])
        layout.merge(made, places, layout.cells.named(take(self._back.addresses, keys[places])))
        if len(self._late):
            places = np.searchsorted(keys, self._late_keys)
            layout.merge(made, places, layout.take(self._state, self._late))
        return self._latest[keys], made.whole

    def _numbered(self, pane: int, slots: Array) -> Array:
        """The keys of slots of a pane; each key knows the slot that leaves last."""
        keys = self._index.insert(self._state.words(slots, self._keys))
        if self._index.capacity > len(self._front):
            self._grow(self._index.capacity)
        is_last = self._latest_pane[keys] <= pane
        if is_last.all():
            self._latest[keys], self._latest_pane[keys] = slots, pane
        else:
            self._latest[keys[is_last]], self._latest_pane[keys[is_last]] = slots[is_last], pane
        return keys

    def _grow(self, capacity: int) -> None:
        self._has_back, self._latest = grown(self._has_back, capacity), grown(self._latest, capacity)
        self._latest_pane = grown(self._latest_pane, capacity, NEVER)
        self._front = grown(self._front, capacity, -1)
        back = self._layout.accumulators(capacity)
        back.whole[:, : self._back.whole.shape[1]] = self._back.whole
        self._back = back
