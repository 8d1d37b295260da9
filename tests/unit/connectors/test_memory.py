"""Frames are sources, and collected changes add up to tables."""

from __future__ import annotations

import polars as pl
import pytest

from tests.unit.connectors.reading import check_positions, drain
from thalweg.base.schema import Schema
from thalweg.columnar.batch import WEIGHT, Batch
from thalweg.connectors.memory import FrameSource, MemorySink, frame_source
from thalweg.errors import DataError, PlanError
from thalweg.protocols.sink import Sink
from thalweg.protocols.source import LazySource, Source

PAIRS = pl.DataFrame({"s": [{"a": 1, "b": "x"}, None, {"a": 3, "b": None}], "n": [1, 2, 3]})
SCHEMA = Schema.from_polars({"a": pl.Int64(), "s": pl.String()})


def change(rows: list[tuple[int, str]], weights: list[int] | None = None) -> Batch:
    frame = pl.DataFrame(rows, schema=SCHEMA.polars, orient="row")
    return Batch(frame, None if weights is None else pl.Series(weights, dtype=pl.Int64))


def test_protocols() -> None:
    assert isinstance(frame_source(PAIRS), Source)
    assert isinstance(frame_source(PAIRS), LazySource)
    assert isinstance(MemorySink(), Sink)


def test_members_are_chosen_in_the_order_asked_for_and_null_structs_stay_null() -> None:
    source = frame_source(PAIRS)
    fields = [("n", None), ("s", ("b", "a"))]
    read = check_positions(source, 2, fields).frame
    assert read.rows() == [(1, {"b": "x", "a": 1}), (2, None), (3, {"b": None, "a": 3})]
    assert source.lazy(fields).collect().equals(read, null_equal=True)


def test_every_frame_is_a_split() -> None:
    source = frame_source([PAIRS, PAIRS.head(1)], is_ordered=True)
    assert [s.id for s in source.splits()] == ["0", "1"]
    assert source.is_ordered
    assert drain(source, split=1).frame.height == 1
    assert source.lazy(None).collect().height == 4


def test_times_become_microseconds_and_categories_strings() -> None:
    frame = pl.DataFrame({"t": [0], "c": ["x"]}).cast({"t": pl.Datetime("ms"), "c": pl.Categorical})
    source: FrameSource = frame_source(frame)
    assert drain(source).frame.schema == {"t": pl.Datetime("us"), "c": pl.String}


def test_frames_of_different_columns_are_refused() -> None:
    with pytest.raises(PlanError) as caught:
        frame_source([PAIRS, PAIRS.select("n")], name="pairs")
    assert caught.value.code == "source-schema"
    assert caught.value.where == "pairs, frame 1"


def test_rows_appear_at_cuts() -> None:
    sink = MemorySink()
    first, second = sink.open(SCHEMA, 0), sink.open(SCHEMA, 1)
    first.write(change([(1, "x")]))
    second.write(change([(2, "y")]))
    assert sink.table().height == 0
    assert sink.table().schema == SCHEMA.polars
    first.cut(1)
    assert sink.table().rows() == [(1, "x")]
    second.close()
    second.end()
    assert sink.table().rows() == [(1, "x")]


def test_changes_add_up() -> None:
    sink = MemorySink()
    writer = sink.open(SCHEMA, 0)
    writer.write(change([(1, "x"), (2, "y")], [2, 1]))
    writer.cut(1)
    writer.write(change([(2, "y"), (3, "z")], [-1, 1]))
    writer.end()
    assert sink.table().rows() == [(1, "x"), (1, "x"), (3, "z")]
    assert sink.changes()[WEIGHT].to_list() == [2, 1, -1, 1]


@pytest.mark.parametrize("is_cut", [False, True])
def test_many_small_batches_are_kept_as_few(*, is_cut: bool) -> None:
    sink = MemorySink()
    writer = sink.open(SCHEMA, 0)
    for number in range(1000):
        # some say how often a row is there, others do not
        writer.write(change([(number, "x")], [1] if number % 3 else None))
        if is_cut:
            writer.cut(number)
    writer.end()
    assert len(sink.collected._batches) <= 1000 // 64 + 64
    assert sink.table()["a"].to_list() == list(range(1000))
    writer.write(change([(5, "x")], [-1]))
    writer.end()
    assert sink.table()["a"].to_list() == [n for n in range(1000) if n != 5]


def test_system_columns_are_not_shown() -> None:
    sink = MemorySink(emit="now")
    batch = change([(1, "x")])
    sink.open(SCHEMA, 0).write(batch.with_frame(batch.frame.with_columns(pl.lit(0).alias("__before"))))
    assert sink.table().columns == ["a", "s"]


def test_a_row_that_is_not_there_cannot_go() -> None:
    sink = MemorySink()
    writer = sink.open(SCHEMA, 0)
    writer.write(change([(1, "x")], [-1]))
    writer.end()
    with pytest.raises(DataError) as caught:
        sink.table()
    assert caught.value.code == "data-unknown-row"
