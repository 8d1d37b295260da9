"""Sinks that look at rows: the words for changes, the sums, when functions are called and lines printed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, STRING, Map
from thalweg.columnar.batch import Batch
from thalweg.connectors.changes import between_cuts
from thalweg.connectors.sinks import BlackholeSink, CallbackSink, ChecksumSink, PrintSink, change_lines
from thalweg.protocols.sink import Sink

FRAME = pl.DataFrame(
    {"k": [1, 2, 3, 4], "s": ["a", None, "c", "a"], "r": [{"x": i, "y": str(i)} for i in range(4)]}
)
SCHEMA = Schema.from_polars(dict(FRAME.schema))
KEYED = Schema.from_polars({"k": pl.Int64(), "n": pl.String()})


def change(rows: list[tuple[int, str]], weights: list[int]) -> Batch:
    return Batch(pl.DataFrame(rows, schema=KEYED.polars, orient="row"), pl.Series(weights, dtype=pl.Int64))


def test_all_are_sinks() -> None:
    assert all(
        isinstance(s, Sink) for s in (BlackholeSink(), ChecksumSink(), PrintSink(), CallbackSink(print))
    )


def test_updates_are_told_from_inserts_and_deletes_by_the_key() -> None:
    batch = change([(1, "a"), (2, "b"), (1, "c"), (3, "d")], [-1, -1, 1, 2])
    assert between_cuts([batch], key=["k"]).rows() == [
        ("-U", 1, "a"),
        ("+U", 1, "c"),
        ("-D", 2, "b"),
        ("+I", 3, "d"),
        ("+I", 3, "d"),
    ]
    assert between_cuts([batch]).rows()[:2] == [("-D", 1, "a"), ("-D", 2, "b")]


def test_changes_that_cancel_between_two_cuts_are_not_said() -> None:
    assert between_cuts([change([(1, "a")], [1]), change([(1, "a")], [-1])]).height == 0


def test_a_function_takes_frames_at_cuts() -> None:
    frames: list[pl.DataFrame] = []
    writer = CallbackSink(frames.append, has_ops=True, key=("k",)).open(KEYED, 0)
    writer.write(change([(1, "a")], [1]))
    assert not frames
    writer.cut(1)
    writer.cut(2)
    assert [f.rows() for f in frames] == [[("+I", 1, "a")]]
    eager = CallbackSink(frames.append, emit="now")
    assert not eager.takes_updates
    eager.open(SCHEMA, 0).write(Batch(FRAME))
    assert frames[1].equals(FRAME, null_equal=True)


def test_lines() -> None:
    frame = pl.DataFrame(
        {
            "op": ["+I"],
            "b": [True],
            "t": [datetime(2026, 1, 2, 3, 4, 5)],
            "z": [datetime(2026, 1, 2, tzinfo=UTC)],
            "d": [date(2026, 1, 2)],
            "h": [time(3, 4)],
            "x": [Decimal("1.50")],
            "r": [{"x": 1, "y": None}],
            "l": [[1, 2]],
        }
    )
    assert list(change_lines(frame)) == [
        "+I[true, 2026-01-02T03:04:05, 2026-01-02T00:00:00Z, 2026-01-02, 03:04:00, 1.50, (1, null), [1, 2]]"
    ]


def test_maps_are_printed_as_maps(capsys: pytest.CaptureFixture[str]) -> None:
    schema = Schema.of({"m": Map(STRING, Map(INT64, STRING))})
    held = [{"key": "a", "value": [{"key": 1, "value": None}, {"key": 2, "value": "x"}]}]
    writer = PrintSink().open(schema, 0)
    writer.write(Batch(pl.DataFrame({"m": [held]}, schema=schema.polars)))
    writer.end()
    assert capsys.readouterr().out == "+I[{a={1=null, 2=x}}]\n"


def test_printing(capsys: pytest.CaptureFixture[str]) -> None:
    writer = PrintSink("out", key=("k",)).open(KEYED, 0)
    writer.write(change([(1, "a"), (1, "b")], [-1, 1]))
    assert capsys.readouterr().out == ""
    writer.end()
    assert capsys.readouterr().out == "out> -U[1, a]\nout> +U[1, b]\n"
    errors = PrintSink(is_error=True).open(KEYED, 0)
    errors.write(change([(1, "a")], [1]))
    errors.cut(1)
    assert capsys.readouterr().err == "+I[1, a]\n"


@given(st.permutations(range(4)), st.integers(0, 4))
def test_sums_depend_on_rows_alone(order: list[int], cut: int) -> None:
    one, other = ChecksumSink(), ChecksumSink()
    one.open(SCHEMA, 0).write(Batch(FRAME))
    writer = other.open(SCHEMA, 1)
    mixed = FRAME[order]
    for part in (mixed[:cut], mixed[cut:]):
        writer.write(Batch(part, pl.Series([1] * part.height, dtype=pl.Int64)))
    assert one.seen == other.seen
    assert one.seen.sums["k"] == 10
    assert one.seen.nulls == {"k": 0, "s": 1, "r.x": 0, "r.y": 0}


def test_a_changed_value_changes_the_sum_and_a_retraction_takes_it_back() -> None:
    sink = ChecksumSink()
    writer = sink.open(SCHEMA, 0)
    writer.write(Batch(FRAME))
    before = dict(sink.seen.sums)
    changed = FRAME.with_columns(pl.Series("s", ["a", None, "c", "b"]))
    writer.write(Batch(changed, pl.Series([1] * 4)))
    writer.write(Batch(changed, pl.Series([-1] * 4)))
    assert sink.seen.sums == before
    assert (sink.seen.rows, sink.seen.changes) == (4, 12)
    other = ChecksumSink()
    other.open(SCHEMA, 0).write(Batch(changed))
    assert other.seen.sums["s"] != before["s"]
    assert other.seen.sums["k"] == before["k"]


def test_a_black_hole_counts() -> None:
    sink = BlackholeSink()
    sink.open(SCHEMA, 0).write(Batch(FRAME, pl.Series([1, 1, -1, 1])))
    assert (sink.seen.rows, sink.seen.changes) == (2, 4)


def test_nested_values_are_repeated_as_they_are() -> None:
    frame = pl.DataFrame({"r": [{"x": 1}], "l": [[1, 2]]})
    assert between_cuts([Batch(frame, pl.Series([2]))]).rows() == [("+I", {"x": 1}, [1, 2])] * 2
