"""Put rows in the order of their times, those of one time in the order of their positions.

Rows mostly come in a few stretches that are in order already, and few of them share a time: they are sorted
by time, and only the ties are looked at again.

Not here: the order of keys (key_order.py), the rows themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.compiled import kernel

Array = np.ndarray[Any, Any]
_FEW = 64
"""More ties than this are sorted apart: what is done for few takes the square of their number."""
_DONE, _SAME, _MANY = 0, 1, 2


def time_order(times: Array, splits: Array, offsets: Array) -> Array | None:
    """The rows by time, split and offset; None if two of them share all three.

    Example:
        >>> time_order(np.array([7, 5, 7]), np.array([1, 0, 0]), np.array([3, 4, 9])).tolist()
        [1, 2, 0]
    """
    order = np.argsort(times, kind="stable")
    found = _settle(order, times, splits, offsets)
    if found == _MANY:
        order = np.lexsort([offsets, splits, times])
        keys = [k[order] for k in (times, splits, offsets)]
        is_same = np.logical_and.reduce([k[1:] == k[:-1] for k in keys])
        found = _SAME if is_same.any() else _DONE
    return None if found == _SAME else order


@kernel("int64(int64[::1], int64[::1], int64[::1], int64[::1])")
def _settle(order: Array, times: Array, splits: Array, offsets: Array) -> int:
    """Put rows of one time in the order of their positions, where they are."""
    begin = np.int64(0)
    for i in range(1, len(order)):
        row = order[i]
        if times[row] != times[order[i - 1]]:
            begin = np.int64(i)
            continue
        if i - begin >= _FEW:
            return _MANY
        split, offset = splits[row], offsets[row]
        j = i
        while j > begin:
            before = order[j - 1]
            if splits[before] < split or (splits[before] == split and offsets[before] < offset):
                break
            if splits[before] == split and offsets[before] == offset:
                return _SAME
            order[j] = before
            j -= 1
        order[j] = row
    return _DONE
