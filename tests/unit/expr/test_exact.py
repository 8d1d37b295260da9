"""Integers and decimals are exact: random arguments against Python's own arithmetic.

Python's integers and decimals are the oracle; the rules for types and rounding are written down
here a second time, from Flink's documentation.
"""

from __future__ import annotations

import decimal
from datetime import datetime, timedelta
from decimal import Decimal as Exact
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.base.schema import Schema
from thalweg.base.types import FLOAT64, INT8, INT32, INT64, TIMESTAMP, UINT8, DataType, Decimal, Integer
from thalweg.errors import DataError
from thalweg.expr.decimals import result_type
from thalweg.expr.evaluate import Projection
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Call, Column, Named

WIDE = decimal.Context(prec=200, rounding=decimal.ROUND_HALF_UP)
ATTEMPTS = {"+": "try_add", "-": "try_subtract", "*": "try_multiply", "/": "try_divide", "%": "try_mod"}
OPERATORS = tuple(ATTEMPTS)


def computed(operator: str, rows: list[tuple[Any, Any]], types: tuple[DataType, DataType]) -> list[Any]:
    """The `try_` form over all rows, which the checked form must agree with row by row."""
    schema = Schema.of({"a": types[0], "b": types[1]})
    frame = pl.DataFrame(rows, schema=schema.polars, orient="row")
    args = (Column("a"), Column("b"))
    found = Projection([Named("x", Call(ATTEMPTS[operator], args))], schema).apply(frame)["x"].to_list()
    checked = Projection([Named("x", Call(operator, args))], schema)
    bad = [i for i, (v, r) in enumerate(zip(found, rows, strict=True)) if v is None and None not in r]
    if bad:
        with pytest.raises(DataError) as caught:
            checked.apply(frame)
        assert caught.value.offset == bad[0]
    else:
        assert checked.apply(frame)["x"].to_list() == found
    return found


def truncated(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def on_integers(operator: str, a: int, b: int, held: Integer) -> int | None:
    if operator in "/%" and b == 0:
        return None
    value = {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "/": lambda: truncated(a, b),
        "%": lambda: a - truncated(a, b) * b,
    }[operator]()
    return value if held.bounds[0] <= value <= held.bounds[1] else None


def integers(held: Integer) -> st.SearchStrategy[int]:
    low, high = held.bounds
    edges = [v for v in (low, low + 1, -1, 0, 1, 2, 3, high - 1, high, int(high**0.5)) if low <= v <= high]
    return st.sampled_from(edges) | st.integers(low, high)


@pytest.mark.slow
@pytest.mark.parametrize("operator", OPERATORS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_integers(operator: str, data: st.DataObject) -> None:
    held = data.draw(st.sampled_from([INT64, INT32, INT8, UINT8]))
    rows = data.draw(st.lists(st.tuples(integers(held), integers(held)), min_size=1, max_size=12))
    assert computed(operator, rows, (held, held)) == [on_integers(operator, a, b, held) for a, b in rows]


@pytest.mark.slow
@given(a=integers(INT64), b=integers(INT64), operator=st.sampled_from(OPERATORS), constant=st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_constant_side_gives_the_same(a: int, b: int, operator: str, constant: int) -> None:
    args = [Column("a"), Column("a")]
    args[constant] = literal_of((a, b)[constant])  # type: ignore[call-overload]
    schema = Schema.of({"a": INT64})
    plan = Projection([Named("x", Call(operator, tuple(args)))], schema)
    frame = pl.DataFrame({"a": [(a, b)[1 - constant]]})
    expected = on_integers(operator, a, b, INT64)
    if expected is None:
        with pytest.raises(DataError):
            plan.apply(frame)
    else:
        assert plan.apply(frame)["x"].to_list() == [expected]


@st.composite
def decimal_types(draw: st.DrawFn) -> Decimal:
    precision = draw(st.integers(1, 12) | st.integers(1, 38))
    return Decimal(precision, draw(st.integers(0, precision)))


def decimals(held: Decimal) -> st.SearchStrategy[Exact]:
    most = 10**held.precision - 1
    whole = st.sampled_from([0, 1, -1, most, -most]) | st.integers(-most, most)
    return whole.map(lambda v: Exact(v).scaleb(-held.scale, context=WIDE))


def on_decimals(operator: str, a: Exact, b: Exact, result: Decimal) -> Exact | None:
    if operator in "/%" and b == 0:
        return None
    call = {"+": WIDE.add, "-": WIDE.subtract, "*": WIDE.multiply, "/": WIDE.divide, "%": WIDE.remainder}[
        operator
    ]
    value = call(a, b).quantize(Exact(1).scaleb(-result.scale), context=WIDE)
    return value if value.copy_abs() < Exact(10) ** (result.precision - result.scale) else None


@pytest.mark.slow
@pytest.mark.parametrize("operator", OPERATORS)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_decimals(operator: str, data: st.DataObject) -> None:
    types = data.draw(decimal_types()), data.draw(decimal_types())
    rows = data.draw(st.lists(st.tuples(*map(decimals, types)), min_size=1, max_size=6))
    result = result_type(operator, *types)
    assert computed(operator, rows, types) == [on_decimals(operator, a, b, result) for a, b in rows]


@pytest.mark.parametrize("operator", ["/", "%"])
def test_decimals_that_need_more_than_128_bits_are_not_divided_by_zero(operator: str) -> None:
    types = Decimal(38, 9), Decimal(38, 9)
    large, small = Exact("12345678901234567890123456789.123456789"), Exact("0.000000007")
    result = result_type(operator, *types)
    expected = [None, on_decimals(operator, large, small, result)]
    assert computed(operator, [(large, Exact(0)), (large, small)], types) == expected


@pytest.mark.parametrize(
    ("operator", "a", "b", "expected"),
    [
        ("*", Decimal(4, 3), INT64, Decimal(23, 3)),
        ("*", Decimal(38, 18), Decimal(38, 18), Decimal(38, 6)),
        ("+", Decimal(10, 2), Decimal(5, 4), Decimal(13, 4)),
        ("+", Decimal(38, 0), INT32, Decimal(38, 0)),
        ("/", Decimal(10, 2), Decimal(10, 2), Decimal(23, 13)),
        ("/", INT64, INT64, Decimal(38, 19)),
        ("%", Decimal(10, 2), Decimal(5, 3), Decimal(5, 3)),
    ],
)
def test_result_types_are_flinks(operator: str, a: DataType, b: DataType, expected: Decimal) -> None:
    assert result_type(operator, a, b) == expected


@pytest.mark.slow
@given(
    value=st.floats(-1e12, 1e12) | st.integers(-(10**6), 10**6).map(lambda v: v / 1000),
    digits=st.integers(-2, 6),
)
@settings(max_examples=60, deadline=None)
def test_a_float_rounds_as_the_decimal_that_it_prints_as(value: float, digits: int) -> None:
    expected = float(Exact(repr(value)).quantize(Exact(1).scaleb(-digits), context=WIDE))
    plan = Projection(
        [Named("x", Call("round", (Column("a"), literal_of(digits))))], Schema.of({"a": FLOAT64})
    )
    assert plan.apply(pl.DataFrame({"a": [value]}))["x"].to_list() == [expected]


@pytest.mark.slow
@given(
    st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=30),
    st.sampled_from(["yyyy-MM-dd", "HH:mm:ss.SSS"]),
)
@settings(max_examples=30, deadline=None)
def test_formatting_does_not_depend_on_the_other_rows(millis: list[int], pattern: str) -> None:
    times = [datetime(1970, 1, 1) + timedelta(milliseconds=m) for m in millis]
    plan = Projection(
        [Named("x", Call("date_format", (Column("t"), literal_of(pattern))))], Schema.of({"t": TIMESTAMP})
    )
    shape = {"yyyy-MM-dd": "%Y-%m-%d", "HH:mm:ss.SSS": "%H:%M:%S.%f"}[pattern]
    expected = [t.strftime(shape)[: len(pattern)] for t in times]
    frame = pl.DataFrame({"t": times}, schema={"t": pl.Datetime("us")})
    assert plan.apply(frame)["x"].to_list() == expected
    assert [plan.apply(frame.slice(i, 1))["x"][0] for i in range(len(times))] == expected
