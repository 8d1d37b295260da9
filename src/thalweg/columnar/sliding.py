"""Slide windows over the rows of each key: what comes in is added, what falls out is taken away.

A window reaches from some time or some rows around a row to some others. Rows come in the order of their
times, over many calls, and windows end with the row or before it (`slide`); or all rows of each key are
there, and windows may reach beyond it (`slide_whole`). With a reach in time, rows of equal time see each
other.

Not here: how a row moves into a window and out of it (sliding_rows.py), keys (index.py), which rows are
complete (operators/over.py), what becomes of the parts (operators/slider.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.compiled import helper, kernel
from thalweg.columnar.key_order import KeyOrder
from thalweg.columnar.sliding_rows import (
    AFTER,
    COUNT,
    DISTINCT,
    END,
    ENTERS,
    HAS_END,
    HAS_LEFT,
    HAS_START,
    HEAD,
    HIGH_ROW,
    IS_ROWS,
    KEY_WIDTH,
    LEAST_OF,
    MOST_OF,
    NEWEST,
    NODE_WIDTH,
    OLDEST,
    PER_ARGUMENT,
    SLOT,
    START,
    TIME,
    WAITING,
    append,
    enter,
    free_node,
    let_go,
    show,
)

Array = np.ndarray[Any, Any]

_SMALLEST = 1024
NO_ORDER = KeyOrder(np.empty((0, 1), np.int64), np.empty((0, 6), np.int64), np.empty((0, 2), np.uint64))


class Values(NamedTuple):
    """The arguments of rows.

    Attributes:
        words: int64[rows, arguments], in the order of the values.
        valid: which of them are not NULL.
        floats: float64[rows, arguments], the values where they are floats.
        codes: int64[rows, arguments], which value of its key each one is; no rows where nobody asks.
        codes_max: codes are below.
        order: how `ORDERED` words compare.
    """

    words: Array
    valid: Array
    floats: Array
    codes: Array
    codes_max: int = 0
    order: KeyOrder = NO_ORDER


class Slid(NamedTuple):
    """What the window of each row holds.

    Attributes:
        rows: how many rows.
        words: int64[arguments, 5, rows]: values, sum (high, low), least, most (or first and last); for
            `FIRST_ROW` the value in place of the least, and whether there is one in place of the most.
        floats: float64[arguments, rows]: sums of floats.
    """

    rows: Array
    words: Array
    floats: Array


class SlidingWindows:
    """The windows of all keys.

    Example:
        >>> from thalweg.columnar.sliding_rows import SUMS
        >>> slid = SlidingWindows([SUMS], is_rows=False, start=5)
        >>> words, floats = np.array([[1], [2], [4]]), np.zeros((3, 1))
        >>> keys, times, valid = np.zeros(3, np.int64), np.array([0, 3, 6]), np.ones((3, 1), bool)
        >>> found = slid.slide(keys, times, Values(words, valid, floats, words), 1)
        >>> found.rows.tolist(), found.words[0, 2].tolist()
        ([1, 2, 2], [1, 3, 6])
    """

    def __init__(self, wanted: list[int], *, is_rows: bool, start: int | None, end: int | None = 0) -> None:
        """Windows.

        Args:
            wanted: of each argument.
            is_rows: whether rows are counted, not time.
            start: how many rows, or microseconds, before the row windows start; None: with the first row.
            end: how many behind it they end; None: with the last row.
        """
        self._frame = np.array([is_rows, start is not None, start or 0, end is not None, end or 0], np.int64)
        width = len(wanted)
        self._wanted = np.zeros((width, 2), np.int64)
        place = NODE_WIDTH
        for at, flags in enumerate(wanted):
            self._wanted[at] = flags, place
            place += 2 + (4 if flags & (LEAST_OF | MOST_OF) else 1 if flags & DISTINCT else 0)
        self._nodes = np.zeros((_SMALLEST, place), np.int64)
        self._node_floats = np.zeros((_SMALLEST, width), np.float64)
        self._keys = np.zeros((_SMALLEST, KEY_WIDTH + PER_ARGUMENT * width), np.int64)
        self._key_floats = np.zeros((_SMALLEST, 2 * width), np.float64)
        self._counts = np.zeros((_SMALLEST, width), np.int64)
        self._meta = np.zeros(4, np.int64)

    @property
    def _state(self) -> tuple[Array, ...]:
        return self._nodes, self._node_floats, self._keys, self._key_floats, self._counts

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return sum(a.nbytes for a in self._state)

    def slide(self, slots: Array, times: Array, values: Values, keys: int) -> Slid:
        """Take rows, in the order of their times; `slots` are their keys, all below `keys`."""
        assert self._frame[HAS_END], "the last row is not there yet"
        assert self._frame[END] <= 0, "the rows behind a row are not there yet"
        return self._slid(slots, times, values, keys, _slide)

    def slide_whole(self, slots: Array, times: Array, values: Values, keys: int) -> Slid:
        """Take all rows of some keys, key by key."""
        return self._slid(slots, times, values, keys, _slide_whole)

    def _slid(self, slots: Array, times: Array, values: Values, keys: int, run: Any) -> Slid:
        self._make_room(len(slots), keys, values.codes_max)
        width = len(self._wanted)
        made = Slid(
            np.empty(len(slots), np.int64),
            np.empty((width, 5, len(slots)), np.int64),
            np.empty((width, len(slots)), np.float64),
        )
        rows = slots, times, *values[:4]
        shape = self._frame, self._wanted, self._meta
        run(rows, shape, self._state, tuple(values.order), tuple(made))
        return made

    def _make_room(self, rows: int, keys: int, codes: int) -> None:
        wanted = int(self._meta[HIGH_ROW]) + rows
        if wanted > len(self._nodes):
            capacity = max(2 * len(self._nodes), wanted)
            self._nodes = grown(self._nodes, capacity)
            self._node_floats = grown(self._node_floats, capacity)
        if keys > len(self._keys):
            self._keys, self._key_floats = grown(self._keys, keys), grown(self._key_floats, keys)
        if codes > len(self._counts):
            self._counts = grown(self._counts, codes)

    def expire(self, before: int, keys: int) -> Array:
        """No row to come looks at rows before this time; returns keys that have no rows any more."""
        gone = np.empty(keys, np.int64)
        shape = self._frame, self._wanted, self._meta
        return gone[: _expire(before, shape, self._state, gone)]


@helper
def _slide_rows(i, slot, shape, state, order):  # type: ignore[no-untyped-def]
    """The window of the row that came last, of a number of rows."""
    frame, wanted, meta = shape
    key = state[2][slot]
    while key[WAITING] > -frame[END]:
        enter(slot, shape, state, order)
    while frame[HAS_START] and key[COUNT] > frame[START] + frame[END] + 1:
        free_node(let_go(slot, wanted, state), state[0], meta)


@helper
def _slide_time(time, slot, shape, state, order):  # type: ignore[no-untyped-def]
    """The window of a row of this time, once all rows of that time have come."""
    frame, wanted = shape[0], shape[1]
    nodes, key = state[0], state[2][slot]
    # first what goes: a sum of floats is no less exact for values that are never in one window
    while frame[HAS_START] and key[HEAD] > 0 and nodes[key[HEAD] - 1, TIME] < time - frame[START]:
        let_go(slot, wanted, state)
    while key[ENTERS] > 0 and nodes[key[ENTERS] - 1, TIME] <= time + frame[END]:
        enter(slot, shape, state, order)


@helper
def _chain(node, nodes, meta):  # type: ignore[no-untyped-def]
    """Put a row behind all others, in the order of time."""
    if meta[NEWEST] > 0:
        nodes[meta[NEWEST] - 1, AFTER] = node
    else:
        meta[OLDEST] = node
    meta[NEWEST] = node


_ROWS = "Tuple((int64[::1], int64[::1], int64[:, ::1], boolean[:, ::1], float64[:, ::1], int64[:, ::1]))"
_SHAPE = "Tuple((int64[::1], int64[:, ::1], int64[::1]))"
_STATE = "Tuple((int64[:, ::1], float64[:, ::1], int64[:, ::1], float64[:, ::1], int64[:, ::1]))"
_ORDER = "Tuple((int64[:, ::1], int64[:, ::1], uint64[:, ::1]))"
_MADE = "Tuple((int64[::1], int64[:, :, ::1], float64[:, ::1]))"


@kernel(f"void({_ROWS}, {_SHAPE}, {_STATE}, {_ORDER}, {_MADE})")
def _slide(
    rows: tuple[Array, ...],
    shape: tuple[Array, ...],
    state: tuple[Array, ...],
    order: tuple[Array, ...],
    made: tuple[Array, ...],
) -> None:
    slots, times = rows[0], rows[1]
    frame, wanted, meta = shape
    first, is_rows = 0, frame[IS_ROWS] == 1
    while first < len(slots):
        end = first + 1
        while not is_rows and end < len(slots) and times[end] == times[first]:
            end += 1
        for i in range(first, end):
            node = append(i, rows, wanted, state, meta)
            if frame[HAS_START] and not is_rows:
                _chain(node, state[0], meta)
        for i in range(first, end):
            if is_rows:
                _slide_rows(i, slots[i], shape, state, order)
            else:
                _slide_time(times[i], slots[i], shape, state, order)
            show(i, slots[i], shape, state, made)
        first = end


@helper
def _comes(j, i, times, frame):  # type: ignore[no-untyped-def]
    """Whether row j is before the end of the window of row i."""
    if not frame[HAS_END]:
        return True
    return j <= i + frame[END] if frame[IS_ROWS] else times[j] <= times[i] + frame[END]


@helper
def _goes(j, i, times, frame):  # type: ignore[no-untyped-def]
    """Whether row j is before the start of the window of row i."""
    if not frame[HAS_START]:
        return False
    return j < i - frame[START] if frame[IS_ROWS] else times[j] < times[i] - frame[START]


@helper
def _go(gone, come, i, times, shape, state, slot):  # type: ignore[no-untyped-def]
    """Rows that have come and are before the window of row i go."""
    while gone < come and _goes(gone, i, times, shape[0]):
        free_node(let_go(slot, shape[1], state), state[0], shape[2])
        gone += 1
    return gone


@kernel(f"void({_ROWS}, {_SHAPE}, {_STATE}, {_ORDER}, {_MADE})")
def _slide_whole(
    rows: tuple[Array, ...],
    shape: tuple[Array, ...],
    state: tuple[Array, ...],
    order: tuple[Array, ...],
    made: tuple[Array, ...],
) -> None:
    slots, times = rows[0], rows[1]
    frame, wanted, meta = shape
    first, come, gone = 0, 0, 0
    for i in range(len(slots)):
        slot = slots[i]
        if i == 0 or slot != slots[first]:
            while state[2][slots[first], HEAD] > 0:
                free_node(let_go(slots[first], wanted, state), state[0], meta)
            first, come, gone = i, i, i
        gone = _go(gone, come, i, times, shape, state, slot)
        while come < len(slots) and slots[come] == slot and _comes(come, i, times, frame):
            append(come, rows, wanted, state, meta)
            enter(slot, shape, state, order)
            come += 1
        gone = _go(gone, come, i, times, shape, state, slot)
        show(i, slot, shape, state, made)


@kernel(f"int64(int64, {_SHAPE}, {_STATE}, int64[::1])")
def _expire(before: int, shape: tuple[Array, ...], state: tuple[Array, ...], gone: Array) -> int:
    nodes, keys = state[0], state[2]
    wanted, meta = shape[1], shape[2]
    count = np.int64(0)
    while meta[OLDEST] > 0 and nodes[meta[OLDEST] - 1, TIME] < before:
        node = meta[OLDEST]
        slot = nodes[node - 1, SLOT]
        if nodes[node - 1, HAS_LEFT] == 0:
            let_go(slot, wanted, state)
            if keys[slot, HEAD] == 0:
                gone[count] = slot
                count += 1
        meta[OLDEST] = nodes[node - 1, AFTER]
        if meta[OLDEST] == 0:
            meta[NEWEST] = 0
        free_node(node, nodes, meta)
    return count  # type: ignore[return-value]
