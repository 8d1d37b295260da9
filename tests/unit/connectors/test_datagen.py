"""Generated rows: the same however they are read, of the types and bounds asked for, at their pace."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from thalweg.api.type_text import read_type
from thalweg.base.schema import Schema
from thalweg.base.types import Field
from thalweg.connectors import registry
from thalweg.connectors.datagen import DatagenReader, DatagenSource
from thalweg.errors import ConfigError

EVERYTHING = Schema.from_polars(
    {
        "i": pl.Int32(),
        "big": pl.Int64(),
        "u": pl.UInt8(),
        "f": pl.Float64(),
        "x": pl.Decimal(10, 2),
        "s": pl.String(),
        "y": pl.Binary(),
        "o": pl.Boolean(),
        "t": pl.Datetime("us"),
        "d": pl.Date(),
        "h": pl.Time(),
    }
)


def source_of(schema: Schema, **options: str) -> DatagenSource:
    named = {name.replace("__", ".").replace("_", "-"): value for name, value in options.items()}
    source = registry.create_source({"connector": "datagen", **named}, schema).source
    assert isinstance(source, DatagenSource)
    return source


def rows(source: DatagenSource, rows_max: int, row: int = 0, names: list[str] | None = None) -> pl.DataFrame:
    now = [0.0]
    position = {"row": row, "base": 1_000_000_000_000_000}
    reader = DatagenReader(source, names or list(source.schema.names), position, clock=lambda: now[0])
    now[0] = 1e6
    frames = []
    ended = False
    while not ended:
        chunk = reader.read(rows_max)
        assert chunk.offset == row + sum(f.height for f in frames)
        if chunk.frame is not None:
            frames.append(chunk.frame)
        ended = chunk.ended
    return pl.concat(frames)


def test_cuts_and_restarts_never_matter() -> None:
    source = source_of(EVERYTHING, number_of_rows="100", fields__s__null_rate="0.5", fields__t__max_past="1h")
    whole = rows(source, 1000)
    assert whole.schema == EVERYTHING.polars
    assert whole.equals(rows(source, 7), null_equal=True)
    assert whole[40:].equals(rows(source, 9, row=40), null_equal=True)
    assert whole.select("t", "s").equals(rows(source, 9, names=["t", "s"]), null_equal=True)
    assert 0 < whole["s"].null_count() < 100
    assert not whole.equals(rows(source_of(EVERYTHING, number_of_rows="100", seed="2"), 1000))


def test_bounds() -> None:
    source = source_of(
        EVERYTHING,
        number_of_rows="500",
        fields__i__min="-2",
        fields__i__max="2",
        fields__f__min="5",
        fields__f__max="6",
        fields__s__length="21",
        fields__y__length="3",
    )
    made = rows(source, 1000)
    assert set(made["i"]) == {-2, -1, 0, 1, 2}
    assert made["f"].is_between(5, 6).all()
    assert made["s"].str.contains("^[0-9a-f]{21}$").all()
    assert made["s"].n_unique() == 500
    assert set(made["y"].bin.size()) == {3}
    assert set(made["o"]) == {True, False}
    assert made["u"].n_unique() > 100
    assert (made["big"] < 0).any()
    assert (made["big"] > 0).any()
    assert made["x"].is_between(0, 99_999_999).all()
    start = datetime(2001, 9, 9, 1, 46, 40)
    assert made["t"][:2].to_list() == [start, start.replace(microsecond=100)]
    assert made["d"][0] == date(2001, 9, 9)


def test_a_sequence_ends_the_source() -> None:
    schema = Schema.from_polars({"n": pl.Int64(), "s": pl.String()})
    options = {
        "fields__n__kind": "sequence",
        "fields__n__start": "3",
        "fields__n__end": "6",
        "fields__s__length": "1",
    }
    source = source_of(schema, **options, number_of_rows="100")
    assert source.is_bounded
    assert rows(source, 3)["n"].to_list() == [3, 4, 5, 6]
    assert not source_of(schema).is_bounded


def test_pace() -> None:
    now = [50.0]
    source = source_of(Schema.from_polars({"n": pl.Int64()}), rows_per_second="10")
    reader = DatagenReader(source, ["n"], {}, clock=lambda: now[0])
    first = reader.read(100)
    assert first.frame is not None
    assert (first.frame.height, reader.read(100).wait) == (1, pytest.approx(0.1))
    now[0] = 51.0
    assert reader.read(4).frame.height == 4
    assert reader.read(100).frame.height == 6
    assert reader.position["row"] == 11


@pytest.mark.parametrize(
    "options",
    [
        {"fields__i__min": "5", "fields__i__max": "4"},
        {"fields__u__max": "256"},
        {"fields__s__null_rate": "2"},
        {"fields__i__kind": "sequence"},
        {"fields__o__kind": "sequence", "fields__o__start": "1", "fields__o__end": "2"},
        {"fields__i__kind": "chance"},
        {"rows_per_second": "0"},
    ],
)
def test_refusals(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        source_of(EVERYTHING, **options)
    assert caught.value.code == "connector-option-value"


NESTED = Schema(
    tuple(
        Field(name, read_type(text))
        for name, text in {
            "a": "ARRAY<STRING>",
            "aa": "ARRAY<ARRAY<INT>>",
            "m": "MAP<INT, DOUBLE>",
            "r": "ROW<x INT, ts TIMESTAMP(3), inner ARRAY<ROW<q BOOLEAN>>>",
        }.items()
    )
)


def test_nested_columns_have_options_for_their_parts() -> None:
    options = {
        "fields__a__length": "2",
        "fields__a__null_rate": "0.3",
        "fields__a__element__length": "4",
        "fields__m__key__min": "1",
        "fields__m__key__max": "2",
        "fields__r__x__min": "0",
        "fields__r__x__max": "9",
        "fields__r__inner__element__q__null_rate": "0.5",
    }
    source = source_of(NESTED, number_of_rows="200", **options)
    made = rows(source, 1000)
    assert made.schema == NESTED.polars
    assert made.equals(rows(source, 7), null_equal=True)
    assert made[50:].equals(rows(source, 64, row=50), null_equal=True)
    assert 0 < made["a"].null_count() < 200
    assert set(made["a"].drop_nulls().list.len()) == {2}
    assert made["a"].explode().drop_nulls().str.contains("^[0-9a-f]{4}$").all()
    assert set(made["aa"].list.len()) == set(made["aa"].explode().list.len()) == {3}
    keys = [[entry["key"] for entry in entries] for entries in made["m"]]
    assert {tuple(sorted(k)) for k in keys} == {(1,), (2,), (1, 2)}, "each key once"
    assert set(made["r"].struct.field("x")) == set(range(10))
    assert made["r"].struct.field("ts")[0] == datetime(2001, 9, 9, 1, 46, 40)
    inner = made["r"].struct.field("inner").explode().struct.field("q")
    assert set(inner) == {True, False, None}


def test_strings_of_any_length() -> None:
    options = {"fields__s__length": "5", "fields__s__var_len": "true", "fields__y__var_len": "false"}
    source = source_of(EVERYTHING, number_of_rows="300", fields__y__length="2", **options)
    made = rows(source, 1000)
    assert made["s"].str.contains("^[0-9a-f]{1,5}$").all()
    assert set(made["s"].str.len_bytes()) == {1, 2, 3, 4, 5}
    assert set(made["y"].bin.size()) == {2}
    assert made.equals(rows(source, 7), null_equal=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields__r__x__kind": "sequence"}, "cannot be a sequence"),
        ({"fields__aa__element__var_len": "true"}, "has no length that could vary"),
        ({"fields__r__y__min": "1"}, "names no column"),
        ({"fields__m__element__min": "1"}, "names no column"),
    ],
)
def test_refusals_in_nested_columns(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source_of(NESTED, **options)


def test_intervals_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be generated"):
        source_of(Schema.from_polars({"r": pl.List(pl.Duration)}))
