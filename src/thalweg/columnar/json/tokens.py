"""Check the smallest parts of JSON: white space, strings, numbers, `true`, `false`, `null`.

Each function takes the address of a token's first byte and returns the address after it, or that of the
fault and a negative code (faults.py). None of them ever passes a newline, and the text ends with one.

Not here: objects and arrays (scan.py), what a token means (columns.py).
"""

from __future__ import annotations

from thalweg.columnar.json.faults import (
    BAD_ESCAPE,
    BAD_NUMBER,
    BAD_UTF8,
    CONTROL,
    EXPECTED_VALUE,
    LONE_SURROGATE,
    UNTERMINATED,
)
from thalweg.columnar.json.memory import I64, PAIR, entry, kernel, load8, newline32, special32, trailing_zeros


@kernel(I64(I64), inline=True)
def skip_space(p: int) -> int:
    """The address of the next byte that is not a space, tab or carriage return."""
    c = load8(p)
    while c == 32 or c == 9 or c == 13:
        p += 1
        c = load8(p)
    return p


@entry(I64(I64, I64))
def find_newline(p: int, end: int) -> int:
    """The address of the next newline."""
    while p + 32 <= end:
        found = newline32(p)
        if found:
            return p + trailing_zeros(found)
        p += 32
    while load8(p) != 10:
        p += 1
    return p


@kernel(I64(I64, I64), inline=True)
def next_special(p: int, end: int) -> int:
    """The address of the next byte inside a string that is not plain ASCII."""
    while p + 32 <= end:
        found = special32(p)
        if found:
            return p + trailing_zeros(found)
        p += 32
    c = load8(p)
    while 32 <= c < 128 and c != 34 and c != 92:
        p += 1
        c = load8(p)
    return p


@kernel(I64(I64))
def hex4(p: int) -> int:
    """The value of four hexadecimal digits, or -1."""
    value = 0
    for k in range(4):
        c = load8(p + k)
        if 48 <= c <= 57:
            value = value * 16 + c - 48
        elif 97 <= c | 32 <= 102:
            value = value * 16 + (c | 32) - 87
        else:
            return -1
    return value


@kernel(PAIR(I64))
def scan_escape(p: int) -> tuple[int, int]:
    """Read one escape, or two that make up one character."""
    c = load8(p + 1)
    if c == 34 or c == 92 or c == 47 or c == 98 or c == 102 or c == 110 or c == 114 or c == 116:
        return p + 2, 0
    if c != 117:
        return p, BAD_ESCAPE
    unit = hex4(p + 2)
    if unit < 0:
        return p, BAD_ESCAPE
    if unit < 0xD800 or unit > 0xDFFF:
        return p + 6, 0
    if unit > 0xDBFF or load8(p + 6) != 92 or load8(p + 7) != 117:
        return p, LONE_SURROGATE
    unit = hex4(p + 8)
    if unit < 0:
        return p + 6, BAD_ESCAPE
    return (p + 12, 0) if 0xDC00 <= unit <= 0xDFFF else (p, LONE_SURROGATE)


@kernel(PAIR(I64, I64))
def scan_utf8(p: int, c: int) -> tuple[int, int]:
    """Read one character beyond ASCII: shortest form, no surrogates, at most U+10FFFF."""
    d = load8(p + 1)
    if 0xC2 <= c <= 0xDF:
        return (p + 2, 0) if d & 0xC0 == 0x80 else (p, BAD_UTF8)
    low = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
    high = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
    if c < 0xE0 or c > 0xF4 or d < low or d > high or load8(p + 2) & 0xC0 != 0x80:
        return p, BAD_UTF8
    if c < 0xF0:
        return p + 3, 0
    return (p + 4, 0) if load8(p + 3) & 0xC0 == 0x80 else (p, BAD_UTF8)


@kernel(PAIR(I64, I64))
def scan_string(p: int, end: int) -> tuple[int, int]:
    """Read a string from behind its opening quote.

    Returns:
        the address of the closing quote, and 1 if there were escapes, else 0.
    """
    flag = 0
    while True:
        p = next_special(p, end)
        c = load8(p)
        if c == 34:
            return p, flag
        if c == 92:
            flag = 1
            p, code = scan_escape(p)
        elif c >= 128:
            p, code = scan_utf8(p, c)
        else:
            code = UNTERMINATED if c == 10 else CONTROL
        if code < 0:
            return p, code


@kernel(I64(I64), inline=True)
def skip_digits(p: int) -> int:
    """The address of the next byte that is not a digit."""
    while 48 <= load8(p) <= 57:
        p += 1
    return p


@kernel(I64(I64))
def scan_number(p: int) -> int:
    """The address after a number, or the negated address of what should have been a digit."""
    p += load8(p) == 45
    q = skip_digits(p)
    if q == p:
        return -p
    if load8(p) == 48 and q > p + 1:
        return -(p + 1)
    c = load8(q)
    if c == 46:
        p = q + 1
        q = skip_digits(p)
        if q == p:
            return -p
        c = load8(q)
    if c | 32 == 101:
        c = load8(q + 1)
        p = q + 1 + (c == 43 or c == 45)
        q = skip_digits(p)
        if q == p:
            return -p
    return q


@kernel(PAIR(I64, I64))
def scan_scalar(p: int, end: int) -> tuple[int, int]:
    """Read a string, a number or a literal.

    Returns:
        the address after it, and twice its length plus 1 if it has escapes; 0 for `null`.
    """
    c = load8(p)
    if c == 34:
        q, flag = scan_string(p + 1, end)
        return (q, flag) if flag < 0 else (q + 1, (q + 1 - p) * 2 + flag)
    if c == 45 or 48 <= c <= 57:
        q = scan_number(p)
        return (-q, BAD_NUMBER) if q < 0 else (q, (q - p) * 2)
    if c == 110 and load8(p + 1) == 117 and load8(p + 2) == 108 and load8(p + 3) == 108:
        return p + 4, 0
    if c == 116 and load8(p + 1) == 114 and load8(p + 2) == 117 and load8(p + 3) == 101:
        return p + 4, 8
    if c == 102 and load8(p + 1) == 97 and load8(p + 2) == 108 and load8(p + 3) == 115:
        if load8(p + 4) == 101:
            return p + 5, 10
    return p, EXPECTED_VALUE
