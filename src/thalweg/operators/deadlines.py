"""Know which rows are due as time passes, without looking at the others.

Rows are numbers. Those that are due at about the same time share a bucket; buckets get wider when there are
many, so that a look at the one that the time falls into costs a small part of all rows.

Not here: what becomes of a row that is due (join_side.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.ascending import ascending

Array = np.ndarray[Any, Any]

_FIRST_SHIFT = 10
_BUCKETS_MAX = 1024
_NO_ROWS = np.empty(0, np.int64)


class Deadlines:
    """Rows by the time at which they are due, in microseconds.

    Example:
        >>> deadlines, times = Deadlines(), np.array([5, 9_000, 7])
        >>> deadlines.add(np.array([0, 1, 2]), times)
        >>> deadlines.passed(7, times).tolist(), deadlines.passed(10_000, times).tolist()
        ([0], [1, 2])
    """

    def __init__(self) -> None:
        self._buckets: dict[int, list[Array]] = {}
        self._shift = _FIRST_SHIFT
        self.count = 0
        """How many numbers there are, with those of rows that are due at another time by now."""

    def add(self, rows: Array, times: Array) -> None:
        """Rows with the time at which each is due; one that is known may come again."""
        if not len(rows):
            return
        self.count += len(rows)
        numbers = times >> self._shift
        order = np.argsort(numbers, kind="stable")
        rows, numbers = rows[order], numbers[order]
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
        for number, part in zip(numbers[starts].tolist(), np.split(rows, starts[1:]), strict=True):
            self._buckets.setdefault(number, []).append(part)
        while len(self._buckets) > _BUCKETS_MAX:
            self._widen()

    def _widen(self) -> None:
        self._shift += 1
        narrow, self._buckets = self._buckets, {}
        for number, parts in narrow.items():
            self._buckets.setdefault(number >> 1, []).extend(parts)

    def passed(self, time: int, times: Array) -> Array:
        """Take out the rows that were due before a time, ascending.

        Args:
            time: the time that has passed.
            times: by row when it is due now; one that is due at another time was added again.
        """
        last = time >> self._shift
        found = [_NO_ROWS]
        for number in [n for n in self._buckets if n <= last]:
            rows = np.concatenate(self._buckets.pop(number))
            self.count -= len(rows)
            is_due = times[rows] < time
            found.append(rows[is_due])
            if number == last:
                waiting = rows[~is_due & (times[rows] >> self._shift == number)]
                if len(waiting):
                    self._buckets[number] = [waiting]
                    self.count += len(waiting)
        return ascending(np.concatenate(found))

    def first(self, times: Array) -> tuple[int, int] | None:
        """The time of the next row that is due, and how many are due then; None if there is none.

        Args:
            times: by row when it is due now.
        """
        for number in sorted(self._buckets):
            rows = np.concatenate(self._buckets[number])
            alive = rows[times[rows] >> self._shift == number]
            self.count += len(alive) - len(rows)
            if len(alive):
                self._buckets[number] = [alive]
                time = int(times[alive].min())
                return time, len(ascending(alive[times[alive] == time]))
            del self._buckets[number]
        return None

    def forget(self, live: Array, times: Array) -> None:
        """Only these rows are left, each due at its time."""
        self._buckets, self.count = {}, 0
        self.add(live, times[live])

    def renumber(self, numbers: Array) -> None:
        """Rows have other numbers now; those with a number below 0 are gone."""
        for number, parts in list(self._buckets.items()):
            rows = numbers[np.concatenate(parts)]
            self.count -= len(rows)
            self._buckets[number] = [rows[rows >= 0]]
            self.count += len(self._buckets[number][0])
