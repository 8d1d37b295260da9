"""The contract of sources: a description that lists splits, and readers that read them.

A split is a logical unit (a file, a partition, an iterator) that never depends on parallelism. A
reader reads one split in order and can say, and be told, where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import polars as pl

from thalweg.base.schema import Schema
from thalweg.errors import DataError
from thalweg.protocols.letters import BadRow as BadRow
from thalweg.protocols.letters import Records, Unit

Replay = Literal["exact", "ack", "none"]
Fields = Sequence[tuple[str, tuple[str, ...] | None]]
"""Columns to read; for struct columns which members (None: all)."""
Position = Mapping[str, Any]
"""Where a reader stands, as plain JSON values; `{}` is the beginning."""


@dataclass(frozen=True)
class Split:
    """One logical part of a source.

    Attributes:
        id: stable name, unique in the source (a path, a partition number as text).
        data: whatever the source needs to open it, as plain JSON values.
    """

    id: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Chunk:
    """What one call of `Reader.read` gave.

    Attributes:
        frame: the rows, at most as many as asked for; None if there was nothing just now.
        offset: the position number of the first row within the split (rows count up from it,
            bad rows included, unless `offsets` says otherwise).
        offsets: position number per row, where they are not consecutive.
        bad: rows that could not be read.
        ended: whether the split has no more rows.
        wait: with nothing to read: seconds until it is worth asking again; None: until woken.
        arrived: for live sources, the clock when the rows arrived (microseconds since the epoch).
        unit: what the offsets count, for messages.
        records: the text that the rows were read from, where there is any.
    """

    frame: pl.DataFrame | None
    offset: int = 0
    offsets: pl.Series | None = None
    bad: tuple[BadRow, ...] = ()
    ended: bool = False
    wait: float | None = None
    arrived: int | None = None
    unit: Unit = "row"
    records: Records | None = field(default=None, compare=False, repr=False)

    def offsets_of(self, frame: pl.DataFrame) -> pl.Series:
        """The position number of each row of the chunk's frame."""
        if self.offsets is not None:
            return self.offsets
        return pl.int_range(self.offset, self.offset + frame.height, eager=True)

    def told_apart(self, is_bad: pl.Series, code: str, message: Callable[[dict[str, Any]], str]) -> Chunk:
        """The chunk with some of its rows among the bad ones.

        Args:
            is_bad: which rows.
            code: what the error is called.
            message: what is wrong with a row.
        """
        assert self.frame is not None, "a chunk with rows"
        offsets, frame = self.offsets_of(self.frame), self.frame
        lost, places = frame.filter(is_bad), offsets.filter(is_bad).to_list()
        bad = [self._bad_row(lost[i], at, code, message) for i, at in enumerate(places)]
        kept = frame.filter(~is_bad)
        return replace(
            self,
            frame=kept if kept.height else None,
            offsets=offsets.filter(~is_bad),
            bad=tuple(sorted([*self.bad, *bad], key=lambda b: b.offset)),
        )

    def _bad_row(
        self, row: pl.DataFrame, offset: int, code: str, message: Callable[[dict[str, Any]], str]
    ) -> BadRow:
        values = row.row(0, named=True)
        found = BadRow(offset, message(values), str(values)[:200], unit=self.unit, code=code, row=row)
        if self.records is None:
            return found
        raw, byte = self.records.record(offset)
        return replace(found, raw=raw, byte=byte, header=self.records.header)


class Reader(Protocol):
    """Reads one split in order.

    Contract:
        R1 rows come in the same order and with the same offsets on every reading of the split
           (for `replay = "exact"`).
        R2 a reader opened at `position` goes on with exactly the next row.
        R3 `read(n)` gives at most n rows (None instead of no rows), never blocks for more input, and
           never returns rows after it said `ended`.
        R4 `position` changes only through `read`.
        R5 the columns are those asked for, in that order and of the declared types.
        R6 every row comes, and once: one that cannot be read is reported in `bad` (or raised as
           DataError), never dropped.
        R7 a position is plain JSON, and one that was handed out never changes.
        R8 `close` may be called twice, and before any read; other readers do not notice.
        R9 offsets grow from row to row, and a bad row has an offset of its own.

    Checked by: `thalweg.testing.check_source`.
    """

    def read(self, rows_max: int) -> Chunk:
        """The next rows."""
        ...

    @property
    def position(self) -> Position:
        """Where the next read goes on."""
        ...

    def close(self) -> None:
        """Give back what is held open; may be called twice."""
        ...


@runtime_checkable
class DurableReader(Reader, Protocol):
    """A reader that keeps what it gives, for a source that cannot be read again."""

    def sync(self) -> None:
        """Make what was given durable: a checkpoint is about to name the position."""
        ...


@runtime_checkable
class HasStatus(Protocol):
    """A source of which `explain()` tells something that changes."""

    @property
    def status(self) -> str:
        """It, in words."""
        ...


@runtime_checkable
class Source(Protocol):
    """The description of a source: an immutable value that knows its schema.

    Attributes:
        schema: every column that can be read.
        is_bounded: whether it ends.
        replay: `exact` (positions), `ack` (repeats what was not acknowledged) or `none`.
        is_ordered: whether splits follow one another in time (files by name): then a split starts
            where its predecessor ended, and pending ones hold nothing back.
        is_live: whether rows are made now, so that a clock may judge their times.

    Contract:
        D1 split ids are unique, and the same in the same order whenever they are listed (an unbounded
           source may list more later, behind those known).
        D2 the data of a split is plain JSON: a split made anew of its id and data is the same split.
        D3 a bounded source ends: every one of its splits says `ended`.

    Checked by: `thalweg.testing.check_source`.
    """

    @property
    def schema(self) -> Schema: ...
    @property
    def is_bounded(self) -> bool: ...
    @property
    def replay(self) -> Replay: ...
    @property
    def is_ordered(self) -> bool: ...
    @property
    def is_live(self) -> bool: ...

    def describe(self) -> str:
        """A few words for `explain` and messages, such as `nexmark` or a path."""
        ...

    def splits(self) -> Sequence[Split]:
        """The splits known now, in their order; unbounded sources may list more later."""
        ...

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader for the columns (and struct members) asked for; None means all."""
        ...


@runtime_checkable
class LazySource(Protocol):
    """A source that Polars can read by itself, for bounded plans.

    Contract:
        L1 `lazy` gives the rows that the readers of all splits give, in split order, with the columns and
           types asked for.
    """

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        """All rows of all splits, in split order."""
        ...


@dataclass(frozen=True)
class Size:
    """How much a bounded source holds.

    Attributes:
        rows: at most so many; None: unknown.
        bytes: about so many.
    """

    rows: int | None
    bytes: int

    def plus(self, other: Size) -> Size:
        """Both together."""
        rows = None if self.rows is None or other.rows is None else self.rows + other.rows
        return Size(rows, self.bytes + other.bytes)


@runtime_checkable
class SizedSource(Protocol):
    """A bounded source that knows how much it holds, without reading it."""

    def size(self) -> Size | None:
        """What it holds now; None: unknown after all."""
        ...


def discovery_interval(source: Source) -> float | None:
    """Seconds between two looks for new splits, for a source that may find some (its `interval`)."""
    found = getattr(source, "interval", None)
    return found if isinstance(found, (int, float)) else None


def split_name(source: Source, split: str) -> str:
    """What messages call a split: its id, and its source too where the id is only a number."""
    is_number = split.replace("/", "").isdigit()
    return f"{source.describe()}, split {split}" if is_number else split


def bad_row(split: str, row: BadRow, name: str | None = None) -> DataError:
    """The error for a row that could not be read, in a split that messages call `name`."""
    return DataError(
        row.message,
        code=row.code,
        split=split,
        offset=row.offset,
        sample=row.sample,
        where=f"{name or split}, {row.unit} {row.offset}",
        found=row.sample or None,
        hint="'errors.tolerance' = 'quarantine' keeps such rows apart and goes on",
    )
