"""Add up sums that were made elsewhere: the second half of a two-phase aggregation.

Not here: adding single values (accumulate.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.accumulate import add_wide
from thalweg.columnar.compiled import kernel

Array = np.ndarray[Any, Any]


@kernel("void(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def merge_sums(
    slots: Array, highs: Array, lows: Array, adds: Array, high: Array, low: Array, counts: Array
) -> None:
    """Add 128-bit sums, and how many values each is the sum of."""
    for i in range(len(slots)):
        slot = slots[i]
        high[slot], low[slot] = add_wide(high[slot], low[slot], highs[i], lows[i])
        counts[slot] += adds[i]
