"""Add up the panes of a window that moves on: from each pane that is to go on, and what has come since.

Reads:    the state of panes, by slot; what is kept here is made from it, and never saved.
Not here: which panes a window has (sliding_group.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.cells import pick, take
from thalweg.columnar.index import KeyIndex
from thalweg.columnar.merge_cells import NO_RUNNING, link_rows, merge_cells, pick_some
from thalweg.operators.aggregation import NEVER, GroupingSpec
from thalweg.protocols.state import KeyedColumns

Array = np.ndarray[Any, Any]
_NONE = np.empty(0, np.int64)
_LATE_MAX = 4
"""So many times as many late slots as keys are added one by one; with more of them all is added up anew."""
_DEAD_MAX = 4
"""So many times as many numbers of keys as are in use are kept."""


class PanePart(NamedTuple):
    """Slots of one pane, and the numbers of their keys."""

    pane: int
    slots: Array
    keys: Array


Waiting = dict[int, list[PanePart]]
"""Parts by the time at which something happens to them."""


def parts_of(waiting: Waiting) -> list[PanePart]:
    """All that wait, in no order."""
    return [part for parts in waiting.values() for part in parts]


def _pane(part: PanePart) -> int:
    return part.pane


class PaneSums:
    """The sums of a window by key; keys are numbered.

    Attributes:
        is_used_up: whether what is kept no longer fits the window: `renew` is due.
    """

    def __init__(self, spec: GroupingSpec, state: KeyedColumns) -> None:
        assert spec.layout.rules is not None, "sums are exact in whatever order"
        self._state, self._keys = state, list(spec.keys)
        self._rules, self._columns = spec.layout.rules, len(spec.layout.stored)
        self.is_used_up = False
        self._index = KeyIndex(1)
        self._clear(0)

    def _clear(self, rows: int) -> None:
        """Keep nothing; there will be so many rows in front."""
        self._back = self._nothing()
        self._has_back = np.zeros(self._index.capacity, np.bool_)
        self._latest = np.zeros(self._index.capacity, np.int64)
        self._latest_pane, self._last_pane = np.full(self._index.capacity, NEVER), NEVER
        self._front = np.full(self._index.capacity, -1)
        """By key the row of `_sums` that its panes in front add up to."""
        self._sums = np.empty((self._columns, rows), np.int64)
        self._owners, self._next = np.empty(rows, np.int64), np.empty(rows, np.int64)
        """By row of `_sums` its key, and the row without its own pane."""
        self._in_front: dict[int, tuple[int, int]] = {}
        self._late = self._late_keys = _NONE
        self.is_used_up = False

    def numbered(self, slots: Array) -> Array:
        """The numbers of the keys of slots, as parts have them."""
        keys = self._index.insert(self._state.words(slots, self._keys))
        if self._index.capacity > len(self._front):
            self._grow(self._index.capacity)
        return keys

    def enter(self, part: PanePart, *, is_late: bool) -> None:
        """Slots of a pane belong to the window; those that are late leave before others that are there."""
        keys = part.keys
        self._note_latest(part)
        if is_late:
            self._late = np.concatenate([self._late, part.slots])
            self._late_keys = np.concatenate([self._late_keys, keys])
            self.is_used_up |= len(self._late) > _LATE_MAX * self._index.count
            return
        self._merge(self._back, keys, self._cells(part.slots))
        self._has_back[keys] = True

    def leave(self, parts: Iterable[PanePart]) -> None:
        """Slots belong to the window no more: all that their panes have."""
        left = 0
        # without a pane a key has the sum from its next one on: the last one to leave says which
        for pane, slots, _ in sorted(parts, key=_pane):
            begin, end = self._in_front.pop(pane, (0, 0))
            self._front[self._owners[begin:end]] = self._next[begin:end]
            left += len(slots) - (end - begin)
            if len(self._late):
                stays = ~np.isin(self._late, slots)
                left -= len(stays) - int(stays.sum())
                self._late, self._late_keys = self._late[stays], self._late_keys[stays]
        self.is_used_up |= left > 0

    def renew(self, entered: Waiting, entering: Waiting) -> None:
        """Add up anew: these parts belong to the window, and those will; keys of no part are forgotten."""
        self._forget(entered, entering)
        ordered = sorted(parts_of(entered), key=_pane, reverse=True)
        slots = np.concatenate([part.slots for part in ordered])
        self._clear(len(slots))
        end = 0
        for part in ordered:
            begin, end = end, end + len(part.slots)
            self._owners[begin:end] = part.keys
            self._in_front[part.pane] = self._in_front.get(part.pane, (begin, end))[0], end
        self._merge(self._nothing(), self._owners, self._cells(slots), self._sums)
        begins = np.array([*(begin for begin, _ in self._in_front.values()), len(slots)])
        self._last_pane = ordered[0].pane
        link_rows(
            begins,
            np.array(list(self._in_front)),
            self._owners,
            slots,
            self._front,
            self._next,
            (self._latest, self._latest_pane),
        )

    def _forget(self, *waiting: Waiting) -> None:
        """Number the keys anew if most of them are in no part; what is kept by number is cleared next."""
        is_used = np.zeros(self._index.high, np.bool_)
        for each in waiting:
            is_used[np.concatenate([_NONE, *(part.keys for part in parts_of(each))])] = True
        used = np.flatnonzero(is_used)
        if _DEAD_MAX * len(used) >= len(is_used):
            return
        words = self._index.rows(used)
        self._index = KeyIndex(words.shape[1])
        numbers = np.empty(len(is_used), np.int64)
        numbers[used] = self._index.append(words)
        for each in waiting:
            for time, parts in each.items():
                each[time] = [part._replace(keys=numbers[part.keys]) for part in parts]

    def window(self) -> tuple[Array, Array]:
        """For each key of the window a slot that has it, and its sums: int64[columns, keys]."""
        is_there = (self._front >= 0) | self._has_back
        is_there[self._late_keys] = True
        keys = np.flatnonzero(is_there)
        made = np.empty((self._columns, len(keys)), np.int64)
        pick_some(self._sums, self._front, keys, made)
        # a key without sums behind has zeros there, which add nothing
        self._merge(made, np.arange(len(keys)), pick(self._back, keys.astype(np.uint32)))
        if len(self._late):
            self._merge(made, np.searchsorted(keys, self._late_keys), self._cells(self._late))
        return self._latest[keys], made

    def _note_latest(self, part: PanePart) -> None:
        """Each key knows the slot that leaves last."""
        _, slots, keys = part
        if part.pane < self._last_pane:
            is_last = self._latest_pane[keys] <= part.pane
            slots, keys = slots[is_last], keys[is_last]
        else:
            self._last_pane = part.pane
        self._latest[keys], self._latest_pane[keys] = slots, part.pane

    def _nothing(self) -> Array:
        """Sums of nothing by key: int64[columns, keys]."""
        return np.zeros((self._columns, self._index.capacity), np.int64)

    def _cells(self, slots: Array) -> Array:
        """What the state has of slots: int64[columns, slots]."""
        return take(self._state.addresses[: self._columns], slots)

    def _merge(self, sums: Array, places: Array, cells: Array, running: Array = NO_RUNNING) -> None:
        merge_cells(self._rules, places, cells, sums, running)

    def _grow(self, capacity: int) -> None:
        self._has_back, self._latest = grown(self._has_back, capacity), grown(self._latest, capacity)
        self._latest_pane = grown(self._latest_pane, capacity, NEVER)
        self._front = grown(self._front, capacity, -1)
        self._back, back = self._nothing(), self._back
        self._back[:, : back.shape[1]] = back
