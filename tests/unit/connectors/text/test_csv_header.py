"""Whether the first line of a CSV file is a header is known, or somebody is asked."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.connectors.reading import drain
from thalweg.base.schema import Schema
from thalweg.base.types import INT64, STRING
from thalweg.connectors.files import file_source
from thalweg.connectors.text.csv import CsvOptions
from thalweg.connectors.text.csv_header import split_record
from thalweg.errors import ConfigError, ConnectorError, DataError, ThalwegError


def source(path: Path, text: bytes, columns: dict[str, Any] | None, **options: Any) -> Any:
    path.write_bytes(text)
    return file_source(str(path), schema=None if columns is None else Schema.of(columns), **options)


TEXTS = {"a": STRING, "b": STRING}


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        (b"a,b\n1,2\n", TEXTS, [("1", "2")]),
        (b"b,a\n1,2\n", TEXTS, [("2", "1")]),
        (b"a,b,c\n1,2,3\n", TEXTS, [("1", "2")]),
        (b"a,b\n1,2\n", {"b": INT64}, [(2,)]),
        (b"\n\na,b\n1,2\n", TEXTS, [("1", "2")]),
        (b"x,y\nz,w\n", TEXTS, [("x", "y"), ("z", "w")]),
        (b"x,1\nz,2\n", TEXTS, [("x", "1"), ("z", "2")]),
        (b"2026-01-01,x\n2026-01-02,y\n", TEXTS, [("2026-01-01", "x"), ("2026-01-02", "y")]),
        (b"1,2\n3,4\n", {"a": INT64, "b": INT64}, [(1, 2), (3, 4)]),
        (b"x,\n1,\n", TEXTS, [("x", None), ("1", None)]),
    ],
)
def test_decided(text: bytes, columns: dict[str, Any], rows: list[Any], tmp_path: Path) -> None:
    assert drain(source(tmp_path / "x.csv", text, columns)).rows() == rows


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (b"a,b\nx,y\n", {"A": STRING, "B": STRING}),
        (b"a,b\nx,y\n", {"a": STRING, "d": STRING}),
        (b" a , b\nx,y\n", TEXTS),
        (b"a,b\n1,x\n2,y\n", {"c": STRING, "d": STRING}),
        (b"day,b\n2026-01-01,x\n", {"c": STRING, "d": STRING}),
    ],
)
def test_undecided(text: bytes, columns: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        source(tmp_path / "x.csv", text, columns)
    assert caught.value.code == "source-csv-header"
    assert "csv.header" in str(caught.value.hint)
    rows = drain(source(tmp_path / "x.csv", text, columns, has_header=False)).rows()
    assert len(rows) == text.count(b"\n")


def test_a_header_that_became_a_row_is_named_where_it_does_not_fit(tmp_path: Path) -> None:
    bad = drain(source(tmp_path / "x.csv", b"a,b\nx,2\n", {"c": STRING, "d": INT64})).bad
    assert len(bad) == 1
    assert "csv.header" in bad[0][1]
    plain = drain(source(tmp_path / "x.csv", b"a,1.5\n1,2\n", {"c": STRING, "d": INT64})).bad
    assert plain == [(1, 'column "d": "1.5" is not a BIGINT')]


@pytest.mark.parametrize("has_header", [None, True])
def test_a_column_named_twice_is_refused(has_header: bool | None, tmp_path: Path) -> None:
    for columns in (None, {"a": INT64}):
        with pytest.raises(ConfigError) as caught:
            source(tmp_path / "x.csv", b"a,b,a\n1,2,3\n", columns, has_header=has_header)
        assert '"a" twice' in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("x.csv", b"PAR1\x15\x04\rx\n", ConnectorError),
        ("x.json", b"ARROW1\0\0", ConnectorError),
        ("x.csv", b"\xff\xfea\0,\0b\0\n\0", ConfigError),
        ("x.csv", b"a\rb\0,c\n", ConfigError),
        ("x.csv", bytes(range(256)) * 4, ConfigError),
    ],
)
def test_what_is_no_text_is_told(name: str, data: bytes, kind: type[ThalwegError], tmp_path: Path) -> None:
    with pytest.raises(kind) as caught:
        source(tmp_path / name, data, None)
    assert str(tmp_path / name) in str(caught.value.where)


@pytest.mark.parametrize(
    ("name", "data", "line", "columns"),
    [
        ("x.csv", b'a,b\n1,2\n"3,4\n5,6\n', 3, ["a", "b"]),
        ("x.csv", b"a,b\n1,2\n\xff,4\n", 3, ["a", "b"]),
        ("x.json", b'{"a":1\n{"a":2}\n', 1, ["a"]),
        ("x.json", b'{"a":1}\n[2]\n', 2, ["a"]),
    ],
)
def test_columns_follow_from_the_good_rows(
    name: str, data: bytes, line: int, columns: list[str], tmp_path: Path
) -> None:
    found = source(tmp_path / name, data, None)
    assert list(found.schema.names) == columns
    assert [b[0] for b in drain(found).bad] == [line]
    with pytest.raises(DataError) as caught:
        found.lazy(None).collect()
    assert f"line {line}" in str(caught.value)


@pytest.mark.parametrize(("name", "data"), [("x.csv", b'a,b\n"1,2\n'), ("x.json", b"[\n{]\n")])
def test_without_any_good_row_the_first_bad_one_is_told(name: str, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        source(tmp_path / name, data, None)
    assert ", line " in str(caught.value.where)


@given(st.lists(st.text('ab,"\n ', max_size=5), min_size=1, max_size=4))
def test_records_are_split_as_they_were_joined(fields: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(fields)
    assert split_record(text.getvalue().encode(), CsvOptions()) == fields
