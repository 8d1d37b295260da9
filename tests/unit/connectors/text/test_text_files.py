"""CSV and JSON lines as files: values, bad rows with their lines, positions, packed files."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.connectors.reading import Drained, check_positions, drain
from thalweg.base.schema import Schema
from thalweg.connectors.files import FileSource, file_source
from thalweg.connectors.text.reader import TextReader
from thalweg.errors import ConfigError, ConnectorError, DataError

SCHEMA = Schema.from_polars(
    {"a": pl.Int64(), "b": pl.String(), "t": pl.Datetime("us"), "d": pl.Decimal(10, 2)}
)
TEXT = b"""1,x,2020-01-01 00:00:00,1.225
2,"multi
line",2020-01-01T00:00:01.5,2

3,y
4,"st"ray,2020-01-01 00:00:00,1
5,sx"x,2020-01-01 00:00:00,1
q,z,2020-01-01 00:00:00,1
6,z,2020-01-01 25:00:00,1
7,z,,
8,,"",1e2
9,"",2020-01-01 00:00:00,99999999999
10,\xff,2020-01-01 00:00:00,1
11,"a""b",2020-01-01 00:00:00,-1.225\r
12,"unclosed,2020-01-01 00:00:00,1
13,last,2020-01-01 00:00:00,1"""
SHAPE = "a quote is not closed, or stands within a field"
GOOD = [(1, "1.23"), (2, "2.00"), (7, None), (8, "100.00"), (11, "-1.23"), (13, "1.00")]
LINES = [1, 2, 10, 11, 14, 16]
BAD = [
    (5, "expected 4 fields, found 2"),
    (6, SHAPE),
    (7, SHAPE),
    (8, 'column "a": "q" is not a BIGINT'),
    (9, 'column "t": "2020-01-01 25:00:00" is not a TIMESTAMP(6)'),
    (12, 'column "d": "99999999999" is not a DECIMAL(10, 2)'),
    (13, "the text is not UTF-8"),
    (15, SHAPE),
]


def source_of(path: Path, text: bytes, schema: Schema | None, **options: Any) -> FileSource:
    path.write_bytes(text)
    return file_source(str(path), "csv" if ".csv" in path.name else "json", schema, **options)


def small_blocks(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(TextReader.__init__, "__defaults__", (size,))


@pytest.mark.parametrize(("block", "rows_max"), [(6, 100), (20, 1), (1000, 2)])
def test_good_and_bad_rows(
    block: int, rows_max: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch, block)
    drained = check_positions(source_of(tmp_path / "x.csv", TEXT, SCHEMA), rows_max)
    assert [(a, None if d is None else str(d)) for a, _, _, d in drained.rows()] == GOOD
    assert drained.offsets == LINES
    assert drained.bad == BAD
    assert drained.rows()[1][1:3] == ("multi\nline", datetime(2020, 1, 1, 0, 0, 1, 500_000))
    assert drained.rows()[3][1:3] == (None, None)


@given(st.text('1a,"\n', max_size=30), st.integers(1, 9), st.integers(1, 3))
@settings(max_examples=40)
def test_blocks_never_matter(text: str, block: int, rows_max: int) -> None:
    assert _drained(text, block, rows_max) == _drained(text, 1000, 1000)


def _drained(text: str, block: int, rows_max: int) -> tuple[Any, ...]:
    import io

    from thalweg.connectors.text.csv import CsvOptions, CsvTextDecoder

    target = Schema.from_polars({"n": pl.Int64(), "s": pl.String()})
    decoder = CsvTextDecoder(("n", "s"), target, CsvOptions())
    start = {"byte": 0, "line": 1}
    reader = TextReader(lambda byte: io.BytesIO(text.encode()[byte:]), decoder, {}, start, block)
    drained = Drained()
    ended = False
    while not ended:
        chunk = reader.read(rows_max)
        ended = chunk.ended
        if chunk.frame is not None:
            drained.frames.append(chunk.frame)
            count = range(chunk.offset, chunk.offset + chunk.frame.height)
            drained.offsets += count if chunk.offsets is None else chunk.offsets.to_list()
        drained.bad += [(b.offset, b.message) for b in chunk.bad]
    return drained.rows(), drained.offsets, drained.bad


def test_values(tmp_path: Path) -> None:
    schema = Schema.from_polars(
        {
            "o": pl.Boolean(),
            "f": pl.Float64(),
            "e": pl.Date(),
            "h": pl.Time(),
            "z": pl.Datetime("us", "UTC"),
            "x": pl.Binary(),
        }
    )
    text = (
        b"TRUE,1e3,2020-01-02,03:04:05.5,2020-01-01T00:00:00+02:00,AAE=\nfalse,-inf,,,2020-01-01 00:00:00Z,\n"
    )
    zone = UTC
    assert drain(source_of(tmp_path / "x.csv", text, schema)).rows() == [
        (
            True,
            1000.0,
            date(2020, 1, 2),
            time(3, 4, 5, 500_000),
            datetime(2019, 12, 31, 22, tzinfo=zone),
            b"\0\1",
        ),
        (False, float("-inf"), None, None, datetime(2020, 1, 1, tzinfo=zone), None),
    ]


@pytest.mark.parametrize(
    ("digits", "expected"), [("1.225", "1.23"), ("-1.225", "-1.23"), ("1.2249999", "1.22"), (".5", "0.50")]
)
def test_decimals_are_rounded_away_from_zero(digits: str, expected: str, tmp_path: Path) -> None:
    schema = Schema.from_polars({"d": pl.Decimal(10, 2)})
    rows = drain(source_of(tmp_path / "x.csv", digits.encode(), schema)).rows()
    assert rows == [(Decimal(expected),)]


def test_options(tmp_path: Path) -> None:
    schema = Schema.from_polars({"a": pl.Int64(), "b": pl.String()})
    text = b"b;a\n# no row\n'x;y';1\nNIL;NIL\n;\n"
    source = source_of(
        tmp_path / "x.csv", text, schema, separator=";", quote="'", comment="#", null_literal="NIL"
    )
    drained = check_positions(source, 1)
    assert drained.rows() == [(1, "x;y"), (None, None), (None, "")]
    assert drained.offsets == [3, 4, 5]
    assert drained.bad == []


def test_lenient_fields_become_null(tmp_path: Path) -> None:
    schema = Schema.from_polars({"a": pl.Int64(), "d": pl.Date()})
    drained = drain(source_of(tmp_path / "x.csv", b"x,2020-01-01\n1,no\n1\n", schema, is_lenient=True))
    assert drained.rows() == [(None, date(2020, 1, 1)), (1, None)]
    assert drained.bad == [(3, "expected 2 fields, found 1")]


def test_a_header_decides_the_order_of_fields(tmp_path: Path) -> None:
    schema = Schema.from_polars({"a": pl.Int64(), "b": pl.String()})
    for text in (b"b,a\nx,1\n", b"1,x\n"):
        assert drain(source_of(tmp_path / "x.csv", text, schema)).rows() == [(1, "x")]
    inferred = source_of(tmp_path / "x.csv", b"b,a\nx,1\n", None)
    assert str(inferred.schema) == "b STRING, a BIGINT"
    assert drain(inferred, fields=[("a", None)]).rows() == [(1,)]
    assert drain(source_of(tmp_path / "x.csv", b"x,1\n", None, has_header=False)).rows() == [("x", 1)]


def test_a_plan_fails_where_a_reader_reports(tmp_path: Path) -> None:
    source = source_of(tmp_path / "x.csv", TEXT, SCHEMA)
    with pytest.raises((DataError, pl.exceptions.ComputeError)):
        source.lazy(None).collect()


def test_packed_files(tmp_path: Path) -> None:
    packed = gzip.compress(TEXT[:300]) + gzip.compress(TEXT[300:])
    source = source_of(tmp_path / "x.csv.gz", packed, SCHEMA)
    assert check_positions(source, 2).offsets == LINES
    (tmp_path / "x.csv.gz").write_bytes(packed[:-20])
    with pytest.raises(ConnectorError) as caught:
        drain(source)
    assert caught.value.code == "source-damaged-file"


def test_zstd_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.import_module", _no_module)
    with pytest.raises(ConfigError) as caught:
        source_of(tmp_path / "x.csv.zst", b"\x28\xb5\x2f\xfd....", SCHEMA)
    assert caught.value.code == "dependency-missing"
    assert "thalweg[zstd]" in str(caught.value.hint)


def _no_module(name: str) -> None:
    raise ImportError(name)


def test_types_that_csv_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        source_of(tmp_path / "x.csv", b"", Schema.from_polars({"r": pl.List(pl.Int64)}))
    assert caught.value.code == "source-format-type"


def test_columns_that_do_not_follow(tmp_path: Path) -> None:
    for name in ("x.csv", "x.json"):
        with pytest.raises(ConfigError) as caught:
            source_of(tmp_path / name, b"", None)
        assert caught.value.code == "source-no-schema"


JSON = b'{"a":1,"r":{"c":"x","d":2}}\n{"a":"x"}\n\n{"r":{"c":"y"}}\n{"a":'
JSON_SCHEMA = Schema.from_polars({"a": pl.Int64(), "r": pl.Struct({"c": pl.String, "d": pl.Int64})})


@pytest.mark.parametrize("block", [2, 10, 100])
def test_json_lines(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch, block)
    source = source_of(tmp_path / "x.json", JSON, JSON_SCHEMA)
    drained = check_positions(source, 1, [("r", ("d",)), ("a", None)])
    assert drained.rows() == [({"d": 2}, 1), ({"d": None}, None)]
    assert drained.offsets == [1, 4]
    assert [line for line, _ in drained.bad] == [2, 5]


def test_json_columns_follow_from_a_sample(tmp_path: Path) -> None:
    source = source_of(tmp_path / "x.json", b'{"a":1}\n{"b":"x"}\n', None)
    assert str(source.schema) == "a BIGINT, b STRING"


@pytest.mark.parametrize("name", ["x.csv", "x.json"])
@pytest.mark.parametrize("block", [64, 10_000])
def test_lines_beyond_the_limit(
    name: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch, block)
    for module in ("block", "reader", "csv", "csv_records", "json"):
        monkeypatch.setattr(f"thalweg.connectors.text.{module}.RECORD_MAX", 200)
    row = b"%d\n" if name == "x.csv" else b'{"n":%d}\n'
    text = row % 1 + b"x" * 1000 + b"\n" + row % 2 + b"y" * 500
    source = source_of(tmp_path / name, text, Schema.from_polars({"n": pl.Int64()}))
    drained = check_positions(source, 1)
    assert drained.rows() == [(1,), (2,)]
    assert drained.offsets == [1, 3]
    assert [line for line, _ in drained.bad] == [2, 4]
