"""An open-addressing hash table in one array, as the key index and the dictionary use it.

Each row of the table is (word, number + 1); a number of 0 means that the place is empty. At most two thirds
of the places are in use; collisions go to the next place. A removal moves later entries back, so there are
no markers of the dead and nothing decays.

Numbers are handed out densely: those given back form a list through `links`, last one first.

Not here: what a word stands for, and when two entries are the same (index.py, dictionary.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.allocation import grown, zeros
from thalweg.columnar.compiled import helper, kernel, prefetch

Array = np.ndarray[Any, Any]

HIGH, FREE, NEW, START, CREATE, BYTES = range(6)
"""Places in `meta`: numbers ever handed out; the last number given back, or -1; how many entries this call
made; the row it goes on with; whether missing entries are made; bytes in use (dictionary)."""
META_LENGTH = 6
LIVE = -2
"""In `links`: the number is in use. Otherwise the next number given back, or -1."""
SMALLEST = 1024
AHEAD = 8
"""So many rows before it is looked at, a place is fetched."""
_PLACE_BYTES = 16

_MULTIPLY, _AGAIN, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93), np.uint64(32)


def new_table(capacity: int) -> Array:
    """An empty table with room for `capacity` entries; its length is a power of two.

    Example:
        >>> [len(new_table(capacity)) for capacity in (4, 5, 6)]
        [8, 8, 16]
    """
    return zeros((_length(capacity), 2))


def _length(capacity: int) -> int:
    return 1 << (capacity + capacity // 2).bit_length()


def grown_table(table: Array, capacity: int) -> Array:
    """The entries of a table in one with more room, which may share its memory: do not use the old one.

    Entries move to where they are looked for now, which is their old place or one in the new memory. Those
    that would go on at the beginning are set aside, until all others have moved.

    Example:
        >>> table = new_table(4)
        >>> fill_table(np.array([[7, 1], [9, 2]]), table)
        >>> more = grown_table(table, 9)
        >>> len(more), sorted(row for row in more.tolist() if row[1])
        (16, [[7, 1], [9, 2]])
    """
    old, length = len(table), _length(capacity)
    if length <= old:
        return table
    longer = grown(table, length)
    run = _first_run(longer)
    aside = np.empty((run + SMALLEST, 2), np.int64)
    aside[:run], longer[:run, 1] = longer[:run], 0
    used, at = np.array([run]), run
    while (at := _spread(longer, at, old, aside, used)) < old:
        aside = np.concatenate([aside, np.empty_like(aside)])
    fill_table(aside[: used[0]], longer)
    return longer


@helper
def place(word, mask):  # type: ignore[no-untyped-def]
    """Where the search for a word begins."""
    mixed = np.uint64(word) * _MULTIPLY
    mixed = (mixed ^ (mixed >> _HALF)) * _AGAIN
    return np.int64(mixed >> _HALF) & mask


@helper
def prefetch_place(table, at):  # type: ignore[no-untyped-def]
    """Have a place of a table fetched, which is looked at soon: most of the time goes by waiting for it."""
    prefetch(np.uint64(table.ctypes.data) + np.uint64(at * _PLACE_BYTES))


@helper
def take_number(links, meta):  # type: ignore[no-untyped-def]
    """A number that is not in use, or -1 if all are."""
    number = meta[FREE]
    if number >= 0:
        meta[FREE] = links[number]
    else:
        number = meta[HIGH]
        if number == len(links):
            return np.int64(-1)
        meta[HIGH] = number + 1
    links[number] = LIVE
    return number


@kernel("void(int64[:, ::1], int64[:, ::1])")
def fill_table(entries: Array, table: Array) -> None:
    """Put entries (empty ones are skipped), all different, into a table."""
    mask = len(table) - 1
    for i in range(len(entries)):
        if entries[i, 1] > 0:
            at = place(entries[i, 0], mask)
            while table[at, 1] > 0:
                at = (at + 1) & mask
            table[at, 0], table[at, 1] = entries[i, 0], entries[i, 1]


@kernel("int64(int64[:, ::1])")
def _first_run(table: Array) -> int:
    """How many places at the beginning are in use."""
    run = 0
    while table[run, 1] > 0:
        run += 1
    return run


@kernel("int64(int64[:, ::1], int64, int64, int64[:, ::1], int64[::1])")
def _spread(table: Array, start: int, old: int, aside: Array, used: Array) -> int:
    """Move the entries of a table that had `old` places; stops where there is no room to set one aside."""
    mask = len(table) - 1
    for at in range(start, old):
        if table[at, 1] > 0:
            if used[0] == len(aside):
                return at
            word, number = table[at, 0], table[at, 1]
            table[at, 1] = 0
            to = place(word, mask)
            while to <= mask and table[to, 1] > 0:
                to += 1
            if to <= mask:
                table[to, 0], table[to, 1] = word, number
            else:
                aside[used[0], 0], aside[used[0], 1] = word, number
                used[0] += 1
    return old


@kernel("int64(int64[::1], int64[::1], int64[:, ::1], int64[::1], int64[::1])")
def remove(words: Array, numbers: Array, table: Array, links: Array, meta: Array) -> int:
    """Take entries out of a table and give their numbers back; stops at one that is not in use."""
    mask = len(table) - 1
    for i in range(len(numbers)):
        if links[numbers[i]] != LIVE:
            return i
        hole = place(words[i], mask)
        while table[hole, 1] != numbers[i] + 1:
            hole = (hole + 1) & mask
        at = (hole + 1) & mask
        while table[at, 1] > 0:
            # An entry may move into the hole unless its search begins behind the hole.
            if ((at - place(table[at, 0], mask)) & mask) >= ((at - hole) & mask):
                table[hole, 0], table[hole, 1] = table[at, 0], table[at, 1]
                hole = at
            at = (at + 1) & mask
        table[hole, 1] = 0
        links[numbers[i]] = meta[FREE]
        meta[FREE] = numbers[i]
    return len(numbers)


@kernel("int64(int64[::1], int64[::1], int64[::1])")
def give_back(numbers: Array, links: Array, meta: Array) -> int:
    """Give numbers back that are in no table; stops at one that is not in use."""
    for i in range(len(numbers)):
        if links[numbers[i]] != LIVE:
            return i
        links[numbers[i]] = meta[FREE]
        meta[FREE] = numbers[i]
    return len(numbers)
