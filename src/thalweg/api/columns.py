"""Read what the methods of a dataset are given: columns to compute, and names of columns.

Here a text is always the name of a column.

Not here: operands, where a text is a text (expressions.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn, TypeAlias

from thalweg.api.expressions import Expression, HasPlan, IntoColumn, Value, operand
from thalweg.api.types import check_name
from thalweg.errors import PlanError
from thalweg.expr.nodes import Column, Expr, Named
from thalweg.plan.nodes import Plan

Names: TypeAlias = "IntoColumn | Sequence[IntoColumn]"
"""One column by name, or several."""


def columns(
    given: Iterable[IntoColumn], by_name: Mapping[str, IntoColumn | Value] | None = None
) -> list[Named]:
    """The columns to compute: positional ones first, then those with names."""
    values = by_name or {}
    return [*map(column, given), *(Named(check_name(n), _computed(v)) for n, v in values.items())]


def column(value: IntoColumn) -> Named:
    """A column to compute, under its own name.

    Example:
        >>> from thalweg.api import col
        >>> str(column("a")), str(column(col("a") + 1)), str(column(col("a").alias("b")))
        ('a', '(a + 1)', 'a AS b')
    """
    if isinstance(value, str):
        return Named(value, Column(value))
    if not isinstance(value, Expression):
        _refuse(value)
    return Named(value.output_name, value.expr)


def _computed(value: IntoColumn | Value) -> Expr:
    return Column(value) if isinstance(value, str) else operand(value)


def column_name(value: IntoColumn) -> str:
    """The name of a column that is there already."""
    made = column(value).expr
    if not isinstance(made, Column):
        raise PlanError(
            "a column of the input is needed here, by its name",
            code="plan-no-column",
            found=str(made),
            hint="with_columns(name=…) computes it first",
        )
    return made.name


def column_names(given: Names) -> tuple[str, ...]:
    """The names of columns that are there already."""
    return tuple(map(column_name, listed(given)))


def listed(given: Names) -> Sequence[IntoColumn]:
    """Several columns, or one as a list."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return [given]
    return tuple(given)


def plan_of(other: object) -> Plan:
    """The plan of another dataset; anything else is an error."""
    if isinstance(other, HasPlan):
        return other.plan
    raise PlanError(
        f"a dataset is needed here, not a value of Python type {type(other).__name__}",
        code="plan-no-dataset",
        expected="what session.table(name), session.sql(text), session.read_… or session.from_… give",
        hint="session.from_polars(frame) makes a dataset of a frame; session.from_iter(rows, schema) of rows",
    )


def row_count(number: object, what: str) -> int:
    """A number of rows; what is no whole number is an error."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise PlanError(
            f"{what} is a whole number, not a value of Python type {type(number).__name__}",
            code="plan-negative-limit",
            found=repr(number),
        )
    return number


def _refuse(value: object) -> NoReturn:
    if not isinstance(value, (list, tuple)):
        operand(value)  # type: ignore[arg-type]  # names the values that can never be in an expression
    raise PlanError(
        f"{value!r} is no column",
        code="plan-no-column",
        expected="a name or an expression",
        hint="unpack the list: *names"
        if isinstance(value, (list, tuple))
        else "name=value computes a constant",
    )
