"""Chain places of one table to places of another: the values of each group, so that a group finds its own.

Not here: what the places hold (operators/multiset.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.compiled import kernel

Array = np.ndarray[Any, Any]


class Chains:
    """For each owner the members that were linked to it.

    Example:
        >>> chains = Chains()
        >>> chains.link(np.array([4, 5, 4, 6]), np.array([0, 0, 0, 1]))
        >>> members, lengths = chains.members(np.array([1, 0, 2]))
        >>> members.tolist(), lengths.tolist()
        ([6, 5, 4], [1, 2, 0])
        >>> chains.unlink(np.array([0]), np.array([9, 9, 9, 9, 0, 9, 9])).tolist()
        [4]
        >>> chains.members(np.array([0]))[0].tolist()
        [5]
    """

    def __init__(self) -> None:
        self._heads = np.full(16, -1, np.int64)
        self._nexts = np.full(16, _FREE, np.int64)

    def link(self, members: Array, owners: Array) -> None:
        """Link members to owners; those that are linked stay where they are."""
        if not len(members):
            return
        self._heads = _covering(self._heads, int(owners.max()), -1)
        self._nexts = _covering(self._nexts, int(members.max()), _FREE)
        _link(members, owners, self._heads, self._nexts)

    def members(self, owners: Array) -> tuple[Array, Array]:
        """The members of each owner, one owner after the other, and how many each has."""
        lengths = np.zeros(len(owners), np.int64)
        _measure(owners, self._heads, self._nexts, lengths)
        members = np.empty(int(lengths.sum()), np.int64)
        _fill(owners, self._heads, self._nexts, members)
        return members, lengths

    def unlink(self, owners: Array, counts: Array) -> Array:
        """Take out the members of these owners (each named once) whose count is 0, and return them."""
        gone = np.empty(int(self.members(owners)[1].sum()), np.int64)
        number = _unlink(owners, self._heads, self._nexts, counts, gone)
        return gone[:number]


_FREE = -2


def _covering(places: Array, most: int, initial: int) -> Array:
    if most < len(places):
        return places
    return grown(places, max(2 * len(places), most + 1), initial)


@kernel("void(int64[::1], int64[::1], int64[::1], int64[::1])")
def _link(members: Array, owners: Array, heads: Array, nexts: Array) -> None:
    for i in range(len(members)):
        member = members[i]
        if nexts[member] == _FREE:
            nexts[member] = heads[owners[i]]
            heads[owners[i]] = member


@kernel("void(int64[::1], int64[::1], int64[::1], int64[::1])")
def _measure(owners: Array, heads: Array, nexts: Array, lengths: Array) -> None:
    for i in range(len(owners)):
        member = heads[owners[i]] if owners[i] < len(heads) else np.int64(-1)
        while member >= 0:
            lengths[i] += 1
            member = nexts[member]


@kernel("void(int64[::1], int64[::1], int64[::1], int64[::1])")
def _fill(owners: Array, heads: Array, nexts: Array, members: Array) -> None:
    at = np.int64(0)
    for i in range(len(owners)):
        member = heads[owners[i]] if owners[i] < len(heads) else np.int64(-1)
        while member >= 0:
            members[at] = member
            at += 1
            member = nexts[member]


@kernel("int64(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def _unlink(owners: Array, heads: Array, nexts: Array, counts: Array, gone: Array) -> int:
    number = np.int64(0)
    for i in range(len(owners)):
        member = heads[owners[i]] if owners[i] < len(heads) else np.int64(-1)
        before = np.int64(-1)
        while member >= 0:
            after = nexts[member]
            if counts[member] != 0:
                before = member
            else:
                if before < 0:
                    heads[owners[i]] = after
                else:
                    nexts[before] = after
                nexts[member] = _FREE
                gone[number] = member
                number += 1
            member = after
    return number  # type: ignore[return-value]
