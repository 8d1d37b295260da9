"""The one compiled function that Python calls: decode whole lines.

Lines are worked off in blocks that stay in the processor's cache: first every line of a block is checked
and its cells are filled, then each column takes its cells. One call per decoded text, so that the
interpreter's lock is taken once.

Not here: what happens before and after the call (decoder.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from thalweg.columnar.json.columns import fill_presence, fill_words
from thalweg.columnar.json.faults import NOT_AN_OBJECT, TRAILING
from thalweg.columnar.json.memory import (
    I64,
    PAIR,
    TABLE,
    VECTOR,
    count_ones,
    entry,
    kernel,
    load8,
    newline32,
)
from thalweg.columnar.json.program import KIND, RAW, STRING, STRUCT
from thalweg.columnar.json.scan import scan_line
from thalweg.columnar.json.text import fill_text
from thalweg.columnar.json.tokens import find_newline, skip_space

_BLOCK = 256

# What `decode_lines` notes: of each decoded row its line (from 0) and where that starts; of each bad line
# its number (from 0), where it starts, the code and the place of the fault.
ROW_LINE, ROW_START, BAD_LINE, BAD_START, BAD_CODE, BAD_PLACE = 0, 1, 2, 3, 4, 5
NOTES = 6
# What `decode_lines` counts.
COUNT_ROWS, COUNT_BAD, COUNT_LINES, COUNT_FAULTS = 0, 1, 2, 3


@kernel(PAIR(I64, I64, I64, I64, I64), inline=True)
def check_line(p: int, end: int, cells: int, nodes: int, stack: int) -> tuple[int, int]:
    """Check a line that is not blank. The address of its newline and 0, or of the fault and its code."""
    if load8(p) != 123:
        return p, NOT_AN_OBJECT
    p, code = scan_line(p, end, cells, nodes, stack)
    if code == 0:
        p = skip_space(p)
        if load8(p) != 10:
            code = TRAILING
    return p, code


@kernel(I64(I64, I64, VECTOR, TABLE, TABLE, VECTOR, VECTOR))
def scan_block(p: int, end: int, cells: Any, nodes: Any, notes: Any, counts: Any, scratch: Any) -> int:
    """Check lines until the cells are full, and return where the next line starts."""
    width = nodes.shape[0] * 2
    row, line, bad = counts[COUNT_ROWS], counts[COUNT_LINES], counts[COUNT_BAD]
    count = 0
    while p < end and count < _BLOCK:
        start = p
        p = skip_space(p)
        if load8(p) != 10:
            for k in range(count * width, (count + 1) * width):
                cells[k] = 0
            place = cells.ctypes.data + count * width * 8
            p, code = check_line(p, end, place, nodes.ctypes.data, scratch.ctypes.data)
            if code == 0:
                notes[ROW_LINE, row + count], notes[ROW_START, row + count] = line, start
                count += 1
            else:
                notes[BAD_LINE, bad], notes[BAD_START, bad] = line, start
                notes[BAD_CODE, bad], notes[BAD_PLACE, bad] = code, p
                bad += 1
                p = find_newline(p, end)
        p += 1
        line += 1
    counts[COUNT_ROWS], counts[COUNT_LINES], counts[COUNT_BAD] = row + count, line, bad
    return p


@entry(types.void(I64, I64, TABLE, TABLE, VECTOR, VECTOR))
def decode_lines(first: int, end: int, nodes: Any, notes: Any, counts: Any, scratch: Any) -> None:
    """Decode the lines between two addresses.

    Args:
        first: address of the text.
        end: address after its last byte, which is a newline.
        nodes: the program, with the addresses of the columns to fill.
        notes: room for NOTES words per line, by kind of note.
        counts: what was counted, all zero.
        scratch: the scanner's stack.
    """
    width = nodes.shape[0] * 2
    cells = np.empty(_BLOCK * width, dtype=np.int64)
    p = first
    while p < end:
        row = counts[COUNT_ROWS]
        p = scan_block(p, end, cells, nodes, notes, counts, scratch)
        for number in range(nodes.shape[0]):
            column, node, count = cells.ctypes.data + number * 16, nodes[number], counts[COUNT_ROWS] - row
            kind = node[KIND]
            if kind == STRUCT:
                faults = fill_presence(column, width * 8, count, node, row)
            elif kind in (STRING, RAW):
                faults = fill_text(column, width * 8, count, node, row, end)
            else:
                faults = fill_words(column, width * 8, count, node, row, scratch)
            counts[COUNT_FAULTS] += faults


@entry(I64(I64, I64))
def count_lines(p: int, end: int) -> int:
    """The number of newlines between two addresses."""
    count = 0
    while p + 32 <= end:
        count += count_ones(newline32(p))
        p += 32
    while p < end:
        count += load8(p) == 10
        p += 1
    return count
