"""Rows from Python, of every kind, once or again, at once or as they are made."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl
import pytest

from tests.unit.connectors.reading import check_positions
from thalweg.base.schema import Schema
from thalweg.connectors.iterators import IteratorSource, from_iter
from thalweg.errors import ConfigError, PlanError
from thalweg.protocols.source import Reader, Source

SCHEMA = Schema.from_polars({"a": pl.Int64(), "s": pl.String()})


@dataclass
class Item:
    a: int
    s: str | None


class Pair(NamedTuple):
    a: int
    s: str | None


def read_all(source: IteratorSource, rows_max: int = 2) -> tuple[list[Any], list[tuple[int, str]]]:
    reader = source.open(source.splits()[0], {}, None)
    rows: list[Any] = []
    bad: list[tuple[int, str]] = []
    while True:
        chunk = reader.read(rows_max)
        if chunk.frame is not None:
            assert chunk.frame.height <= rows_max
            rows += chunk.frame.rows()
        bad += [(b.offset, b.message) for b in chunk.bad]
        if chunk.ended:
            reader.close()
            return rows, bad


def read_some(reader: Reader, count: int) -> list[Any]:
    """The next rows, as many as asked for, whenever they come."""
    rows: list[Any] = []
    while len(rows) < count:
        chunk = reader.read(count - len(rows))
        assert not chunk.ended, f"only {len(rows)} rows"
        if chunk.frame is not None:
            rows += chunk.frame.rows()
    return rows


@pytest.mark.parametrize(
    "rows",
    [
        [{"a": 1, "s": "x"}, {"s": None, "a": 2}, {"a": 3, "s": "z", "more": 1}],
        [Item(1, "x"), Item(2, None), Item(3, "z")],
        [Pair(1, "x"), Pair(2, None), Pair(3, "z")],
        [pl.DataFrame({"a": [1, 2], "s": ["x", None]}), pl.DataFrame({"a": [3], "s": ["z"]})],
        [{"a": 1, "s": "x"}, pl.DataFrame({"a": [2], "s": [None]}, schema=SCHEMA.polars), Pair(3, "z")],
    ],
)
def test_kinds_of_rows(rows: list[Any]) -> None:
    source = from_iter(rows, SCHEMA)
    assert isinstance(source, Source)
    assert read_all(source)[0] == [(1, "x"), (2, None), (3, "z")]


def test_columns_follow_from_rows() -> None:
    assert from_iter([{"a": 1}, {"a": None, "s": "x"}]).schema == SCHEMA
    assert from_iter([pl.DataFrame({"a": [1]})]).schema.names == ("a",)
    seen: list[int] = []

    def endless() -> Iterator[dict[str, int]]:
        for n in range(1000):
            seen.append(n)
            yield {"a": n}

    source = from_iter(endless())
    assert seen == [0]
    assert source.replay == "none"
    assert read_some(source.open(source.splits()[0], {}, None), 3) == [(0,), (1,), (2,)]
    assert seen == [0, 1, 2]


def test_what_can_be_iterated_again_can_be_read_again() -> None:
    source = from_iter([(n, str(n)) for n in range(7)], SCHEMA)
    assert source.replay == "exact"
    assert check_positions(source, 3, [("s", None)]).rows() == [(str(n),) for n in range(7)]
    frames = from_iter([pl.DataFrame({"a": range(5)}), pl.DataFrame({"a": range(5, 8)})])
    assert check_positions(frames, 2).rows() == [(n,) for n in range(8)]


def test_rows_that_do_not_fit_are_bad_rows() -> None:
    rows, bad = read_all(from_iter([(1, "x"), ("no", "y"), (2,), 5, (3, None)], SCHEMA), 10)
    assert rows == [(1, "x"), (3, None)]
    assert [number for number, _ in bad] == [1, 2, 3]
    assert "2 values" in bad[1][1]


def test_a_generator_is_asked_no_further_than_needed() -> None:
    made: list[int] = []

    def slow() -> Iterator[tuple[int, str]]:
        for n in range(100):
            made.append(n)
            yield n, "x"

    source = from_iter(slow(), SCHEMA)
    read_some(source.open(source.splits()[0], {}, None), 5)
    assert made == [0, 1, 2, 3, 4]


def test_a_generator_gives_its_rows_once() -> None:
    source = from_iter(({"a": n} for n in range(6)), name="numbers")
    split = source.splits()[0]
    source.open(split, {}, None).close()  # nothing was read yet
    reader = source.open(split, {}, None)
    assert read_some(reader, 4) == [(0,), (1,), (2,), (3,)]
    position = reader.position
    reader.close()
    with pytest.raises(PlanError, match='"numbers" have been read') as caught:
        source.open(split, {}, None)
    assert caught.value.code == "source-read-once"
    # whoever knows where it stands may go on: nothing is lost between two readers
    assert read_some(source.open(split, position, None), 2) == [(4,), (5,)]


def test_frames_of_a_generator_are_read_on_in_their_middle() -> None:
    source = from_iter(iter([pl.DataFrame({"a": range(5), "s": ["x"] * 5})]))
    reader = source.open(source.splits()[0], {}, None)
    assert read_some(reader, 2) == [(0, "x"), (1, "x")]
    rest = source.open(source.splits()[0], reader.position, [("a", None)])
    assert read_some(rest, 3) == [(2,), (3,), (4,)]


def test_a_generator_that_thinks_keeps_nobody_waiting() -> None:
    goes_on = threading.Event()

    def thinks() -> Iterator[dict[str, int]]:
        yield {"a": 1}
        goes_on.wait(10)
        yield {"a": 2}

    reader = (source := from_iter(thinks())).open(source.splits()[0], {}, None)
    assert read_some(reader, 1) == [(1,)]
    nothing = reader.read(10)
    assert nothing.frame is None
    assert not nothing.ended
    assert nothing.wait
    goes_on.set()
    assert read_some(reader, 1) == [(2,)]


def test_asynchronous_rows() -> None:
    async def rows() -> AsyncIterator[dict[str, Any]]:
        for n in range(500):
            if n % 100 == 0:
                await asyncio.sleep(0)
            yield {"a": n, "s": "x"}

    source = from_iter(rows(), SCHEMA)
    assert source.is_live
    assert [a for a, _ in read_all(source, 60)[0]] == list(range(500))


def test_errors_of_the_program_reach_the_reader() -> None:
    async def later() -> AsyncIterator[dict[str, Any]]:
        yield {"a": 1, "s": "x"}
        raise KeyError("mine")

    def now() -> Iterator[dict[str, Any]]:
        raise KeyError("mine")
        yield {}

    for rows in (later(), now()):
        with pytest.raises(KeyError, match="mine"):
            read_all(from_iter(rows, SCHEMA))


def test_an_asynchronous_source_stops_when_it_is_closed() -> None:
    async def endless() -> AsyncIterator[dict[str, Any]]:
        n = 0
        while True:
            n += 1
            yield {"a": n, "s": "x"}

    others = set(threading.enumerate())
    source = from_iter(endless(), SCHEMA, is_bounded=False)
    reader = source.open(source.splits()[0], {}, None)
    while reader.read(10).frame is None:
        pass
    reader.close()
    for thread in set(threading.enumerate()) - others:
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("rows", [[], [(1, 2)], [5]])
def test_columns_that_do_not_follow(rows: list[Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        from_iter(rows)
    assert caught.value.code == "source-no-schema"


@pytest.mark.parametrize("rows", [[{"a": 1}, {"a": [1]}], [{"a": [1, "x"]}], [{1: 2}], [{"a": 2**200}]])
def test_rows_whose_values_have_no_type_in_common(rows: list[Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        from_iter(rows)
    assert caught.value.code == "source-no-schema"
    assert caught.value.found
