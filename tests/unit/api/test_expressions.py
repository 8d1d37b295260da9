"""Expressions of the fluent API become the engine's expressions, and carry the names of their columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest

import thalweg.api as tw
from thalweg.api.columns import column_names, columns
from thalweg.errors import ThalwegError, TypeMismatch
from thalweg.expr.nodes import Cast, Literal

A, B = tw.col("a"), tw.col("b")


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (A + 1, "(a + 1)"),
        (1 + A, "(1 + a)"),
        (A - B, "(a - b)"),
        (2 - A, "(2 - a)"),
        (A * 2.5, "(a * 2.5)"),
        (2 * A, "(2 * a)"),
        (A / B, "(a / b)"),
        (1 / A, "(1 / a)"),
        (A // 2, "truncate((a / 2))"),
        (7 // A, "truncate((7 / a))"),
        (A % 2, "(a % 2)"),
        (7 % A, "(7 % a)"),
        (A**2, "power(a, 2)"),
        (-A, "neg(a)"),
        (abs(A), "abs(a)"),
        (A.round(1), "round(a, 1)"),
        (A == "x", "(a = 'x')"),
        (A != None, "(a <> NULL)"),  # noqa: E711 - operators of SQL
        (A < 1, "(a < 1)"),
        (1 < A, "(a > 1)"),  # noqa: SIM300 - both ways must work
        (A <= 1, "(a <= 1)"),
        (A > 1, "(a > 1)"),
        (A >= B, "(a >= b)"),
        ((A > 1) & ~(B == 2), "((a > 1) AND not((b = 2)))"),
        (A | B, "(a OR b)"),
        (True & A, "(True AND a)"),
        (False | A, "(False OR a)"),
        (A.is_null(), "is_null(a)"),
        (A.is_not_null(), "is_not_null(a)"),
        (A.is_distinct_from(B), "is_distinct_from(a, b)"),
        (A.is_in([1, B]), "in(a, 1, b)"),
        (A.between(1, B), "((a >= 1) AND (a <= b))"),
        (A.like("x%"), "like(a, 'x%')"),
        (A.like("x!%", "!"), "like(a, 'x!%', '!')"),
        (A.fill_null("?"), "coalesce(a, '?') AS a"),
        (A.cast(int), "CAST(a AS BIGINT)"),
        (A.try_cast("date"), "TRY_CAST(a AS DATE)"),
        (A["x"].field("y"), "field(a['x'], 'y')"),
        (A[0], "a[0]"),
        (A[B], "a[b]"),
        (A.map.get("k"), "element_at(a, 'k')"),
        (A.str.split_index("/", 3), "split_index(a, '/', 3)"),
        (A.str.substring(2), "substring(a, 2)"),
        (A.str.substring(2, 3), "substring(a, 2, 3)"),
        (A.str.concat("-", B), "||(a, '-', b)"),
        (A.dt.hour(), "hour(a)"),
        (A.dt.truncate("hour"), "floor(a, 'HOUR')"),
        (A.dt.format("HH:mm"), "date_format(a, 'HH:mm')"),
        (A.dt.date(), "CAST(a AS DATE)"),
        (A.list.contains(3), "array_contains(a, 3)"),
        (tw.coalesce(A, B, 0), "coalesce(a, b, 0)"),
        (tw.call("UPPER", A), "upper(a)"),
        (tw.call("Max", A), "max(a)"),
        (tw.count(), "count(*)"),
        (tw.count("a"), "count(a)"),
        (tw.count("a", distinct=True), "count(DISTINCT a)"),
        (tw.sum(A * B).alias("s"), "sum((a * b)) AS s"),
        (tw.mean("a"), "avg(a)"),
        (tw.min("a") / tw.max("a"), "(min(a) / max(a))"),
    ],
)
def test_what_is_written_is_what_is_meant(made: tw.Expression, text: str) -> None:
    assert repr(made) == text


def test_choices_and_filters_keep_their_order() -> None:
    choice = tw.when(A > 1, B > 1).then("x").when(B).then(B).otherwise(None)
    assert repr(choice) == "case(((a > 1) AND (b > 1)), 'x', b, b, NULL)"
    assert repr(tw.when(A).then(1)) == "case(a, 1)"
    filtered = A.max().filter(B > 0, A > 0).filter(B < 9)
    assert repr(filtered) == "max(a) FILTER (WHERE (((b > 0) AND (a > 0)) AND (b < 9)))"


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (A, "a"),
        (A.alias("x"), "x"),
        (A["x"], "x"),
        (A.cast("INT"), "a"),
        (A.fill_null(0), "a"),
        (A + 1, "(a + 1)"),
        (tw.sum("a"), "sum(a)"),
        (A.alias("x").cast("INT"), "x"),
        (A.alias("x").max(), "x"),
        (A.alias("x") + 1, "(a + 1)"),
    ],
)
def test_names_without_alias(made: tw.Expression, name: str) -> None:
    assert made.output_name == name


def test_texts_are_columns_in_lists_and_texts_in_operands() -> None:
    made = columns(["a", A.alias("b")], {"c": "d", "e": 3})
    assert [str(n) for n in made] == ["a", "a AS b", "d AS c", "3 AS e"]
    assert isinstance((A == "d").expr.children[1], Literal)
    assert column_names("a") == column_names(A) == column_names(["a"]) == ("a",)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: bool(A == 1), "plan-truth-value"),
        (lambda: 1 < A < 3, "plan-truth-value"),
        (lambda: A and B, "plan-truth-value"),
        (lambda: not A, "plan-truth-value"),
        (lambda: 3 in A, "plan-truth-value"),
        (lambda: A.list.get(-1), "plan-negative-index"),
        (lambda: A + pl.col("b"), "plan-polars-expression"),
        (lambda: A + object(), "expr-no-literal"),
        (lambda: tw.lit(float), "expr-no-literal"),
        (lambda: A.cast("INTT"), "plan-unknown-type"),
        (lambda: A.alias("__x"), "plan-system-name"),
        (lambda: tw.call("uper", A), "expr-unknown-function"),
        (lambda: tw.call("upper", "a"), "plan-text-argument"),
        (lambda: tw.coalesce("a", "b"), "plan-text-argument"),
        (lambda: tw.count(distinct=True), "plan-count-distinct"),
        (lambda: tw.sum(3), "plan-no-column"),  # type: ignore[arg-type]
        (lambda: tw.max(pl.col("a")), "plan-polars-expression"),  # type: ignore[arg-type]
        (lambda: columns([["a", "b"]]), "plan-no-column"),  # type: ignore[list-item]
        (lambda: column_names([A + 1]), "plan-no-column"),
        (lambda: tw.functions.uper, "expr-unknown-function"),
        (lambda: tw.tumbling("10 parsecs"), "config-duration"),
        (lambda: tw.hopping("1s", every="2s"), "plan-window-slide"),
    ],
)
def test_mistakes_say_where(make: Any, code: str) -> None:
    with pytest.raises(ThalwegError) as caught:
        make()
    assert caught.value.code == code
    if code not in ("plan-window-slide", "plan-no-column"):  # these say so when they are part of a step
        assert str(caught.value.where).startswith(__file__)


def test_an_expression_is_no_sequence() -> None:
    with pytest.raises(TypeError):
        iter(A)  # type: ignore[call-overload]


def test_functions_follow_the_registry() -> None:
    assert repr(tw.functions.upper(A)) == "upper(a)"
    assert repr(tw.functions.in_(A, 1)) == "in(a, 1)"
    assert repr(tw.functions.timestampdiff("HOUR", A, B)) == "timestampdiff('HOUR', a, b)"
    assert isinstance(tw.functions.sum(A), tw.AggregateExpression)
    assert {"upper", "in_", "plus", "sum"} <= set(dir(tw.functions))
    assert all(hasattr(tw.functions, name) for name in dir(tw.functions))
    assert not hasattr(tw.functions, "uper")
    with pytest.raises(TypeMismatch) as caught:
        tw.functions.uper  # noqa: B018 - asking is the mistake
    assert caught.value.hint == 'did you mean "upper"?'


def test_literals_and_casts_keep_their_types() -> None:
    assert str(tw.lit([1, None]).expr) == "(1, None)"
    assert repr(tw.lit(datetime(2024, 1, 1))) == "2024-01-01 00:00:00"
    cast = A.cast("DECIMAL(4, 2)").expr
    assert isinstance(cast, Cast)
    assert not cast.safe


@pytest.mark.parametrize("space", ["str", "dt", "list", "map"])
def test_every_method_of_a_namespace_calls_a_function_that_is_there(space: str) -> None:
    from thalweg.expr import registry
    from thalweg.expr.nodes import Call

    methods = getattr(A, space)
    arguments = {"get": (1,), "truncate": ("day",), "matches": ("x",), "extract": ("x",), "format": ("x",)}
    plain = ("contains", "starts_with", "ends_with", "split", "join", "concat", "substring")
    for name in (n for n in dir(methods) if not n.startswith("_")):
        args = arguments.get(name, ("x",) if name in plain else ())
        args = ("x", "y") if name in ("replace", "split_index") else args
        made = getattr(methods, name)(*args).expr
        assert isinstance(made, Cast) or (isinstance(made, Call) and registry.has(made.function)), name
