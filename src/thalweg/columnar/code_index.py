"""Number keys that are one code of a dictionary each: the code is the place where the slot stands.

Codes are dense, so nothing is hashed and nothing collides; the codes of keys that are near each other lie
near each other. -1, the code of NULL, is a key like another.

Not here: keys of any words (index.py), how texts get their codes (dictionary.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.compiled import kernel
from thalweg.columnar.slots import Slots
from thalweg.columnar.table import FREE, LIVE, NEW, SMALLEST, START, take_number

Array = np.ndarray[Any, Any]


class CodeIndex(Slots):
    """A map from codes, as rows of one word, to slots.

    Example:
        >>> index = CodeIndex()
        >>> index.insert(np.array([[7], [-1], [7]])).tolist(), index.find(np.array([[8], [-2]])).tolist()
        ([0, 1, 0], [-1, -1])
    """

    def __init__(self) -> None:
        super().__init__(1)
        # by code + 1, the slot + 1: what is 0 is not there
        self._places = np.zeros(SMALLEST, dtype=np.int64)

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return super().nbytes + self._places.nbytes

    def insert(self, keys: Array) -> Array:
        """The slots of keys; a key without one gets one."""
        codes = _codes(keys)
        if len(codes) and (highest := int(codes.max())) + 2 > len(self._places):
            self._places = grown(self._places, max(2 * len(self._places), highest + 2))
        out = np.empty((2, len(codes)), dtype=np.int64)
        meta = self._meta
        meta[NEW], meta[START] = 0, 0
        _insert(codes, (self._rows, self._places, self._links, meta), out)
        while meta[START] < len(codes):
            self._grow()
            _insert(codes, (self._rows, self._places, self._links, meta), out)
        self._note_new(out[1], int(meta[NEW]))
        return out[0]

    def append(self, keys: Array) -> Array:
        """Slots for keys that are not there, each given once."""
        return self.insert(keys)

    def find(self, keys: Array) -> Array:
        """The slots of keys, -1 for those that are not there."""
        codes = _codes(keys)
        slots = np.empty(len(codes), dtype=np.int64)
        _find(codes, self._places, slots)
        return slots

    def free(self, slots: Array) -> None:
        """Take out the keys of slots in use, each named once."""
        slots = np.ascontiguousarray(slots, dtype=np.int64)
        removed = _remove(slots, (self._rows, self._places, self._links, self._meta))
        assert removed == len(slots), "only slots in use can be freed, and each only once"
        self._free_count += len(slots)

    def reserve(self, count: int) -> None:
        """Room for so many keys."""
        super().reserve(count)
        if count + 1 > len(self._places):
            self._places = grown(self._places, count + 1)


def _codes(keys: Array) -> Array:
    return np.ascontiguousarray(keys, dtype=np.int64).reshape(-1)


_STORE = "Tuple((int64[:, ::1], int64[::1], int64[::1], int64[::1]))"


@kernel(f"void(int64[::1], {_STORE}, int64[:, ::1])")
def _insert(codes: Array, store: tuple[Array, Array, Array, Array], out: Array) -> None:
    """Look up or make keys from `meta[START]` on; stops early when there is no free slot left."""
    rows, places, links, meta = store
    for i in range(meta[START], len(codes)):
        code = codes[i]
        slot = places[code + 1] - 1
        if slot < 0:
            slot = take_number(links, meta)
            if slot < 0:
                meta[START] = i
                return
            places[code + 1] = slot + 1
            rows[slot, 0] = code
            out[1, meta[NEW]] = slot
            meta[NEW] += 1
        out[0, i] = slot
    meta[START] = len(codes)


@kernel("void(int64[::1], int64[::1], int64[::1])")
def _find(codes: Array, places: Array, slots: Array) -> None:
    for i in range(len(codes)):
        at = codes[i] + 1
        # a value that no key ever had has a code below that of NULL
        slots[i] = places[at] - 1 if 0 <= at < len(places) else -1


@kernel(f"int64(int64[::1], {_STORE})")
def _remove(slots: Array, store: tuple[Array, Array, Array, Array]) -> int:
    """Take keys out and give their slots back; stops at one that is not in use."""
    rows, places, links, meta = store
    for i in range(len(slots)):
        if links[slots[i]] != LIVE:
            return i
        places[rows[slots[i], 0] + 1] = 0
        links[slots[i]] = meta[FREE]
        meta[FREE] = slots[i]
    return len(slots)
