"""Keep the members of each owner in order, however they come and go.

Members are slots of keyed state; each owner has a search tree of its own, a *treap*: members are in order
from left to right, and priorities, which are hashes of the slots, fall from the root down (Seidel and
Aragon, "Randomized Search Trees", Algorithmica 1996). To add, to take out and to find the first or the last
one takes expected time in the logarithm of the owner's members.

Not here: what the order is (key_order.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.compiled import helper, kernel
from thalweg.columnar.key_order import KeyOrder, compare

Array = np.ndarray[Any, Any]

_SMALLEST = 1024
_SHAPE = "Tuple((int64[:, ::1], int64[::1]))"
_ORDER = "Tuple((int64[:, ::1], int64[:, ::1], uint64[:, ::1]))"
ROW_NUMBER, RANK, DENSE_RANK = range(3)
_NO_LIMIT = 1 << 62


class Trees:
    """One tree per owner.

    Example:
        >>> import polars as pl
        >>> from thalweg.protocols.state import ColumnsSpec
        >>> from thalweg.state.memory import KeyedColumns
        >>> state = KeyedColumns(ColumnsSpec("s", {"v": pl.String()}))
        >>> slots, trees = state.slots(pl.DataFrame({"v": ["b", "c", "a"]})), Trees()
        >>> trees.add(slots, np.array([0, 0, 1]), state.order([("v", False, False)]))
        >>> trees.ends(np.array([0, 1, 2]), last=True).tolist()
        [1, 2, -1]
    """

    def __init__(self) -> None:
        self._children = np.empty((_SMALLEST, 2), np.int64)
        self._roots = np.full(_SMALLEST, -1, np.int64)

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return self._children.nbytes + self._roots.nbytes

    def add(self, members: Array, owners: Array, order: KeyOrder) -> None:
        """Members that are in no tree yet."""
        if not len(members):
            return
        if len(order.rows) > len(self._children):
            self._children = grown(self._children, len(order.rows))
        self._cover(owners)
        _add(members, owners, (self._children, self._roots), _plain(order))

    def remove(self, members: Array, owners: Array, order: KeyOrder) -> None:
        """Take members out of their trees, while `order` still knows them."""
        if len(members):
            members, owners = np.ascontiguousarray(members), np.ascontiguousarray(owners)
            is_found = _remove(members, owners, (self._children, self._roots), _plain(order))
            # an order that has changed would hide members; without this the search would never end
            assert is_found, "every member is where its order says"

    def ends(self, owners: Array, *, last: bool) -> Array:
        """The first or the last member of each owner, -1 for those that have none."""
        self._cover(owners)
        found = np.empty(len(owners), np.int64)
        _ends(np.ascontiguousarray(owners), (self._children, self._roots), int(last), found)
        return found

    def is_empty(self, owners: Array) -> Array:
        """Which owners have no member."""
        self._cover(owners)
        found: Array = self._roots[owners] < 0
        return found

    def members(self, owners: Array) -> tuple[Array, Array]:
        """All members of some owners, and the owner of each."""
        empty = np.empty((0, 0), np.int64)
        order = KeyOrder(empty, empty, np.empty((0, 0), np.uint64))
        found = self._walked(owners, order, (0, ROW_NUMBER, _NO_LIMIT), (_NONE, _NONE, _NONE))
        return found[0], found[1]

    def leading(
        self, owners: Array, order: KeyOrder, stop: tuple[int, int, int], known: tuple[Array, Array, Array]
    ) -> tuple[Array, Array, Array]:
        """The members of owners in order, up to a number, and then all that were shown.

        Args:
            owners: each named once.
            order: how members compare.
            stop: by how many columns members tie, which number counts, and the greatest that is wanted.
            known: by member its weight and whether it was shown, and by owner how many were.

        Returns:
            Members, the owner of each, and a number that is the same for neighbours that tie.
        """
        return self._walked(owners, order, stop, known)

    def _walked(
        self, owners: Array, order: KeyOrder, stop: tuple[int, int, int], known: tuple[Array, Array, Array]
    ) -> tuple[Array, Array, Array]:
        self._cover(owners)
        owners = np.ascontiguousarray(owners)
        found = np.empty((3, 1024 + 4 * len(owners)), np.int64)
        cursor = np.zeros(3, np.int64)
        how, trees, plain = np.array(stop, np.int64), (self._children, self._roots), _plain(order)
        path = np.empty(128, np.int64)
        while missing := _walk(owners, trees, plain, how, known, (cursor, path), found):
            if missing == _PATH:
                path = np.empty(2 * len(path), np.int64)
                continue
            wider = np.empty((3, 2 * found.shape[1]), np.int64)
            wider[:, : cursor[1]] = found[:, : cursor[1]]
            found = wider
        members, whose, ties = found[:, : cursor[1]]
        return members, whose, ties

    def _cover(self, owners: Array) -> None:
        most = int(owners.max(initial=-1))
        if most >= len(self._roots):
            self._roots = grown(self._roots, max(2 * len(self._roots), most + 1), -1)


_NONE = np.empty(0, np.int64)
_PATH, _FOUND = 1, 2
"""What has no more room: the way down to a member, or what is found."""


def _plain(order: KeyOrder) -> tuple[Array, Array, Array]:
    """A tuple without names, as kernels are compiled for."""
    return order.rows, order.columns, order.dictionaries


@helper
def _priority(slot):  # type: ignore[no-untyped-def]
    mixed = np.uint64(slot + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return mixed ^ (mixed >> np.uint64(32))


@helper
def _get(trees, link):  # type: ignore[no-untyped-def]
    """What hangs at a link: below 0 the root of an owner, else a side of a member."""
    children, roots = trees
    return roots[-1 - link] if link < 0 else children[link >> 1, link & 1]


@helper
def _set(trees, link, member):  # type: ignore[no-untyped-def]
    children, roots = trees
    if link < 0:
        roots[-1 - link] = member
    else:
        children[link >> 1, link & 1] = member


@helper
def _compared(order, a, b, count):  # type: ignore[no-untyped-def]
    """How two members compare; those that nothing tells apart go by their slots, lest one hides the other."""
    found = np.int64(compare(order, a, b, count))
    return found if found != 0 else np.int64(a - b)


@kernel(f"void(int64[::1], int64[::1], {_SHAPE}, {_ORDER})")
def _add(
    members: Array, owners: Array, trees: tuple[Array, Array], order: tuple[Array, Array, Array]
) -> None:
    count = len(order[1])
    for i in range(len(members)):
        member = members[i]
        priority = _priority(member)
        link = -1 - owners[i]
        at = _get(trees, link)
        while at >= 0 and _priority(at) >= priority:
            link = 2 * at + np.int64(_compared(order, member, at, count) > 0)
            at = _get(trees, link)
        _set(trees, link, member)
        # what hung there is split into what comes before the member and what comes after it
        before, after = 2 * member, 2 * member + 1
        while at >= 0:
            if _compared(order, at, member, count) < 0:
                _set(trees, before, at)
                before = 2 * at + 1
                at = _get(trees, before)
            else:
                _set(trees, after, at)
                after = 2 * at
                at = _get(trees, after)
        _set(trees, before, np.int64(-1))
        _set(trees, after, np.int64(-1))


@kernel(f"boolean(int64[::1], int64[::1], {_SHAPE}, {_ORDER})")
def _remove(
    members: Array, owners: Array, trees: tuple[Array, Array], order: tuple[Array, Array, Array]
) -> bool:
    """Whether all were there."""
    count = len(order[1])
    for i in range(len(members)):
        member = members[i]
        link = -1 - owners[i]
        at = _get(trees, link)
        while at != member:
            if at < 0:
                return False
            link = 2 * at + np.int64(_compared(order, member, at, count) > 0)
            at = _get(trees, link)
        left, right = _get(trees, 2 * member), _get(trees, 2 * member + 1)
        while left >= 0 and right >= 0:
            if _priority(left) >= _priority(right):
                _set(trees, link, left)
                link = 2 * left + 1
                left = _get(trees, link)
            else:
                _set(trees, link, right)
                link = 2 * right
                right = _get(trees, link)
        _set(trees, link, max(left, right))
    return True


@kernel(f"void(int64[::1], {_SHAPE}, int64, int64[::1])")
def _ends(owners: Array, trees: tuple[Array, Array], side: int, found: Array) -> None:
    children, roots = trees
    for i in range(len(owners)):
        at = roots[owners[i]]
        end = np.int64(-1)
        while at >= 0:
            end = at
            at = children[at, side]
        found[i] = end


@kernel(
    f"int64(int64[::1], {_SHAPE}, {_ORDER}, int64[::1], UniTuple(int64[::1], 3), UniTuple(int64[::1], 2), "
    "int64[:, ::1])"
)
def _walk(
    owners: Array,
    trees: tuple[Array, Array],
    order: tuple[Array, Array, Array],
    stop: Array,
    known: tuple[Array, Array, Array],
    where: tuple[Array, Array],
    found: Array,
) -> int:
    """Write members of owners from the cursor (owner, how many are written, ties) on; what has no room."""
    children, roots = trees
    tied_by, kind, limit = stop[0], stop[1], stop[2]
    weights, shown, shown_counts = known
    cursor, path = where
    while cursor[0] < len(owners):
        owner = owners[cursor[0]]
        count, tie = cursor[1], cursor[2]
        seen, total, groups, shared = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        is_present = False
        depth = 0
        last = np.int64(-1)
        at = roots[owner]
        while at >= 0 or depth > 0:
            while at >= 0:
                if depth == len(path):
                    return _PATH
                path[depth] = at
                depth += 1
                at = children[at, 0]
            depth -= 1
            member = path[depth]
            if last < 0 or compare(order, last, member, tied_by) != 0:
                tie += 1
                shared = total
                groups += np.int64(is_present)
                is_present = False
            if limit < _NO_LIMIT:
                before = total if kind == ROW_NUMBER else (shared if kind == RANK else groups)
                if before >= limit and seen >= shown_counts[owner]:
                    break
                weight = max(weights[member], np.int64(0))
                total += weight
                is_present = is_present or weight > 0
                seen += np.int64(shown[member] > 0)
            if count == found.shape[1]:
                return _FOUND
            found[0, count], found[1, count], found[2, count] = member, owner, tie
            count += 1
            last = member
            at = children[member, 1]
        cursor[0] += 1
        cursor[1], cursor[2] = count, tie
    return 0
