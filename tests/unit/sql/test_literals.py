"""Literals get the values and types that Flink gives them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sql.catalog import FakeCatalog
from thalweg.errors import SqlError
from thalweg.expr.nodes import Expr, Literal
from thalweg.plan.nodes import Project
from thalweg.sql.binder import Binder
from thalweg.sql.parse import parse
from thalweg.sql.statements import Query

SPAN = "INTERVAL DAY TO SECOND"


def value(text: str) -> Expr:
    (statement,) = parse(f"SELECT {text}")
    assert isinstance(statement, Query)
    plan = Binder(FakeCatalog()).bind_query(statement.query)
    assert isinstance(plan, Project)
    return plan.items[0].expr


def literal(text: str) -> tuple[Any, str]:
    found = value(text)
    assert isinstance(found, Literal)
    return found.value, str(found.type)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", (12, "INT")),
        ("-12", (-12, "INT")),
        ("2147483648", (2147483648, "BIGINT")),
        ("-9223372036854775808", (-(1 << 63), "BIGINT")),
        ("9223372036854775808", (1 << 63, "DECIMAL(19, 0)")),
        ("0.908", (Decimal("0.908"), "DECIMAL(4, 3)")),
        (".5", (Decimal("0.5"), "DECIMAL(2, 1)")),
        ("1e3", (1000.0, "DOUBLE")),
        ("'it''s'", ("it's", "STRING")),
        ("TRUE", (True, "BOOLEAN")),
        ("NULL", (None, "STRING")),
        ("DATE '2026-02-28'", (date(2026, 2, 28), "DATE")),
        ("TIME '01:02:03.5'", (time(1, 2, 3, 500000), "TIME")),
        ("TIMESTAMP '2026-01-02 03:04:05.678'", (datetime(2026, 1, 2, 3, 4, 5, 678000), "TIMESTAMP(3)")),
        ("TIMESTAMP '2026-01-02'", (datetime(2026, 1, 2), "TIMESTAMP(3)")),
        ("INTERVAL '10' SECOND", (timedelta(seconds=10), SPAN)),
        ("INTERVAL '1.5' SECONDS", (timedelta(seconds=1.5), SPAN)),
        ("INTERVAL '1:30' MINUTE TO SECOND", (timedelta(seconds=90), SPAN)),
        ("INTERVAL '-1 02:03:04.5' DAY TO SECOND(3)", (-timedelta(1, 4.5, 0, 0, 3, 2), SPAN)),
        ("INTERVAL -'2' HOUR", (-timedelta(hours=2), SPAN)),
        ("INTERVAL '36' HOUR", (timedelta(hours=36), SPAN)),
        ("INTERVAL '2' WEEK", (timedelta(weeks=2), SPAN)),
        ("INTERVAL '3' MONTH", (3, "INTERVAL MONTH")),
        ("INTERVAL '2' YEAR", (24, "INTERVAL MONTH")),
        ("INTERVAL '-1-6' YEAR TO MONTH", (-18, "INTERVAL MONTH")),
    ],
)
def test_literals(text: str, expected: tuple[Any, str]) -> None:
    assert literal(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DATE '2026-02-30'", "sql-bad-literal"),
        ("TIME '25:00:00'", "sql-bad-literal"),
        ("TIMESTAMP '2026-01-02 03:04:05.1234567'", "sql-bad-literal"),
        ("TIMESTAMP '2026-01-02x03:04'", "sql-bad-literal"),
        ("INTERVAL 'x' DAY", "sql-bad-interval"),
        ("INTERVAL '1.5' DAY", "sql-bad-interval"),
        ("INTERVAL '1:75' MINUTE TO SECOND", "sql-bad-interval"),
        ("INTERVAL '1' SECOND TO MINUTE", "sql-bad-interval"),
        ("INTERVAL '1-12' YEAR TO MONTH", "sql-bad-interval"),
        ("INTERVAL '999999999999' DAY", "sql-bad-interval"),
        ("INTERVAL '999999999999' YEAR", "sql-bad-interval"),
        ("INTERVAL 10 SECOND", "sql-syntax"),
        ("INTERVAL '10'", "sql-syntax"),
        ("1e", "sql-syntax"),
        ("1" * 39, "sql-meaning"),
    ],
)
def test_literals_that_are_refused(text: str, code: str) -> None:
    with pytest.raises(SqlError) as caught:
        literal(text)
    assert caught.value.code == code
    assert caught.value.where is not None


@given(st.timedeltas(timedelta(0), timedelta(days=99_999)))
def test_a_length_of_time_reads_back(length: timedelta) -> None:
    minutes, seconds = divmod(length.seconds, 60)
    clock = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{length.microseconds:06}"
    assert literal(f"INTERVAL '{length.days} {clock}' DAY TO SECOND")[0] == length
    assert literal(f"INTERVAL '-{length.days} {clock}' DAY TO SECOND")[0] == -length


@given(st.integers(-(10**37), 10**37))
def test_an_integer_reads_back(number: int) -> None:
    assert literal(str(number))[0] == number
