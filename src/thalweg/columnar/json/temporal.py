"""Read dates and times of a fixed form.

`yyyy-MM-dd`, `HH:mm:ss` with up to nine digits of a second, and both with a space or a `T` between them;
a zoned type takes `Z` or an offset `+hh:mm` behind that, and without one reads the text as UTC. Digits
of a second beyond the type's unit are cut off.

Not here: whether the value is a well-formed string (tokens.py); escapes are resolved by the caller.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.columnar.json.memory import I64, PAIR, VECTOR, kernel, load8
from thalweg.columnar.json.numbers import FAULT, GOOD
from thalweg.columnar.json.program import DATE, DIGITS, KIND, TIME, ZONED

_NOTHING = -(2**62)
"""No date, time or offset."""
_SCALE = np.array([10**k for k in range(10)], dtype=np.int64)


@kernel(PAIR(I64, I64, I64))
def parse_fraction(p: int, stop: int, digits: int) -> tuple[int, int]:
    """The first `digits` digits behind the point at `p`, if there is one, and the address after all."""
    if p == stop or load8(p) != 46:
        return 0, p
    first = p + 1
    p, value = first, 0
    while p < stop and 48 <= load8(p) <= 57:
        if p - first < digits:
            value = value * 10 + load8(p) - 48
        p += 1
    if p == first or p - first > 9:
        return -1, p
    return value * _SCALE[max(0, digits - (p - first))], p


@kernel(I64(I64), inline=True)
def pair(p: int) -> int:
    """The number that two digits write, or a very negative one."""
    a, b = load8(p) - 48, load8(p + 1) - 48
    return a * 10 + b if 0 <= a <= 9 and 0 <= b <= 9 else -100_000


@kernel(I64(I64))
def parse_clock(p: int) -> int:
    """Seconds since midnight for the eight bytes at `p`, or `_NOTHING`."""
    hour, minute, second = pair(p), pair(p + 3), pair(p + 6)
    if load8(p + 2) != 58 or load8(p + 5) != 58 or hour < 0 or minute < 0 or second < 0:
        return _NOTHING
    return hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 60 else _NOTHING


@kernel(I64(I64))
def parse_date(p: int) -> int:
    """Days since 1970-01-01 for the ten bytes at `p`, or `_NOTHING`."""
    year, month, day = pair(p) * 100 + pair(p + 2), pair(p + 5), pair(p + 8)
    if load8(p + 4) != 45 or load8(p + 7) != 45 or year < 1 or month < 1 or month > 12 or day < 1:
        return _NOTHING
    leap = year & 3 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = 28 + leap if month == 2 else 30 + ((month + (month >> 3)) & 1)
    if day > length:
        return _NOTHING
    # Years that begin in March keep the leap day last; 719468 days lie between 0000-03-01 and 1970.
    year -= month <= 2
    month = month - 3 if month > 2 else month + 9
    return year * 365 + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719469


@kernel(I64(I64, I64))
def parse_offset(p: int, stop: int) -> int:
    """Seconds east of Greenwich for `Z` or `+hh:mm`, or `_NOTHING`."""
    sign = load8(p)
    if sign == 90 and stop == p + 1:
        return 0
    if stop - p != 6 or (sign != 43 and sign != 45) or load8(p + 3) != 58:
        return _NOTHING
    hour, minute = pair(p + 1), pair(p + 4)
    if hour < 0 or minute < 0 or hour > 23 or minute > 59:
        return _NOTHING
    seconds = hour * 3600 + minute * 60
    return seconds if sign == 43 else -seconds


@kernel(PAIR(I64, I64, VECTOR))
def parse_temporal(p: int, stop: int, node: Any) -> tuple[int, int]:
    """The number that stands for the date or time between `p` and `stop`, and its mark."""
    kind, digits = node[KIND], node[DIGITS]
    days = 0
    if kind != TIME:
        days = parse_date(p) if stop - p >= 10 else _NOTHING
        p += 10
        if kind == DATE:
            return (days, GOOD) if days != _NOTHING and p == stop else (0, FAULT)
        if stop - p < 9 or (load8(p) != 32 and load8(p) != 84):
            return 0, FAULT
        p += 1
    clock = parse_clock(p) if stop - p >= 8 else _NOTHING
    if days == _NOTHING or clock == _NOTHING:
        return 0, FAULT
    fraction, p = parse_fraction(p + 8, stop, digits)
    offset = 0
    if p != stop:
        offset = parse_offset(p, stop) if node[ZONED] else _NOTHING
    seconds = days * 86400 + clock - offset
    # Nanoseconds in 64 bits reach from 1677 to 2262.
    is_outside = digits == 9 and abs(seconds) > 9_223_372_035
    if fraction < 0 or offset == _NOTHING or is_outside:
        return 0, FAULT
    return seconds * _SCALE[digits] + fraction, GOOD
