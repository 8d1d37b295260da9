"""Read Parquet files by row group.

Memory is bounded by one row group (several, if they are small). Polars 2.1 reads and decodes all
members of a struct column even if one is asked for; the others are dropped before the rows are handed on.

Not here: where row groups begin (parquet_footer.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.files.format import UNREADABLE
from thalweg.connectors.files.parquet_footer import not_parquet, row_group_sizes
from thalweg.connectors.files.select import expressions
from thalweg.connectors.frames import FrameReader
from thalweg.protocols.source import Position, Reader

DECODED_ROWS = 131_072
"""Row groups are decoded together until they have this many rows."""


class ParquetFormat:
    """Parquet files."""

    def held(self, file: str) -> pl.Schema:
        """The columns that the file has."""
        try:
            return pl.Schema(pl.read_parquet_schema(file))
        except UNREADABLE as error:
            raise not_parquet(file, str(error).splitlines()[0]) from error

    def reader(self, file: str, target: Schema, position: Position) -> Reader:
        """Reads from the row group that holds the position."""
        plan = self.scan(file, target)
        return FrameReader(lambda row: _guarded(file, plan, row), position)

    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        """The file as a plan of Polars."""
        plan = pl.scan_parquet(file, glob=False, hive_partitioning=False)
        return plan.select(expressions(target, self.held(file)))


def _guarded(file: str, plan: pl.LazyFrame, row: int) -> Iterator[pl.DataFrame]:
    try:
        yield from _frames(plan, row_group_sizes(file), row)
    except UNREADABLE as error:
        raise not_parquet(file, str(error).splitlines()[0]) from error


def _frames(plan: pl.LazyFrame, sizes: list[int], row: int) -> Iterator[pl.DataFrame]:
    start = end = 0
    for number, size in enumerate(sizes):
        end += size
        is_last = number == len(sizes) - 1
        if end > row and (is_last or end - start >= DECODED_ROWS):
            first = max(start, row)
            yield plan.slice(first, end - first).collect()
        if end - start >= DECODED_ROWS or end <= row:
            start = end
