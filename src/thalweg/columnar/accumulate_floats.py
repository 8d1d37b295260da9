"""Fold floats into sums by slot, so that order hardly matters and values can be taken back.

A sum is kept as two floats (double-double, about 106 bits); NaN, +inf and -inf are counted apart. Adding and
taking back the same values returns to what was, within the stated precision. A sum of finite values that
leaves the range of float64 on its way stays infinite.

Conventions as in accumulate.py, where the least and greatest of floats are too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.compiled import helper, kernel

Array = np.ndarray[Any, Any]

_SPLIT = 134217729.0
_SPLIT_MAX = 1e290


def float_sums(sums: tuple[Array, Array], specials: tuple[Array, Array, Array]) -> Array:
    """The sums as float64, by IEEE 754: NaN if a NaN or both infinities are in.

    Example:
        >>> zero, one = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
        >>> float_sums((np.ones(1), np.zeros(1)), (zero, one, zero)).tolist()
        [inf]
    """
    nans, ups, downs = specials
    total = sums[0] + sums[1]
    total = np.where(downs != 0, -np.inf, np.where(ups != 0, np.inf, total))
    return np.where((nans != 0) | ((ups != 0) & (downs != 0)), np.nan, total)


@helper
def _product(a, b):  # type: ignore[no-untyped-def]
    """A product and its rounding error (Dekker); no error term for numbers near the end of the range."""
    product = a * b
    if abs(a) > _SPLIT_MAX or abs(b) > _SPLIT_MAX or abs(product) > _SPLIT_MAX:
        return product, 0.0
    a_high = _SPLIT * a - (_SPLIT * a - a)
    b_high = _SPLIT * b - (_SPLIT * b - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@helper
def _add(high, low, value, error):  # type: ignore[no-untyped-def]
    """A double-double plus a value and its error (Knuth's two-sum, then renormalized)."""
    total = high + value
    if not np.isfinite(total):
        return total, 0.0
    part = total - high
    rest = low + error + ((high - (total - part)) + (value - part))
    new_high = total + rest
    return new_high, rest - (new_high - total)


@kernel(
    "void(int64[::1], float64[::1], boolean[::1], int64[::1], "
    "UniTuple(float64[::1], 2), UniTuple(int64[::1], 3), int64[::1])"
)
def add_floats(
    slots: Array,
    values: Array,
    validity: Array,
    weights: Array,
    sums: tuple[Array, Array],
    specials: tuple[Array, Array, Array],
    counts: Array,
) -> None:
    """Add values times weights to `sums` (high, low), weights to `counts`.

    The weights of values that are not finite go to `specials` (NaN, +inf, -inf) instead of the sums.
    """
    all_valid, all_one = len(validity) == 0, len(weights) == 0
    high, low = sums
    nans, ups, downs = specials
    for i in range(len(slots)):
        if not (all_valid or validity[i]):
            continue
        slot, value = slots[i], values[i]
        weight = np.int64(1) if all_one else weights[i]
        counts[slot] += weight
        if np.isnan(value):
            nans[slot] += weight
        elif value == np.inf:
            ups[slot] += weight
        elif value == -np.inf:
            downs[slot] += weight
        elif weight == 1:
            high[slot], low[slot] = _add(high[slot], low[slot], value, 0.0)
        else:
            product, error = _product(value, float(weight))
            high[slot], low[slot] = _add(high[slot], low[slot], product, error)


@kernel(
    "void(int64[::1], float64[::1], boolean[::1], int64[::1], "
    "UniTuple(float64[::1], 4), UniTuple(int64[::1], 2))"
)
def add_squares(
    slots: Array,
    values: Array,
    validity: Array,
    weights: Array,
    sums: tuple[Array, Array, Array, Array],
    counts: tuple[Array, Array],
) -> None:
    """Add values and their squares, times weights, to two sums (high, low, high, low).

    The weights of values that are not finite are added to the first count, those of all to the second.
    """
    all_valid, all_one = len(validity) == 0, len(weights) == 0
    high, low, square_high, square_low = sums
    odd, total = counts
    for i in range(len(slots)):
        if not (all_valid or validity[i]):
            continue
        slot, value = slots[i], values[i]
        weight = np.int64(1) if all_one else weights[i]
        total[slot] += weight
        if not np.isfinite(value):
            odd[slot] += weight
            continue
        product, error = _product(value, float(weight))
        high[slot], low[slot] = _add(high[slot], low[slot], product, error)
        square, rest = _product(value, value)
        product, error = _product(square, float(weight))
        error += rest * float(weight)
        square_high[slot], square_low[slot] = _add(square_high[slot], square_low[slot], product, error)


@kernel("void(int64[::1], UniTuple(float64[::1], 4), UniTuple(float64[::1], 4), UniTuple(int64[::1], 4))")
def merge_squares(
    slots: Array,
    made: tuple[Array, Array, Array, Array],
    sums: tuple[Array, Array, Array, Array],
    counts: tuple[Array, Array, Array, Array],
) -> None:
    """Add sums made elsewhere; counts are those made elsewhere (odd, total), then those added to."""
    for i in range(len(slots)):
        slot = slots[i]
        sums[0][slot], sums[1][slot] = _add(sums[0][slot], sums[1][slot], made[0][i], made[1][i])
        sums[2][slot], sums[3][slot] = _add(sums[2][slot], sums[3][slot], made[2][i], made[3][i])
        counts[2][slot] += counts[0][i]
        counts[3][slot] += counts[1][i]


@kernel("void(UniTuple(float64[::1], 4), UniTuple(int64[::1], 2), float64[::1])")
def squared_deviations(
    sums: tuple[Array, Array, Array, Array], counts: tuple[Array, Array], found: Array
) -> None:
    """Fill zeros with the sums of squared distances from the mean, without cancellation.

    Values whose squares leave the range of float64 are infinitely far from each other.
    """
    high, low, square_high, square_low = sums
    odd, total = counts
    for i in range(len(high)):
        if odd[i] != 0:
            found[i] = np.nan
        elif total[i] > 0:
            number = float(total[i])
            product, error = _product(high[i], high[i])
            error += 2.0 * high[i] * low[i]
            share = product / number
            back, rest = _product(share, number)
            share_low = ((product - back) - rest + error) / number
            if np.isfinite(square_high[i]) and np.isfinite(share):
                found[i] = max(0.0, (square_high[i] - share) + (square_low[i] - share_low))
            else:
                found[i] = np.inf
