"""CSV is read and written with the same keyword arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import thalweg as tw
from thalweg.errors import ConfigError

SCHEMA = "id INT, name STRING"
ROWS = [(1, "a;b"), (2, None), (3, "it's, so"), (4, "")]


@pytest.fixture
def s() -> tw.Session:
    return tw.Session(parallelism=1, options={"execution.runtime": "inline"})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, 'id,name\n1,a;b\n2,\n3,"it\'s, so"\n4,""\n'),
        ({"separator": ";"}, 'id;name\n1;"a;b"\n2;\n3;it\'s, so\n4;""\n'),
        ({"separator": "\t", "null_literal": "-"}, 'id\tname\n1\ta;b\n2\t-\n3\tit\'s, so\n4\t""\n'),
        ({"quote": "'", "has_header": False}, "1,a;b\n2,\n3,'it''s, so'\n4,''\n"),
        (
            {"separator": "|", "quote": None, "null_literal": "NULL"},
            "id|name\n1|a;b\n2|NULL\n3|it's, so\n4|\n",
        ),
        ({"comment": "#", "is_lenient": True}, 'id,name\n1,a;b\n2,\n3,"it\'s, so"\n4,""\n'),
    ],
    ids=str,
)
def test_what_is_written_is_read_with_the_same_options(
    s: tw.Session, options: Any, text: str, tmp_path: Path
) -> None:
    s.from_iter(ROWS, SCHEMA).write_csv(tmp_path / "out", **options)
    s.run()
    [part] = (tmp_path / "out").iterdir()
    assert part.read_text() == text
    assert s.read_csv(tmp_path / "out", schema=SCHEMA, **options).collect().rows() == ROWS


def test_options_that_only_reading_needs(s: tw.Session, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("# by hand\nid;name\n1;x\nmany;y\n")
    rows = s.read_csv(path, schema=SCHEMA, separator=";", comment="#", is_lenient=True)
    assert rows.collect().rows() == [(1, "x"), (None, "y")]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"delimiter": ";"}, "source-format-option"),
        ({"separator": ";;"}, "csv-option"),
        ({"separator": "é"}, "csv-option"),
        ({"separator": None}, "csv-option"),
        ({"quote": ""}, "csv-option"),
        ({"quote": ","}, "csv-option"),
        ({"comment": "//"}, "csv-option"),
    ],
    ids=str,
)
def test_options_that_cannot_be(s: tw.Session, options: Any, code: str, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,name\n1,x\n")
    for use in (
        lambda: s.read_csv(path, schema=SCHEMA, **options),
        lambda: s.from_iter(ROWS, SCHEMA).write_csv(tmp_path / "out", **options),
    ):
        with pytest.raises(ConfigError) as caught:
            use()
        assert caught.value.code == code
        assert str(caught.value.where).startswith(f"{__file__}:")
    assert s.sinks == []


def test_a_text_for_null_must_be_one_field(s: tw.Session, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        s.from_iter(ROWS, SCHEMA).write_csv(tmp_path / "out", separator="-", null_literal="--")
    assert caught.value.code == "connector-option-value"
