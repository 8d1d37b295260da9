"""Move single rows into the windows of their keys and out of them.

Rows and keys are numbers in arrays. Each row is touched twice, however long the window: the least and the
greatest value wait in queues of those that can still become it, first come first.

Not here: when which row moves (sliding.py).
"""

from __future__ import annotations

import numpy as np

from thalweg.columnar.compiled import helper
from thalweg.columnar.key_order import compare

IS_FLOAT, SUMS, LEAST_OF, MOST_OF, DISTINCT, PLACED, ORDERED, FIRST_ROW = (1 << i for i in range(8))
"""What is wanted of an argument: whether it is a float; its sum; its least and its greatest value; each value
once. `PLACED`: the first and last value instead; `ORDERED`: words are slots of a `KeyOrder`; `FIRST_ROW`: the
value of the window's first row, NULL or not."""
NEXT, AFTER, SLOT, TIME, HAS_LEFT = range(5)
"""Of a row: the next one of its key, the next one of all, its key, its time, whether it has left its key."""
HEAD, TAIL, COUNT, ENTERS, WAITING = range(5)
"""Of a key: its first and last row, plus one; how many its window has; the first row that has not come in,
and how many have not."""
VALUES, HIGH, LOW, LEAST, MOST, NANS, ABOVE, BELOW, LEAST_ENDS, MOST_ENDS = (*range(9), 10)
"""Of a key and an argument: how many values, their sum in two limbs of 32 bits, the extremes, how many
NaN, inf and -inf, and both ends of the queues of what may become an extreme."""
FIRST_FREE, HIGH_ROW, OLDEST, NEWEST = range(4)
IS_ROWS, HAS_START, START, HAS_END, END = range(5)
"""Of a window: whether rows are counted; how far before the row it starts, and behind it ends."""
NODE_WIDTH, KEY_WIDTH, PER_ARGUMENT, _LINKS = 5, 5, 12, 2
_LOW_MASK = np.int64(0xFFFFFFFF)


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
def free_node(node, nodes, meta):  # type: ignore[no-untyped-def]
    """A number that may be given again."""
    nodes[node - 1, NEXT] = meta[FIRST_FREE]
    meta[FIRST_FREE] = node


@helper
def _add_float(at, value, sign, key, slot, sums):  # type: ignore[no-untyped-def]
    """Add or take away a float; the sum is kept in two floats, so that taking away leaves nothing behind."""
    base = KEY_WIDTH + PER_ARGUMENT * at
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
def _count(value, word, at, sign, flags, key, slot, sums):  # type: ignore[no-untyped-def]
    """A value comes (+1) or goes (-1), but for the extremes."""
    base = KEY_WIDTH + PER_ARGUMENT * at
    key[base + VALUES] += sign
    if flags & SUMS:
        if flags & IS_FLOAT:
            _add_float(at, value, sign, key, slot, sums)
        else:
            key[base + HIGH] += sign * (word >> 32)
            key[base + LOW] += sign * (word & _LOW_MASK)
    if key[base + VALUES] == 0 and flags & IS_FLOAT:
        sums[slot, 2 * at], sums[slot, 2 * at + 1] = 0.0, 0.0


@helper
def _beats(word, held, flags, order, is_most):  # type: ignore[no-untyped-def]
    """Whether a value that comes later takes the place of another one at this end."""
    if flags & PLACED:
        return is_most
    if flags & ORDERED:
        found = compare(order, word, held, 1)
        return found >= 0 if is_most else found <= 0
    return word >= held if is_most else word <= held


@helper
def _wait(node, wanted, key, ends, nodes, order, is_most):  # type: ignore[no-untyped-def]
    """A value joins those that may become the extreme; it outlives those that it beats."""
    flags, place = wanted[0], wanted[1]
    link = place + _LINKS + (2 if is_most else 0)
    word, last = nodes[node - 1, place], key[ends + 1]
    while last > 0 and _beats(word, nodes[last - 1, place], flags, order, is_most):
        last = nodes[last - 1, link + 1]
    nodes[node - 1, link], nodes[node - 1, link + 1] = 0, last
    if last > 0:
        nodes[last - 1, link] = node
    else:
        key[ends] = node
    key[ends + 1] = node


@helper
def _wait_no_more(node, link, key, ends, nodes):  # type: ignore[no-untyped-def]
    """The oldest row goes; if it was the extreme, the next one is."""
    if key[ends] == node:
        key[ends] = nodes[node - 1, link]
        if key[ends] > 0:
            nodes[key[ends] - 1, link + 1] = 0
        else:
            key[ends + 1] = 0


@helper
def _widen(word, base, flags, key, order):  # type: ignore[no-untyped-def]
    """A value that was just counted comes to the extremes of a window that loses nothing."""
    if key[base + VALUES] == 1:
        key[base + LEAST] = key[base + MOST] = word
    else:
        if flags & LEAST_OF and _beats(word, key[base + LEAST], flags, order, False):
            key[base + LEAST] = word
        if flags & MOST_OF and _beats(word, key[base + MOST], flags, order, True):
            key[base + MOST] = word


@helper
def append(i, rows, wanted, state, meta):  # type: ignore[no-untyped-def]
    """Remember a row that will come into the window of its key."""
    slots, times, words, valid, floats, codes = rows
    nodes, node_floats, keys = state[0], state[1], state[2]
    node = _new_node(nodes, meta)
    held, key = nodes[node - 1], keys[slots[i]]
    held[NEXT], held[AFTER], held[HAS_LEFT] = 0, 0, 0
    held[SLOT], held[TIME] = slots[i], times[i]
    for at in range(len(wanted)):
        place = wanted[at, 1]
        held[place], held[place + 1] = words[i, at], np.int64(valid[i, at])
        node_floats[node - 1, at] = floats[i, at]
        if wanted[at, 0] & DISTINCT:
            held[place + 2] = codes[i, at]
    if key[TAIL] > 0:
        nodes[key[TAIL] - 1, NEXT] = node
    else:
        key[HEAD] = node
    key[TAIL] = node
    if key[ENTERS] == 0:
        key[ENTERS] = node
    key[WAITING] += 1
    return node


@helper
def enter(slot, shape, state, order):  # type: ignore[no-untyped-def]
    """The next row of a key comes into its window."""
    frame, wanted, meta = shape
    nodes, node_floats, keys, key_floats, counts = state
    key = keys[slot]
    node = key[ENTERS]
    key[ENTERS] = nodes[node - 1, NEXT]
    key[WAITING] -= 1
    key[COUNT] += 1
    for at in range(len(wanted)):
        flags, place, base = wanted[at, 0], wanted[at, 1], KEY_WIDTH + PER_ARGUMENT * at
        if nodes[node - 1, place + 1] == 0:
            continue
        word = nodes[node - 1, place]
        if flags & DISTINCT:
            code = nodes[node - 1, place + 2]
            counts[code, at] += 1
            if counts[code, at] > 1:
                continue
        _count(node_floats[node - 1, at], word, at, 1, flags, key, slot, key_floats)
        if not frame[HAS_START]:
            _widen(word, base, flags, key, order)
            continue
        if flags & LEAST_OF:
            _wait(node, wanted[at], key, base + LEAST_ENDS, nodes, order, False)
        if flags & MOST_OF:
            _wait(node, wanted[at], key, base + MOST_ENDS, nodes, order, True)
    if not frame[HAS_START]:
        key[HEAD] = key[ENTERS]
        if key[HEAD] == 0:
            key[TAIL] = 0
        free_node(node, nodes, meta)


@helper
def let_go(slot, wanted, state):  # type: ignore[no-untyped-def]
    """The first row of a key falls out of its window, or will never come in."""
    nodes, node_floats, keys, key_floats, counts = state
    key = keys[slot]
    node = key[HEAD]
    key[HEAD] = nodes[node - 1, NEXT]
    if key[HEAD] == 0:
        key[TAIL] = 0
    nodes[node - 1, HAS_LEFT] = 1
    if key[ENTERS] == node:
        key[ENTERS] = key[HEAD]
        key[WAITING] -= 1
        return node
    key[COUNT] -= 1
    for at in range(len(wanted)):
        flags, place, base = wanted[at, 0], wanted[at, 1], KEY_WIDTH + PER_ARGUMENT * at
        if nodes[node - 1, place + 1] == 0:
            continue
        if flags & DISTINCT:
            code = nodes[node - 1, place + 2]
            counts[code, at] -= 1
            if counts[code, at] > 0:
                continue
        _count(node_floats[node - 1, at], nodes[node - 1, place], at, -1, flags, key, slot, key_floats)
        if flags & LEAST_OF:
            _wait_no_more(node, place + _LINKS, key, base + LEAST_ENDS, nodes)
        if flags & MOST_OF:
            _wait_no_more(node, place + _LINKS + 2, key, base + MOST_ENDS, nodes)
    return node


@helper
def _total(at, key, slot, sums):  # type: ignore[no-untyped-def]
    base = KEY_WIDTH + PER_ARGUMENT * at
    if key[base + NANS] > 0 or (key[base + ABOVE] > 0 and key[base + BELOW] > 0):
        return np.nan
    if key[base + ABOVE] > 0:
        return np.inf
    if key[base + BELOW] > 0:
        return -np.inf
    return sums[slot, 2 * at] + sums[slot, 2 * at + 1]


@helper
def show(i, slot, shape, state, made):  # type: ignore[no-untyped-def]
    """Write down what the window of a row holds."""
    frame, wanted = shape[0], shape[1]
    nodes, keys, sums = state[0], state[2], state[3]
    counts, words, floats = made
    key = keys[slot]
    counts[i] = key[COUNT]
    for at in range(len(wanted)):
        flags, place, base = wanted[at, 0], wanted[at, 1], KEY_WIDTH + PER_ARGUMENT * at
        for j in range(5):
            words[at, j, i] = key[base + j]
        if flags & IS_FLOAT:
            floats[at, i] = _total(at, key, slot, sums)
        if flags & FIRST_ROW:
            words[at, LEAST, i], words[at, MOST, i] = 0, 0
            if key[COUNT] > 0:
                words[at, LEAST, i] = nodes[key[HEAD] - 1, place]
                words[at, MOST, i] = nodes[key[HEAD] - 1, place + 1]
        elif frame[HAS_START] and key[base + VALUES] > 0:
            if flags & LEAST_OF:
                words[at, LEAST, i] = nodes[key[base + LEAST_ENDS] - 1, place]
            if flags & MOST_OF:
                words[at, MOST, i] = nodes[key[base + MOST_ENDS] - 1, place]
