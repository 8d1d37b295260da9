"""Turn the cells of some rows into one column of 64-bit words.

Reads:    cells, and the text they point to.
Changes:  values and validity of one column, the node's count of slow values.
Not here: strings (text.py), where cells come from (scan.py).
"""

from __future__ import annotations

from typing import Any

from thalweg.columnar.json.memory import I64, PAIR, VECTOR, kernel, load8, load64, store8, store64
from thalweg.columnar.json.numbers import FAULT, GOOD, SLOW, parse_float, parse_integer
from thalweg.columnar.json.program import (
    BOOLEAN,
    FLOAT,
    HIGH,
    INTEGER,
    KIND,
    LOW,
    VALID,
    VALUES,
)
from thalweg.columnar.json.program import SLOW as SLOW_COUNT
from thalweg.columnar.json.temporal import parse_temporal
from thalweg.columnar.json.text import unescape

_TEMPORAL_MAX = 64
"""No date or time is longer: room for the text of one that was written with escapes."""


@kernel(PAIR(I64, I64, VECTOR, VECTOR))
def parse_quoted(start: int, size: int, node: Any, scratch: Any) -> tuple[int, int]:
    """The date or time in the string at `start`, and its mark."""
    if load8(start) != 34:
        return 0, FAULT
    if size & 1 == 0:
        return parse_temporal(start + 1, start + (size >> 1) - 1, node)
    text = scratch.ctypes.data + 8
    length = unescape(start + 1, start + (size >> 1) - 1, text, _TEMPORAL_MAX)
    return parse_temporal(text, text + length, node) if length > 0 else (0, FAULT)


@kernel(I64(I64, I64, I64, VECTOR, I64, VECTOR))
def fill_words(cells: int, step: int, count: int, node: Any, row: int, scratch: Any) -> int:
    """Decode numbers, booleans, dates and times of `count` rows into one column.

    Args:
        cells: address of the node's cells in the first row.
        step: bytes from one row's cells to the next.
        count: number of rows.
        node: the node's description.
        row: number of the first row in the column.
        scratch: room for a text of `_TEMPORAL_MAX` bytes.

    Returns:
        number of values of another type.
    """
    values, valid = node[VALUES] + row * 8, node[VALID] + row
    kind, faults = node[KIND], 0
    for _ in range(count):
        start, size = load64(cells), load64(cells + 8)
        value, mark = 0, 0
        if start:
            if kind == INTEGER:
                value, mark = parse_integer(start, size >> 1, node[LOW], node[HIGH])
            elif kind == FLOAT:
                value, mark = parse_float(start, size >> 1)
            elif kind == BOOLEAN:
                c = load8(start)
                value, mark = c == 116, GOOD if c == 116 or c == 102 else FAULT
            else:
                value, mark = parse_quoted(start, size, node, scratch)
            if mark != GOOD:
                faults += mark == FAULT
                value = start if mark == SLOW else 0
                node[SLOW_COUNT] += mark == SLOW
        store64(values, value)
        store8(valid, mark)
        cells, values, valid = cells + step, values + 8, valid + 1
    return faults


@kernel(I64(I64, I64, I64, VECTOR, I64))
def fill_presence(cells: int, step: int, count: int, node: Any, row: int) -> int:
    """Note for `count` rows whether a struct is there. Returns the number of values of another type."""
    valid, faults = node[VALID] + row, 0
    for _ in range(count):
        start, mark = load64(cells), 0
        if start:
            mark = GOOD if load8(start) == 123 else FAULT
            faults += mark == FAULT
        store8(valid, mark)
        cells, valid = cells + step, valid + 1
    return faults
