"""Find for each row the latest of other rows with its key, in one pass over both in the order of time.

Keys and rows are numbers. Not here: what they stand for (operators/as_of.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.compiled import kernel

Array = np.ndarray[Any, Any]


@kernel("void(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], boolean, int64[::1], int64[::1])")
def latest_rows(
    times: Array,
    keys: Array,
    other_times: Array,
    other_keys: Array,
    others: Array,
    is_strict: bool,
    latest: Array,
    found: Array,
) -> None:
    """Write into `found` the latest of `others` at or before each time (strict: before it).

    Both times ascend. `latest`: the row of each key before all of these, afterwards behind all; -1 is none.
    """
    at = 0
    for i in range(len(times)):
        while at < len(others) and (
            other_times[at] < times[i] or (other_times[at] == times[i] and not is_strict)
        ):
            latest[other_keys[at]] = others[at]
            at += 1
        found[i] = latest[keys[i]]
    while at < len(others):
        latest[other_keys[at]] = others[at]
        at += 1
