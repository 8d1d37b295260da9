"""Link the rows of each key into a chain, and walk the chains of many keys at once.

Rows are numbers, and so are keys (slots). `heads[slot]` is the first row of a key, `nexts` and `before` are
its neighbours, -1 ends a chain; `owners[row]` is the key that a row belongs to. All arrays are int64.

Not here: what a row is, and which number it gets (state/multimap.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.compiled import kernel

Array = np.ndarray[Any, Any]

NEW = -2
"""In a cursor: the chain has not been begun."""


@kernel("void(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def link(rows: Array, slots: Array, heads: Array, nexts: Array, before: Array, owners: Array) -> None:
    """Put rows at the beginning of the chains of their keys."""
    for i in range(len(rows)):
        row, slot = rows[i], slots[i]
        first = heads[slot]
        nexts[row], before[row], owners[row] = first, -1, slot
        if first >= 0:
            before[first] = row
        heads[slot] = row


@kernel("void(int64[::1], int64[::1], int64[::1], int64[::1])")
def link_forward(rows: Array, slots: Array, heads: Array, nexts: Array) -> None:
    """The same for rows that are never taken out."""
    for i in range(len(rows)):
        nexts[rows[i]] = heads[slots[i]]
        heads[slots[i]] = rows[i]


@kernel("int64(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def unlink(rows: Array, heads: Array, nexts: Array, before: Array, owners: Array, emptied: Array) -> int:
    """Take rows out of their chains; returns how many keys have no row any more, listed in `emptied`."""
    count = 0
    for i in range(len(rows)):
        row = rows[i]
        following, previous = nexts[row], before[row]
        if following >= 0:
            before[following] = previous
        if previous >= 0:
            nexts[previous] = following
        else:
            slot = owners[row]
            heads[slot] = following
            if following < 0:
                emptied[count] = slot
                count += 1
    return count


@kernel("int64(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def follow(slots: Array, heads: Array, nexts: Array, cursor: Array, places: Array, rows: Array) -> int:
    """Write pairs (place in `slots`, row of that key) from `cursor` on until there is no more room.

    Returns how many were written. `cursor`: the place and the row to go on with; slots below 0 have no rows.
    """
    at, row = cursor[0], cursor[1]
    count, room = 0, len(rows)
    while at < len(slots):
        if row == NEW:
            row = heads[slots[at]] if slots[at] >= 0 else -1
        while row >= 0:
            if count == room:
                cursor[0], cursor[1] = at, row
                return count
            places[count], rows[count] = at, row
            count += 1
            row = nexts[row]
        at += 1
        row = NEW
    cursor[0], cursor[1] = at, NEW
    return count


@kernel("void(int64[::1], int64[::1], int64[::1])")
def add_at(places: Array, amounts: Array, totals: Array) -> None:
    """Add amounts at places, as often as they come; no amounts at all are all 1."""
    if len(amounts) == 0:
        for i in range(len(places)):
            totals[places[i]] += 1
    else:
        for i in range(len(places)):
            totals[places[i]] += amounts[i]


@kernel("void(int64[::1], int64[::1])")
def renumber(links: Array, numbers: Array) -> None:
    """Replace row numbers in an array of links; -1 stays."""
    for i in range(len(links)):
        if links[i] >= 0:
            links[i] = numbers[links[i]]


@kernel("void(int64[::1], int64[::1], int64[::1])")
def first_places(rows: Array, fresh: Array, places: Array) -> None:
    """Where each of the fresh numbers, listed in the order of first appearance, appears first in `rows`."""
    found = 0
    for i in range(len(rows)):
        if found < len(fresh) and rows[i] == fresh[found]:
            places[found] = i
            found += 1
