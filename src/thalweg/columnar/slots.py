"""Slots 0, 1, 2 … for keys, each with the words of its key: what all indexes of keys have in common.

Slots of keys that were taken out go to keys that come later.

Not here: how a key finds its slot (index.py, code_index.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.table import FREE, HIGH, LIVE, META_LENGTH, SMALLEST

Array = np.ndarray[Any, Any]


class Slots:
    """The keys by slot.

    Attributes:
        width: how many words a key has.
        last_new: how many keys the last `insert` made.
        new_slots: their slots, in the order of first appearance.
    """

    def __init__(self, width: int) -> None:
        assert width > 0, "a key has at least one word"
        self.width = width
        self.last_new = 0
        self.new_slots = np.empty(0, dtype=np.int64)
        self._rows = np.zeros((SMALLEST, width), dtype=np.int64)
        self._links = np.full(SMALLEST, -1, dtype=np.int64)
        self._free_count = 0
        self._meta = np.zeros(META_LENGTH, dtype=np.int64)
        self._meta[FREE] = -1

    @property
    def capacity(self) -> int:
        """How many slots there is room for; arrays by slot have this length."""
        return len(self._links)

    @property
    def high(self) -> int:
        """The highest slot ever in use, plus one."""
        return int(self._meta[HIGH])

    @property
    def count(self) -> int:
        """How many keys there are."""
        return self.high - self._free_count

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return self._rows.nbytes + self._links.nbytes

    @property
    def words(self) -> Array:
        """The words of all keys, by slot; replaced when there must be more room."""
        return self._rows

    def live(self) -> Array:
        """Every slot in use, ascending."""
        return np.flatnonzero(self._links[: self.high] == LIVE)

    def rows(self, slots: Array) -> Array:
        """The words of the keys of slots in use."""
        # four times as quick as by indexing
        rows: Array = self._rows.take(slots, axis=0)
        return rows

    def reserve(self, count: int) -> None:
        """Room for so many keys."""
        if self.capacity < count:
            self._resize(count)

    def _grow(self, count: int = 0) -> None:
        """Twice the room, or more if so many keys need it."""
        self._resize(max(2 * self.capacity, count))

    def _resize(self, capacity: int) -> None:
        self._rows = grown(self._rows, capacity)
        self._links = grown(self._links, capacity, -1)

    def _note_new(self, slots: Array, count: int) -> None:
        self.last_new = count
        self.new_slots = slots[:count]
        self._free_count -= min(self._free_count, count)
