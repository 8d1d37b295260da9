"""A source that gives each row once is exact through a journal: from every position the same rows follow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.checkpoint.journal import Journal
from thalweg.connectors.journaled import JournaledSource
from thalweg.errors import CheckpointError
from thalweg.protocols.letters import BadRow
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Replay, Split

ROWS = 23
SCHEMA = Schema.from_polars({"n": pl.Int64(), "s": pl.String()})


@dataclass(eq=False)
class Once:
    """Gives the numbers from 0 up, each of them to one reader only; some of them cannot be read."""

    given: int = 0
    opened: list[Position] = field(default_factory=list)
    schema: Schema = SCHEMA
    is_bounded: bool = True
    replay: Replay = "none"
    is_ordered: bool = False
    is_live: bool = True

    def describe(self) -> str:
        return "once"

    def splits(self) -> Sequence[Split]:
        return [Split("0")]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        self.opened.append(position)
        return OnceReader(self)


class OnceReader:
    def __init__(self, source: Once) -> None:
        self._source, self._calls = source, 0

    @property
    def position(self) -> Position:
        return {"given": self._source.given}

    def read(self, rows_max: int) -> Chunk:
        self._calls += 1
        first = self._source.given
        if self._calls % 3 == 2:
            return Chunk(None, offset=first, wait=0.0)
        numbers = list(range(first, min(first + min(rows_max, 5), ROWS)))
        self._source.given += len(numbers)
        good = [n for n in numbers if n % 7 != 3]
        row = pl.DataFrame({"n": [3], "s": [None]}, schema=SCHEMA.polars)
        bad = tuple(
            BadRow(n, "is 3", str(n), b"\xff3", code="data-null-time", byte=n, row=row, header=b"h")
            for n in numbers
            if n % 7 == 3
        )
        frame = pl.DataFrame({"n": good, "s": list(map(str, good))}, schema=SCHEMA.polars) if good else None
        return Chunk(
            frame, first, pl.Series(good, dtype=pl.Int64), bad, self._source.given >= ROWS, arrived=first
        )

    def close(self) -> None:
        pass


@dataclass
class Reading:
    """What was given, and where a reader stood after each piece of it."""

    rows: list[int] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    stops: list[tuple[Position, int, int]] = field(default_factory=list)


def reading(reader: Reader, rows_max: int, pieces: int = 1000) -> Reading:
    found, ended = Reading(), False
    while not ended and pieces:
        found.stops.append((dict(reader.position), len(found.rows), len(found.bad)))
        chunk = reader.read(rows_max)
        pieces -= chunk.frame is not None
        ended = chunk.ended
        if chunk.frame is not None:
            assert chunk.frame.height <= rows_max
            assert chunk.offsets_of(chunk.frame).to_list() == chunk.frame["n"].to_list()
            found.rows += chunk.frame["n"].to_list()
        for bad in chunk.bad:
            assert (bad.raw, bad.byte, bad.header, bad.code) == (b"\xff3", bad.offset, b"h", "data-null-time")
            assert bad.row is not None
            assert bad.row.rows() == [(3, None)]
            found.bad.append(bad.offset)
    found.stops.append((dict(reader.position), len(found.rows), len(found.bad)))
    return found


def read_from(
    source: JournaledSource,
    position: Position,
    rows_max: int,
    pieces: int = 1000,
    fields: Fields | None = None,
) -> Reading:
    """Open a reader, read, and close it."""
    with closing(source.open(Split("0"), position, fields)) as reader:
        return reading(reader, rows_max, pieces)


def journaled(inner: Once, folder: Path, fences: count[int]) -> JournaledSource:
    return JournaledSource(inner, lambda split: Journal(str(folder), next(fences)))


@pytest.mark.parametrize(("first", "then"), [(100, 100), (1, 3), (4, 2), (100, 1)])
@pytest.mark.parametrize("pieces", [0, 1, 3, 1000])
def test_every_position_can_be_read_again(first: int, then: int, pieces: int, tmp_path: Path) -> None:
    inner, fences = Once(), count(1)
    source = journaled(inner, tmp_path, fences)
    begun = read_from(source, {}, first, pieces)
    every = [n for n in range(ROWS) if n % 7 != 3]
    for position, rows, bad in reversed(begun.stops):
        rest = read_from(source, position, then)
        assert begun.rows[:rows] + rest.rows == every
        assert begun.bad[:bad] + rest.bad == [3, 10, 17]
    whole = read_from(source, {}, 100)
    assert (whole.rows, whole.bad) == (every, [3, 10, 17])
    assert inner.given == ROWS, "each row was given once"


def test_a_source_goes_on_at_its_own_position(tmp_path: Path) -> None:
    inner, fences = Once(), count(1)
    source = journaled(inner, tmp_path, fences)
    read_from(source, {}, 5, 2)
    read_from(source, {}, 5, 3)
    assert inner.opened == [{}, {"given": 10}]


def test_a_source_that_has_ended_is_not_opened_again(tmp_path: Path) -> None:
    inner, fences = Once(), count(1)
    source = journaled(inner, tmp_path, fences)
    read_from(source, {}, 5)
    read_from(source, {}, 5)
    assert len(inner.opened) == 1


def test_a_journal_of_other_columns_is_refused(tmp_path: Path) -> None:
    source = journaled(Once(), tmp_path, count(1))
    read_from(source, {}, 5)
    with pytest.raises(CheckpointError) as caught:
        read_from(source, {}, 5, fields=[("n", None)])
    assert caught.value.code == "journal-columns"


def test_all_but_replay_is_as_it_was(tmp_path: Path) -> None:
    inner = Once()
    source = journaled(inner, tmp_path, count(1))
    assert source.replay == "exact"
    for name in ("schema", "is_bounded", "is_ordered", "is_live"):
        assert getattr(source, name) == getattr(inner, name)
    assert (source.describe(), source.splits(), source.interval) == ("once", inner.splits(), None)
