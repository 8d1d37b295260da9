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

from numba import types

from thalweg.columnar.json.faults import EXPECTED_COLON, EXPECTED_COMMA, EXPECTED_NAME, TOO_DEEP
from thalweg.columnar.json.memory import I64, PAIR, kernel, load8, load64, store64
from thalweg.columnar.json.program import (
    ENTRY_WIDTH,
    HASH_SHIFT,
    HASH_SIZE,
    HASH_WORD,
    LAST,
    MASK,
    NAME_ADDRESS,
    NAME_NODE,
    NAME_SIZE,
    NAME_WORD,
    NODE_WIDTH,
    TABLE,
)
from thalweg.columnar.json.text import unescape
from thalweg.columnar.json.tokens import scan_scalar, scan_string, skip_space

DEPTH_MAX = 64
"""How many objects and arrays may be open at once, the line's own object included."""
NAME_PLACE = DEPTH_MAX + 1
"""Where a member name is written when it has escapes, in words from the start of the stack."""


@kernel(PAIR(I64, I64, I64, I64), inline=True)
def close_containers(p: int, depth: int, cells: int, stack: int) -> tuple[int, int]:
    """Behind a value: step over the brackets that close here. The address reached, and what stays open."""
    while depth > 0:
        p = skip_space(p)
        top = load64(stack + depth * 8)
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


@kernel(I64(I64, I64, I64, I64), inline=True)
def find_member(name: int, size: int, end: int, owner: int) -> int:
    """The node of the member called `name` in the struct described at `owner`, or -1."""
    mask = load64(owner + MASK * 8)
    if mask < 0 or size < 0:
        return -1
    word = first_word(name, size, end)
    slot = (((word ^ (size * HASH_SIZE)) * HASH_WORD) >> HASH_SHIFT) & mask
    table = load64(owner + TABLE * 8)
    while True:
        entry = table + slot * ENTRY_WIDTH * 8
        node = load64(entry + NAME_NODE * 8)
        if node < 0:
            return -1
        if load64(entry + NAME_WORD * 8) == word and load64(entry + NAME_SIZE * 8) == size:
            if size <= 8 or is_same(name, load64(entry + NAME_ADDRESS * 8), size):
                return node
        slot = (slot + 1) & mask


@kernel(I64(I64, I64, I64, I64))
def find_escaped(p: int, stop: int, owner: int, stack: int) -> int:
    """The node of a member whose name, between `p` and `stop`, has escapes, or -1."""
    name = stack + NAME_PLACE * 8
    size = unescape(p, stop, name, load64(stack))
    return find_member(name, size, name + size + 8, owner)


@kernel(types.void(I64, I64, I64))
def forget(node: int, cells: int, nodes: int) -> None:
    """Clear the cells of a node and of all that is inside it: the same name comes again."""
    for inside in range(node, load64(nodes + (node * NODE_WIDTH + LAST) * 8)):
        store64(cells + inside * 16, 0)


@kernel(PAIR(I64, I64, I64, I64, I64, I64), inline=True)
def scan_member(p: int, end: int, cells: int, top: int, nodes: int, stack: int) -> tuple[int, int]:
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
        owner = nodes + (top >> 1) * NODE_WIDTH * 8
        node = find_escaped(p + 1, q, owner, stack) if flag else find_member(p + 1, q - p - 1, end, owner)
        if node >= 0 and load64(cells + node * 16) != 0:
            forget(node, cells, nodes)
    p = skip_space(q + 1)
    if load8(p) != 58:
        return p, EXPECTED_COLON
    return skip_space(p + 1), node


@kernel(PAIR(I64, I64, I64, I64, I64))
def scan_line(p: int, end: int, cells: int, nodes: int, stack: int) -> tuple[int, int]:
    """Validate the object that starts at `p`, and fill `cells`.

    Args:
        p: address of the line's first byte that is not white space.
        end: address after the text, whose last byte is a newline.
        cells: address of the row's cells, all zero.
        nodes: address of the program.
        stack: address of the bytes that a member name may have, room for DEPTH_MAX words, and for a name.

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
            store64(stack + depth * 8, target * 2 + (c == 91))
            if target >= 0:
                store64(cells + target * 16, p)
            p = skip_space(p + 1)
            is_open = load8(p) != c + 2  # } ]
        else:
            is_open = False
            q, size = scan_scalar(p, end)
            if size < 0:
                return q, size
            if target >= 0:
                store64(cells + target * 16, p if size else 0)
                store64(cells + target * 16 + 8, size)
            p = q
        if not is_open:
            p, depth = close_containers(p, depth, cells, stack)
            if depth == 0:
                return p, 0
            if load8(p) != 44:  # ,
                return p, EXPECTED_COMMA
            p = skip_space(p + 1)
        p, target = scan_member(p, end, cells, load64(stack + depth * 8), nodes, stack)
        if target < -1:
            return p, target
