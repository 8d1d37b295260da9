"""Merge stretches of time into the open sessions of keys, and close those that are over.

The open sessions of a key form a list, the latest first; no two of them touch. A stretch that touches
none becomes one, a stretch that touches several makes one of them. What is in order touches the first
in the list, whatever their number.

A heap says which sessions are over. Each has one entry there, with the end that it had when it was put
in; one that has grown is put back with its end of now. So a session is looked at once per gap at most,
however many rows it gets.

Sessions have numbers of their own; `SLOT` says where a caller keeps what belongs to one.

Not here: what is kept of a session (operators/session_group.py), which rows are late (progress/).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.compiled import helper, kernel, prefetch

Array = np.ndarray[Any, Any]

FIRST, LAST, SLOT, KEY, NEXT, INTO = range(6)
"""Columns per session: the times of its first and last row; the caller's slot, or -1; its key; the next
earlier session of the key, or -1; the session that has taken it in (itself while it is open)."""
_WIDTH = 6
_COUNT, _FREE, _HIGH, _NEW, _GONE = range(5)
"""Places in `meta`: entries in the heap; the last number given back, or -1; numbers ever handed out; how
many sessions the last call made, and how many were taken in by others."""
_SMALLEST = 256
_AHEAD = 8
"""So many stretches ahead the processor fetches what is known of their sessions."""


class Runs(NamedTuple):
    """Rows of a batch as stretches of time of their keys.

    Attributes:
        ids: the stretch of each row.
        rows: a row of each stretch.
        firsts, lasts: the times of its first and last row.
    """

    ids: Array
    rows: Array
    firsts: Array
    lasts: Array


class Merged(NamedTuple):
    """What a call of `OpenSessions.merge` did.

    Attributes:
        targets: the session that each stretch now belongs to.
        new: sessions that are there now and have no slot.
        gone: sessions that have a slot and were taken in by others, and which these are.
    """

    targets: Array
    new: Array
    gone: tuple[Array, Array]


class OpenSessions:
    """The open sessions of keys, which are small numbers.

    Example:
        >>> sessions = OpenSessions(gap_us=10)
        >>> first = np.array([0, 25])
        >>> sessions.merge(np.array([0, 0]), first, first, keys_max=1).targets.tolist()
        [0, 1]
        >>> sessions.cells[:2, SLOT] = 7, 8
        >>> sessions.merge(np.array([0]), np.array([10]), np.array([15]), keys_max=1).gone[0].tolist()
        [0]
        >>> [row[:2] for row in sessions.close(36, 8)[0].tolist()]
        [[0, 25]]
    """

    def __init__(self, gap_us: int) -> None:
        self._gap = gap_us
        self._heads = np.empty(0, np.int64)
        self.cells = np.empty((0, _WIDTH), np.int64)
        self._heap = np.empty((0, 2), np.int64)
        self._gone = np.empty(0, np.int64)
        """Room for the sessions that one call takes in: a single stretch may touch all there are."""
        self._meta = np.zeros(5, np.int64)
        self._meta[_FREE] = -1

    def merge(self, keys: Array, firsts: Array, lasts: Array, *, keys_max: int) -> Merged:
        """Put stretches of time into sessions.

        Args:
            keys: the key of each, less than `keys_max`.
            firsts, lasts: the times of its first and last row, which are within the gap of each other.
        """
        if len(self._heads) < keys_max:
            self._heads = grown(self._heads, max(keys_max, _SMALLEST), -1)
        room = int(self._meta[_HIGH]) + len(keys)
        if room > len(self.cells):
            self.cells, self._heap = (grown(a, max(2 * room, _SMALLEST)) for a in (self.cells, self._heap))
            self._gone = grown(self._gone, len(self.cells), used=0)
        found = np.empty((2, len(keys)), np.int64)
        runs = (keys, firsts, lasts)
        _merge(runs, self._gap, self._heads, self.cells, self._heap, self._meta, (found, self._gone))
        targets, new, gone = found[0], found[1, : self._meta[_NEW]], self._gone[: self._meta[_GONE]]
        new = new[(self.cells[new, INTO] == new) & (self.cells[new, SLOT] < 0)]
        gone = gone[self.cells[gone, SLOT] >= 0]
        return Merged(targets, new, (gone, _resolved(gone, self.cells)))

    def find(self, keys: Array, times: Array) -> Array:
        """The session that holds each time of a key; there is one."""
        found = np.empty(len(keys), np.int64)
        _find(keys, times, self._heads, self.cells, found)
        return found

    def close(self, until: int | None, count_max: int) -> tuple[Array, Array]:
        """Take out sessions that end before `until`; None: all. The same again, until there are no more.

        Returns:
            What is known of each, by end (columns `FIRST`, `LAST`, `SLOT`), and keys that have none left.
        """
        room = min(count_max, int(self._meta[_COUNT]))
        closed, emptied = np.empty((room, _WIDTH), np.int64), np.empty(room, np.int64)
        limit = _LATEST if until is None else until
        count, keys = _close(
            limit, self._gap, self._heads, self.cells, self._heap, self._meta, closed, emptied
        )
        return closed[:count], emptied[:keys]

    @property
    def first_end(self) -> int | None:
        """When the first session ends; None if there is none."""
        _settle(self._gap, self.cells, self._heap, self._meta)
        return int(self._heap[0, 0]) if self._meta[_COUNT] else None

    def is_due(self, until: int) -> bool:
        """Whether a session may end before `until`."""
        return bool(self._meta[_COUNT]) and bool(self._heap[0, 0] < until)


_LATEST = (1 << 63) - 1


def find_runs(groups: Array, count: int, times: Array, gap_us: int) -> Runs:
    """Gather the rows of each group into stretches of time without a gap.

    Rows that are in order make as few as there are. Others may make more, which touch or overlap.

    Args:
        groups: the group of each row, less than `count`.
        times: of the rows.

    Example:
        >>> runs = find_runs(np.array([0, 1, 0, 0]), 2, np.array([5, 7, 9, 30]), 10)
        >>> runs.ids.tolist(), runs.firsts.tolist(), runs.lasts.tolist()
        ([0, 1, 0, 2], [5, 7, 30], [9, 7, 30])
    """
    found = np.empty((4, len(groups)), np.int64)
    made = _find_runs(groups, times, gap_us, np.full(count, -1, np.int64), found)
    return Runs(found[0], found[1, :made], found[2, :made], found[3, :made])


@kernel("int64(int64[::1], int64[::1], int64, int64[::1], int64[:, ::1])")
def _find_runs(groups: Array, times: Array, gap: int, current: Array, found: Array) -> int:
    count = np.int64(0)
    for i in range(len(groups)):
        group, time = groups[i], times[i]
        run = current[group]
        if run < 0 or time > found[3, run] + gap or time < found[2, run] - gap:
            run = count
            count += 1
            current[group] = run
            found[1, run], found[2, run], found[3, run] = i, time, time
        else:
            found[2, run] = min(found[2, run], time)
            found[3, run] = max(found[3, run], time)
        found[0, i] = run
    return count  # type: ignore[return-value]


@helper
def _sift_up(heap, at):  # type: ignore[no-untyped-def]
    """Bring an entry of the heap to its place, from the end on."""
    end, number = heap[at, 0], heap[at, 1]
    while at > 0:
        above = (at - 1) >> 1
        if heap[above, 0] <= end:
            break
        heap[at, 0], heap[at, 1] = heap[above, 0], heap[above, 1]
        at = above
    heap[at, 0], heap[at, 1] = end, number


@helper
def _sift_down(heap, count):  # type: ignore[no-untyped-def]
    """Bring the first entry of the heap to its place."""
    end, number = heap[0, 0], heap[0, 1]
    at = np.int64(0)
    while True:
        below = 2 * at + 1
        if below + 1 < count and heap[below + 1, 0] < heap[below, 0]:
            below += 1
        if below >= count or heap[below, 0] >= end:
            break
        heap[at, 0], heap[at, 1] = heap[below, 0], heap[below, 1]
        at = below
    heap[at, 0], heap[at, 1] = end, number


@helper
def _drop_first(cells, heap, meta):  # type: ignore[no-untyped-def]
    """Take the first entry out of the heap, and give its number back."""
    number = heap[0, 1]
    meta[_COUNT] -= 1
    count = meta[_COUNT]
    heap[0, 0], heap[0, 1] = heap[count, 0], heap[count, 1]
    if count > 0:
        _sift_down(heap, count)
    cells[number, NEXT] = meta[_FREE]
    meta[_FREE] = number


@helper
def _new_session(first, last, key, gap, cells, heap, meta):  # type: ignore[no-untyped-def]
    number = meta[_FREE]
    if number >= 0:
        meta[_FREE] = cells[number, NEXT]
    else:
        number = meta[_HIGH]
        meta[_HIGH] += 1
    cells[number, FIRST], cells[number, LAST] = first, last
    cells[number, SLOT], cells[number, KEY], cells[number, INTO] = -1, key, number
    at = meta[_COUNT]
    heap[at, 0], heap[at, 1] = last + gap, number
    meta[_COUNT] += 1
    _sift_up(heap, at)
    return number


@helper
def _take_in(target, first, last, gap, cells, meta, gone):  # type: ignore[no-untyped-def]
    """Add a stretch to a session that it touches, and the earlier ones that it touches too."""
    least = min(first, cells[target, FIRST])
    other = cells[target, NEXT]
    while other >= 0 and cells[other, LAST] + gap >= first:
        least = min(least, cells[other, FIRST])
        cells[other, INTO] = target
        if cells[target, SLOT] < 0:
            # what is kept of the other one goes on as that of the new one
            cells[target, SLOT], cells[other, SLOT] = cells[other, SLOT], -1
        gone[meta[_GONE]] = other
        meta[_GONE] += 1
        other = cells[other, NEXT]
    cells[target, NEXT] = other
    cells[target, FIRST] = least
    cells[target, LAST] = max(last, cells[target, LAST])


@kernel(
    "void(UniTuple(int64[::1], 3), int64, int64[::1], int64[:, ::1], int64[:, ::1], "
    "int64[::1], Tuple((int64[:, ::1], int64[::1])))"
)
def _merge(
    runs: tuple[Array, Array, Array],
    gap: int,
    heads: Array,
    cells: Array,
    heap: Array,
    meta: Array,
    outs: tuple[Array, Array],
) -> None:
    keys, firsts, lasts = runs
    found, gone = outs
    meta[_NEW], meta[_GONE] = 0, 0
    for i in range(len(keys)):
        if i + _AHEAD < len(keys) and heads[keys[i + _AHEAD]] >= 0:
            prefetch(np.uint64(cells.ctypes.data) + np.uint64(heads[keys[i + _AHEAD]] * _WIDTH * 8))
        key, first, last = keys[i], firsts[i], lasts[i]
        later, at = np.int64(-1), heads[key]
        while at >= 0 and cells[at, FIRST] - gap > last:
            later, at = at, cells[at, NEXT]
        if at >= 0 and cells[at, LAST] + gap >= first:
            _take_in(at, first, last, gap, cells, meta, gone)
            found[0, i] = at
            continue
        number = _new_session(first, last, key, gap, cells, heap, meta)
        cells[number, NEXT] = at
        if later < 0:
            heads[key] = number
        else:
            cells[later, NEXT] = number
        found[1, meta[_NEW]] = number
        meta[_NEW] += 1
        found[0, i] = number
    if meta[_GONE] > 0:
        for i in range(len(keys)):
            while cells[found[0, i], INTO] != found[0, i]:
                found[0, i] = cells[found[0, i], INTO]


def _resolved(numbers: Array, cells: Array) -> Array:
    """The open sessions that have taken in these."""
    into: Array = cells[numbers, INTO]
    while len(into) and (cells[into, INTO] != into).any():
        into = cells[into, INTO]
    return into


@kernel("void(int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[::1])")
def _find(keys: Array, times: Array, heads: Array, cells: Array, found: Array) -> None:
    for i in range(len(keys)):
        at = heads[keys[i]]
        while cells[at, FIRST] > times[i]:
            at = cells[at, NEXT]
        found[i] = at


@helper
def _cut(key, until, gap, heads, cells):  # type: ignore[no-untyped-def]
    """Shorten the list of a key by the sessions that are over; returns whether that has emptied it."""
    kept, at = np.int64(-1), heads[key]
    while at >= 0 and cells[at, LAST] + gap >= until:
        kept, at = at, cells[at, NEXT]
    if at < 0:
        return False
    if kept >= 0:
        cells[kept, NEXT] = -1
        return False
    heads[key] = -1
    return True


@kernel(
    "UniTuple(int64, 2)(int64, int64, int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], "
    "int64[:, ::1], int64[::1])"
)
def _close(
    until: int,
    gap: int,
    heads: Array,
    cells: Array,
    heap: Array,
    meta: Array,
    closed: Array,
    emptied: Array,
) -> tuple[int, int]:
    count, keys = np.int64(0), np.int64(0)
    while meta[_COUNT] > 0 and heap[0, 0] < until and count < len(closed):
        number = heap[0, 1]
        if cells[number, INTO] != number:
            _drop_first(cells, heap, meta)
            continue
        end = cells[number, LAST] + gap
        if end > heap[0, 0]:
            heap[0, 0] = end
            _sift_down(heap, meta[_COUNT])
            continue
        closed[count] = cells[number]
        count += 1
        key = cells[number, KEY]
        if _cut(key, until, gap, heads, cells):
            emptied[keys] = key
            keys += 1
        _drop_first(cells, heap, meta)
    return count, keys  # type: ignore[return-value]


@kernel("void(int64, int64[:, ::1], int64[:, ::1], int64[::1])")
def _settle(gap: int, cells: Array, heap: Array, meta: Array) -> None:
    """Bring the session that ends first to the front of the heap."""
    while meta[_COUNT] > 0:
        number = heap[0, 1]
        end = cells[number, LAST] + gap
        if cells[number, INTO] != number:
            _drop_first(cells, heap, meta)
        elif end > heap[0, 0]:
            heap[0, 0] = end
            _sift_down(heap, meta[_COUNT])
        else:
            return
