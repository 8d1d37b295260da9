"""Read rows from Python: iterables, generators, asynchronous generators.

A row is a mapping, a tuple or a dataclass; a whole frame may stand in place of rows. Something that can
be iterated again (a list) can be read again from any row; a generator gives its rows once, and who asks
again gets an error instead of no rows.

Reads:    the iterable (feeds.py), and the clock for the time at which rows arrived.
Not here: sources that are frames from the start (memory.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import chain, islice
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.feeds import POLL_SECONDS, Direct, Feed, Pulled, Queued
from thalweg.connectors.files.select import check_file, expressions, pruned
from thalweg.errors import ConfigError, PlanError
from thalweg.protocols.source import BadRow, Chunk, Fields, Position, Reader, Replay, Split

_SAMPLE_ROWS = 100


@dataclass(frozen=True, eq=False)
class IteratorSource:
    """Rows from Python; made by `from_iter`.

    Attributes:
        rows: what is iterated over.
        schema: the columns.
        name: what messages call the source.
        is_bounded: whether it ends.
        gives_once: whether what can be iterated again is known to give other rows then.
    """

    rows: Iterable[Any] | AsyncIterable[Any]
    schema: Schema
    name: str = "iterator"
    is_bounded: bool = True
    gives_once: bool = False
    _once: list[_Stand] = field(default_factory=list, init=False, repr=False)
    _seen: list[int] = field(default_factory=lambda: [0], init=False, repr=False)

    @property
    def replay(self) -> Replay:
        """Exact, if it can be iterated again."""
        return "none" if isinstance(self.rows, AsyncIterable) or self._is_once else "exact"

    @property
    def is_ordered(self) -> bool:
        """There is one split."""
        return False

    @property
    def is_live(self) -> bool:
        """Whether rows are made while they are read."""
        return self.replay == "none"

    def describe(self) -> str:
        """The name."""
        return self.name

    def splits(self) -> Sequence[Split]:
        """One split."""
        return [Split("0")]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader; one of a generator goes on where the last one stopped, and nowhere else.

        Raises:
            PlanError: `source-read-once`.
        """
        done = int(position.get("row", 0))
        if not self._is_once:
            return IteratorReader(
                _Stand(_feed(self.rows), 0 if self.replay == "exact" else done), self, fields, done
            )
        if not self._once:
            self._once.append(_Stand(_feed(self.rows)))
        stand = self._once[0]
        if not stand.feed.is_started:
            stand.row = done
        elif stand.row != done:
            raise _read_before(self.name, stand.row)
        return IteratorReader(stand, self, fields, done)

    def note(self, rows: int) -> None:
        """So many rows were read from the beginning."""
        self._seen[0] = max(self._seen[0], rows)

    def check_end(self, rows: int) -> None:
        """Refuse an end before rows that were there when it was read before.

        Raises:
            PlanError: `source-read-once`.
        """
        if rows < self._seen[0] and self.replay == "exact" and not isinstance(self.rows, Collection):
            raise _read_before(self.name, self._seen[0])

    @property
    def _is_once(self) -> bool:
        """Whether there is one iterator, which ends for good."""
        rows = self.rows
        if isinstance(rows, AsyncIterable):
            return isinstance(rows, AsyncIterator) or self.gives_once
        return _is_once(rows) or (self.gives_once and not isinstance(rows, Collection))


@dataclass
class _Stand:
    """How far an iterator has been read: where rows come from, the next one's number, a frame's rest."""

    feed: Feed
    row: int = 0
    rest: pl.DataFrame | None = None


def _feed(rows: Iterable[Any] | AsyncIterable[Any]) -> Feed:
    if isinstance(rows, AsyncIterable):
        return Queued(rows)
    return Direct(iter(rows)) if isinstance(rows, Collection) else Pulled(iter(rows))


def _read_before(name: str, rows: int) -> PlanError:
    return PlanError(
        f'the rows of "{name}" have been read, and it gives them only once',
        code="source-read-once",
        found=f"{rows} row{'' if rows == 1 else 's'} read before",
        hint="hand in what can be iterated again, such as a list; or collect once and use the frame; "
        "a stream may keep a journal",
    )


def from_iter(
    rows: Iterable[Any] | AsyncIterable[Any],
    schema: Schema | None = None,
    *,
    name: str = "iterator",
    is_bounded: bool = True,
    gives_once: bool = False,
) -> IteratorSource:
    """Describe rows that Python makes as a source.

    Args:
        rows: mappings, tuples, dataclasses or frames; an iterable or an asynchronous one.
        schema: the columns and types; None: what the first rows have (not of asynchronous ones).
        name: what messages call it.
        is_bounded: whether it ends.
        gives_once: whether it gives its rows once, though it can be iterated again; a collection does not.

    Raises:
        ConfigError: the columns do not follow from the rows.

    Example:
        >>> source = from_iter([{"a": 1}, {"a": 2}])
        >>> source.open(source.splits()[0], {}, None).read(10).frame["a"].to_list()
        [1, 2]
    """
    if schema is not None:
        return IteratorSource(rows, schema, name, is_bounded, gives_once)
    if isinstance(rows, AsyncIterable):
        raise _no_columns(name, "an asynchronous iterable is not read before the job starts")
    if _is_once(rows) or (gives_once and not isinstance(rows, Collection)):
        # Only one row is waited for: a generator may make the next one in an hour.
        each = iter(rows)
        first = list(islice(each, 1))
        return IteratorSource(_Resumed(first, each), _schema_of(first, name), name, is_bounded)
    return IteratorSource(rows, _schema_of(list(islice(iter(rows), _SAMPLE_ROWS)), name), name, is_bounded)


class _Resumed:
    """An iterator whose first rows have been looked at."""

    def __init__(self, first: list[Any], rest: Iterator[Any]) -> None:
        self._rows = chain(first, rest)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


def _is_once(rows: Iterable[Any]) -> bool:
    return isinstance(rows, _Resumed) or iter(rows) is rows


def _schema_of(sample: list[Any], name: str) -> Schema:
    if not sample:
        raise _no_columns(name, "there are no rows")
    if isinstance(sample[0], pl.DataFrame):
        return Schema.from_polars(dict(sample[0].schema))
    rows = [_as_mapping(row) for row in sample]
    if any(row is None for row in rows):
        raise _no_columns(name, f"a row of type {type(sample[0]).__name__} does not name its columns")
    try:
        frame = pl.DataFrame(rows, infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise _no_columns(name, str(error).splitlines()[0]) from error
    return Schema.from_polars(dict(frame.schema))


def _no_columns(name: str, found: str) -> ConfigError:
    return ConfigError(
        "the columns of an iterator do not follow from its rows",
        code="source-no-schema",
        where=name,
        found=found,
        hint="hand in a schema",
    )


def _as_mapping(row: Any) -> Mapping[str, Any] | None:
    if isinstance(row, Mapping):
        return row
    if is_dataclass(row) and not isinstance(row, type):
        return {f.name: getattr(row, f.name) for f in fields(row)}
    if isinstance(row, tuple) and hasattr(row, "_asdict"):
        return dict(row._asdict())
    return None


class IteratorReader:
    """Makes frames of rows."""

    def __init__(self, stand: _Stand, source: IteratorSource, fields: Fields | None, done: int) -> None:
        self._stand, self._source = stand, source
        self._target = pruned(source.schema, fields)
        self._skipped = done
        self._is_closed = False

    @property
    def position(self) -> Position:
        """The number of the next row."""
        return {"row": max(self._stand.row, self._skipped)}

    def read(self, rows_max: int) -> Chunk:
        """The next rows."""
        if self._is_closed:
            return Chunk(None, offset=self._stand.row, ended=True)
        while self._stand.row < self._skipped:
            skipped = self._read(min(rows_max, self._skipped - self._stand.row))
            if skipped.ended and self._stand.row < self._skipped:
                raise _read_before(self._source.name, self._skipped)
            if skipped.ended or skipped.wait is not None:
                return skipped
        return self._read(rows_max)

    def close(self) -> None:
        """Stop reading; a generator that runs is left alone."""
        if not self._is_closed:
            self._is_closed = True
            self._stand.feed.close()

    def _read(self, rows_max: int) -> Chunk:
        stand, start = self._stand, self._stand.row
        if stand.rest is not None:
            return self._cut(stand.rest, rows_max)
        taken = stand.feed.take(rows_max)
        if not taken:
            if stand.feed.is_ended:
                self._source.check_end(start)
            return Chunk(None, offset=start, ended=stand.feed.is_ended, wait=POLL_SECONDS)
        last = taken.pop() if isinstance(taken[-1], pl.DataFrame) else None
        if last is not None:
            check_file(self._source.schema, last.schema, self._source.name)
            stand.rest = last
            if not taken:
                return self._cut(last, rows_max)
        stand.row += len(taken)
        self._source.note(stand.row)
        return self._chunk(taken, start)

    def _cut(self, frame: pl.DataFrame, rows_max: int) -> Chunk:
        start, given = self._stand.row, frame[:rows_max]
        self._stand.row += given.height
        self._source.note(self._stand.row)
        self._stand.rest = frame[rows_max:] if frame.height > rows_max else None
        chosen = given.select(expressions(self._target, frame.schema))
        return Chunk(chosen, offset=start, arrived=self._arrived())

    def _chunk(self, rows: list[Any], start: int) -> Chunk:
        try:
            return Chunk(self._frame(rows), offset=start, arrived=self._arrived())
        except _REFUSED:
            pass
        frames: list[pl.DataFrame] = []
        offsets: list[int] = []
        bad: list[BadRow] = []
        for number, row in enumerate(rows, start):
            try:
                frames.append(self._frame([row]))
                offsets.append(number)
            except _REFUSED as error:
                bad.append(BadRow(number, self._why(row, error), repr(row)[:200], _text_of(row)))
        frame = pl.concat(frames) if frames else None
        return Chunk(frame, start, pl.Series(offsets, dtype=pl.Int64), tuple(bad), arrived=self._arrived())

    def _frame(self, rows: list[Any]) -> pl.DataFrame:
        whole = self._source.schema.outer
        if isinstance(rows[0], (tuple, list)) and _as_mapping(rows[0]) is None:
            if any(len(row) != len(whole) for row in rows):
                raise ValueError(f"a row does not have {len(whole)} values")
            if whole == self._source.schema.polars:
                frame = pl.DataFrame(rows, schema=whole, orient="row")
            else:  # of tuples, Polars makes NULL of a dict for a map
                frame = pl.DataFrame([dict(zip(whole, r, strict=True)) for r in rows], schema=whole)
        else:
            frame = pl.DataFrame([_checked_mapping(r) for r in rows], schema=whole)
        _check_nulls(rows, frame)
        return frame.select(expressions(self._target, frame.schema))

    def _why(self, row: Any, error: Exception) -> str:
        """Why a row was refused: by the first value that its column does not hold."""
        schema, held = self._source.schema, _as_mapping(row)
        if held is None and isinstance(row, (tuple, list)) and len(row) == len(schema):
            held = dict(zip(schema.names, row, strict=True))
        for column in schema:
            value = None if held is None else held.get(column.name)
            try:
                one = [{column.name: value}]
                _check_nulls(one, pl.DataFrame(one, schema={column.name: schema.outer[column.name]}))
            except _REFUSED:
                return f'column "{column.name}" is {column.type}, which {value!r} is not'
        return str(error).splitlines()[0]

    def _arrived(self) -> int | None:
        return time.time_ns() // 1000 if self._source.is_live else None


def _text_of(row: Any) -> bytes:
    """A row as JSON, with the form that Python gives to values that JSON has none for."""
    mapping = _as_mapping(row)
    try:
        return json.dumps(row if mapping is None else dict(mapping), default=repr).encode()
    except (TypeError, ValueError):
        return repr(row).encode()


_REFUSED = (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError)


def _check_nulls(rows: list[Any], frame: pl.DataFrame) -> None:
    """Refuse rows of which Polars made NULL of a value, such as a text for a decimal."""
    for at, column in enumerate(frame.iter_columns()):
        if column.null_count():
            missing = sum(1 for row in rows if _item(row, at, column.name) is None)
            if column.null_count() > missing:
                raise ValueError(f'column "{column.name}" does not hold all its values')


def _item(row: Any, at: int, name: str) -> Any:
    mapping = _as_mapping(row)
    return row[at] if mapping is None else mapping.get(name)


def _checked_mapping(row: Any) -> Mapping[str, Any]:
    mapping = _as_mapping(row)
    if mapping is None:
        raise TypeError(f"a row is a mapping, a tuple or a dataclass, not a {type(row).__name__}")
    return mapping
