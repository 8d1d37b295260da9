"""Add up accumulators whose columns lie together, all columns in one call; and link what stacks of sums hold.

How columns are added up is a table int64[rules, 3]: the rule, its first column, and what the rule needs to
know. The columns of a rule follow each other.

Not here: columns that lie apart (merge.py), which columns a part has (operators/parts.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.accumulate import add_far, add_wide
from thalweg.columnar.compiled import helper, kernel

Array = np.ndarray[Any, Any]

ADD, WIDE, FAR, EXTREME, PLACED = range(5)
"""Rules: a count; a sum of 128 bits (high, low); a sum of decimals (far, high, low); the least value in the
order of a mask (see `order_mask`; value, seen); the first or last value (word, split, offset, seen)."""
WIDTHS = (1, 2, 3, 2, 4)
NO_RUNNING = np.empty((0, 0), np.int64)


@helper
def _keep_placed(cells, i, sums, p, is_last):  # type: ignore[no-untyped-def]
    """Keep the row whose place (split, offset) comes first or last."""
    split, offset, seen = cells[1, i], cells[2, i], cells[3, i]
    if seen == 0:
        return
    is_before = split < sums[1, p] or (split == sums[1, p] and offset < sums[2, p])
    if sums[3, p] == 0 or is_before != (is_last != 0):
        for c in range(4):
            sums[c, p] = cells[c, i]


@kernel("void(int64[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])")
def merge_cells(rules: Array, places: Array, cells: Array, sums: Array, running: Array) -> None:
    """Add cells to sums, row by row.

    Args:
        rules: how the columns are added up.
        places: int64[rows], the place in the sums of each row.
        cells: int64[columns, rows].
        sums: int64[columns, places].
        running: int64[columns, rows] for what is at each row's place once it is added; empty: not wanted.

    Example:
        >>> sums, running = np.zeros((1, 2), np.int64), np.empty((1, 3), np.int64)
        >>> merge_cells(np.array([[ADD, 0, 0]]), np.array([1, 0, 1]), np.array([[5, 6, 7]]), sums, running)
        >>> sums.tolist(), running.tolist()
        ([[6, 12]], [[5, 6, 12]])
    """
    keeps = running.shape[1] > 0
    for n in range(len(rules)):
        rule, j, mask = rules[n]
        width = WIDTHS[rule]
        for i in range(len(places)):
            p = places[i]
            if rule == ADD:
                sums[j, p] += cells[j, i]
            elif rule == WIDE:
                sums[j, p], sums[j + 1, p] = add_wide(
                    sums[j, p], sums[j + 1, p], cells[j, i], cells[j + 1, i]
                )
            elif rule == FAR:
                sums[j, p], sums[j + 1, p], sums[j + 2, p] = add_far(
                    sums[j, p] + cells[j, i], sums[j + 1, p], sums[j + 2, p], cells[j + 1, i], cells[j + 2, i]
                )
            elif rule == EXTREME:
                is_better = sums[j + 1, p] == 0 or (cells[j, i] ^ mask) < (sums[j, p] ^ mask)
                if cells[j + 1, i] != 0 and is_better:
                    sums[j, p], sums[j + 1, p] = cells[j, i], 1
            else:
                _keep_placed(cells[j : j + 4], i, sums[j : j + 4], p, mask)
            if keeps:
                for c in range(j, j + width):
                    running[c, i] = sums[c, p]


@kernel("void(int64[:, ::1], int64[::1], int64[::1], int64[:, ::1])")
def pick_some(cells: Array, places: Array, keys: Array, found: Array) -> None:
    """The cells at the place of each key, zeros where it is negative.

    Args:
        cells: int64[columns, rows].
        places: by key its row, or -1.
        keys: int64[keys].
        found: int64[columns, keys], to be filled.

    Example:
        >>> found = np.empty((1, 2), np.int64)
        >>> pick_some(np.array([[5, 6]]), np.array([-1, 1, 0]), np.array([0, 1]), found)
        >>> found.tolist()
        [[0, 6]]
    """
    for j in range(len(found)):
        for i in range(len(keys)):
            place = places[keys[i]]
            found[j, i] = cells[j, place] if place >= 0 else 0


@kernel(
    "void(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], UniTuple(int64[::1], 2))"
)
def link_rows(
    begins: Array,
    panes: Array,
    owners: Array,
    slots: Array,
    tops: Array,
    below: Array,
    latest: tuple[Array, Array],
) -> None:
    """Stack the rows of panes, the latest pane at the bottom: which row is below each, which one is on top.

    Args:
        begins: int64[panes + 1], where the rows of each pane begin; the latest pane comes first.
        panes: int64[panes], their numbers.
        owners, slots: int64[rows], the key and the slot of each row; a pane may have several of one key.
        tops: int64[keys], by key the row on top; -1: none yet.
        below: int64[rows], to be filled: the key's row in the panes after the row's own, or -1.
        latest: by key the slot of its latest pane, and that pane.

    Example:
        >>> tops, below = np.full(2, -1), np.empty(3, np.int64)
        >>> latest = np.zeros(2, np.int64), np.zeros(2, np.int64)
        >>> begins, panes, owners, slots = map(np.array, ([0, 1, 3], [9, 8], [0, 1, 0], [4, 5, 6]))
        >>> link_rows(begins, panes, owners, slots, tops, below, latest)
        >>> tops.tolist(), below.tolist(), latest[0].tolist()
        ([2, 1], [-1, -1, 0], [4, 5])
    """
    for pane in range(len(panes)):
        for i in range(begins[pane], begins[pane + 1]):
            key = owners[i]
            top = tops[key]
            if top < 0:
                latest[0][key], latest[1][key] = slots[i], panes[pane]
            below[i] = below[top] if top >= begins[pane] else top
            tops[key] = i
