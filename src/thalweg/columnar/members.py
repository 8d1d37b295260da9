"""Know the members of each key, as lists that members join and leave one by one.

Members and keys are slots; what they stand for is kept elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.compiled import kernel

Array = np.ndarray[Any, Any]

NEXT, PREVIOUS, KEY = range(3)
_SMALLEST = 1024


class Members:
    """Doubly linked lists of slots, one per key.

    Example:
        >>> members = Members()
        >>> members.add(np.array([5, 6, 7]), np.array([0, 1, 0]), members=8, keys=2)
        >>> members.remove(np.array([5]))
        >>> [a.tolist() for a in members.of(np.array([0, 1]))]
        [[7, 6], [0, 1]]
    """

    def __init__(self) -> None:
        self._links = np.zeros((_SMALLEST, 3), np.int64)
        self._heads = np.zeros(_SMALLEST, np.int64)
        self._counts = np.zeros(_SMALLEST, np.int64)

    def add(self, slots: Array, owners: Array, members: int, keys: int) -> None:
        """Slots that join their keys; `members` and `keys` say how many of each there may be."""
        if members > len(self._links):
            self._links = grown(self._links, members)
        if keys > len(self._heads):
            self._heads, self._counts = grown(self._heads, keys), grown(self._counts, keys)
        _add(slots, owners, self._links, self._heads, self._counts)

    def remove(self, slots: Array) -> None:
        """Slots that leave their keys."""
        _remove(np.ascontiguousarray(slots), self._links, self._heads, self._counts)

    def keys_of(self, slots: Array) -> Array:
        """The key of each member."""
        found: Array = self._links[slots, KEY]
        return found

    def without(self, keys: Array) -> Array:
        """Those of the keys that have no member."""
        found: Array = keys[self._counts[keys] == 0]
        return found

    def of(self, keys: Array) -> tuple[Array, Array]:
        """All members of some keys, and the key of each."""
        found = np.empty((2, int(self._counts[keys].sum())), np.int64)
        _collect(np.ascontiguousarray(keys), self._links, self._heads, found)
        return found[0], found[1]


@kernel("void(int64[::1], int64[::1], int64[:, ::1], int64[::1], int64[::1])")
def _add(slots: Array, owners: Array, links: Array, heads: Array, counts: Array) -> None:
    """Heads and links hold slots plus one; 0 is the end."""
    for i in range(len(slots)):
        slot, key = slots[i], owners[i]
        head = heads[key]
        links[slot, NEXT], links[slot, PREVIOUS], links[slot, KEY] = head, 0, key
        if head > 0:
            links[head - 1, PREVIOUS] = slot + 1
        heads[key] = slot + 1
        counts[key] += 1


@kernel("void(int64[::1], int64[:, ::1], int64[::1], int64[::1])")
def _remove(slots: Array, links: Array, heads: Array, counts: Array) -> None:
    for i in range(len(slots)):
        slot = slots[i]
        after, before, key = links[slot, NEXT], links[slot, PREVIOUS], links[slot, KEY]
        if after > 0:
            links[after - 1, PREVIOUS] = before
        if before > 0:
            links[before - 1, NEXT] = after
        else:
            heads[key] = after
        counts[key] -= 1


@kernel("void(int64[::1], int64[:, ::1], int64[::1], int64[:, ::1])")
def _collect(keys: Array, links: Array, heads: Array, found: Array) -> None:
    at = 0
    for i in range(len(keys)):
        slot = heads[keys[i]]
        while slot > 0:
            found[0, at], found[1, at] = slot - 1, keys[i]
            at += 1
            slot = links[slot - 1, NEXT]
