"""Read 128-bit sums: as int64, divided by counts, held against a number of digits.

A number is `high * 2**64 + (low as unsigned)`, both int64 arrays. As a column: `buffers.limbs_to_polars`.

Not here: adding to sums (accumulate.py, accumulate_decimals.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.accumulate import negate_wide
from thalweg.columnar.compiled import helper, kernel

Array = np.ndarray[Any, Any]

_ZERO, _ONE, _TOP = np.uint64(0), np.uint64(1), np.uint64(63)


def limbs_to_int64(high: Array, low: Array) -> tuple[Array, Array]:
    """The numbers as int64, and a mask of those that do not fit.

    Example:
        >>> limbs_to_int64(np.array([-1, 0]), np.array([-5, -5]))[1].tolist()
        [False, True]
    """
    return low, high != low >> 63


def exceeds(high: Array, low: Array, precision: int) -> Array:
    """A mask of the numbers with more than `precision` decimal digits (at most 38).

    Example:
        >>> exceeds(np.array([0, -1]), np.array([1000, -999]), 3).tolist()
        [True, False]
    """
    limit = 10**precision
    limit_high, limit_low = np.uint64(limit >> 64), np.uint64(limit & (2**64 - 1))
    bits, is_negative = low.view(np.uint64), high < 0
    size_low = np.where(is_negative, ~bits + _ONE, bits)
    size_high = np.where(is_negative, ~high + (low == 0), high).view(np.uint64)
    above: Array = (size_high > limit_high) | ((size_high == limit_high) & (size_low >= limit_low))
    return above


def divide(high: Array, low: Array, divisors: Array) -> tuple[Array, Array, Array]:
    """Quotients (high, low), truncated towards zero, and remainders with the sign of the number.

    By zero: all three are zero.

    Example:
        >>> _, quotients, rest = divide(np.array([-1]), np.array([-7]), np.array([2]))
        >>> quotients.tolist(), rest.tolist()
        ([-3], [-1])
    """
    out = np.empty((3, len(high)), dtype=np.int64)
    _divide(np.ascontiguousarray(high), np.ascontiguousarray(low), np.ascontiguousarray(divisors), out)
    return out[0], out[1], out[2]


@helper
def _divide_unsigned(high, low, divisor):  # type: ignore[no-untyped-def]
    """Long division bit by bit; the divisor has at most 63 bits and a half."""
    rest, quotient_high, quotient_low = _ZERO, _ZERO, _ZERO
    for _ in range(128):
        rest = (rest << _ONE) | (high >> _TOP)
        high = (high << _ONE) | (low >> _TOP)
        low = low << _ONE
        quotient_high = (quotient_high << _ONE) | (quotient_low >> _TOP)
        quotient_low = quotient_low << _ONE
        if rest >= divisor:
            rest -= divisor
            quotient_low |= _ONE
    return np.int64(quotient_high), np.int64(quotient_low), np.int64(rest)


@helper
def _divide_one(high, low, divisor):  # type: ignore[no-untyped-def]
    is_negative = high < 0
    if is_negative:
        high, low = negate_wide(high, low)
    size = np.uint64(-divisor) if divisor < 0 else np.uint64(divisor)
    if high == 0:
        unsigned = np.uint64(low)
        quotient_high, rest = np.int64(0), np.int64(unsigned % size)
        quotient = np.int64(unsigned // size)
    else:
        quotient_high, quotient, rest = _divide_unsigned(np.uint64(high), np.uint64(low), size)
    if is_negative != (divisor < 0):
        quotient_high, quotient = negate_wide(quotient_high, quotient)
    return quotient_high, quotient, -rest if is_negative else rest


@kernel("void(int64[::1], int64[::1], int64[::1], int64[:, ::1])")
def _divide(high: Array, low: Array, divisors: Array, out: Array) -> None:
    for i in range(len(high)):
        out[0, i], out[1, i], out[2, i] = 0, 0, 0
        if divisors[i] != 0:
            out[0, i], out[1, i], out[2, i] = _divide_one(high[i], low[i], divisors[i])
