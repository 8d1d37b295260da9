"""Fold a batch of values into accumulators, one array per part of an accumulator, indexed by slot.

Every kernel takes `slots` (int64, one per row), values, `validity` (empty: everything is valid), `weights`
(empty: all 1) and the arrays that it changes. NULL never counts. Rows are folded in their order.

Sums of int64 are exact: 128 bits in two int64 arrays (high, low). Least and greatest take rows that are never
taken back; booleans fold as 0 and 1 (least is AND, greatest is OR), floats as `ordered_words`.

Not here: floats and decimals (accumulate_floats.py, accumulate_decimals.py), which operator needs what.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.canonical import canonical_words
from thalweg.columnar.compiled import helper, kernel

Array = np.ndarray[Any, Any]

_SIGN = np.int64(-(2**63))
_LOW, _HALF, _ZERO, _ONE = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(0), np.uint64(1)


def order_mask(*, greatest: bool, unsigned: bool = False) -> np.int64:
    """The `mask` for `keep_extremes`: which end of which order it keeps."""
    mask = np.int64(-1) if greatest else np.int64(0)
    return np.bitwise_xor(mask, _SIGN) if unsigned else mask


def ordered_words(values: Array) -> Array:
    """Floats as int64 in the same order: -0.0 = 0.0, and NaN, equal to itself, above everything.

    Example:
        >>> words = ordered_words(np.array([float("nan"), -1.0, float("inf"), 0.0]))
        >>> np.argsort(words).tolist(), from_ordered_words(words).tolist()
        ([1, 3, 2, 0], [nan, -1.0, inf, 0.0])
    """
    words = canonical_words(values)
    return np.where(words < 0, words ^ np.int64(2**63 - 1), words)


def from_ordered_words(words: Array) -> Array:
    """The inverse of `ordered_words`."""
    return np.where(words < 0, words ^ np.int64(2**63 - 1), words).view(np.float64)


@kernel("void(int64[::1], boolean[::1], int64[::1], int64[::1])")
def add_counts(slots: Array, validity: Array, weights: Array, counts: Array) -> None:
    """Add the weights of rows that are not NULL to `counts`."""
    # No branch per row: which rows count is rarely foreseeable.
    if len(weights) == 0:
        if len(validity) == 0:
            for i in range(len(slots)):
                counts[slots[i]] += 1
        else:
            for i in range(len(slots)):
                counts[slots[i]] += np.int64(validity[i])
    elif len(validity) == 0:
        for i in range(len(slots)):
            counts[slots[i]] += weights[i]
    else:
        for i in range(len(slots)):
            counts[slots[i]] += weights[i] * np.int64(validity[i])


@helper
def add_wide(high, low, more_high, more_low):  # type: ignore[no-untyped-def]
    """The sum of two 128-bit numbers, wrapped; parts are int64."""
    total = np.uint64(low) + np.uint64(more_low)
    carry = np.int64(total < np.uint64(low))
    return high + more_high + carry, np.int64(total)


@helper
def add_far(far, high, low, more_high, more_low):  # type: ignore[no-untyped-def]
    """The sum of two 128-bit numbers, wrapped, and `far` with how many times 2^128 that leaves out."""
    new_high, new_low = add_wide(high, low, more_high, more_low)
    if ((high ^ new_high) & (more_high ^ new_high)) < 0:
        far += np.int64(1) if more_high >= 0 else np.int64(-1)
    return far, new_high, new_low


@helper
def negate_wide(high, low):  # type: ignore[no-untyped-def]
    """Minus a 128-bit number."""
    return add_wide(~high, ~low, np.int64(0), np.int64(1))


@helper
def multiply_wide(a, b):  # type: ignore[no-untyped-def]
    """The 128-bit product of two int64."""
    x = np.uint64(-a) if a < 0 else np.uint64(a)
    y = np.uint64(-b) if b < 0 else np.uint64(b)
    x_low, x_high, y_low, y_high = x & _LOW, x >> _HALF, y & _LOW, y >> _HALF
    middle = x_high * y_low + ((x_low * y_low) >> _HALF)
    other = x_low * y_high + (middle & _LOW)
    high = np.int64(x_high * y_high + (middle >> _HALF) + (other >> _HALF))
    low = np.int64(x * y)
    if (a < 0) != (b < 0):
        return negate_wide(high, low)
    return high, low


@kernel("void(int64[::1], int64[::1], boolean[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def add_sums(
    slots: Array, values: Array, validity: Array, weights: Array, high: Array, low: Array, counts: Array
) -> None:
    """Add values times weights to 128-bit sums, and the weights to `counts`."""
    all_valid, all_one = len(validity) == 0, len(weights) == 0
    for i in range(len(slots)):
        if not (all_valid or validity[i]):
            continue
        slot, value = slots[i], values[i]
        if all_one:
            more_high, more_low = value >> 63, value
            counts[slot] += 1
        else:
            more_high, more_low = multiply_wide(value, weights[i])
            counts[slot] += weights[i]
        high[slot], low[slot] = add_wide(high[slot], low[slot], more_high, more_low)


@kernel("void(int64[::1], int64[::1], boolean[::1], int64, int64[::1], int64[::1])")
def keep_extremes(
    slots: Array, values: Array, validity: Array, mask: np.int64, extremes: Array, seen: Array
) -> None:
    """Keep the least or the greatest value (see `order_mask`) per slot; `seen` is 1 where there is one."""
    all_valid = len(validity) == 0
    for i in range(len(slots)):
        if all_valid or validity[i]:
            slot, value = slots[i], values[i]
            if seen[slot] == 0 or (value ^ mask) < (extremes[slot] ^ mask):
                extremes[slot] = value
                seen[slot] = 1


@kernel("int64(int64[::1], boolean[::1], int64[::1])")
def touch(slots: Array, is_touched: Array, fresh: Array) -> int:
    """Mark slots as touched; those that were not before go to `fresh`, in the order of first appearance.

    Returns how many there are.
    """
    count = np.int64(0)
    for i in range(len(slots)):
        slot = slots[i]
        fresh[count] = slot
        count += np.int64(not is_touched[slot])
        is_touched[slot] = True
    return count  # type: ignore[return-value]


@kernel(
    "void(int64[::1], int64[::1], boolean[::1], UniTuple(int64[::1], 2), boolean, UniTuple(int64[::1], 4))"
)
def keep_placed(
    slots: Array,
    words: Array,
    validity: Array,
    places: tuple[Array, Array],
    is_last: bool,
    columns: tuple[Array, Array, Array, Array],
) -> None:
    """Keep the word of the first or last place per slot: word, split, offset, and whether there is one."""
    all_valid = len(validity) == 0
    kept, splits, offsets, seen = columns
    for i in range(len(slots)):
        if not (all_valid or validity[i]):
            continue
        slot, split, offset = slots[i], places[0][i], places[1][i]
        is_before = split < splits[slot] or (split == splits[slot] and offset < offsets[slot])
        if seen[slot] == 0 or is_before != is_last:
            kept[slot], splits[slot], offsets[slot], seen[slot] = words[i], split, offset, 1
