"""Number keys densely: rows of int64 words become slots 0, 1, 2 …, exactly and incrementally.

Slots of keys that were taken out go to keys that come later. Equality is that of all words; a hash only
says where to look.

Not here: how values become words (keys.py), keys of one code (code_index.py), what is kept per slot (state/).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.allocation import zeros
from thalweg.columnar.compiled import helper, kernel
from thalweg.columnar.slots import Slots
from thalweg.columnar.table import (
    AHEAD,
    CREATE,
    NEW,
    START,
    fill_table,
    give_back,
    grown_table,
    new_table,
    place,
    prefetch_place,
    remove,
    take_number,
)

Array = np.ndarray[Any, Any]


class KeyIndex(Slots):
    """A map from rows of `width` int64 words to slots.

    Wider rows than before are accepted: earlier keys count as padded with zeros (see `KeyCodec`). The table
    by which keys are found is made when one is looked for: those who only `append` need none.

    Example:
        >>> index = KeyIndex(1)
        >>> index.insert(np.array([[7], [9], [7]])).tolist(), index.find(np.array([[8]])).tolist()
        ([0, 1, 0], [-1])
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self._table: Array | None = None

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return super().nbytes + (0 if self._table is None else self._table.nbytes)

    def append(self, keys: Array) -> Array:
        """Slots for keys that are not there, each given once."""
        keys = self._fitted(keys)
        slots = np.empty(len(keys), dtype=np.int64)
        self._table = None
        if self.capacity < self.count + len(keys):
            self._grow(self.count + len(keys))
        _append(keys, self._rows, self._links, self._meta, slots)
        self._note_new(slots, len(slots))
        return slots

    def _searched(self) -> Array:
        """The table, which is made if there is none."""
        if self._table is None:
            self._table = self._filled(self.live())
        return self._table

    def _filled(self, live: Array) -> Array:
        table = new_table(self.capacity)
        fill_table(np.column_stack([_words(self._rows[live]), live + 1]), table)
        return table

    def insert(self, keys: Array) -> Array:
        """The slots of keys; a key without one gets one."""
        keys = self._fitted(keys)
        out = np.empty((2, len(keys)), dtype=np.int64)
        words = _words(keys)
        meta = self._meta
        meta[CREATE], meta[NEW], meta[START] = 1, 0, 0
        _probe(words, keys, (self._rows, self._searched(), self._links, meta), out)
        while meta[START] < len(keys):
            self._grow()
            _probe(words, keys, (self._rows, self._searched(), self._links, meta), out)
        self._note_new(out[1], int(meta[NEW]))
        return out[0]

    def find(self, keys: Array) -> Array:
        """The slots of keys, -1 for those that are not there."""
        keys = self._fitted(keys)
        out = np.empty((2, len(keys)), dtype=np.int64)
        self._meta[CREATE], self._meta[START] = 0, 0
        _probe(_words(keys), keys, (self._rows, self._searched(), self._links, self._meta), out)
        return out[0]

    def free(self, slots: Array) -> None:
        """Take out the keys of slots in use, each named once."""
        slots = np.ascontiguousarray(slots, dtype=np.int64)
        if self._table is None:
            removed = give_back(slots, self._links, self._meta)
        else:
            removed = remove(_words(self.rows(slots)), slots, self._table, self._links, self._meta)
        assert removed == len(slots), "only slots in use can be freed, and each only once"
        self._free_count += len(slots)

    def _fitted(self, keys: Array) -> Array:
        keys = np.ascontiguousarray(keys, dtype=np.int64)
        if keys.shape[1] > self.width:
            self._widen(keys.shape[1])
        if keys.shape[1] < self.width:
            # keys that came as words from a task that has not met NULL
            keys = np.pad(keys, ((0, 0), (0, self.width - keys.shape[1])))
        return keys

    def _widen(self, width: int) -> None:
        rows = zeros((self.capacity, width))
        rows[:, : self.width] = self._rows
        self._rows, self.width = rows, width
        if self._table is not None:
            self._table = self._filled(self.live())

    def _resize(self, capacity: int) -> None:
        super()._resize(capacity)
        if self._table is not None:
            self._table = grown_table(self._table, self.capacity)


def _words(keys: Array) -> Array:
    """One word per key: the key itself if it is one word, otherwise a hash of its words."""
    if keys.shape[1] == 1:
        return keys.reshape(-1)
    folded = np.empty(len(keys), dtype=np.int64)
    _fold(keys, folded)
    return folded


_MULTIPLY, _HALF = np.uint64(0xBF58476D1CE4E5B9), np.uint64(32)


@kernel("void(int64[:, ::1], int64[::1])")
def _fold(keys: Array, folded: Array) -> None:
    for i in range(len(keys)):
        state = np.uint64(0)
        for j in range(keys.shape[1]):
            state = (state ^ np.uint64(keys[i, j])) * _MULTIPLY
            state ^= state >> _HALF
        folded[i] = np.int64(state)


@kernel("void(int64[:, ::1], int64[:, ::1], int64[::1], int64[::1], int64[::1])")
def _append(keys: Array, rows: Array, links: Array, meta: Array, slots: Array) -> None:
    for i in range(len(keys)):
        slot = take_number(links, meta)
        for j in range(keys.shape[1]):
            rows[slot, j] = keys[i, j]
        slots[i] = slot


@helper
def _same(keys, i, rows, slot):  # type: ignore[no-untyped-def]
    for j in range(keys.shape[1]):  # noqa: SIM110 (kernels have no generators)
        if keys[i, j] != rows[slot, j]:
            return False
    return True


@kernel(
    "void(int64[::1], int64[:, ::1], "
    "Tuple((int64[:, ::1], int64[:, ::1], int64[::1], int64[::1])), int64[:, ::1])"
)
def _probe(words: Array, keys: Array, store: tuple[Array, Array, Array, Array], out: Array) -> None:
    """Look up or make keys from `meta[START]` on; stops early when there is no free slot left."""
    rows, table, links, meta = store
    mask = len(table) - 1
    # With one word per key, equal words are equal keys.
    is_single = keys.shape[1] == 1
    for i in range(meta[START], len(words)):
        if i + AHEAD < len(words):
            prefetch_place(table, place(words[i + AHEAD], mask))
        word = words[i]
        at = place(word, mask)
        slot = table[at, 1] - 1
        while slot >= 0 and not (table[at, 0] == word and (is_single or _same(keys, i, rows, slot))):
            at = (at + 1) & mask
            slot = table[at, 1] - 1
        if slot < 0 and meta[CREATE] == 1:
            slot = take_number(links, meta)
            if slot < 0:
                meta[START] = i
                return
            table[at, 0], table[at, 1] = word, slot + 1
            for j in range(keys.shape[1]):
                rows[slot, j] = keys[i, j]
            out[1, meta[NEW]] = slot
            meta[NEW] += 1
        out[0, i] = slot
    meta[START] = len(words)
