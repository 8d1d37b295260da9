"""Slide windows over the rows of each key: what comes in is added, what falls out is taken away.

Rows come in the order of their times. A window reaches from some time or some rows before a row to that row;
with a reach in time, rows of equal time see each other. Each row is touched twice, however
long the window.

Not here: keys (index.py), which rows are complete (operators/over.py), what becomes of the parts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thalweg.columnar.compiled import helper, kernel
from thalweg.columnar.table import grown

Array = np.ndarray[Any, Any]

IS_FLOAT, SUMS, EXTREMES = 1, 2, 4
"""What is wanted of an argument."""
NEXT, AFTER, SLOT, TIME, HAS_LEFT = range(5)
"""Of a row: the next one of its key, the next one of all, its key, its time, whether it has left its key."""
HEAD, TAIL, COUNT = range(3)
"""Of a key: its first and last row, plus one; how many."""
VALUES, HIGH, LOW, LEAST, MOST, NANS, ABOVE, BELOW = range(8)
"""Of a key and an argument: how many values, their sum in two limbs of 32 bits, the extremes, and how many
NaN, inf and -inf."""
FIRST_FREE, HIGH_ROW, OLDEST, NEWEST = range(4)
_NODE, _KEY, _PER_ARGUMENT = 5, 3, 8
_SMALLEST = 1024
_LOW_MASK = np.int64(0xFFFFFFFF)


class Slid(NamedTuple):
    """What the window of each row holds.

    Attributes:
        rows: how many rows.
        words: int64[arguments, 5, rows]: values, sum (high, low), least, most.
        floats: float64[arguments, rows]: sums of floats.
    """

    rows: Array
    words: Array
    floats: Array


class SlidingWindows:
    """The windows of all keys.

    Example:
        >>> slid = SlidingWindows([SUMS], is_rows=False, reach=5)
        >>> words, floats = np.array([[1], [2], [4]]), np.zeros((3, 1))
        >>> keys, times, valid = np.zeros(3, np.int64), np.array([0, 3, 6]), np.ones((3, 1), bool)
        >>> found = slid.slide(keys, times, words, valid, floats, 1)
        >>> found.rows.tolist(), found.words[0, 2].tolist()
        ([1, 2, 2], [1, 3, 6])
    """

    def __init__(self, wanted: list[int], *, is_rows: bool, reach: int | None) -> None:
        """`reach`: how many rows, or microseconds, before the current row; None: all."""
        self._wanted = np.array(wanted, np.int64)
        self._frame = np.array([is_rows, -1 if reach is None else reach], np.int64)
        width = len(wanted)
        self._nodes = np.zeros((_SMALLEST, _NODE + 2 * width), np.int64)
        self._node_floats = np.zeros((_SMALLEST, width), np.float64)
        self._keys = np.zeros((_SMALLEST, _KEY + _PER_ARGUMENT * width), np.int64)
        self._key_floats = np.zeros((_SMALLEST, 2 * width), np.float64)
        self._meta = np.zeros(4, np.int64)

    @property
    def nbytes(self) -> int:
        """The memory held."""
        held = (self._nodes, self._node_floats, self._keys, self._key_floats)
        return sum(a.nbytes for a in held)

    def slide(self, slots: Array, times: Array, words: Array, valid: Array, floats: Array, keys: int) -> Slid:
        """Take rows, in the order of their times.

        Args:
            slots: the key of each row, below `keys`.
            times: of each row.
            words: int64[rows, arguments], in the order of the values.
            valid: which of them are not NULL.
            floats: float64[rows, arguments], the values where they are floats.
            keys: how many keys there may be.
        """
        self._make_room(len(slots), keys)
        width = len(self._wanted)
        made = Slid(
            np.empty(len(slots), np.int64),
            np.empty((width, 5, len(slots)), np.int64),
            np.empty((width, len(slots)), np.float64),
        )
        state = self._nodes, self._node_floats, self._keys, self._key_floats
        rows = slots, times, words, valid, floats
        _slide(rows, self._frame, self._wanted, state, self._meta, tuple(made))
        return made

    def _make_room(self, rows: int, keys: int) -> None:
        wanted = int(self._meta[HIGH_ROW]) + rows
        if self._frame[1] >= 0 and wanted > len(self._nodes):
            capacity = max(2 * len(self._nodes), wanted)
            self._nodes = grown(self._nodes, capacity)
            self._node_floats = grown(self._node_floats, capacity)
        if keys > len(self._keys):
            self._keys, self._key_floats = grown(self._keys, keys), grown(self._key_floats, keys)

    def expire(self, before: int, keys: int) -> Array:
        """No row to come looks at rows before this time; returns keys that have no rows any more."""
        gone = np.empty(keys, np.int64)
        state = self._nodes, self._node_floats, self._keys, self._key_floats
        return gone[: _expire(before, self._wanted, state, self._meta, gone)]


@helper
def _new_node(nodes, meta):  # type: ignore[no-untyped-def]
    """A number that is free; numbers of rows are counted from 1."""
    node = meta[FIRST_FREE]
    if node > 0:
        meta[FIRST_FREE] = nodes[node - 1, NEXT]
        return node
    meta[HIGH_ROW] += 1
    return meta[HIGH_ROW]


@helper
def _free_node(node, nodes, meta):  # type: ignore[no-untyped-def]
    nodes[node - 1, NEXT] = meta[FIRST_FREE]
    meta[FIRST_FREE] = node


@helper
def _add_float(at, value, sign, key, slot, sums):  # type: ignore[no-untyped-def]
    """Add or take away a float; the sum is kept in two floats, so that taking away leaves nothing behind."""
    base = _KEY + _PER_ARGUMENT * at
    if np.isnan(value):
        key[base + NANS] += sign
    elif np.isinf(value):
        key[base + (ABOVE if value > 0 else BELOW)] += sign
    else:
        value = value * sign
        high = sums[slot, 2 * at]
        total = high + value
        part = total - high
        sums[slot, 2 * at + 1] += (high - (total - part)) + (value - part)
        sums[slot, 2 * at] = total


@helper
def _count(value, word, at, sign, wanted, key, slot, sums):  # type: ignore[no-untyped-def]
    """A value comes (+1) or goes (-1), but for the extremes."""
    base = _KEY + _PER_ARGUMENT * at
    key[base + VALUES] += sign
    if wanted[at] & SUMS:
        if wanted[at] & IS_FLOAT:
            _add_float(at, value, sign, key, slot, sums)
        else:
            key[base + HIGH] += sign * (word >> 32)
            key[base + LOW] += sign * (word & _LOW_MASK)
    if key[base + VALUES] == 0 and wanted[at] & IS_FLOAT:
        sums[slot, 2 * at], sums[slot, 2 * at + 1] = 0.0, 0.0


@helper
def _widen(at, word, key):  # type: ignore[no-untyped-def]
    """A value that was just counted comes to the extremes."""
    base = _KEY + _PER_ARGUMENT * at
    if key[base + VALUES] == 1:
        key[base + LEAST] = key[base + MOST] = word
    else:
        key[base + LEAST] = min(key[base + LEAST], word)
        key[base + MOST] = max(key[base + MOST], word)


@helper
def _look_again(at, key, nodes):  # type: ignore[no-untyped-def]
    """The extremes of the rows that are left."""
    base, place = _KEY + _PER_ARGUMENT * at, _NODE + 2 * at
    seen = False
    node = key[HEAD]
    while node > 0:
        if nodes[node - 1, place + 1]:
            word = nodes[node - 1, place]
            key[base + LEAST] = min(key[base + LEAST], word) if seen else word
            key[base + MOST] = max(key[base + MOST], word) if seen else word
            seen = True
        node = nodes[node - 1, NEXT]


@helper
def _let_go(slot, wanted, state):  # type: ignore[no-untyped-def]
    """The first row of a key falls out of its window; returns the arguments (bits) whose extreme it was."""
    nodes, node_floats, keys, key_floats = state
    key = keys[slot]
    node = key[HEAD]
    key[HEAD] = nodes[node - 1, NEXT]
    if key[HEAD] == 0:
        key[TAIL] = 0
    key[COUNT] -= 1
    nodes[node - 1, HAS_LEFT] = 1
    stale = np.int64(0)
    for at in range(len(wanted)):
        place, base = _NODE + 2 * at, _KEY + _PER_ARGUMENT * at
        if nodes[node - 1, place + 1]:
            word = nodes[node - 1, place]
            _count(node_floats[node - 1, at], word, at, -1, wanted, key, slot, key_floats)
            if wanted[at] & EXTREMES and (word == key[base + LEAST] or word == key[base + MOST]):
                stale |= np.int64(1) << at
    return stale


@helper
def _append(i, rows, wanted, state, meta):  # type: ignore[no-untyped-def]
    """Remember a row of a window that it will fall out of."""
    slots, times, words, valid, floats = rows
    nodes, node_floats, keys, _ = state
    node = _new_node(nodes, meta)
    held, key = nodes[node - 1], keys[slots[i]]
    held[NEXT], held[AFTER], held[HAS_LEFT] = 0, 0, 0
    held[SLOT], held[TIME] = slots[i], times[i]
    for at in range(len(wanted)):
        held[_NODE + 2 * at], held[_NODE + 2 * at + 1] = words[i, at], np.int64(valid[i, at])
        node_floats[node - 1, at] = floats[i, at]
    if key[TAIL] > 0:
        nodes[key[TAIL] - 1, NEXT] = node
    else:
        key[HEAD] = node
    key[TAIL] = node
    return node


@helper
def _enter(i, rows, frame, wanted, state, meta):  # type: ignore[no-untyped-def]
    """A row enters the window of its key, and others fall out of it."""
    slots, times, words, valid, floats = rows
    nodes, _, keys, key_floats = state
    slot, is_rows, reach = slots[i], frame[0], frame[1]
    key, stale = keys[slot], np.int64(0)
    if reach >= 0:
        if not is_rows:
            while key[HEAD] > 0 and nodes[key[HEAD] - 1, TIME] < times[i] - reach:
                stale |= _let_go(slot, wanted, state)
        node = _append(i, rows, wanted, state, meta)
        if not is_rows:
            if meta[NEWEST] > 0:
                nodes[meta[NEWEST] - 1, AFTER] = node
            else:
                meta[OLDEST] = node
            meta[NEWEST] = node
    key[COUNT] += 1
    for at in range(len(wanted)):
        if valid[i, at]:
            _count(floats[i, at], words[i, at], at, 1, wanted, key, slot, key_floats)
            if wanted[at] & EXTREMES and not (stale >> at) & 1:
                _widen(at, words[i, at], key)
    if is_rows and reach >= 0:
        while key[COUNT] > reach + 1:
            node = key[HEAD]
            stale |= _let_go(slot, wanted, state)
            _free_node(node, nodes, meta)
    if stale:
        for at in range(len(wanted)):
            if (stale >> at) & 1:
                _look_again(at, key, nodes)


@helper
def _total(at, key, slot, sums):  # type: ignore[no-untyped-def]
    base = _KEY + _PER_ARGUMENT * at
    if key[base + NANS] > 0 or (key[base + ABOVE] > 0 and key[base + BELOW] > 0):
        return np.nan
    if key[base + ABOVE] > 0:
        return np.inf
    if key[base + BELOW] > 0:
        return -np.inf
    return sums[slot, 2 * at] + sums[slot, 2 * at + 1]


_ROWS = "Tuple((int64[::1], int64[::1], int64[:, ::1], boolean[:, ::1], float64[:, ::1]))"
_STATE = "Tuple((int64[:, ::1], float64[:, ::1], int64[:, ::1], float64[:, ::1]))"
_MADE = "Tuple((int64[::1], int64[:, :, ::1], float64[:, ::1]))"


@kernel(f"void({_ROWS}, int64[::1], int64[::1], {_STATE}, int64[::1], {_MADE})")
def _slide(
    rows: tuple[Array, ...],
    frame: Array,
    wanted: Array,
    state: tuple[Array, ...],
    meta: Array,
    made: tuple[Array, ...],
) -> None:
    slots, times = rows[0], rows[1]
    keys, sums = state[2], state[3]
    counts, words, floats = made
    first, is_rows = 0, frame[0] == 1
    while first < len(slots):
        end = first + 1
        while not is_rows and end < len(slots) and times[end] == times[first]:
            end += 1
        for i in range(first, end):
            _enter(i, rows, frame, wanted, state, meta)
        for i in range(first, end):
            slot = slots[i]
            key = keys[slot]
            counts[i] = key[COUNT]
            for at in range(len(wanted)):
                base = _KEY + _PER_ARGUMENT * at
                for j in range(5):
                    words[at, j, i] = key[base + j]
                if wanted[at] & IS_FLOAT:
                    floats[at, i] = _total(at, key, slot, sums)
        first = end


@kernel(f"int64(int64, int64[::1], {_STATE}, int64[::1], int64[::1])")
def _expire(before: int, wanted: Array, state: tuple[Array, ...], meta: Array, gone: Array) -> int:
    nodes, keys = state[0], state[2]
    count = np.int64(0)
    while meta[OLDEST] > 0 and nodes[meta[OLDEST] - 1, TIME] < before:
        node = meta[OLDEST]
        slot = nodes[node - 1, SLOT]
        if nodes[node - 1, HAS_LEFT] == 0:
            stale = _let_go(slot, wanted, state)
            for at in range(len(wanted)):
                if (stale >> at) & 1:
                    _look_again(at, keys[slot], nodes)
            if keys[slot, COUNT] == 0:
                gone[count] = slot
                count += 1
        meta[OLDEST] = nodes[node - 1, AFTER]
        if meta[OLDEST] == 0:
            meta[NEWEST] = 0
        _free_node(node, nodes, meta)
    return count  # type: ignore[return-value]
