"""What is written as text is read back as it was: bytes, intervals and maps included, at any depth."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.connectors.reading import drain
from thalweg.base.schema import Schema
from thalweg.base.types import BINARY, INT32, INT64, INTERVAL, STRING, DataType, Field, List, Map, Struct
from thalweg.columnar.batch import Batch
from thalweg.columnar.spelled import json_lines
from thalweg.connectors.files import FileSink, file_source
from thalweg.connectors.text.written import csv_lines

SPAN = timedelta(days=-1, hours=30, microseconds=5)
PAIR = Struct((Field("b", BINARY), Field("i", INTERVAL)))
VALUES: list[tuple[DataType, list[Any]]] = [
    (BINARY, [b"\x00\xff", b"", None]),
    (INTERVAL, [SPAN, -SPAN, timedelta(0), None]),
    (PAIR, [{"b": b"a", "i": SPAN}, {"b": None, "i": None}, None]),
    (List(PAIR), [[{"b": b"a", "i": None}, None], [], None]),
    (Map(STRING, INT64), [[{"key": "a", "value": 1}, {"key": "b", "value": None}], [], None]),
    (Map(INT32, List(BINARY)), [[{"key": -1, "value": [b"a", None]}], None]),
    (
        Map(INTERVAL, Map(STRING, PAIR)),
        [[{"key": SPAN, "value": [{"key": "", "value": {"b": b"x", "i": SPAN}}]}]],
    ),
    (Map(PAIR, INT64), [[{"key": {"b": b"k", "i": SPAN}, "value": 1}]]),
]


FORMS = ["json", "csv", "parquet", "arrow"]
# CSV has no nested values
CASES = [(f, t, v) for f in FORMS for t, v in VALUES if f != "csv" or not t.polars.is_nested()]


@pytest.mark.parametrize(("form", "held", "values"), CASES, ids=lambda v: str(v)[:30])
def test_what_is_written_can_be_read(form: str, held: DataType, values: list[Any], tmp_path: Path) -> None:
    schema = Schema.of({"n": INT64, "v": held})
    frame = pl.DataFrame({"n": range(len(values)), "v": pl.Series(values, dtype=held.polars)})
    writer = FileSink(str(tmp_path), form).open(schema, 0)
    writer.write(Batch(frame))
    writer.end()
    source = file_source(str(tmp_path), schema=schema)
    assert drain(source).frame.equals(frame, null_equal=True)
    assert source.lazy(None).collect().equals(frame, null_equal=True)
    if form in ("parquet", "arrow"):
        assert file_source(str(tmp_path)).schema == schema


def test_the_forms() -> None:
    frame = pl.DataFrame(
        {"b": [b"\x00\xff"], "i": [SPAN], "m": [{"a": 1}], "k": [{1: b"x"}]},
        schema_overrides={"m": pl.Map(pl.String, pl.Int64), "k": pl.Map(pl.Int8, pl.Binary)},
    )
    assert json_lines(frame) == '{"b":"AP8=","i":"PT6H0.000005S","m":{"a":1},"k":{"1":"eA=="}}\n'
    assert csv_lines(frame) == 'b,i,m,k\nAP8=,PT6H0.000005S,"{""a"":1}","{""1"":""eA==""}"\n'
    assert csv_lines(frame.select("b"), has_header=False) == "AP8=\n"


@pytest.mark.parametrize(
    ("text", "is_span"),
    [("P1W", True), ("+PT1.5S", True), ("P", False), ("PT", False), ("1 day", False), ("P1M", False)],
)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_intervals(form: str, text: str, is_span: bool, tmp_path: Path) -> None:
    path = tmp_path / f"x.{form}"
    path.write_text(f'{{"i":"{text}"}}\n' if form == "json" else f"{text}\n")
    drained = drain(file_source(str(path), schema=Schema.of({"i": INTERVAL})))
    assert (len(drained.offsets), len(drained.bad)) == ((1, 0) if is_span else (0, 1))


def test_null_rows_of_one_column_stay(tmp_path: Path) -> None:
    schema = Schema.of({"a": STRING})
    frame = pl.DataFrame({"a": [None, "x", None, "", "y", None]})
    writer = FileSink(str(tmp_path), "csv").open(schema, 0)
    writer.write(Batch(frame))
    writer.end()
    for source in (file_source(str(tmp_path)), file_source(str(tmp_path), schema=schema)):
        for rows_max in (1, 100):
            drained = drain(source, rows_max)
            assert drained.rows() == frame.rows()
            assert drained.offsets == [2, 3, 4, 5, 6, 7]
