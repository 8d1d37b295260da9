"""Describe a schema to the kernels as plain integers.

A schema is a tree; its nodes are numbered in preorder, the root 0 being the line itself. One row of
`Program.nodes` per node says how to decode it, and points to a hash table from member names to nodes if
it is a struct. The kernels are compiled once and read these tables, so that no schema ever costs
a compilation.

Not here: the kernels that read the tables (scan.py, columns.py), what becomes of values that they only
cut out (finish.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import instance
from thalweg.errors import TypeMismatch

# Columns of `Program.nodes`.
KIND, TABLE, MASK, LAST = 0, 1, 2, 3
LOW, HIGH, DIGITS, ZONED = 4, 5, 6, 7
VALUES, VALID, TEXT, USED, SLOW = 8, 9, 10, 11, 12
NODE_WIDTH = 13

# Values of KIND.
STRUCT, INTEGER, FLOAT, BOOLEAN, DATE, TIME, DATETIME, STRING, RAW = range(9)

# Columns of a struct's hash table.
NAME_WORD, NAME_SIZE, NAME_NODE, NAME_ADDRESS = 0, 1, 2, 3
ENTRY_WIDTH = 4
HASH_SIZE, HASH_WORD, HASH_SHIFT = 0x9E3779B9, 0x2545F4914F6CDD1D, 40

_INTEGERS: dict[type[pl.DataType], tuple[int, int]] = {
    pl.Int8: (-(2**7), 2**7 - 1),
    pl.Int16: (-(2**15), 2**15 - 1),
    pl.Int32: (-(2**31), 2**31 - 1),
    pl.Int64: (-(2**63), 2**63 - 1),
    pl.UInt8: (0, 2**8 - 1),
    pl.UInt16: (0, 2**16 - 1),
    pl.UInt32: (0, 2**32 - 1),
    pl.UInt64: (0, 2**64 - 1),
}
_KINDS: dict[type[pl.DataType], int] = {
    pl.Struct: STRUCT,
    pl.Float32: FLOAT,
    pl.Float64: FLOAT,
    pl.Boolean: BOOLEAN,
    pl.Date: DATE,
    pl.Time: TIME,
    pl.Datetime: DATETIME,
    pl.String: STRING,
    pl.Binary: STRING,
    pl.Decimal: RAW,
    pl.Duration: RAW,
    pl.List: RAW,
    **dict.fromkeys(_INTEGERS, INTEGER),
}
_PYTHON = (pl.Binary, pl.Decimal, pl.Duration, pl.List)
_DIGITS = {"ms": 3, "us": 6, "ns": 9}


@dataclass(frozen=True)
class Node:
    """One node of the schema tree.

    Attributes:
        number: its place in preorder.
        path: member names from the root.
        dtype: the Polars type.
        kind: how the kernels treat it.
        children: numbers of the members of a struct.
        is_finished_in_python: whether its values, or some inside, are only cut out by the kernels.
    """

    number: int
    path: tuple[str, ...]
    dtype: pl.DataType
    kind: int
    children: tuple[int, ...]
    is_finished_in_python: bool


@dataclass(frozen=True, eq=False)
class Program:
    """A schema, as the kernels read it.

    Attributes:
        tree: the nodes in preorder.
        nodes: one row of integers for each.
        kept: memory that the integers point to.
        longest_name: bytes in the longest member name.
    """

    tree: tuple[Node, ...]
    nodes: np.ndarray[Any, np.dtype[np.int64]]
    kept: tuple[object, ...]
    longest_name: int


def integer_range(dtype: pl.DataType) -> tuple[int, int]:
    """The least and the greatest value of an integer type."""
    return _INTEGERS[type(dtype)]


def compile_schema(schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> Program:
    """The program for a schema.

    Raises:
        TypeMismatch: if a column has a type that JSON text is not decoded to.
    """
    root = pl.Struct(dict(schema))
    tree = _number(root)
    nodes = np.zeros((len(tree), NODE_WIDTH), dtype=np.int64)
    encoded = [node.path[-1].encode() if node.path else b"" for node in tree]
    # Eight bytes of padding: names are compared eight bytes at a time.
    names = np.frombuffer(b"".join(encoded) + bytes(8), dtype=np.uint8)
    offsets = np.cumsum([0] + [len(name) for name in encoded]) + names.ctypes.data
    tables: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    for node in tree:
        _describe(node, nodes[node.number], _last(tree, node))
        if node.kind == STRUCT:
            members = [(encoded[c], c, int(offsets[c])) for c in node.children]
            table = _hash_table(members)
            nodes[node.number, [TABLE, MASK]] = table.ctypes.data, len(table) - 1
            tables.append(table)
    return Program(tree, nodes, (names, *tables), max(map(len, encoded)))


def _number(root: pl.DataType, place: tuple[str, ...] = ()) -> tuple[Node, ...]:
    """The nodes of a type, in preorder; `place` is the path to it."""
    found: list[Node] = []

    def visit(path: tuple[str, ...], dtype: pl.DataType) -> int:
        number, kind = len(found), _kind(path, dtype)
        found.append(Node(number, path, dtype, kind, (), False))
        children = tuple(visit((*path, name), member) for name, member in _members(dtype))
        inside = found[number + 1 :]
        is_finished = isinstance(dtype, _PYTHON) or any(node.is_finished_in_python for node in inside)
        found[number] = Node(number, path, dtype, kind, children, is_finished)
        return number

    visit(place, root)
    return tuple(found)


def _members(dtype: pl.DataType) -> Iterator[tuple[str, pl.DataType]]:
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            yield field.name, instance(field.dtype)


def _kind(path: tuple[str, ...], dtype: pl.DataType) -> int:
    if isinstance(dtype, pl.List):
        _number(instance(dtype.inner), path)  # refuses item types that cannot be decoded
    if type(dtype) not in _KINDS:
        raise TypeMismatch(
            f'column "{".".join(path)}" cannot be decoded from JSON',
            code="json-type",
            found=str(dtype),
            choices=sorted(kind.__name__ for kind in _KINDS),
        )
    return _KINDS[type(dtype)]


def _last(tree: tuple[Node, ...], node: Node) -> int:
    """The number after the last descendant of a node."""
    last = node.number
    while tree[last].children:
        last = tree[last].children[-1]
    return last + 1


def _describe(node: Node, row: np.ndarray[Any, np.dtype[np.int64]], last: int) -> None:
    row[[KIND, MASK, LAST]] = node.kind, -1, last
    if node.kind == INTEGER:
        low, high = integer_range(node.dtype)
        row[[LOW, HIGH]] = low, min(high, 2**63 - 1)
    if isinstance(node.dtype, pl.Datetime):
        row[[DIGITS, ZONED]] = _DIGITS[node.dtype.time_unit], node.dtype.time_zone is not None
    if isinstance(node.dtype, pl.Time):
        row[DIGITS] = 9


def _hash_table(members: list[tuple[bytes, int, int]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Open addressing over (first eight bytes, length); at most half full, so that every search ends."""
    size = 2
    while size < 2 * len(members):
        size *= 2
    table = np.full((size, ENTRY_WIDTH), -1, dtype=np.int64)
    for name, node, address in members:
        word = int.from_bytes(name[:8], "little", signed=False)
        slot = _hash(word, len(name)) & (size - 1)
        while table[slot, NAME_NODE] >= 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = _signed(word), len(name), node, address
    return table


def _hash(word: int, size: int) -> int:
    """The same function as `scan.find_member` computes, which works on wrapping int64."""
    return _signed((word ^ (size * HASH_SIZE)) * HASH_WORD) >> HASH_SHIFT


def _signed(value: int) -> int:
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value
