"""Python values as literals."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal as Exact
from typing import Any

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT64,
    INT32,
    INT64,
    INTERVAL,
    NULL,
    STRING,
    TIME,
    TIMESTAMP,
    TIMESTAMP_LTZ,
    DataType,
    Decimal,
    List,
)
from thalweg.errors import TypeMismatch
from thalweg.expr.evaluate import Projection
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Named

VALUES: list[tuple[Any, DataType]] = [
    (None, NULL),
    (True, BOOLEAN),
    (5, INT32),
    (2**31 - 1, INT32),
    (2**31, INT64),
    (-(2**63), INT64),
    (2**63, Decimal(19, 0)),
    (1.5, FLOAT64),
    (Exact("0.908"), Decimal(4, 3)),
    (Exact("-12.50"), Decimal(4, 2)),
    (Exact("0.00"), Decimal(3, 2)),
    (Exact("1E+3"), Decimal(4, 0)),
    (Exact("0.001"), Decimal(4, 3)),
    ("x", STRING),
    (b"x", BINARY),
    (date(2024, 1, 1), DATE),
    (time(1), TIME),
    (datetime(2024, 1, 1), TIMESTAMP),
    (datetime(2024, 1, 1, tzinfo=UTC), TIMESTAMP_LTZ),
    (timedelta(hours=1), INTERVAL),
    ([1, None, 2**40], List(INT64)),
    ((), List(NULL)),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=repr)
def test_a_value_has_its_type_and_survives_a_column(value: Any, expected: DataType) -> None:
    found = literal_of(value)
    assert found.type == expected
    plan = Projection([Named("x", found)], Schema.of({"a": INT64}))
    column = plan.apply(pl.DataFrame({"a": [1, 2]}))["x"]
    assert column.dtype == expected.polars
    assert column.to_list() == [list(value) if isinstance(value, tuple) else value] * 2


@pytest.mark.parametrize(
    "value", [pytest.param(object(), id="object"), 10**38, Exact("NaN"), {1: 2}, [1, "x"]], ids=repr
)
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(TypeMismatch) as caught:
        literal_of(value)
    assert caught.value.code == "expr-no-literal"
