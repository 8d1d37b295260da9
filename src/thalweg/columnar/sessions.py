"""Merge stretches of time into the open sessions of keys, and close those that are over.

The open sessions of a key form a list, the latest first; no two of them touch. A stretch that touches
none becomes one, a stretch that touches several makes one of them. What is in order touches the first
in the list, whatever their number.

A wheel of buckets says which sessions are over (Varghese and Lauck, "Hashed and hierarchical timing wheels",
1987). A session is in the bucket of the end that it had when it was put there; when that has come, one that
has grown moves on to the bucket of its end of now. So a session is looked at once per gap at most, however
many rows it gets, and nothing is sorted.

Sessions have numbers of their own; `SLOT` says where a caller keeps what belongs to one.

Not here: the stretches of a batch (stretches.py), what is kept of a session (operators/session_group.py),
which rows are late (progress/).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.compiled import helper, kernel, prefetch

Array = np.ndarray[Any, Any]

FIRST, LAST, SLOT, KEY, NEXT, INTO, _BESIDE, _CHANGED = range(8)
"""Columns per session: the times of its first and last row; the caller's slot, or -1; its key; the next
earlier session of the key, or -1; the session that has taken it in (itself while it is open, -1 when it is
over); the next one in its bucket, or -1; whether its bounds have changed since `changed` gave them."""
_WIDTH = 8
"""As many words as the processor fetches at once."""
_COUNT, _FREE, _HIGH, _NEW, _GONE, _LEAST, _NOTED, _SHIFT = range(8)
"""Places in `meta`: sessions in the wheel; the last number given back, or -1; numbers ever handed out; how
many sessions the last call made, and how many were taken in by others; a time before which none ends; how
many sessions are noted as changed; how long a bucket is in microseconds, as a power of two."""
_BUCKETS, _PER_GAP = 4096, 10
"""How many buckets there are, and of how many a gap is at least long, as a power of two."""
_PART = 8
"""When so large a part of a gap has passed, all sessions are looked at in the order of their numbers: the
processor sees what comes next, as it does not from one session of a bucket to the other. Measured with
50 000 sessions and a third of a gap: 13 ns for each row that came meanwhile instead of 30."""
_SMALLEST = 256
_AHEAD = 8
"""So many stretches ahead the processor fetches what is known of their sessions."""


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
        self._wheel = np.full(_BUCKETS, -1, np.int64)
        self._gone = np.empty(0, np.int64)
        """Room for the sessions that one call takes in: a single stretch may touch all there are."""
        self._noted = np.empty(0, np.int64)
        self._meta = np.zeros(8, np.int64)
        self._meta[_FREE], self._meta[_SHIFT] = -1, max(0, gap_us.bit_length() - 1 - _PER_GAP)

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
            self.cells = grown(self.cells, max(2 * room, _SMALLEST))
            self._gone = grown(self._gone, len(self.cells), used=0)
            self._noted = grown(self._noted, len(self.cells))
        found = np.empty((2, len(keys)), np.int64)
        runs, outs = (keys, firsts, lasts), (found, self._gone, self._noted)
        _merge(runs, self._gap, self._heads, self.cells, self._wheel, self._meta, outs)
        targets, new, gone = found[0], found[1, : self._meta[_NEW]], self._gone[: self._meta[_GONE]]
        new = new[(self.cells[new, INTO] == new) & (self.cells[new, SLOT] < 0)]
        gone = gone[self.cells[gone, SLOT] >= 0]
        return Merged(targets, new, (gone, _resolved(gone, self.cells)))

    def slots(self, numbers: Array) -> Array:
        """Where the caller keeps what belongs to sessions."""
        return self.cells.reshape(-1).take(numbers * _WIDTH + SLOT)

    def changed(self) -> tuple[Array, Array, Array]:
        """The slots, first and last times of open sessions whose bounds have changed since the last call."""
        found = np.empty((3, int(self._meta[_NOTED])), np.int64)
        slots, firsts, lasts = found[:, : _changed(self._noted, self.cells, self._meta, found)]
        return slots, firsts, lasts

    def are_empty(self, keys: Array) -> Array:
        """Whether keys have no open session."""
        return self._heads[keys] < 0

    def find(self, keys: Array, times: Array) -> Array:
        """The session that holds each time of a key; there is one."""
        found = np.empty(len(keys), np.int64)
        _find(keys, times, self._heads, self.cells, found)
        return found

    def close(self, until: int | None, count_max: int) -> tuple[Array, Array]:
        """Take out sessions that end before `until`; None: all. The same again, until there are no more.

        Returns:
            What is known of each (columns `FIRST`, `LAST`, `SLOT`), and keys that have none left.
        """
        room = min(count_max, int(self._meta[_COUNT]))
        closed, emptied = np.empty((room, 3), np.int64), np.empty(room, np.int64)
        limit = _LATEST if until is None else until
        count, keys = _close(
            limit, self._gap, self._heads, self.cells, self._wheel, self._meta, closed, emptied
        )
        return closed[:count], emptied[:keys]

    @property
    def first_end(self) -> int | None:
        """When the first session ends; None if there is none."""
        _settle(self._gap, self.cells, self._wheel, self._meta)
        return int(self._meta[_LEAST]) if self._meta[_COUNT] else None

    def is_due(self, until: int) -> bool:
        """Whether a session may end before `until`."""
        return bool(self._meta[_COUNT]) and bool(self._meta[_LEAST] < until)


_LATEST = (1 << 63) - 1


@helper
def _bucket(time, meta):  # type: ignore[no-untyped-def]
    """The bucket of a time, on a wheel without end."""
    return time >> meta[_SHIFT]


@helper
def _put(number, end, cells, wheel, meta):  # type: ignore[no-untyped-def]
    """Put a session into the bucket of an end."""
    place = _bucket(end, meta) & (_BUCKETS - 1)
    cells[number, _BESIDE] = wheel[place]
    wheel[place] = number


@helper
def _take_out(number, previous, place, cells, wheel):  # type: ignore[no-untyped-def]
    """Take a session out of its bucket, where it comes behind another one, or (-1) is the first."""
    if previous < 0:
        wheel[place] = cells[number, _BESIDE]
    else:
        cells[previous, _BESIDE] = cells[number, _BESIDE]


@helper
def _move_on(number, previous, place, end, cells, wheel, meta):  # type: ignore[no-untyped-def]
    """Put a session where its end of now belongs; returns what is before the next one in this bucket."""
    if _bucket(end, meta) & (_BUCKETS - 1) == place:
        return number
    _take_out(number, previous, place, cells, wheel)
    _put(number, end, cells, wheel, meta)
    return previous


@helper
def _drop(number, previous, place, cells, wheel, meta):  # type: ignore[no-untyped-def]
    """Take a session out of its bucket, and give its number back."""
    _take_out(number, previous, place, cells, wheel)
    _give_back(number, cells, meta)


@helper
def _give_back(number, cells, meta):  # type: ignore[no-untyped-def]
    cells[number, NEXT], cells[number, INTO] = meta[_FREE], -1
    meta[_FREE] = number
    meta[_COUNT] -= 1


@helper
def _note(number, cells, meta, noted):  # type: ignore[no-untyped-def]
    """The bounds of a session change; one that is noted stays so when its number goes to another."""
    if cells[number, _CHANGED] == 0:
        cells[number, _CHANGED] = 1
        noted[meta[_NOTED]] = number
        meta[_NOTED] += 1


@helper
def _new_session(first, last, key, gap, cells, wheel, meta):  # type: ignore[no-untyped-def]
    number = meta[_FREE]
    if number >= 0:
        meta[_FREE] = cells[number, NEXT]
    else:
        number = meta[_HIGH]
        meta[_HIGH] += 1
    cells[number, FIRST], cells[number, LAST] = first, last
    cells[number, SLOT], cells[number, KEY], cells[number, INTO] = -1, key, number
    _put(number, last + gap, cells, wheel, meta)
    if meta[_COUNT] == 0 or last + gap < meta[_LEAST]:
        meta[_LEAST] = last + gap
    meta[_COUNT] += 1
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
    "void(UniTuple(int64[::1], 3), int64, int64[::1], int64[:, ::1], int64[::1], "
    "int64[::1], Tuple((int64[:, ::1], int64[::1], int64[::1])))"
)
def _merge(
    runs: tuple[Array, Array, Array],
    gap: int,
    heads: Array,
    cells: Array,
    wheel: Array,
    meta: Array,
    outs: tuple[Array, Array, Array],
) -> None:
    keys, firsts, lasts = runs
    found, gone, noted = outs
    meta[_NEW], meta[_GONE] = 0, 0
    heads_at, cells_at = np.uint64(heads.ctypes.data), np.uint64(cells.ctypes.data)
    for i in range(len(keys)):
        if i + 2 * _AHEAD < len(keys):
            prefetch(heads_at + np.uint64(keys[i + 2 * _AHEAD] * 8))
        if i + _AHEAD < len(keys) and heads[keys[i + _AHEAD]] >= 0:
            prefetch(cells_at + np.uint64(heads[keys[i + _AHEAD]] * _WIDTH * 8))
        key, first, last = keys[i], firsts[i], lasts[i]
        later, at = np.int64(-1), heads[key]
        while at >= 0 and cells[at, FIRST] - gap > last:
            later, at = at, cells[at, NEXT]
        if at >= 0 and cells[at, LAST] + gap >= first:
            _take_in(at, first, last, gap, cells, meta, gone)
            _note(at, cells, meta, noted)
            found[0, i] = at
            continue
        number = _new_session(first, last, key, gap, cells, wheel, meta)
        _note(number, cells, meta, noted)
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


@kernel("int64(int64[::1], int64[:, ::1], int64[::1], int64[:, ::1])")
def _changed(noted: Array, cells: Array, meta: Array, found: Array) -> int:
    count = np.int64(0)
    for i in range(meta[_NOTED]):
        number = noted[i]
        cells[number, _CHANGED] = 0
        if cells[number, INTO] == number:
            found[0, count] = cells[number, SLOT]
            found[1, count], found[2, count] = cells[number, FIRST], cells[number, LAST]
            count += 1
    meta[_NOTED] = 0
    return count  # type: ignore[return-value]


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


@helper
def _tell(number, cells, told):  # type: ignore[no-untyped-def]
    """What a caller is told of a session that is over."""
    told[FIRST], told[LAST], told[SLOT] = cells[number, FIRST], cells[number, LAST], cells[number, SLOT]


@helper
def _sweep(until, gap, heads, cells, wheel, meta, closed, emptied):  # type: ignore[no-untyped-def]
    """Take out sessions that are over, as many as there is room for, and lay the others out anew."""
    count, keys, least = np.int64(0), np.int64(0), np.int64(_LATEST)
    wheel[:] = -1
    for number in range(meta[_HIGH]):
        into, over = cells[number, INTO], cells[number, LAST] + gap
        if into < 0:
            continue
        if into == number and (over >= until or count == len(closed)):
            least = min(least, over)
            _put(number, over, cells, wheel, meta)
            continue
        if into == number:
            _tell(number, cells, closed[count])
            count += 1
            if _cut(cells[number, KEY], until, gap, heads, cells):
                emptied[keys] = cells[number, KEY]
                keys += 1
        _give_back(number, cells, meta)
    meta[_LEAST] = least
    return count, keys


@kernel(
    "UniTuple(int64, 2)(int64, int64, int64[::1], int64[:, ::1], int64[::1], int64[::1], "
    "int64[:, ::1], int64[::1])"
)
def _close(
    until: int,
    gap: int,
    heads: Array,
    cells: Array,
    wheel: Array,
    meta: Array,
    closed: Array,
    emptied: Array,
) -> tuple[int, int]:
    count, keys = np.int64(0), np.int64(0)
    if meta[_COUNT] == 0 or meta[_LEAST] >= until:
        return count, keys  # type: ignore[return-value]
    begin, end = _bucket(meta[_LEAST], meta), _bucket(until - 1, meta)
    if (end - begin) << meta[_SHIFT] > gap // _PART and meta[_COUNT] > meta[_HIGH] // 2:
        return _sweep(until, gap, heads, cells, wheel, meta, closed, emptied)
    if end >= begin + _BUCKETS:
        end = begin + _BUCKETS - 1
    # of what stays, the first end; what is in buckets that are not looked at ends later
    least = max(until, (end + 1) << meta[_SHIFT])
    for bucket in range(begin, end + 1):
        place = bucket & (_BUCKETS - 1)
        previous, number = np.int64(-1), wheel[place]
        while number >= 0:
            following = cells[number, _BESIDE]
            if following >= 0:
                prefetch(np.uint64(cells.ctypes.data) + np.uint64(following * _WIDTH * 8))
            over = cells[number, LAST] + gap
            if cells[number, INTO] != number:
                _drop(number, previous, place, cells, wheel, meta)
            elif over < until:
                if count == len(closed):
                    return count, keys  # type: ignore[return-value]
                _tell(number, cells, closed[count])
                count += 1
                key = cells[number, KEY]
                if _cut(key, until, gap, heads, cells):
                    emptied[keys] = key
                    keys += 1
                _drop(number, previous, place, cells, wheel, meta)
            else:
                least = min(least, over)
                previous = _move_on(number, previous, place, over, cells, wheel, meta)
            number = following
    meta[_LEAST] = least
    return count, keys  # type: ignore[return-value]


@kernel("void(int64, int64[:, ::1], int64[::1], int64[::1])")
def _settle(gap: int, cells: Array, wheel: Array, meta: Array) -> None:
    """Find when the first session ends."""
    if meta[_COUNT] == 0:
        return
    least, begin = np.int64(_LATEST), _bucket(meta[_LEAST], meta)
    for bucket in range(begin, begin + _BUCKETS):
        place = bucket & (_BUCKETS - 1)
        previous, number = np.int64(-1), wheel[place]
        while number >= 0:
            following = cells[number, _BESIDE]
            over = cells[number, LAST] + gap
            if cells[number, INTO] != number:
                _drop(number, previous, place, cells, wheel, meta)
            else:
                least = min(least, over)
                previous = _move_on(number, previous, place, over, cells, wheel, meta)
            number = following
        # what ends in this bucket ends before all in those behind it
        if least < _LATEST and _bucket(least, meta) <= bucket:
            break
    meta[_LEAST] = least
