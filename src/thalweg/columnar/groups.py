"""Number the rows of one batch by key, for work that ends with the batch.

Keys are rows of int64 words. Where they span few values (ids, days and codes mostly do) each has a place
of its own in an array, a "perfect hash"; otherwise a hash table of the batch's own finds the first row
with the same words. Nothing is kept from one call to the next.

Not here: keys that are remembered (index.py), how values become words (keys.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from thalweg.columnar.compiled import helper, kernel

Array = np.ndarray[Any, Any]

_ROOM_PER_ROW, _ROOM_LEAST, _ROOM_MOST = 4, 4096, 1 << 22
"""How many places the array may have: a place that is cleared in vain costs less than a search."""
_FEW = 32
"""Up to so many different values, far apart from each other, are told apart by comparing."""


class Groups(NamedTuple):
    """The groups of a batch, in the order of their first rows.

    Attributes:
        ids: the number of each row's group.
        firsts: the first row of each group.
    """

    ids: Array
    firsts: Array

    @property
    def height(self) -> int:
        """How many groups there are."""
        return len(self.firsts)


def group_rows(words: Array) -> Groups:
    """The groups of rows with equal words.

    Args:
        words: int64[rows, width].

    Example:
        >>> found = group_rows(np.array([[7, 1], [9, 1], [7, 1]]))
        >>> found.ids.tolist(), found.firsts.tolist()
        ([0, 1, 0], [0, 1])
    """
    return _grouped(words.T, words)


def group_columns(columns: Sequence[Array]) -> Groups:
    """The same of words that come column by column: int64[rows] each, at least one.

    Example:
        >>> group_columns([np.array([7, 9, 7]), np.array([1, 1, 1])]).ids.tolist()
        [0, 1, 0]
    """
    return _grouped(columns, None)


def _grouped(columns: Iterable[Array], words: Array | None) -> Groups:
    """The groups; `words` are the same as rows, if they are known."""
    columns = list(columns)
    height = len(columns[0])
    ids, firsts = np.zeros(height, np.int64), np.empty(height, np.int64)
    room = min(max(_ROOM_PER_ROW * height, _ROOM_LEAST), _ROOM_MOST)
    span = _codes(columns, room, ids)
    if span > 0:
        count = _by_place(ids, np.full(span, -1, np.int32), firsts)
    else:
        size = 1 << max(4, (2 * height - 1).bit_length())
        words = np.stack(columns, axis=1) if words is None else words
        count = _by_hash(words, np.full(size, -1, np.int32), ids, firsts)
    return Groups(ids, firsts[:count])


def _codes(columns: Iterable[Array], room: int, codes: Array) -> int:
    """Add up one small number per different row, and return how many numbers there are; 0: too many."""
    span, values = 1, np.empty(_FEW, np.int64)
    for column in columns:
        span = _add_codes(column, span, room // span, values, codes)
        if span == 0:
            break
    return span


def by_group(ids: Array, count: int) -> tuple[Array, Array]:
    """The rows group by group, each in its order; and where each group begins, and the last one ends.

    Args:
        ids: the number of each row's group, below `count`.
        count: how many groups there are.

    Example:
        >>> order, starts = by_group(np.array([1, 0, 1, 3]), 4)
        >>> order.tolist(), starts.tolist()
        ([1, 0, 2, 3], [0, 1, 3, 3, 4])
    """
    order, starts = np.empty(len(ids), np.int64), np.zeros(count + 1, np.int64)
    _sort_by_counting(ids, starts, np.empty(count, np.int64), order)
    return order, starts


def by_round(ids: Array, count: int) -> tuple[Array, Array]:
    """The rows round by round: first the first one of every group, then the second; and where rounds begin.

    Args:
        ids: the number of each row's group, below `count`.
        count: how many groups there are.

    Example:
        >>> order, starts = by_round(np.array([1, 0, 1, 3, 1]), 4)
        >>> order.tolist(), starts.tolist()
        ([0, 1, 3, 2, 4], [0, 3, 4, 5])
    """
    order, starts = np.empty(len(ids), np.int64), np.zeros(len(ids) + 1, np.int64)
    rounds = _sort_by_round(ids, np.zeros(count, np.int32), np.empty(len(ids), np.int32), starts, order)
    return order, starts[: rounds + 1].copy()


@kernel("int64(int64[::1], int32[::1], int32[::1], int64[::1], int64[::1])")
def _sort_by_round(ids: Array, seen: Array, rounds: Array, starts: Array, order: Array) -> int:
    most = 0
    for i in range(len(ids)):
        number = seen[ids[i]]
        seen[ids[i]] = number + 1
        rounds[i] = number
        starts[number + 1] += 1
        most = max(most, number + 1)
    for number in range(most):
        starts[number + 1] += starts[number]
    for i in range(len(ids)):
        place = starts[rounds[i]]
        starts[rounds[i]] = place + 1
        order[place] = i
    for number in range(most, 0, -1):
        starts[number] = starts[number - 1]
    starts[0] = 0
    return most


@kernel("void(int64[::1], int64[::1], int64[::1], int64[::1])")
def _sort_by_counting(ids: Array, starts: Array, free: Array, order: Array) -> None:
    for i in range(len(ids)):
        starts[ids[i] + 1] += 1
    for group in range(len(free)):
        free[group] = starts[group]
        starts[group + 1] += starts[group]
    for i in range(len(ids)):
        place = free[ids[i]]
        free[ids[i]] = place + 1
        order[place] = i


@helper
def _ends(words):  # type: ignore[no-untyped-def]
    """The least and the greatest of some words; (0, 0) if there are none."""
    if len(words) == 0:
        return np.int64(0), np.int64(0)
    least = most = words[0]
    for i in range(1, len(words)):
        least = min(least, words[i])
        most = max(most, words[i])
    return least, most


@helper
def _add_few(words, values, step, codes):  # type: ignore[no-untyped-def]
    """Add to the codes `step` times the number of each word among the different ones, which are collected.

    Returns how many are different; 0 if there are more than fit, and then the codes are of no use.
    """
    count, at = np.int64(0), np.int64(0)
    for i in range(len(words)):
        word = words[i]
        if count == 0 or values[at] != word:
            at = np.int64(0)
            while at < count and values[at] != word:
                at += 1
            if at == count:
                if count == len(values):
                    return np.int64(0)
                values[count] = word
                count += 1
        codes[i] += step * at
    return count


@kernel(
    "int64(int64[::1], int64, int64, int64[::1], int64[::1])",
    "int64(int64[:], int64, int64, int64[::1], int64[::1])",
)
def _add_codes(words: Array, span: int, room: int, values: Array, codes: Array) -> int:
    """Make the codes, of which there are `span`, tell these words apart too.

    Returns how many there are then; 0 if they are more than `room` times as many, and of no use.
    """
    least, most = _ends(words)
    width = np.uint64(most) - np.uint64(least)
    if width == 0:
        return span
    if width < np.uint64(room):
        for i in range(len(words)):
            codes[i] += span * (words[i] - least)
        return span * (np.int64(width) + 1)  # type: ignore[return-value]
    count = _add_few(words, values, span, codes)
    return span * count if count <= room else 0


@kernel("int64(int64[::1], int32[::1], int64[::1])")
def _by_place(ids: Array, places: Array, firsts: Array) -> int:
    """Turn codes into group numbers where they are; returns how many groups there are."""
    count = np.int64(0)
    for i in range(len(ids)):
        number = np.int64(places[ids[i]])
        if number < 0:
            number = count
            places[ids[i]] = number
            firsts[number] = i
            count += 1
        ids[i] = number
    return count  # type: ignore[return-value]


_MULTIPLY, _HALF = np.uint64(0xBF58476D1CE4E5B9), np.uint64(32)


@helper
def _start(words, i):  # type: ignore[no-untyped-def]
    state = np.uint64(0)
    for j in range(words.shape[1]):
        state = (state ^ np.uint64(words[i, j])) * _MULTIPLY
        state ^= state >> _HALF
    return np.int64(state >> np.uint64(1))


@helper
def _same(words, i, other):  # type: ignore[no-untyped-def]
    for j in range(words.shape[1]):  # noqa: SIM110 (kernels have no generators)
        if words[i, j] != words[other, j]:
            return False
    return True


@kernel("int64(int64[:, ::1], int32[::1], int64[::1], int64[::1])")
def _by_hash(words: Array, table: Array, ids: Array, firsts: Array) -> int:
    """Number the rows by a table of group numbers; returns how many groups there are."""
    mask = len(table) - 1
    count = np.int64(0)
    for i in range(len(words)):
        at = _start(words, i) & mask
        while table[at] >= 0 and not _same(words, i, firsts[table[at]]):
            at = (at + 1) & mask
        if table[at] < 0:
            table[at] = count
            firsts[count] = i
            count += 1
        ids[i] = table[at]
    return count  # type: ignore[return-value]
