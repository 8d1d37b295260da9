"""Python functions by row and by column: results, errors that name the row, guards."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as Exact
from typing import Any

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN, FLOAT64, INT32, INT64, STRING, DataType, Decimal, List
from thalweg.errors import DataError
from thalweg.expr.evaluate import Predicate, Projection
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Call, Column, Expr, Named, PythonCall
from thalweg.expr.python import carry, describe, unwrap, unwrapped

SCHEMA = Schema.of({"a": INT64, "s": STRING})
FRAME = pl.DataFrame({"a": [1, None, 3], "s": ["x", "y", None]}, schema=SCHEMA.polars)


def call(function: Callable[..., Any], result: DataType, *args: Expr, by: str = "row") -> PythonCall:
    return PythonCall(describe(function, result, by=by), args)


def values(expr: Expr, frame: pl.DataFrame = FRAME) -> list[Any]:
    """The column, which all engines must agree on."""
    plan = Projection([Named("out", expr)], SCHEMA)
    found = plan.apply(frame)
    with unwrapped():
        streamed = plan.lazy(frame.lazy()).collect(engine="streaming")
    assert found.equals(streamed)
    assert found.schema["out"] == plan.schema.type_of("out").polars
    return found["out"].to_list()


def test_by_row_sees_python_values_and_null() -> None:
    assert values(call(lambda a, s: f"{a}{s}", STRING, Column("a"), Column("s"))) == ["1x", "Noney", "3None"]


def test_by_column_sees_series() -> None:
    assert values(call(lambda a: a * 2, INT64, Column("a"), by="column")) == [2, None, 6]


def test_constants_and_no_arguments_give_every_row_its_call() -> None:
    assert values(call(lambda a: a + 1, INT64, literal_of(1))) == [2, 2, 2]
    assert values(call(lambda: 5, INT32)) == [5, 5, 5]
    assert values(call(lambda a, k: None if a is None else a + k, INT64, Column("a"), literal_of(1))) == [
        2,
        None,
        4,
    ]


def test_no_rows() -> None:
    assert values(call(lambda a: a, INT64, Column("a")), FRAME.clear()) == []
    assert values(call(lambda: 1, INT64), FRAME.clear()) == []


def test_an_exception_names_function_row_and_place() -> None:
    def broken(a: int | None, s: str) -> int:
        return 1 if a != 3 else int("3x")

    expr = call(broken, INT64, Column("a"), Column("s"))
    for run in (lambda p: p.apply(FRAME), lambda p: p.lazy(FRAME.lazy()).collect(engine="streaming")):
        with pytest.raises(DataError) as caught, unwrapped():
            run(Projection([Named("out", expr)], SCHEMA))
        error = caught.value
        assert error.code == "data-python-function"
        assert '"broken" raised ValueError: invalid literal' in error.message
        assert error.sample == "a = 3, s = None"
        assert __file__ in str(error.where)
        assert isinstance(error.__cause__, ValueError)


@pytest.mark.parametrize(
    ("function", "result", "by", "found"),
    [
        (lambda a: "text", INT64, "row", "'text' of Python type str"),
        (lambda a: 2**40, INT32, "row", str(2**40)),
        (lambda a: a.cast(pl.String), INT64, "column", "a column of type String"),
        (lambda a: a.cast(pl.Float64), INT64, "column", "a column of type Float64"),
        (lambda a: a.head(1), INT64, "column", "a column of 1 rows"),
        (lambda a: [1, 2, 3], INT64, "column", "a value of Python type list"),
        (lambda a: a.fill_null(0) + 2**40, INT32, "column", "the value"),
    ],
)
def test_a_wrong_result_is_an_error(function: Any, result: DataType, by: str, found: str) -> None:
    with pytest.raises(DataError) as caught:
        values(call(function, result, Column("a"), by=by))
    assert caught.value.code == "data-python-result"
    assert found in str(caught.value.found)


def test_results_take_the_declared_type() -> None:
    assert values(call(lambda a: a, FLOAT64, Column("a"), by="column")) == [1.0, None, 3.0]
    assert values(call(lambda a: Exact("1.5"), Decimal(5, 2), Column("a"))) == [Exact("1.50")] * 3
    assert values(call(lambda a: [a], List(INT64), Column("a"))) == [[1], [None], [3]]


def test_a_guard_keeps_rows_from_the_function() -> None:
    seen: list[int | None] = []

    def strict(a: int | None) -> int:
        seen.append(a)
        assert a is not None
        return a + 1

    condition = Call("is_not_null", (Column("a"),))
    found = values(Call("case", (condition, call(strict, INT64, Column("a")), literal_of(0))))
    assert found == [2, 0, 4]
    assert set(seen) == {1, 3}


def test_a_checked_expression_calls_the_function_once_per_row() -> None:
    seen: list[int | None] = []
    inner = call(lambda a: seen.append(a) or a, INT64, Column("a"))
    plan = Projection(
        [Named("x", Call("+", (inner, Column("a")))), Named("y", Call("*", (inner, inner)))], SCHEMA
    )
    assert plan.apply(FRAME)["x"].to_list() == [2, None, 6]
    assert seen == [1, None, 3]
    with unwrapped():
        assert plan.lazy(FRAME.lazy()).collect()["y"].to_list() == [1, None, 9]


def test_calls_of_calls() -> None:
    inner = call(lambda a: None if a is None else a + 1, INT64, Column("a"))
    outer = call(lambda a: None if a is None else a * 10, INT64, Call("+", (inner, literal_of(1))))
    assert values(outer) == [30, None, 50]


def test_a_predicate_of_a_function() -> None:
    expr = call(lambda s: s == "x", BOOLEAN, Column("s"))
    assert Predicate(expr, SCHEMA).mask(FRAME).to_list() == [True, False, False]
    with unwrapped():
        kept = Predicate(expr, SCHEMA).lazy(FRAME.lazy()).collect()
    assert kept.rows() == [(1, "x")]
    assert kept.columns == FRAME.columns


def test_what_is_not_ours_passes_through_unwrap() -> None:
    other = ValueError("x")
    assert unwrap(other) is other
    error = DataError("no", code="data-x")
    assert unwrap(RuntimeError(f"wrapped: {carry(error)}")) is error
