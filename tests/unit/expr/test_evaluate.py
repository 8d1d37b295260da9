"""Projections and predicates: checks, guards, kept columns, errors that name the row."""

from __future__ import annotations

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import FLOAT64, INT32, INT64, STRING, Field, Struct
from thalweg.errors import DataError, PlanError, Span, TypeMismatch
from thalweg.expr.evaluate import Predicate, Projection
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Call, Cast, Column, Expr, Named
from thalweg.expr.python import unwrapped

SCHEMA = Schema.of({"a": INT64, "b": INT64, "__time": INT64})
FRAME = pl.DataFrame(
    {"a": [6, 5, None, 1], "b": [3, 0, 0, None], "__time": [1, 2, 3, 4]}, schema=SCHEMA.polars
)
A, B = Column("a"), Column("b")
QUOTIENT = Call("/", (A, B))


def test_an_error_names_expression_row_and_values() -> None:
    span = Span("SELECT a / b FROM t", 1, 8, 5)
    plan = Projection([Named("ok", A), Named("q", Call("/", (A, B), span=span))], SCHEMA)
    with pytest.raises(DataError) as caught:
        plan.apply(FRAME)
    error = caught.value
    assert (error.code, error.offset, error.sample) == ("data-division-by-zero", 1, "a = 5, b = 0")
    assert error.message == "division by zero: (a / b)"
    assert error.where is span


def test_the_first_failing_row_is_named_whatever_the_order_of_expressions() -> None:
    late = Call("+", (Column("__time"), literal_of(2**63 - 5)))
    for items in ([late, QUOTIENT], [QUOTIENT, late]):
        plan = Projection([Named(f"c{i}", e) for i, e in enumerate(items)], SCHEMA)
        with pytest.raises(DataError) as caught:
            plan.apply(FRAME.with_columns(a=pl.lit(6)))
        assert caught.value.offset == 1


def test_a_lazy_plan_raises_too_and_only_for_what_is_used() -> None:
    plan = Projection([Named("q", QUOTIENT), Named("a", A)], SCHEMA)
    lazy = plan.lazy(FRAME.lazy())
    for engine in ("in-memory", "streaming"):
        with pytest.raises(DataError) as caught, unwrapped():
            lazy.collect(engine=engine)
        assert caught.value.sample == "a = 5, b = 0"
        assert lazy.select("a").collect(engine=engine)["a"].to_list() == [6, 5, None, 1]


def test_kept_columns_follow_the_items() -> None:
    plan = Projection([Named("x", B), Named("one", literal_of(1))], SCHEMA, keep=["__time"])
    assert plan.apply(FRAME).columns == ["x", "one", "__time"]
    assert plan.schema.names == ("x", "one", "__time")
    assert plan.lazy(FRAME.lazy()).collect().equals(plan.apply(FRAME))


def test_constants_fill_the_height() -> None:
    plan = Projection([Named("a", literal_of(1)), Named("t", literal_of("x"))], SCHEMA)
    assert plan.apply(FRAME).rows() == [(1, "x")] * 4
    assert plan.apply(FRAME.clear()).height == 0
    assert plan.lazy(FRAME.lazy()).collect().rows() == [(1, "x")] * 4


def test_a_constant_that_fails() -> None:
    plan = Projection([Named("q", Call("/", (literal_of(1), literal_of(0))))], SCHEMA)
    with pytest.raises(DataError):
        plan.apply(FRAME)
    assert plan.apply(FRAME.clear()).height == 0


@pytest.mark.parametrize(
    "guarded",
    [
        Call("and", (Call("<>", (B, literal_of(0))), Call(">", (QUOTIENT, literal_of(1))))),
        Call(
            "or", (Call("is_null", (B,)), Call("=", (B, literal_of(0))), Call(">", (QUOTIENT, literal_of(1))))
        ),
        Call("case", (Call("=", (B, literal_of(0))), literal_of(0), QUOTIENT)),
        Call("case", (Call("<>", (B, literal_of(0))), QUOTIENT)),
        Call("if", (Call("=", (B, literal_of(0))), literal_of(0), QUOTIENT)),
        Call("coalesce", (Call("nullif", (literal_of(7), Call("+", (B, literal_of(7))))), literal_of(1))),
        Call("try_divide", (A, B)),
    ],
    ids=str,
)
def test_what_is_not_evaluated_cannot_fail(guarded: Expr) -> None:
    plan = Projection([Named("x", guarded)], SCHEMA)
    with unwrapped():
        assert plan.lazy(FRAME.lazy()).collect(engine="streaming").equals(plan.apply(FRAME))


@pytest.mark.parametrize(
    "unguarded",
    [
        Call("and", (Call(">=", (B, literal_of(0))), Call(">", (QUOTIENT, literal_of(1))))),
        Call("case", (Call("=", (B, literal_of(0))), QUOTIENT, literal_of(0))),
        Call("case", (Call("=", (QUOTIENT, literal_of(0))), literal_of(1), literal_of(0))),
        Call("coalesce", (QUOTIENT, literal_of(1))),
        Call("case", (Call(">", (A, literal_of(100))), literal_of(1), QUOTIENT)),
    ],
    ids=str,
)
def test_what_is_evaluated_fails(unguarded: Expr) -> None:
    with pytest.raises(DataError):
        Projection([Named("x", unguarded)], SCHEMA).apply(FRAME)


def test_a_predicate_takes_null_for_false() -> None:
    predicate = Predicate(Call(">", (A, B)), SCHEMA)
    assert predicate.mask(FRAME).to_list() == [True, True, False, False]
    assert predicate.lazy(FRAME.lazy()).collect()["__time"].to_list() == [1, 2]


def test_a_checked_predicate_stays_above_the_filter_below() -> None:
    predicate = Predicate(Call(">", (QUOTIENT, literal_of(1))), SCHEMA)
    below = FRAME.lazy().filter(pl.col("b") != 0)
    for engine in ("in-memory", "streaming"):
        with unwrapped():
            found = predicate.lazy(below).collect(engine=engine)
        assert found.columns == FRAME.columns
        assert found["__time"].to_list() == [1]
        with pytest.raises(DataError), unwrapped():
            predicate.lazy(FRAME.lazy()).collect(engine=engine)


def test_a_predicate_must_be_a_condition() -> None:
    with pytest.raises(TypeMismatch) as caught:
        Predicate(A, SCHEMA)
    assert caught.value.code == "expr-wrong-type"


def test_unknown_functions_name_the_near_misses() -> None:
    with pytest.raises(TypeMismatch) as caught:
        Projection([Named("x", Call("substrng", (A,)))], SCHEMA)
    assert caught.value.code == "expr-unknown-function"
    assert caught.value.hint == 'did you mean "substring"?'


@pytest.mark.parametrize(
    ("expr", "code"),
    [
        (Call("+", (A, literal_of("x"))), "expr-wrong-type"),
        (Call("lower", (A,)), "expr-wrong-type"),
        (Call("=", (A, literal_of("x"))), "expr-wrong-type"),
        (Call("and", (A, B)), "expr-wrong-type"),
        (Call("case", (A, B)), "expr-wrong-type"),
        (
            Call("extract", (literal_of("FORTNIGHT"), Cast(literal_of("2024-01-01"), SCHEMA.fields[0].type))),
            "expr-bad-constant",
        ),
        (Call("regexp", (literal_of("x"), literal_of("("))), "expr-bad-constant"),
        (Call("regexp_extract", (literal_of("x"), literal_of("a"), literal_of(1))), "expr-bad-constant"),
        (Call("to_date", (literal_of("x"), literal_of("QQQ"))), "expr-bad-constant"),
        (Call("json_value", (literal_of("x"), literal_of("a.b"))), "expr-bad-constant"),
        (Call("from_local", (Cast(literal_of("x"), STRING), literal_of("Mars"))), "expr-bad-constant"),
        (Call("like", (literal_of("x"), literal_of("x"), literal_of("!!"))), "expr-bad-constant"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(expr: Expr, code: str) -> None:
    with pytest.raises(TypeMismatch) as caught:
        Projection([Named("x", expr)], SCHEMA)
    assert caught.value.code == code


def test_an_unknown_field_names_the_near_misses() -> None:
    pair = Struct((Field("amount", FLOAT64), Field("unit", STRING)))
    span = Span("SELECT p.amout FROM t", 1, 10, 5)
    with pytest.raises(PlanError) as caught:
        Projection(
            [Named("x", Call("field", (Column("p"), literal_of("amout")), span=span))], Schema.of({"p": pair})
        )
    assert (caught.value.code, caught.value.choices) == ("plan-unknown-field", ("amount", "unit"))
    assert caught.value.where is span


def test_a_name_that_must_be_constant() -> None:
    pair = Struct((Field("a", INT32),))
    schema = Schema.of({"p": pair, "n": STRING})
    with pytest.raises(TypeMismatch) as caught:
        Projection([Named("x", Call("field", (Column("p"), Column("n"))))], schema)
    assert caught.value.code == "expr-not-constant"
