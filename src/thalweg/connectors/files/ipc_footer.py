"""Read the layout of an Arrow file: its columns, and where each record batch has its buffers.

The format: https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format. What this module does
not know (packed buffers, dictionaries that are wanted, unions, …) it says so, and Polars reads the file.

Not here: the values (ipc_mapped.py).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import IO

from thalweg.connectors.files.flatbuffer import Table

_MAGIC = b"ARROW1"
_CONTINUED = 0xFFFFFFFF
_RECORD_BATCH = 3
_METADATA_MAX = 1 << 28


class UnknownLayout(Exception):
    """The file uses a layout that is left to Polars."""


@dataclass(frozen=True)
class Column:
    """A column, or a member of one, as the file holds it.

    Attributes:
        format: the Arrow format string; `?` for a layout that can only be skipped.
        buffer_count: how many buffers it has, those of its children and of views left out.
    """

    name: str
    format: str
    buffer_count: int
    children: tuple[Column, ...] = ()

    @cached_property
    def totals(self) -> tuple[int, int, int]:
        """The nodes, the buffers and the columns of views that it and its children have."""
        below = [c.totals for c in self.children]
        own = (1, self.buffer_count, int(self.has_views))
        nodes, buffers, views = (sum(t) for t in zip(own, *below, strict=True))
        return nodes, buffers, views

    @property
    def has_views(self) -> bool:
        """Whether it has data buffers of a number that changes from one record batch to the next."""
        return self.format in ("vu", "vz")


@dataclass(frozen=True)
class Block:
    """Where a message is in the file: its start, the length of its head, the length of its body."""

    offset: int
    head: int
    body: int


@dataclass(frozen=True)
class Layout:
    """Columns and record batches of a file."""

    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class RecordBatch:
    """Where the buffers of one record batch are.

    Attributes:
        rows: number of rows.
        start: the place of the body in the file.
        nodes: length and count of NULLs, per column and child, in the order of the schema.
        buffers: place within the body and length.
        views: how many data buffers each column of views has.
    """

    rows: int
    start: int
    body: int
    nodes: tuple[tuple[int, ...], ...]
    buffers: tuple[tuple[int, ...], ...]
    views: tuple[int, ...]


def read_layout(handle: IO[bytes]) -> Layout:
    """The columns and record batches.

    Raises:
        UnknownLayout: the file can be read, but not by us.
        ValueError, struct.error: the file is damaged.
    """
    size = handle.seek(0, 2)
    handle.seek(max(0, size - 10))
    tail = handle.read(10)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length + 10 > size:
        raise ValueError("its last bytes are not those of an Arrow file")
    handle.seek(size - 10 - length)
    footer = Table(handle.read(length))
    schema = footer.table(1)
    if schema is None:
        raise ValueError("it has no schema")
    if schema.number(0, "<h", 0) != 0:
        raise UnknownLayout("big-endian")
    blocks = tuple(Block(*b) for b in footer.structs(3, "<qi4xq", 24))
    if any(b.offset < 0 or b.head < 8 or b.body < 0 or b.offset + b.head + b.body > size for b in blocks):
        raise ValueError("it is shorter than its footer says")
    return Layout(tuple(_column(f) for f in schema.tables(1)), blocks)


def read_row_count(handle: IO[bytes], block: Block) -> int:
    """How many rows a record batch has."""
    return _message(handle, block).number(0, "<q", 0)


def read_record_batch(handle: IO[bytes], block: Block) -> RecordBatch:
    """Where the buffers of a record batch are.

    Raises:
        UnknownLayout: the buffers are packed.
        ValueError, struct.error: the file is damaged.
    """
    head = _message(handle, block)
    if head.table(3) is not None:
        raise UnknownLayout("packed buffers")
    buffers = tuple(head.structs(2, "<qq", 16))
    if any(offset < 0 or length < 0 or offset + length > block.body for offset, length in buffers):
        raise ValueError("a buffer lies outside its record batch")
    return RecordBatch(
        rows=head.number(0, "<q", 0),
        start=block.offset + block.head,
        body=block.body,
        nodes=tuple(head.structs(1, "<qq", 16)),
        buffers=buffers,
        views=tuple(count for (count,) in head.structs(4, "<q", 8)),
    )


def _message(handle: IO[bytes], block: Block) -> Table:
    if block.head > _METADATA_MAX:
        raise ValueError("the head of a record batch is too long")
    handle.seek(block.offset)
    data = handle.read(block.head)
    # Files from before Arrow 0.15 have no mark in front of the length.
    start = 8 if int.from_bytes(data[:4], "little") == _CONTINUED else 4
    message = Table(data[start:])
    head = message.table(2)
    if message.number(1, "<B", 0) != _RECORD_BATCH or head is None:
        raise ValueError("a record batch is not where the footer says")
    return head


def _column(field: Table) -> Column:
    name = field.text(0) or ""
    held = field.table(3)
    if held is None:
        raise ValueError(f'column "{name}" has no type')
    if field.table(4) is not None:
        return Column(name, "?", 2)
    children = tuple(_column(c) for c in field.tables(5))
    kind = field.number(2, "<B", 0)
    return Column(name, _format(kind, held), _buffer_count(kind), children)


_NAMED = {4: "z", 5: "u", 6: "b", 12: "+l", 13: "+s", 19: "Z", 20: "U", 21: "+L", 23: "vz", 24: "vu"}
_BUFFERS = {1: 0, 13: 1, 16: 1, 4: 3, 5: 3, 19: 3, 20: 3, 22: 0, 25: 3, 26: 3}
_KINDS_MAX, _UNION = 26, 14


def _buffer_count(kind: int) -> int:
    if kind == _UNION or kind > _KINDS_MAX:
        raise UnknownLayout(f"type {kind}")
    return _BUFFERS.get(kind, 2)


def _format(kind: int, held: Table) -> str:
    if kind in _NAMED:
        return _NAMED[kind]
    known = {2: _integer, 3: _float, 7: _decimal, 8: _date, 9: _time, 10: _timestamp, 18: _duration}
    return known[kind](held) if kind in known else "?"


def _integer(held: Table) -> str:
    letter = {8: "c", 16: "s", 32: "i", 64: "l"}.get(held.number(0, "<i", 0), "?")
    return letter if held.number(1, "<?", 0) else letter.upper()


def _float(held: Table) -> str:
    return {1: "f", 2: "g"}.get(held.number(0, "<h", 0), "?")


def _decimal(held: Table) -> str:
    is_wide = held.number(2, "<i", 128) == 128
    return f"d:{held.number(0, '<i', 0)},{held.number(1, '<i', 0)}" if is_wide else "?"


def _date(held: Table) -> str:
    return "tdD" if held.number(0, "<h", 1) == 0 else "?"


def _time(held: Table) -> str:
    return "ttn" if held.number(0, "<h", 1) == 3 else "?"


def _timestamp(held: Table) -> str:
    unit = {1: "tsm:", 2: "tsu:", 3: "tsn:"}.get(held.number(0, "<h", 0))
    return "?" if unit is None else unit + (held.text(1) or "")


def _duration(held: Table) -> str:
    return {1: "tDm", 2: "tDu", 3: "tDn"}.get(held.number(0, "<h", 1), "?")


DAMAGED = (ValueError, LookupError, struct.error)
"""What reading a damaged file may raise."""
