"""Read numbers: exactly, or not at all.

Whole numbers of up to 19 digits and floats of up to 18 digits are read here; the rest (`1e3` for an
integer, a float right between two neighbours) is marked SLOW and left to Python, so that every value
is what `int()` and `float()` say.

Floats take Clinger's way if digits and power of ten are both exact, else that of Eisel and Lemire
(D. Lemire, "Number Parsing at a Gigabyte per Second", 2021): multiply by a 128-bit power of five, and
give up where its last bits could decide.

Not here: whether the text is a number (tokens.py), the slow values (finish.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.json.memory import (
    I64,
    PAIR,
    TRIPLE,
    float_bits,
    kernel,
    leading_zeros,
    load8,
    multiply_high,
)

GOOD, SLOW, FAULT = 1, 2, 3
"""What a cell's mark says: decoded, to be finished in Python, of another type. 0 is null."""

_TENS = np.array([10.0**k for k in range(23)])
_LEAST, _GREATEST = -342, 308
_MANY = 10**18


def _power_of_five(exponent: int) -> int:
    """Five to a power, or the reciprocal of its opposite, scaled to exactly 128 bits."""
    if exponent >= 0:
        power = 5**exponent
        return power << (128 - power.bit_length()) if power < 2**128 else power >> (power.bit_length() - 128)
    power = 5**-exponent
    scale = (power - 1).bit_length() + 127 if exponent >= -27 else 2 * (power - 1).bit_length() + 128
    inverse = 2**scale // power + 1
    return inverse >> max(0, inverse.bit_length() - 128)


_POWERS = [_power_of_five(exponent) for exponent in range(_LEAST, _GREATEST + 1)]
_FIVES: np.ndarray[Any, np.dtype[np.uint64]] = np.array(
    [[power >> 64, power & (2**64 - 1)] for power in _POWERS], dtype=np.uint64
)
_TOP, _ONE = np.uint64(2**64 - 1), np.uint64(1)
_LOW9, _SHIFT9 = np.uint64(0x1FF), np.uint64(9)
_LOW3, _THREE = np.uint64(7), np.uint64(3)


@kernel(PAIR(I64, I64, I64, I64))
def parse_integer(p: int, size: int, low: int, high: int) -> tuple[int, int]:
    """The whole number at `p`, if it lies between `low` and `high`, and its mark."""
    stop = p + size
    negative = load8(p) == 45
    p += negative
    if p == stop or load8(p) > 57 or load8(p) < 48:
        return 0, FAULT
    if stop - p > 19:
        return 0, SLOW
    value = 0
    while p < stop:
        digit = load8(p) - 48
        if digit < 0 or digit > 9 or value > 922337203685477579:
            return 0, SLOW
        value = value * 10 + digit
        p += 1
    if negative:
        value = -value
    return (value, GOOD) if low <= value <= high else (0, SLOW)


@kernel(TRIPLE(I64, I64))
def split_decimal(p: int, stop: int) -> tuple[int, int, int]:
    """Digits without the point, the power of ten they are multiplied by, and a mark."""
    digits, power, point = 0, 0, 0
    while p < stop:
        c = load8(p)
        if 48 <= c <= 57:
            if digits >= 10**17:
                return 0, 0, SLOW
            digits = digits * 10 + c - 48
            power -= point
        elif c == 46:
            point = 1
        else:
            break
        p += 1
    if p < stop:
        sign = load8(p + 1)
        p += 1 + (sign == 43 or sign == 45)
        if stop - p > 4:
            return 0, 0, SLOW
        exponent = 0
        while p < stop:
            exponent = exponent * 10 + load8(p) - 48
            p += 1
        power += -exponent if sign == 45 else exponent
    return digits, power, GOOD


@kernel(PAIR(I64, I64))
def nearest_float(digits: int, power: int) -> tuple[int, int]:
    """The bits of the float nearest to `digits * 10**power`, or SLOW where 128 bits do not decide."""
    if digits == 0:
        return 0, GOOD
    if power < _LEAST or power > _GREATEST:
        return 0, SLOW
    zeros = leading_zeros(digits)
    word = np.uint64(digits) << np.uint64(zeros)
    five = _FIVES[power - _LEAST]
    low, high = word * five[0], multiply_high(word, five[0])
    if high & _LOW9 == _LOW9:
        second = multiply_high(word, five[1])
        low += second
        high += _ONE if low < second else np.uint64(0)
    top = np.int64(high >> np.uint64(63))
    exponent = (((152170 + 65536) * power) >> 16) + 63 + top - zeros + 1023
    # 54 bits and the half below: all zero or all one behind them is where the rest could decide.
    tail = (high >> np.uint64(top)) & _LOW9
    mantissa = np.int64(high >> np.uint64(top + 9))
    if low == _TOP or (low <= _ONE and tail == np.uint64(0)) or exponent <= 0 or exponent >= 2046:
        return 0, SLOW
    mantissa = (mantissa + (mantissa & 1)) >> 1
    if mantissa >= 1 << 53:
        mantissa >>= 1
        exponent += 1
    return (mantissa & ((1 << 52) - 1)) | (exponent << 52), GOOD


@kernel(PAIR(I64, I64))
def parse_float(p: int, size: int) -> tuple[int, int]:
    """The bits of the float nearest to the number at `p`, and its mark."""
    c = load8(p)
    if c != 45 and (c < 48 or c > 57):
        return 0, FAULT
    digits, power, mark = split_decimal(p + (c == 45), p + size)
    if mark != GOOD:
        return 0, mark
    sign = -1.0 if c == 45 else 1.0
    if digits <= 2**53 and -22 <= power <= 22:
        exact = sign * digits
        exact = exact * _TENS[power] if power >= 0 else exact / _TENS[-power]
        return float_bits(exact), GOOD
    bits, mark = nearest_float(digits, power)
    return (bits | (-1 << 63) if c == 45 else bits), mark
