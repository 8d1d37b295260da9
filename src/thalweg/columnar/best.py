"""Keep the first rows of each group in an order, as lists that are sorted all the time.

Rows are numbers here, each with its words of order (order_words.py); what they hold is kept elsewhere.
The list of a group begins with its last row, so that a row that comes too late in the order is turned
away by one comparison. Between two cuts a row remembers the number under which it was shown; those that
leave after they were shown wait until the cut.

Not here: who gives groups their numbers (index.py), the rows themselves (operators/top_rows.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.compiled import helper, kernel

Array = np.ndarray[Any, Any]

NEXT, GROUP, SHOWN, PLACE = range(4)
"""Of a row: the one before it in the order, or -1; its group; the number shown, or 0; where it is kept (not
negative, and for whoever keeps the rows to say)."""
HEAD, COUNT, TOUCHED = range(3)
"""Of a group: its last row, plus one; how many rows it has; whether it has changed since the cut."""
HIGH, FREE_COUNT, GONE_COUNT, TOUCHED_COUNT, DEAD_COUNT = range(5)
"""Of all: rows ever numbered; numbers to use again; shown rows that left; groups changed; places vacated."""
_SMALLEST = 1024


class Differences(NamedTuple):
    """How the first rows differ from what was shown.

    Attributes:
        rows: numbers of rows.
        weights: -1 where one goes, +1 where it comes.
        places: under which number.
    """

    rows: Array
    weights: Array
    places: Array


class BestRows:
    """The first `limit` rows of each group.

    Example:
        >>> best = BestRows(width=1, limit=2)
        >>> groups, words = np.array([0, 0, 0, 1]), np.array([[5], [3], [4], [9]])
        >>> rows, sources = best.insert(groups, words, groups=2)
        >>> sources.tolist()
        [1, 2, 3]
        >>> found = best.differences(numbered=True)
        >>> found.weights.tolist(), found.places.tolist()
        ([1, 1, 1], [2, 1, 1])
    """

    def __init__(self, width: int, limit: int) -> None:
        self._limit = limit
        self._words = np.zeros((_SMALLEST, width), np.int64)
        self.cells = np.zeros((_SMALLEST, 4), np.int64)
        self._lists = np.zeros((_SMALLEST, 3), np.int64)
        self._meta = np.zeros(5, np.int64)
        self._free = np.zeros(_SMALLEST, np.int64)
        self._gone = np.zeros(_SMALLEST, np.int64)
        self._dead = np.zeros(_SMALLEST, np.int64)
        self._touched = np.zeros(_SMALLEST, np.int64)

    @property
    def nbytes(self) -> int:
        """The memory held."""
        arrays = (self._words, self.cells, self._lists, self._free, self._gone, self._touched)
        return sum(a.nbytes for a in arrays)

    def insert(self, slots: Array, words: Array, groups: int) -> tuple[Array, Array]:
        """Take rows that may be among the first.

        Args:
            slots: the group of each row, below `groups`.
            words: the order of each row; no two rows have the same.
            groups: how many groups there may be by now.

        Returns:
            The numbers of the rows that are kept, and which of the rows given they are.
        """
        self._make_room(len(slots), groups)
        found = np.empty((2, len(slots)), np.int64)
        rows = self._words, self.cells, self._lists
        lists = self._free, self._gone, self._touched, self._dead
        count = _insert(slots, words, self._limit, rows, lists, self._meta, found)
        return found[0, :count], found[1, :count]

    def _make_room(self, rows: int, groups: int) -> None:
        wanted = int(self._meta[HIGH]) + rows
        if wanted > len(self.cells):
            capacity = max(2 * len(self.cells), wanted)
            self._words, self.cells = grown(self._words, capacity), grown(self.cells, capacity)
            # lists of few numbers: only what is in use is worth copying
            self._free = grown(self._free, capacity, used=int(self._meta[FREE_COUNT]))
            self._gone = grown(self._gone, capacity, used=int(self._meta[GONE_COUNT]))
            self._dead = grown(self._dead, capacity, used=int(self._meta[DEAD_COUNT]))
        if groups > len(self._lists):
            capacity = max(2 * len(self._lists), groups)
            self._lists = grown(self._lists, capacity)
            self._touched = grown(self._touched, capacity, used=int(self._meta[TOUCHED_COUNT]))

    def differences(self, *, numbered: bool) -> Differences:
        """What differs from what was shown; from now on it counts as shown.

        Args:
            numbered: whether a row under another number is another row.
        """
        touched = self._touched[: self._meta[TOUCHED_COUNT]]
        room = int(_count(touched, self._lists)) + int(self._meta[GONE_COUNT])
        made = np.empty((3, 2 * room), np.int64)
        rows = self.cells, self._lists
        minus, plus = _differences(touched, rows, self._gone, self._meta, numbered, made)
        if minus + plus < made.shape[1]:
            made[:, minus : minus + plus] = made[:, room : room + plus].copy()
        return Differences(*made[:, : minus + plus])

    def forget_gone(self) -> None:
        """Rows that left after they were shown are not needed any more: their numbers and places are free."""
        gone = self._gone[: self._meta[GONE_COUNT]]
        free, dead = int(self._meta[FREE_COUNT]), int(self._meta[DEAD_COUNT])
        self._free[free : free + len(gone)] = gone
        self._dead[dead : dead + len(gone)] = self.cells[gone, PLACE]
        self.cells[gone, PLACE] = -1
        self._meta[FREE_COUNT] += len(gone)
        self._meta[DEAD_COUNT] += len(gone)
        self._meta[GONE_COUNT] = 0

    def forget(self, groups: Array) -> None:
        """Drop the lists of some groups, between two cuts: all of their rows have been shown."""
        assert self._meta[TOUCHED_COUNT] == 0, "what was not shown yet would be lost"
        _forget(groups, self.cells, self._lists, (self._free, self._dead), self._meta)

    def take_dead(self) -> Array:
        """The places of rows that have left since the last call."""
        dead = self._dead[: self._meta[DEAD_COUNT]].copy()
        self._meta[DEAD_COUNT] = 0
        return dead

    def clear(self) -> None:
        """Begin anew without any row."""
        self._lists[:], self._meta[:] = 0, 0


@helper
def _comes_before(words, i, rows, row):  # type: ignore[no-untyped-def]
    for j in range(words.shape[1]):
        if words[i, j] != rows[row, j]:
            return words[i, j] < rows[row, j]
    return False


@helper
def _new_row(free, meta):  # type: ignore[no-untyped-def]
    if meta[FREE_COUNT] > 0:
        meta[FREE_COUNT] -= 1
        return free[meta[FREE_COUNT]]
    meta[HIGH] += 1
    return meta[HIGH] - 1


@helper
def _drop_last(group, cells, lists, spare, meta):  # type: ignore[no-untyped-def]
    """The last row of a group leaves."""
    free, gone, _, dead = spare
    row = lists[group, HEAD] - 1
    lists[group, HEAD] = cells[row, NEXT] + 1
    lists[group, COUNT] -= 1
    if cells[row, SHOWN] != 0:
        gone[meta[GONE_COUNT]] = row
        meta[GONE_COUNT] += 1
    else:
        if cells[row, PLACE] >= 0:
            dead[meta[DEAD_COUNT]] = cells[row, PLACE]
            meta[DEAD_COUNT] += 1
        cells[row, PLACE] = -1
        free[meta[FREE_COUNT]] = row
        meta[FREE_COUNT] += 1


@kernel(
    "int64(int64[::1], int64[:, ::1], int64, Tuple((int64[:, ::1], int64[:, ::1], int64[:, ::1])), "
    "UniTuple(int64[::1], 4), int64[::1], int64[:, ::1])"
)
def _insert(
    slots: Array,
    words: Array,
    limit: int,
    rows: tuple[Array, Array, Array],
    spare: tuple[Array, Array, Array, Array],
    meta: Array,
    found: Array,
) -> int:
    held, cells, lists = rows
    free, touched = spare[0], spare[2]
    count = np.int64(0)
    for i in range(len(slots)):
        group = slots[i]
        last = lists[group, HEAD] - 1
        is_full = lists[group, COUNT] >= limit
        if is_full and not _comes_before(words, i, held, last):
            continue
        behind, row = np.int64(-1), last
        while row >= 0 and _comes_before(words, i, held, row):
            behind, row = row, cells[row, NEXT]
        new = _new_row(free, meta)
        for j in range(words.shape[1]):
            held[new, j] = words[i, j]
        cells[new, NEXT], cells[new, GROUP], cells[new, SHOWN], cells[new, PLACE] = row, group, 0, -2 - i
        if behind >= 0:
            cells[behind, NEXT] = new
        else:
            lists[group, HEAD] = new + 1
        lists[group, COUNT] += 1
        if lists[group, TOUCHED] == 0:
            lists[group, TOUCHED] = 1
            touched[meta[TOUCHED_COUNT]] = group
            meta[TOUCHED_COUNT] += 1
        if is_full:
            _drop_last(group, cells, lists, spare, meta)
        found[0, count], found[1, count] = new, i
        count += 1
    # a number may have been given to several rows of this batch: the last one has it
    kept = np.int64(0)
    for k in range(count):
        if cells[found[0, k], PLACE] == -2 - found[1, k]:
            found[0, kept], found[1, kept] = found[0, k], found[1, k]
            kept += 1
    return kept  # type: ignore[return-value]


@kernel("void(int64[::1], int64[:, ::1], int64[:, ::1], UniTuple(int64[::1], 2), int64[::1])")
def _forget(groups: Array, cells: Array, lists: Array, spare: tuple[Array, Array], meta: Array) -> None:
    free, dead = spare
    for i in range(len(groups)):
        row = lists[groups[i], HEAD] - 1
        while row >= 0:
            dead[meta[DEAD_COUNT]], free[meta[FREE_COUNT]] = cells[row, PLACE], row
            meta[DEAD_COUNT] += 1
            meta[FREE_COUNT] += 1
            cells[row, PLACE] = -1
            row = cells[row, NEXT]
        lists[groups[i], HEAD], lists[groups[i], COUNT] = 0, 0


@kernel("int64(int64[::1], int64[:, ::1])")
def _count(touched: Array, lists: Array) -> int:
    total = np.int64(0)
    for i in range(len(touched)):
        total += lists[touched[i], COUNT]
    return total  # type: ignore[return-value]


@kernel(
    "UniTuple(int64, 2)(int64[::1], UniTuple(int64[:, ::1], 2), int64[::1], int64[::1], boolean, "
    "int64[:, ::1])"
)
def _differences(
    touched: Array, rows: tuple[Array, Array], gone: Array, meta: Array, numbered: bool, made: Array
) -> tuple[int, int]:
    """Fill `made`: what goes from the left, what comes from the middle."""
    cells, lists = rows
    minus, plus, middle = np.int64(0), np.int64(0), np.int64(made.shape[1] // 2)
    for i in range(meta[GONE_COUNT]):
        row = gone[i]
        made[0, minus], made[1, minus], made[2, minus] = row, -1, cells[row, SHOWN]
        cells[row, SHOWN] = 0
        minus += 1
    for i in range(len(touched)):
        group = touched[i]
        lists[group, TOUCHED] = 0
        row, number = lists[group, HEAD] - 1, lists[group, COUNT]
        while row >= 0:
            shown = cells[row, SHOWN]
            if shown == 0 or (numbered and shown != number):
                if shown != 0:
                    made[0, minus], made[1, minus], made[2, minus] = row, -1, shown
                    minus += 1
                made[0, middle + plus], made[1, middle + plus], made[2, middle + plus] = row, 1, number
                plus += 1
                cells[row, SHOWN] = number
            number -= 1
            row = cells[row, NEXT]
    meta[TOUCHED_COUNT] = 0
    return minus, plus  # type: ignore[return-value]
