"""Check that a line is JSON, and note where the wanted values are.

One pass over the bytes of a line. Every byte is validated as strictly as the standard library does;
of the members that the schema names, the address and the length are written to *cells* (two words per
node: address or 0, twice the length plus 1 if a string has escapes). A later member of the same name
replaces an earlier one.

Reads:    the text, and the tables of program.py.
Changes:  the cells of one row, and the stack handed in.
Not here: what the values are (columns.py and the modules that it uses).
"""

from __future__ import annotations

from typing import Any

from thalweg.columnar.json.faults import EXPECTED_COLON, EXPECTED_COMMA, EXPECTED_NAME, TOO_DEEP
from thalweg.columnar.json.memory import I64, PAIR, VECTOR, kernel, load8, load64, store64
from thalweg.columnar.json.memory import TABLE as TABLE_TYPE
from thalweg.columnar.json.program import (
    HASH_SHIFT,
    HASH_SIZE,
    HASH_WORD,
    LAST,
    MASK,
    NAME_ADDRESS,
    NAME_NODE,
    NAME_SIZE,
    NAME_WORD,
    TABLE,
)
from thalweg.columnar.json.text import unescape
from thalweg.columnar.json.tokens import scan_scalar, scan_string, skip_space

DEPTH_MAX = 64
"""How many objects and arrays may be open at once, the line's own object included."""

@kernel(PAIR(I64, I64, I64, VECTOR), inline=True)
def close_containers(p: int, depth: int, cells: int, stack: Any) -> tuple[int, int]:
    """Behind a value: step over the brackets that close here. The address reached, and what stays open."""
    while depth > 0:
        p = skip_space(p)
        top = stack[depth]
        if load8(p) != 125 - (top & 1) * 32:  # } ]
            break
        p += 1
        if top >= 0:
            cell = cells + (top >> 1) * 16
            store64(cell + 8, (p - load64(cell)) * 2)
        depth -= 1
    return p, depth


@kernel(I64(I64, I64, I64), inline=True)
def first_word(name: int, size: int, end: int) -> int:
    """The first eight bytes of a name, the missing ones zero."""
    if name + 8 <= end:
        word = load64(name)
        return word if size >= 8 else word & ((1 << (size * 8)) - 1)
    word = 0
    for k in range(min(size, 8)):
        word |= load8(name + k) << (k * 8)
    return word


@kernel("boolean(int64, int64, int64)")
def is_same(a: int, b: int, size: int) -> bool:
    """Whether two names of the same length, more than eight bytes, agree behind their first eight."""
    for k in range(8, size - 8, 8):
        if load64(a + k) != load64(b + k):
            return False
    return bool(load64(a + size - 8) == load64(b + size - 8))


@kernel(I64(I64, I64, I64, I64, TABLE_TYPE, TABLE_TYPE))
def find_member(name: int, size: int, end: int, owner: int, nodes: Any, entries: Any) -> int:
    """The node of the member called `name` in the struct `owner`, or -1."""
    mask = nodes[owner, MASK]
    if mask < 0 or size < 0:
        return -1
    word = first_word(name, size, end)
    slot = (((word ^ (size * HASH_SIZE)) * HASH_WORD) >> HASH_SHIFT) & mask
    table = nodes[owner, TABLE]
    while True:
        entry = table + slot
        node = entries[entry, NAME_NODE]
        if node < 0:
            return -1
        if entries[entry, NAME_WORD] == word and entries[entry, NAME_SIZE] == size:
            if size <= 8 or is_same(name, entries[entry, NAME_ADDRESS], size):
                return node
        slot = (slot + 1) & mask


@kernel(PAIR(I64, I64, I64, I64, TABLE_TYPE, TABLE_TYPE, VECTOR))
def scan_member(
    p: int, end: int, cells: int, top: int, nodes: Any, entries: Any, stack: Any
) -> tuple[int, int]:
    """Read up to the next value: a name and a colon in an object, nothing in an array.

    Returns:
        the address of the value and its node (-1: not wanted), or the address of a fault and its code.
    """
    if top & 1:
        return p, -1
    if load8(p) != 34:
        return p, EXPECTED_NAME
    q, flag = scan_string(p + 1, end)
    if flag < 0:
        return q, flag
    node = -1
    if top >= 0:
        name, size = p + 1, q - p - 1
        if flag:
            name = stack.ctypes.data + (DEPTH_MAX + 1) * 8
            size = unescape(p + 1, q, name, stack.size * 8 - (DEPTH_MAX + 2) * 8)
        node = find_member(name, size, end if not flag else name + size + 8, top >> 1, nodes, entries)
        if node >= 0 and load64(cells + node * 16) != 0:
            for earlier in range(node, nodes[node, LAST]):
                store64(cells + earlier * 16, 0)
    p = skip_space(q + 1)
    if load8(p) != 58:
        return p, EXPECTED_COLON
    return skip_space(p + 1), node


@kernel(PAIR(I64, I64, I64, TABLE_TYPE, TABLE_TYPE, VECTOR))
def scan_line(p: int, end: int, cells: int, nodes: Any, entries: Any, stack: Any) -> tuple[int, int]:
    """Validate the object that starts at `p`, and fill `cells`.

    Args:
        p: address of the line's first byte that is not white space.
        end: address after the text, whose last byte is a newline.
        cells: address of the row's cells, all zero.
        nodes, entries: the program.
        stack: room for DEPTH_MAX + 1 words, then for a member name.

    Returns:
        the address after the object and 0, or the address of the fault and its code.
    """
    depth = 0
    target = 0
    while True:
        c = load8(p)
        if c == 123 or c == 91:  # { [
            if depth == DEPTH_MAX:
                return p, TOO_DEEP
            depth += 1
            stack[depth] = target * 2 + (c == 91)
            if target >= 0:
                store64(cells + target * 16, p)
            p = skip_space(p + 1)
            if load8(p) != c + 2:  # } ]
                p, target = scan_member(p, end, cells, stack[depth], nodes, entries, stack)
                if target < -1:
                    return p, target
                continue
        else:
            q, size = scan_scalar(p, end)
            if size < 0:
                return q, size
            if target >= 0:
                store64(cells + target * 16, p if size else 0)
                store64(cells + target * 16 + 8, size)
            p = q
        p, depth = close_containers(p, depth, cells, stack)
        if depth == 0:
            return p, 0
        if load8(p) != 44:  # ,
            return p, EXPECTED_COMMA
        p, target = scan_member(skip_space(p + 1), end, cells, stack[depth], nodes, entries, stack)
        if target < -1:
            return p, target
