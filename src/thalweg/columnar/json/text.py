"""Write string values as Arrow string views.

A view is 16 bytes: the length, and either up to 12 bytes of text or the first four bytes, a buffer's
number (always 0 here) and an offset into it. The text was validated by scan.py; here nothing can fail
but a value that is no string.

Reads:    cells and text.
Changes:  the views, validity and text buffer of one column.
Not here: which strings are well-formed (tokens.py).
"""

from __future__ import annotations

from typing import Any

from thalweg.columnar.json.memory import (
    I64,
    PAIR,
    VECTOR,
    copy32,
    kernel,
    load8,
    load64,
    store8,
    store64,
)
from thalweg.columnar.json.program import KIND, RAW, TEXT, USED, VALID, VALUES
from thalweg.columnar.json.tokens import hex4

PADDING = 64
"""Room to leave behind a text buffer: copying writes whole blocks."""


@kernel(PAIR(I64, I64, I64), inline=True)
def short_words(source: int, length: int, end: int) -> tuple[int, int]:
    """Up to 12 bytes as two words, what lies beyond `length` zero."""
    if source + 16 <= end:
        low, high = load64(source), load64(source + 8)
        if length < 8:
            return low & ((1 << (length * 8)) - 1), 0
        return low, high & ((1 << (length * 8 - 64)) - 1)
    low, high = 0, 0
    for k in range(length):
        if k < 8:
            low |= load8(source + k) << (k * 8)
        else:
            high |= load8(source + k) << (k * 8 - 64)
    return low, high


@kernel(I64(I64, I64))
def write_utf8(target: int, point: int) -> int:
    """Write one character, and return how many bytes it took."""
    if point < 0x80:
        store8(target, point)
        return 1
    if point < 0x800:
        store8(target, 0xC0 | (point >> 6))
        store8(target + 1, 0x80 | (point & 63))
        return 2
    if point < 0x10000:
        store8(target, 0xE0 | (point >> 12))
        store8(target + 1, 0x80 | ((point >> 6) & 63))
        store8(target + 2, 0x80 | (point & 63))
        return 3
    store8(target, 0xF0 | (point >> 18))
    store8(target + 1, 0x80 | ((point >> 12) & 63))
    store8(target + 2, 0x80 | ((point >> 6) & 63))
    store8(target + 3, 0x80 | (point & 63))
    return 4


@kernel(I64(I64), inline=True)
def plain_escape(c: int) -> int:
    """The byte that a backslash and `c` stand for."""
    if c == 110:
        return 10
    if c == 116:
        return 9
    if c == 114:
        return 13
    if c == 98:
        return 8
    return 12 if c == 102 else c


@kernel(I64(I64, I64, I64, I64))
def unescape(p: int, stop: int, target: int, room: int) -> int:
    """Write the text of a validated string with escapes.

    Returns:
        its length, never more than `room`, or -1 if it does not fit.
    """
    start = target
    while p < stop:
        if target + 4 > start + room and target + (stop - p) > start + room:
            return -1
        c = load8(p)
        if c != 92:
            store8(target, c)
            p, target = p + 1, target + 1
            continue
        c = load8(p + 1)
        if c != 117:
            store8(target, plain_escape(c))
            p, target = p + 2, target + 1
            continue
        point = hex4(p + 2)
        p += 6
        if 0xD800 <= point <= 0xDBFF:
            point = 0x10000 + ((point - 0xD800) << 10) + hex4(p + 2) - 0xDC00
            p += 6
        target += write_utf8(target, point)
    return target - start


@kernel("void(int64, int64, int64, int64)", inline=True)
def copy(target: int, source: int, length: int, end: int) -> None:
    """Copy `length` bytes; up to 31 more may be written behind them."""
    k = 0
    while k < length:
        if source + k + 32 <= end:
            copy32(target + k, source + k)
            k += 32
        else:
            store8(target + k, load8(source + k))
            k += 1


@kernel(I64(I64, I64, I64, I64, I64, I64), inline=True)
def write_view(view: int, source: int, size: int, text: int, used: int, end: int) -> int:
    """Write one view, and its text if it is long. Returns how much of the text buffer is used now."""
    length = size >> 1
    if size & 1:
        length = unescape(source, source + length, text + used, length)
        source, end = text + used, text + used + length + PADDING
    if length > 12:
        if source != text + used:
            copy(text + used, source, length, end)
        store64(view, length | (load64(text + used) << 32))
        store64(view + 8, used << 32)
        return used + length
    low, high = short_words(source, length, end)
    store64(view, length | (low << 32))
    store64(view + 8, ((low >> 32) & 0xFFFFFFFF) | (high << 32))
    return used


@kernel(I64(I64, I64, I64, VECTOR, I64, I64))
def fill_text(cells: int, step: int, count: int, node: Any, row: int, end: int) -> int:
    """Decode the strings of `count` rows into one column, or copy raw values.

    Args:
        cells: address of the node's cells in the first row.
        step: bytes from one row's cells to the next.
        count: number of rows.
        node: the node's description.
        row: number of the first row in the column.
        end: address after the text.

    Returns:
        number of values that are no strings; they are marked 3 in the column's validity.
    """
    views, valid = node[VALUES] + row * 16, node[VALID] + row
    used, raw, faults = node[USED], node[KIND] == RAW, 0
    for _ in range(count):
        start, size = load64(cells), load64(cells + 8)
        mark = (start != 0) * 1
        if mark and not raw and load8(start) != 34:
            mark, faults = 3, faults + 1
        store8(valid, mark)
        if mark == 1:
            flag = 0 if raw else size & 1
            first, length = (start, size >> 1) if raw else (start + 1, (size >> 1) - 2)
            used = write_view(views, first, length * 2 + flag, node[TEXT], used, end)
        else:
            store64(views, 0)
            store64(views + 8, 0)
        cells, views, valid = cells + step, views + 16, valid + 1
    node[USED] = used
    return faults
