"""Compute one value from the rows of a group: `count`, `sum`, `avg`, `min`, `max`.

They take the name of a column, or an expression. The names hide Python's own on purpose: they are
meant to be written `tw.sum("price")`.

Not here: what they mean (expr/aggregates.py).
"""

from __future__ import annotations

from thalweg.api.columns import column as _column
from thalweg.api.expressions import AggregateExpression, IntoColumn
from thalweg.api.place import caller, located
from thalweg.errors import PlanError
from thalweg.expr.nodes import Aggregate, Expr


def count(column: IntoColumn | None = None, *, distinct: bool = False) -> AggregateExpression:
    """How many rows the group has; with a column, how many of them have a value there.

    Args:
        column: what must have a value.
        distinct: count each value once.

    Example:
        >>> count(), count("bidder", distinct=True)
        (count(*), count(DISTINCT bidder))
    """
    if column is None and distinct:
        raise PlanError(
            "rows cannot be counted by distinct values of no column",
            code="plan-count-distinct",
            where=caller(),
            hint='count("column", distinct=True), or distinct() before the count',
        )
    args = () if column is None else (_argument(column),)
    return AggregateExpression(Aggregate("count", args, distinct))


def sum(column: IntoColumn) -> AggregateExpression:  # noqa: A001 - written tw.sum
    """The sum, of the type of what is summed; NULL where the group has no value.

    Example:
        >>> from thalweg.api import col
        >>> sum(col("price") * col("quantity")).alias("revenue")
        sum((price * quantity)) AS revenue
    """
    return _of("sum", column)


def avg(column: IntoColumn) -> AggregateExpression:
    """The average; of integers it is an integer, as in SQL."""
    return _of("avg", column)


mean = avg
"""Another name for `avg`."""


def min(column: IntoColumn) -> AggregateExpression:  # noqa: A001 - written tw.min
    """The least value."""
    return _of("min", column)


def max(column: IntoColumn) -> AggregateExpression:  # noqa: A001 - written tw.max
    """The greatest value."""
    return _of("max", column)


def _of(function: str, column: IntoColumn) -> AggregateExpression:
    return AggregateExpression(Aggregate(function, (_argument(column),)))


def _argument(column: IntoColumn) -> Expr:
    with located(caller()):
        return _column(column).expr
