"""Fold decimals (two int64 limbs) and unsigned 64-bit integers into accumulators by slot.

Conventions as in accumulate.py. A uint64 column is (zeros, its bits).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.accumulate import add_far, add_wide, multiply_wide
from thalweg.columnar.compiled import helper, kernel

Array = np.ndarray[Any, Any]
Pair = tuple[Array, Array]
Triple = tuple[Array, Array, Array]


@helper
def _times(high, low, weight):  # type: ignore[no-untyped-def]
    """A 128-bit number times an int64, wrapped, and how many times 2^128 that leaves out."""
    if weight == 1:
        return high, low, np.int64(0)
    # high * 2**64 + low (unsigned) = (high + carry) * 2**64 + low (signed).
    carried = high + np.int64(low < 0)
    part_high, part_low = multiply_wide(low, weight)
    top_high, top_low = multiply_wide(carried, weight)
    # both halves of the sum count: what does not fit by itself may fit with the other part
    beyond, new_high = add_wide(top_high, top_low, part_high >> 63, part_high)
    return new_high, part_low, beyond - (new_high >> 63)


@kernel(
    "void(int64[::1], UniTuple(int64[::1], 2), boolean[::1], int64[::1], UniTuple(int64[::1], 3), int64[::1])"
)
def add_decimals(
    slots: Array, values: Pair, validity: Array, weights: Array, sums: Triple, counts: Array
) -> None:
    """Add values times weights to sums (times 2^128, high, low), and the weights to `counts`.

    Sums on the way may have any size: a sum fits 128 bits where its first part is 0.
    """
    all_valid, all_one = len(validity) == 0, len(weights) == 0
    far, high, low = sums
    for i in range(len(slots)):
        if not (all_valid or validity[i]):
            continue
        slot, weight = slots[i], np.int64(1) if all_one else weights[i]
        more_high, more_low, more_far = _times(values[0][i], values[1][i], weight)
        far[slot], high[slot], low[slot] = add_far(
            far[slot] + more_far, high[slot], low[slot], more_high, more_low
        )
        counts[slot] += weight


@kernel("void(int64[::1], UniTuple(int64[::1], 3), int64[::1], UniTuple(int64[::1], 3), int64[::1])")
def merge_decimals(slots: Array, made: Triple, adds: Array, sums: Triple, counts: Array) -> None:
    """Add sums made elsewhere, and how many values each is the sum of."""
    far, high, low = sums
    for i in range(len(slots)):
        slot = slots[i]
        far[slot], high[slot], low[slot] = add_far(
            far[slot] + made[0][i], high[slot], low[slot], made[1][i], made[2][i]
        )
        counts[slot] += adds[i]
