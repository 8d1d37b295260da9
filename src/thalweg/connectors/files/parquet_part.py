"""Read some columns, and some members of rows, of some row groups of a Parquet file, and no other bytes.

Polars reads a column of rows whole, even if one member is asked for. But in the file each member, at any
depth, has its bytes to itself. So the wanted bytes are put together with a footer that knows of nothing
else: a small Parquet file in memory, which Polars reads whole. Whether a row is NULL is written with every
member, so that it does not get lost.

Reads:    the file, exactly the bytes that it hands on.
Not here: which row groups are wanted (parquet.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import IO

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import DataType, Struct
from thalweg.connectors.files.parquet_footer import (
    CHILDREN,
    COLUMNS,
    DATA_PAGE,
    DICTIONARY_PAGE,
    GROUP_ROWS,
    GROUPS,
    MAGIC,
    META,
    ROWS,
    SCHEMA,
    Element,
    Footer,
    Leaf,
    RowGroup,
    number,
)
from thalweg.connectors.files.thrift import I32, I64, LIST, STRUCT, Fields, Items, Value, encode
from thalweg.protocols.figures import Meter

_FOOTER_KEPT = (1, 6)
"""Version and writer; the rest (the Arrow schema among it) speaks of the whole file."""
_META_KEPT = (1, 2, 3, 4, 5, 6, 7)
"""Type, encodings, path, compression, counts and sizes of a leaf."""


class PartialFile:
    """The wanted part of a file.

    Args:
        footer: what is in the file.
        held: the types that Polars finds in the whole file.
        target: the columns and members to read.

    Raises:
        ValueError: it cannot be read by itself with the same result; Polars must read the file.
    """

    def __init__(self, footer: Footer, held: pl.Schema, target: Schema) -> None:
        self._footer = footer
        self._row = _kept(footer.row, [(f.name, f.type) for f in target])
        self._leaves = list(self._row.leaves)
        found = pl.read_parquet_schema(self._file([], []))
        self.held = pl.Schema({n: _narrowed(held[n], t) for n, t in found.items()})
        """The types of the part."""
        for group in footer.groups:
            assert len(group.leaves) > max(self._leaves, default=-1), "a footer has been checked"
        self._is_cast = found != self.held
        if not all(_is_readable(t, self.held[n]) for n, t in found.items()):
            raise ValueError("the part has other types than the file")

    def read(self, handle: IO[bytes], groups: Sequence[RowGroup], meter: Meter) -> pl.DataFrame:
        """The rows of some row groups."""
        leaves = [[g.leaves[i] for i in self._leaves] for g in groups]
        parts = list(_read_all(handle, [leaf for group in leaves for leaf in group]))
        meter.add_bytes(sum(map(len, parts)))
        frame = pl.read_parquet(self._file(groups, parts), use_statistics=False)
        return frame.cast(dict(self.held)) if self._is_cast else frame  # type: ignore[arg-type]

    def _file(self, groups: Sequence[RowGroup], parts: Sequence[bytes]) -> bytes:
        """The part as a file of its own."""
        start, made = len(MAGIC), []
        for group in groups:
            leaves = []
            for index in self._leaves:
                leaf = group.leaves[index]
                leaves.append(_moved(leaf, start))
                start += leaf.size
            made.append({COLUMNS: _list(leaves), 2: Value(I64, 0), GROUP_ROWS: Value(I64, group.rows)})
        rows = sum(g.rows for g in groups)
        footer = {key: v for key, v in self._footer.raw.items() if key in _FOOTER_KEPT}
        footer |= {SCHEMA: _list(list(_flat(self._row))), ROWS: Value(I64, rows), GROUPS: _list(made)}
        data = encode(footer)
        return b"".join([MAGIC, *parts, data, len(data).to_bytes(4, "little"), MAGIC])


def _kept(element: Element, wanted: Sequence[tuple[str, DataType]]) -> Element:
    """The element with the wanted members only, in the order of the file."""
    types = dict(wanted)
    children = tuple(_member(c, types[c.name]) for c in element.children if c.name in types)
    if len(children) != len(types):
        raise ValueError("the file does not have every column")
    return replace(element, children=children)


def _member(element: Element, wanted: DataType) -> Element:
    if isinstance(wanted, Struct) and element.is_row:
        return _kept(element, [(f.name, f.type) for f in wanted.fields])
    return element


def _flat(element: Element) -> Iterator[Fields]:
    """The elements as a file lists them."""
    if not element.children:
        yield element.raw
        return
    yield element.raw | {CHILDREN: Value(I32, len(element.children))}
    for child in element.children:
        yield from _flat(child)


def _list(values: list[Fields]) -> Value:
    return Value(LIST, Items(STRUCT, values))


def _moved(leaf: Leaf, start: int) -> Fields:
    """The description of a leaf whose bytes now start elsewhere."""
    meta = {key: v for key, v in leaf.raw.items() if key in _META_KEPT}
    for page in (DATA_PAGE, DICTIONARY_PAGE):
        if page in leaf.raw and (at := number(leaf.raw, page)) > 0:
            meta[page] = Value(I64, at - leaf.start + start)
    return {2: Value(I64, 0), META: Value(STRUCT, meta)}


def _read_all(handle: IO[bytes], leaves: Sequence[Leaf]) -> Iterator[bytes]:
    """The bytes of each leaf."""
    for leaf in leaves:
        handle.seek(leaf.start)
        data = handle.read(leaf.size)
        if len(data) != leaf.size:
            raise OSError(f"{leaf.size} bytes are missing at byte {leaf.start}")
        yield data


# -- types -------------------------------------------------------------------------------------


def _narrowed(held: pl.DataType, part: pl.DataType) -> pl.DataType:
    """The type in the file without the members that the part does not have."""
    if isinstance(held, pl.Struct) and isinstance(part, pl.Struct):
        types = {f.name: f.dtype for f in held.fields}
        return pl.Struct({f.name: _narrowed(_made(types[f.name]), _made(f.dtype)) for f in part.fields})
    return held


def _is_readable(part: pl.DataType, held: pl.DataType) -> bool:
    """Whether a cast gives the values of the file: only the Arrow schema tells some types apart."""
    if isinstance(part, pl.Struct) and isinstance(held, pl.Struct):
        theirs = {f.name: _made(f.dtype) for f in held.fields}
        return all(_is_readable(_made(f.dtype), theirs[f.name]) for f in part.fields)
    if isinstance(part, pl.List) and isinstance(held, pl.List):
        return _is_readable(_made(part.inner), _made(held.inner))
    if isinstance(held, pl.Duration):
        return part == pl.Int64
    if isinstance(part, pl.Datetime) and isinstance(held, pl.Datetime):
        zones = part.time_zone is None, held.time_zone is None
        return part.time_unit == held.time_unit and zones[0] == zones[1]
    return part == held or (part == pl.String and isinstance(held, (pl.Categorical, pl.Enum)))


def _made(held: object) -> pl.DataType:
    assert isinstance(held, pl.DataType), "a type with its parameters"
    return held
