"""Read constant rows as a source of one split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from thalweg.base.schema import Schema
from thalweg.protocols.source import Chunk, Fields, Position, Replay, Split


@dataclass(frozen=True, eq=False)
class ValuesSource:
    """The rows of a frame that the plan holds."""

    frame: pl.DataFrame

    is_bounded = True
    is_ordered = False
    is_live = False
    replay: Replay = "exact"

    @property
    def schema(self) -> Schema:
        """The frame's columns."""
        return Schema.from_polars(self.frame.schema)

    def describe(self) -> str:
        """A few words."""
        return f"{self.frame.height} constant rows"

    def splits(self) -> Sequence[Split]:
        """One."""
        return [Split("values")]

    def open(self, split: Split, position: Position, fields: Fields | None) -> ValuesReader:
        """A reader from a row number on."""
        del split
        return ValuesReader(self.frame.select(_columns(fields)), int(position.get("row", 0)))

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        """All rows."""
        return self.frame.lazy().select(_columns(fields))


def _columns(fields: Fields | None) -> list[pl.Expr]:
    """The columns asked for; of struct columns the members asked for."""
    return [pl.all()] if fields is None else [_column(name, members) for name, members in fields]


def _column(name: str, members: tuple[str, ...] | None) -> pl.Expr:
    column = pl.col(name)
    if members is None:
        return column
    made = pl.struct([column.struct.field(m) for m in members])
    # a struct made of its members is never NULL; the rows that were must stay so
    return pl.when(column.is_not_null()).then(made).alias(name)


class ValuesReader:
    """Reads a frame in slices."""

    def __init__(self, frame: pl.DataFrame, row: int) -> None:
        self._frame, self._row = frame, row

    @property
    def position(self) -> Position:
        """The number of the next row."""
        return {"row": self._row}

    def read(self, rows_max: int) -> Chunk:
        """The next rows."""
        first = self._row
        part = self._frame.slice(first, rows_max)
        self._row += part.height
        return Chunk(part if part.height else None, first, ended=self._row >= self._frame.height)

    def close(self) -> None:
        """Nothing is held."""
