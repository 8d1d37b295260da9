"""A source that takes conditions over: a frame in parts, of which it knows the least and the greatest values.

It leaves out what it can, so that a rule that tells it too much loses rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.files.select import expressions, pruned
from thalweg.connectors.frames import FrameReader, Skipped
from thalweg.protocols.conditions import Conditions, Facts, Path, may_hold, usable
from thalweg.protocols.source import Fields, Position, Reader, Split


@dataclass(frozen=True, eq=False)
class PartedSource:
    """Frames, each a split, in parts of a few rows."""

    frames: tuple[pl.DataFrame, ...] = field(repr=False)
    name: str = "t"
    conditions: Conditions = ()
    part_rows: int = 2
    is_bounded, is_ordered, is_live, replay = True, False, False, "exact"

    @property
    def schema(self) -> Schema:
        return Schema.from_polars(dict(self.frames[0].schema))

    def describe(self) -> str:
        return self.name

    def splits(self) -> list[Split]:
        return [Split(str(n), {"frame": n}) for n in range(len(self.frames))]

    def taken(self, conditions: Conditions) -> Conditions:
        return usable(conditions, lambda path: _column(self.frames[0], path) is not None)

    def filtered(self, conditions: Conditions) -> PartedSource:
        return PartedSource(self.frames, self.name, conditions, self.part_rows)

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        frame = self.frames[int(split.data["frame"])]
        chosen = expressions(pruned(self.schema, fields), frame.schema)

        def parts(row: int) -> Iterator[pl.DataFrame | Skipped]:
            for start in range(row, frame.height, self.part_rows):
                part = frame[start : start + self.part_rows]
                yield part.select(chosen) if self.may_hold(part) else Skipped(part.height)

        return FrameReader(parts, position)

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        readers = [self.open(s, {}, fields) for s in self.splits()]
        frames = [pruned(self.schema, fields).polars.to_frame()]
        for reader in readers:
            while (chunk := reader.read(1 << 20)).frame is not None:
                frames.append(chunk.frame)
        return pl.concat(frames).lazy()

    def may_hold(self, part: pl.DataFrame) -> bool:
        return may_hold(self.conditions, lambda path: _facts(part, path))


def _facts(part: pl.DataFrame, path: Path) -> Facts:
    column = _column(part, path)
    if column is None:
        return Facts()
    nulls = column.null_count()
    low, high = column.min(), column.max()
    if column.dtype.is_float() and (column.is_nan().any() or low is None):
        low = high = None
    return Facts(low, high, has_null=nulls > 0, has_value=nulls < part.height)


def _column(part: pl.DataFrame, path: Path) -> pl.Series | None:
    column = part[path[0]]
    for name in path[1:]:
        column = column.struct.field(name)
    return None if isinstance(column.dtype, (pl.Struct, pl.List)) else column
