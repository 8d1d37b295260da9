"""Read Parquet files by row group: only those that may have wanted rows, and of them only what is wanted.

Memory is bounded by one row group (several, if they are small). Polars reads a whole file as a plan faster
than we do, and takes conditions over by itself; but it reads all members of a struct column even if one is
asked for, so that such files are read by us in both modes.

Not here: where row groups are (parquet_footer.py), their bytes (parquet_part.py), which of them have no
wanted row (parquet_statistics.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO

import polars as pl
from polars.io.plugins import register_io_source

from thalweg.base.schema import Schema
from thalweg.base.types import DataType, List, Map, Struct
from thalweg.connectors.files.format import UNREADABLE
from thalweg.connectors.files.parquet_footer import Footer, RowGroup, not_parquet, read_footer
from thalweg.connectors.files.parquet_part import PartialFile
from thalweg.connectors.files.parquet_statistics import facts
from thalweg.connectors.files.select import expressions
from thalweg.connectors.frames import FrameReader, Skipped
from thalweg.protocols.conditions import Conditions, Path, may_hold, usable
from thalweg.protocols.figures import Meter
from thalweg.protocols.source import Position, Reader

DECODED_ROWS = 131_072
"""Row groups are decoded together until they have this many rows."""


@dataclass(frozen=True)
class ParquetFormat:
    """Parquet files.

    Attributes:
        conditions: row groups none of whose rows can fulfil them are left out.
        meter: counts what is read.
    """

    conditions: Conditions = ()
    meter: Meter = field(default_factory=Meter, repr=False, compare=False)

    def held(self, file: str) -> pl.Schema:
        """The columns that the file has."""
        try:
            return pl.Schema(pl.read_parquet_schema(file))
        except UNREADABLE as error:
            raise not_parquet(file, str(error).splitlines()[0]) from error

    def count(self, file: str) -> int:
        """The rows of a file, by its footer."""
        return sum(group.rows for group in read_footer(file).groups)

    def may_hold_null(self, file: str, columns: Sequence[str]) -> bool:
        """Whether the statistics of a row group leave room for a NULL."""
        try:
            footer = read_footer(file)
        except UNREADABLE:
            # who reads the file says what is wrong with it
            return True
        return any(facts(footer, group, (c,)).has_null for c in columns for group in footer.groups)

    def taken(self, schema: Schema, conditions: Conditions) -> Conditions:
        """The conditions on columns, or members of rows, that have statistics."""
        return usable(conditions, lambda path: _has_statistics(schema, path))

    def filtered(self, conditions: Conditions) -> ParquetFormat:
        """The same files without some row groups."""
        return replace(self, conditions=conditions)

    def metered(self, meter: Meter) -> ParquetFormat:
        """The same files, and a count of what is read."""
        return replace(self, meter=meter)

    def reader(self, file: str, target: Schema, position: Position) -> Reader:
        """Reads from the row group that holds the position."""
        return FrameReader(partial(self._frames, file, target), position)

    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        """The file as a plan of Polars."""
        held = self.held(file)
        if any(_is_pruned(f.type, held[f.name]) for f in target):
            return self._scan_members(file, target)
        return _scan(file, target, held)

    def _scan_members(self, file: str, target: Schema) -> pl.LazyFrame:
        """The file as a plan in which our reader reads, since members are left out."""

        def frames(
            columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
        ) -> Iterator[pl.DataFrame]:
            wanted = target if columns is None else target.select(columns)
            left = 1 << 62 if rows is None else rows
            for frame in self._frames(file, wanted, 0):
                if isinstance(frame, pl.DataFrame):
                    yield frame[:left] if predicate is None else frame[:left].filter(predicate)
                    left -= frame.height
                if left <= 0:
                    return

        return register_io_source(frames, schema=target.polars)

    def _frames(self, file: str, target: Schema, row: int) -> Iterator[pl.DataFrame | Skipped]:
        """The rows from `row` on."""
        try:
            footer = read_footer(file)
            with open(file, "rb") as handle:
                read = self._reading(file, footer, target, handle)
                for groups, is_wanted in self._runs(footer, row):
                    count = sum(g.rows for g in groups)
                    passed = max(0, row - groups[0].start)
                    if is_wanted:
                        self.meter.add_parts(read=len(groups))
                        yield read(groups)[passed:]
                    else:
                        self.meter.add_parts(skipped=len(groups))
                        yield Skipped(count - passed)
        except UNREADABLE as error:
            raise not_parquet(file, str(error).splitlines()[0]) from error

    def _reading(
        self, file: str, footer: Footer, target: Schema, handle: IO[bytes]
    ) -> Callable[[Sequence[RowGroup]], pl.DataFrame]:
        """Reads row groups that follow one another."""
        held = self.held(file)
        try:
            part = PartialFile(footer, held, target)
        except (ValueError, pl.exceptions.PolarsError):
            plan = _scan(file, target, held)
            return lambda groups: plan.slice(groups[0].start, sum(g.rows for g in groups)).collect()
        chosen = expressions(target, part.held)
        return lambda groups: part.read(handle, groups, self.meter).select(chosen)

    def _runs(self, footer: Footer, row: int) -> Iterator[tuple[list[RowGroup], bool]]:
        """Row groups to be read, or left out, together; from the one on that has the row."""
        run: list[RowGroup] = []
        is_wanted = True
        for group in footer.groups:
            if group.end <= max(row, group.start):
                continue
            may = may_hold(self.conditions, partial(facts, footer, group))
            if run and (may != is_wanted or (may and group.start - run[0].start >= DECODED_ROWS)):
                yield run, is_wanted
                run = []
            run.append(group)
            is_wanted = may
        if run:
            yield run, is_wanted


def _scan(file: str, target: Schema, held: pl.Schema) -> pl.LazyFrame:
    plan = pl.scan_parquet(file, glob=False, hive_partitioning=False)
    return plan.select(expressions(target, held))


def _is_pruned(wanted: DataType, held: pl.DataType) -> bool:
    """Whether members are left out, at any depth."""
    if not isinstance(wanted, Struct) or not isinstance(held, pl.Struct):
        return False
    types = {f.name: f.dtype for f in held.fields}
    if len(wanted.fields) < len(types):
        return True
    return any(_is_pruned(f.type, types[f.name]) for f in wanted.fields)  # type: ignore[arg-type]


def _has_statistics(schema: Schema, path: Path) -> bool:
    """Whether the path leads to something that is neither a row nor a list."""
    held: DataType | None = schema.get(path[0])
    for name in path[1:]:
        inner = held.field(name) if isinstance(held, Struct) else None
        held = None if inner is None else inner.type
    return held is not None and not isinstance(held, (Struct, List, Map))
