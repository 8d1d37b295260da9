"""Hand out the rows of an Arrow file without copying them.

Each record batch is mapped into memory by itself, and the mapping goes when its last row does. Only the
columns and struct members asked for are looked at. What is in the file is not trusted: lengths, offsets
and UTF-8 are checked before Polars sees them. A file must not be changed in place while it is read.

Not here: where the buffers are (ipc_footer.py); packed files (ipc.py).
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import DataType, Struct
from thalweg.columnar import arrow
from thalweg.connectors.files.ipc_footer import (
    Column,
    Layout,
    RecordBatch,
    UnknownLayout,
    read_layout,
    read_record_batch,
    read_row_count,
)

Array = np.ndarray[Any, Any]

_WIDTHS = {"c": 1, "C": 1, "s": 2, "S": 2, "i": 4, "I": 4, "l": 8, "L": 8, "f": 4, "g": 8, "tdD": 4}
_INLINE = 12
"""Longer strings have their bytes in a data buffer."""


class MappedFile:
    """An Arrow file whose wanted columns can be mapped.

    Raises:
        UnknownLayout: they cannot.
    """

    def __init__(self, file: str, target: Schema) -> None:
        self._file, self._target = file, target
        with open(file, "rb") as handle:
            self._layout = read_layout(handle)
            if self._layout.blocks:
                read_record_batch(handle, self._layout.blocks[0])
        self._wanted = {f.name: _restricted(f.type, self._named(f.name)) for f in target}

    def frames(self, row: int) -> Iterator[pl.DataFrame]:
        """The rows from `row` on, a frame per record batch; strings are still binary."""
        with open(self._file, "rb") as handle:
            for block in self._layout.blocks:
                rows = read_row_count(handle, block)
                if rows <= row:
                    row -= rows
                    continue
                batch = read_record_batch(handle, block)
                yield self._frame(handle, batch)[row:]
                row = 0

    def _named(self, name: str) -> Column:
        return next(c for c in self._layout.columns if c.name == name)

    def _frame(self, handle: IO[bytes], batch: RecordBatch) -> pl.DataFrame:
        cursor = _Cursor(batch, _mapped(handle, batch))
        columns = {c.name: cursor.take(c, self._wanted.get(c.name)) for c in self._layout.columns}
        series = []
        for field in self._target:
            column = columns[field.name]
            assert column is not None, "a wanted column is taken"
            series.append(arrow.to_series(field.name, column))
        return pl.DataFrame(series)


def _restricted(wanted: DataType, held: Column) -> Column:
    """The column with only the members that are wanted, marked by `?` where they are not."""
    if isinstance(wanted, Struct) and held.format == "+s":
        kept = {f.name: f.type for f in wanted.fields}
        children = tuple(_restricted(kept[c.name], c) for c in held.children if c.name in kept)
        return Column(held.name, held.format, held.buffer_count, children)
    _check_known(held)
    return held


def _check_known(column: Column) -> None:
    if column.format == "?":
        raise UnknownLayout(f'column "{column.name}"')
    for child in column.children:
        _check_known(child)


def _mapped(handle: IO[bytes], batch: RecordBatch) -> Array:
    """The body of a record batch as bytes, backed by the file."""
    if not batch.body:
        return np.empty(0, dtype=np.uint8)
    page = batch.start - batch.start % mmap.ALLOCATIONGRANULARITY
    skipped = batch.start - page
    memory = mmap.mmap(handle.fileno(), batch.body + skipped, access=mmap.ACCESS_READ, offset=page)
    return np.frombuffer(memory, dtype=np.uint8, offset=skipped)
