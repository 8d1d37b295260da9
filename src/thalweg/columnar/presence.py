"""Count values, and tell when a value comes or goes: when its count leaves 0 or returns to it.

Not here: which values are counted under which condition (operators/distinct.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.compiled import kernel, load_word, store_word

Array = np.ndarray[Any, Any]


def count_presence(slots: Array, adds: Array, addresses: Array) -> tuple[Array, Array]:
    """Add to counts, and report where that made a difference.

    Args:
        slots: the place of each row.
        adds: what each row adds to each column of counts: int64[columns, rows].
        addresses: where the columns of counts begin.

    Returns:
        The rows that made a value come or go under some column, and for these the differences
        (1, 0 or -1): int64[columns, rows]. Of several rows of one place the differences add up.

    Example:
        >>> from thalweg.columnar.cells import addresses_of
        >>> counts = np.zeros((1, 4), np.int64)
        >>> slots, adds = np.array([2, 3, 2]), np.array([[1, 0, 4]])
        >>> rows, differences = count_presence(slots, adds, addresses_of(counts))
        >>> rows.tolist(), differences.tolist(), counts.tolist()
        ([0], [[1]], [[0, 0, 5, 0]])
    """
    rows = np.empty(len(slots) + 1, np.int64)
    flags = np.zeros((len(adds), len(slots) + 1), np.int64)
    count = _count(slots, np.ascontiguousarray(adds), addresses, rows, flags)
    return rows[:count], flags[:, :count]


@kernel("int64(int64[::1], int64[:, ::1], uint64[::1], int64[::1], int64[:, ::1])")
def _count(slots: Array, adds: Array, addresses: Array, rows: Array, flags: Array) -> int:
    count = np.int64(0)
    for i in range(len(slots)):
        offset = np.uint64(8 * slots[i])
        differs = False
        rows[count] = i
        for j in range(len(adds)):
            address = addresses[j] + offset
            before = np.int64(load_word(address))
            after = before + adds[j, i]
            store_word(address, np.uint64(after))
            flags[j, count] = np.int64(after != 0) - np.int64(before != 0)
            differs |= flags[j, count] != 0
        count += np.int64(differs)
    return count  # type: ignore[return-value]
