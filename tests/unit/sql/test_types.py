"""Flink's types become column types; those that cannot be kept are refused."""

from __future__ import annotations

import pytest

from thalweg.base import types as t
from thalweg.errors import SqlError
from thalweg.sql.parse import parse
from thalweg.sql.statements import CreateTable, PhysicalColumn


def read(text: str) -> t.DataType:
    (found,) = parse(f"CREATE TABLE t (c {text}, d INT)")
    assert isinstance(found, CreateTable)
    column = found.columns[0]
    assert isinstance(column, PhysicalColumn)
    return column.type


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CHAR", t.STRING),
        ("CHAR(3)", t.STRING),
        ("VARCHAR(2147483647)", t.STRING),
        ("string", t.STRING),
        ("BOOLEAN", t.BOOLEAN),
        ("BINARY(4)", t.BINARY),
        ("VARBINARY", t.BINARY),
        ("BYTES", t.BINARY),
        ("DECIMAL", t.Decimal(10, 0)),
        ("DEC(5)", t.Decimal(5, 0)),
        ("NUMERIC(38, 18)", t.Decimal(38, 18)),
        ("TINYINT", t.INT8),
        ("SMALLINT", t.INT16),
        ("INTEGER", t.INT32),
        ("INT NOT NULL", t.INT32),
        ("BIGINT NULL", t.INT64),
        ("FLOAT", t.FLOAT32),
        ("DOUBLE", t.FLOAT64),
        ("DOUBLE PRECISION", t.FLOAT64),
        ("DATE", t.DATE),
        ("TIME(3) WITHOUT TIME ZONE", t.TIME),
        ("TIMESTAMP", t.Timestamp(None, 6)),
        ("TIMESTAMP(3) WITHOUT TIME ZONE", t.Timestamp(None, 3)),
        ("TIMESTAMP(3) WITH LOCAL TIME ZONE", t.Timestamp("UTC", 3)),
        ("TIMESTAMP_LTZ(0)", t.Timestamp("UTC", 0)),
        ("INTERVAL DAY(3) TO SECOND(6)", t.INTERVAL),
        ("INTERVAL MONTH", t.INTERVAL_MONTH),
        ("ARRAY<INT NOT NULL>", t.List(t.INT32)),
        ("INT ARRAY ARRAY", t.List(t.List(t.INT32))),
        ("MAP<STRING, ARRAY<BIGINT>>", t.Map(t.STRING, t.List(t.INT64))),
        ("ROW<a INT 'note', `b c` ROW(d STRING)>", None),
    ],
)
def test_types(text: str, expected: t.DataType | None) -> None:
    if expected is None:
        inner = t.Struct((t.Field("d", t.STRING),))
        expected = t.Struct((t.Field("a", t.INT32), t.Field("b c", inner)))
    found = read(text)
    assert found == expected
    if isinstance(expected, t.Timestamp):
        assert str(found) == str(expected)  # equality leaves the precision out


@pytest.mark.parametrize(
    "text",
    [
        *(
            "BIGINT",
            "DECIMAL(23, 3)",
            "TIMESTAMP(3)",
            "TIMESTAMP_LTZ(6)",
            "ROW<a INT, b ARRAY<STRING>>",
            "FLOAT",
        ),
        *("MAP<STRING, DOUBLE>", "BYTES", "DATE", "TIME", "BOOLEAN", "TINYINT", "SMALLINT"),
    ],
)
def test_a_type_prints_as_it_is_written(text: str) -> None:
    assert str(read(text)) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("BIGNT", "sql-unknown-type"),
        ("`INT`", "sql-syntax"),
        ("DECIMAL(0)", "sql-syntax"),
        ("DECIMAL(39, 2)", "sql-syntax"),
        ("DECIMAL(3, 4)", "sql-syntax"),
        ("DECIMAL(a)", "sql-syntax"),
        ("TIMESTAMP(9)", "sql-not-yet"),
        ("TIMESTAMP(3) WITH TIME ZONE", "sql-not-yet"),
        ("MULTISET<INT>", "sql-not-yet"),
        ("RAW('a', 'b')", "sql-not-yet"),
        ("ROW<a INT, a INT>", "sql-syntax"),
        ("ROW<>", "sql-syntax"),
        ("ARRAY INT", "sql-syntax"),
        ("NULL ARRAY", "sql-syntax"),
        ("INTERVAL FORTNIGHT", "sql-syntax"),
    ],
)
def test_types_that_are_refused(text: str, code: str) -> None:
    with pytest.raises(SqlError) as caught:
        read(text)
    assert caught.value.code == code
    assert caught.value.where is not None
