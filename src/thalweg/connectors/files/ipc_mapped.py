"""Hand out the rows of an Arrow file without copying them.

Each record batch is mapped into memory by itself, and the mapping goes when its last row does. Only the
columns and struct members asked for are looked at. What is in the file is not trusted: lengths and
offsets are checked here, UTF-8 by the cast that follows. A file must not be changed in place while it
is read.

Not here: where the buffers are (ipc_footer.py); packed files (ipc.py).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import DataType, Struct
from thalweg.columnar import arrow
from thalweg.connectors.files.ipc_footer import (
    Column,
    RecordBatch,
    UnknownLayout,
    read_layout,
    read_record_batch,
    read_row_count,
)
from thalweg.protocols.figures import Meter

Array = np.ndarray[Any, Any]

_WIDTHS = {"c": 1, "C": 1, "s": 2, "S": 2, "i": 4, "I": 4, "l": 8, "L": 8, "f": 4, "g": 8, "tdD": 4}
_INLINE = 12
"""Longer strings have their bytes in a data buffer."""
_CHECKED_ROWS = 16_384
"""So many at a time stay in the processor's cache while they are checked; a multiple of 8."""


class MappedFile:
    """An Arrow file whose wanted columns can be mapped.

    Raises:
        UnknownLayout: they cannot.
    """

    def __init__(self, file: str, target: Schema, meter: Meter | None = None) -> None:
        self._file, self._target, self._meter = file, target, meter or Meter()
        with open(file, "rb") as handle:
            self._layout = read_layout(handle)
            if self._layout.blocks:
                read_record_batch(handle, self._layout.blocks[0])
        for column in self._layout.columns:
            wanted = target.get(column.name)
            if wanted is not None:
                _check_known(column, wanted)

    def frames(self, row: int) -> Iterator[pl.DataFrame]:
        """The rows from `row` on, a frame per record batch; strings are still binary."""
        with open(self._file, "rb") as handle:
            for block in self._layout.blocks:
                if row and (rows := read_row_count(handle, block)) <= row:
                    row -= rows
                    continue
                frame = self._frame(handle, read_record_batch(handle, block))
                yield frame[row:] if row else frame
                row = 0

    def _frame(self, handle: IO[bytes], batch: RecordBatch) -> pl.DataFrame:
        cursor = _Cursor(batch, _mapped(handle, batch))
        taken: dict[str, arrow.Column] = {}
        for column in self._layout.columns:
            wanted = self._target.get(column.name)
            if wanted is None:
                cursor.skip(column)
            else:
                taken[column.name] = cursor.take(column, wanted, batch.rows)
        self._meter.add_bytes(cursor.taken_bytes)
        self._meter.add_parts(read=1)
        return arrow.to_frame([arrow.to_series(name, taken[name]) for name in self._target.names])


def _check_known(column: Column, wanted: DataType | None) -> None:
    if column.format == "?":
        raise UnknownLayout(f'column "{column.name}"')
    for child in column.children:
        inner = wanted.field(child.name) if isinstance(wanted, Struct) else None
        if inner is not None or not isinstance(wanted, Struct):
            _check_known(child, None if inner is None else inner.type)


def _mapped(handle: IO[bytes], batch: RecordBatch) -> Array:
    """The body of a record batch as bytes, backed by the file."""
    if not batch.body:
        return np.empty(0, dtype=np.uint8)
    skipped = batch.start % mmap.ALLOCATIONGRANULARITY
    memory = mmap.mmap(
        handle.fileno(), batch.body + skipped, access=mmap.ACCESS_READ, offset=batch.start - skipped
    )
    return np.frombuffer(memory, dtype=np.uint8, offset=skipped)


class _Cursor:
    """Goes through the nodes and buffers of a record batch in the order of the schema."""

    def __init__(self, batch: RecordBatch, body: Array) -> None:
        self._body, self._batch = body, batch
        self._node = self._at = self._view = 0
        """The next node, buffer and column of views."""
        self.taken_bytes = 0

    def skip(self, column: Column) -> None:
        """Go past a column and its children."""
        nodes, buffers, views = column.totals
        self._node += nodes
        self._at += buffers + sum(self._batch.views[self._view : self._view + views])
        self._view += views

    def take(self, column: Column, wanted: DataType | None, rows: int | None = None) -> arrow.Column:
        """A column over the mapped memory, a struct with the wanted members in the wanted order."""
        length, nulls = _nth(self._batch.nodes, self._node)
        self._node += 1
        if rows is not None and length != rows:
            raise ValueError(f'column "{column.name}" has {length} rows of {rows}')
        validity, *buffers = [self._buffer() for _ in range(self._buffer_count(column))]
        valid = _checked(validity, (length + 7) // 8) if nulls else None
        if column.format == "+s":
            return arrow.Column("+s", length, [valid], self._members(column, wanted, length))
        if column.format in ("+l", "+L"):
            item = self.take(column.children[0], None)
            offsets = _checked_offsets(buffers[0], column.format == "+L", length, item.length)
            return arrow.Column(column.format, length, [valid, offsets], [("item", item)])
        form = {"u": "z", "U": "Z", "vu": "vz"}.get(column.format, column.format)
        return arrow.Column(
            form, length, [valid, *_values(form, buffers, length, validity if nulls else None)]
        )

    def _members(
        self, column: Column, wanted: DataType | None, length: int
    ) -> list[tuple[str, arrow.Column]]:
        taken: dict[str, arrow.Column] = {}
        for child in column.children:
            inner = wanted.field(child.name) if isinstance(wanted, Struct) else None
            if inner is None and isinstance(wanted, Struct):
                self.skip(child)
            else:
                taken[child.name] = self.take(child, None if inner is None else inner.type, length)
        order = [f.name for f in wanted.fields] if isinstance(wanted, Struct) else list(taken)
        return [(name, taken[name]) for name in order]

    def _buffer_count(self, column: Column) -> int:
        if not column.has_views:
            return column.buffer_count
        self._view += 1
        return column.buffer_count + int(_nth(self._batch.views, self._view - 1))

    def _buffer(self) -> Array:
        offset, length = _nth(self._batch.buffers, self._at)
        self._at += 1
        self.taken_bytes += length
        return self._body[offset : offset + length]


def _nth(parts: Sequence[Any], number: int) -> Any:
    if number >= len(parts):
        raise ValueError("a record batch has fewer buffers than its columns need")
    return parts[number]


def _values(form: str, buffers: list[Array], length: int, validity: Array | None) -> list[Array]:
    """The buffers behind the validity, each checked to be long enough for what refers to it."""
    first = buffers[0]
    if form in ("z", "Z"):
        return [_checked_offsets(first, form == "Z", length, len(buffers[1])), buffers[1]]
    if form == "vz":
        sizes = np.array([len(b) for b in buffers[1:]], dtype=np.int64)
        views = _checked(first, 16 * length)
        _check_views(views.view(np.uint32).reshape(-1, 4), sizes, validity)
        return [views, *buffers[1:], sizes]
    if form == "b":
        return [_checked(first, (length + 7) // 8)]
    return [_checked(first, length * (16 if form.startswith("d:") else _WIDTHS.get(form, 8)))]


def _checked(buffer: Array, size: int) -> Array:
    if len(buffer) < size:
        raise ValueError(f"a buffer has {len(buffer)} bytes of {size}")
    return buffer[:size]


def _checked_offsets(buffer: Array, is_wide: bool, length: int, limit: int) -> Array:
    kind = np.int64 if is_wide else np.int32
    if length == 0:
        return np.zeros(1, dtype=kind)
    offsets = _checked(buffer, (length + 1) * np.dtype(kind).itemsize).view(kind)
    if offsets[0] < 0 or offsets[-1] > limit or (np.diff(offsets) < 0).any():
        raise ValueError("an offset points outside its values")
    return offsets


def _check_views(views: Array, sizes: Array, validity: Array | None) -> None:
    """Raise unless every long string lies within its data buffer."""
    for start in range(0, len(views), _CHECKED_ROWS):
        part = views[start : start + _CHECKED_ROWS]
        outside = _outside(part, sizes)
        if outside is None:
            continue
        if validity is not None:
            # A NULL's view has no meaning, so that what it says is no error.
            valid = np.unpackbits(validity[start // 8 :], bitorder="little", count=len(part))
            outside &= valid.astype(np.bool_)
        if outside.any():
            raise ValueError("a string lies outside its data buffer")


def _outside(views: Array, sizes: Array) -> Array | None:
    """Which strings do not lie within the data buffer that they name; None if all do."""
    lengths = views[:, 0]
    is_long = lengths > _INLINE
    if not is_long.any():
        return None
    places = np.where(is_long, views.view(np.uint64)[:, 1], 0)
    numbers, ends = places.astype(np.uint32), places >> np.uint64(32)
    ends += lengths
    if len(sizes) and numbers.max() < len(sizes) and ends.max() <= sizes.min():
        return None
    held = np.append(sizes, -1).take(numbers, mode="clip")
    outside: Array = is_long & ((ends.astype(np.int64) > held) | (numbers >= len(sizes)))
    return outside
