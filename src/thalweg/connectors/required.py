"""Hold a source to what was declared of it: a NULL in a column that is NOT NULL makes a bad row.

Looked at are the columns that are read, and the rows that the source does not leave out. A column without
NULLs costs the look at a number that is there.

Not here: what becomes of bad rows (runtime/, session/reading.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any, Protocol, runtime_checkable

import polars as pl
from polars.io.plugins import register_io_source

from thalweg.connectors.around import SourceAround
from thalweg.connectors.files.select import pruned
from thalweg.expr.python import carry
from thalweg.protocols.conditions import Conditions, FilteringSource
from thalweg.protocols.figures import Meter, MeteredSource
from thalweg.protocols.source import (
    Chunk,
    Fields,
    LazySource,
    Position,
    Reader,
    Source,
    Split,
    bad_row,
    split_name,
)

_SCANNED_ROWS = 131_072


@runtime_checkable
class NullKnowingSource(Protocol):
    """A source that may know that columns have no NULLs without reading them."""

    def may_hold_null(self, columns: Sequence[str]) -> bool:
        """Whether there may be a NULL in one of the columns."""
        ...


def required(source: Source, columns: Sequence[str]) -> Source:
    """The source, whose rows with a NULL in one of the columns are bad."""
    if not columns:
        return source
    kind = RequiredLazySource if isinstance(source, LazySource) else RequiredSource
    return kind(source, tuple(columns))


@dataclass(frozen=True)
class RequiredSource(SourceAround):
    """Another source, held to columns that are NOT NULL.

    Attributes:
        inner: the source that reads.
        columns: those that have no NULL.
    """

    columns: tuple[str, ...]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader that tells rows with a missing value apart."""
        return RequiredReader(self.inner.open(split, position, fields), self._read(fields))

    def _read(self, fields: Fields | None) -> tuple[str, ...]:
        """Those of the columns that are read."""
        names = self.columns if fields is None else {name for name, _ in fields}
        return tuple(c for c in self.columns if c in names)

    def taken(self, conditions: Conditions) -> Conditions:
        return self.inner.taken(conditions) if isinstance(self.inner, FilteringSource) else ()

    def filtered(self, conditions: Conditions) -> Source:
        assert isinstance(self.inner, FilteringSource), "another source takes no conditions over"
        return replace(self, inner=self.inner.filtered(conditions))

    def metered(self, meter: Meter) -> Source:
        inner = self.inner
        return replace(self, inner=inner.metered(meter)) if isinstance(inner, MeteredSource) else self


class RequiredLazySource(RequiredSource):
    """The same of a source that Polars can read by itself."""

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        """Read by Polars, unless there may be a NULL to be found."""
        inner, columns = self.inner, self._read(fields)
        assert isinstance(inner, LazySource), "made of such a source only"
        if isinstance(inner, NullKnowingSource) and not inner.may_hold_null(columns):
            return inner.lazy(fields)
        target = pruned(self.schema, fields)
        return pl.concat([target.polars.to_frame().lazy(), *(self._scan(s, fields) for s in self.splits())])

    def _scan(self, split: Split, fields: Fields | None) -> pl.LazyFrame:
        """One split as a plan in which our readers read; rows are looked at before any are left out."""

        def frames(
            columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
        ) -> Iterator[pl.DataFrame]:
            for frame in self._good_rows(split, fields, rows):
                chosen = frame if predicate is None else frame.filter(predicate)
                yield chosen if columns is None else chosen.select(columns)

        return register_io_source(frames, schema=pruned(self.schema, fields).polars)

    def _good_rows(self, split: Split, fields: Fields | None, rows: int | None) -> Iterator[pl.DataFrame]:
        reader = self.open(split, {}, fields)
        left, ended = 1 << 62 if rows is None else rows, False
        try:
            while left > 0 and not ended:
                chunk = reader.read(min(left, _SCANNED_ROWS))
                if chunk.bad:
                    raise carry(bad_row(split.id, chunk.bad[0], split_name(self.inner, split.id)))
                if chunk.frame is not None:
                    left -= chunk.frame.height
                    yield chunk.frame
                ended = chunk.ended
        finally:
            reader.close()


class RequiredReader:
    """Another reader, whose rows with a NULL in one of the columns are bad."""

    def __init__(self, inner: Reader, columns: Sequence[str]) -> None:
        self._inner, self._columns = inner, columns

    def read(self, rows_max: int) -> Chunk:
        """The next rows."""
        chunk = self._inner.read(rows_max)
        frame = chunk.frame
        if frame is None:
            return chunk
        missing = [c for c in self._columns if frame.get_column(c).null_count()]
        return _told_apart(chunk, frame, missing) if missing else chunk

    @property
    def position(self) -> Position:
        """Where the next read goes on."""
        return self._inner.position

    def close(self) -> None:
        """Give back what is held open."""
        self._inner.close()


def _told_apart(chunk: Chunk, frame: pl.DataFrame, missing: Sequence[str]) -> Chunk:
    is_bad = reduce(or_, (frame.get_column(c).is_null() for c in missing))

    def message(row: dict[str, Any]) -> str:
        column = next(c for c in missing if row[c] is None)
        return f'column "{column}" is NULL, and was declared NOT NULL'

    return chunk.told_apart(is_bad, "data-bad-row", message)
