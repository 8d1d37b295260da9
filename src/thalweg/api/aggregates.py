"""Compute one value from the rows of a group: `count`, `sum`, `avg`, `min`, `max` and so on.

They take the name of a column, or an expression. The names hide Python's own on purpose: they are
meant to be written `tw.sum("price")`.

Not here: what they mean (expr/aggregates.py).
"""

from __future__ import annotations

from thalweg.api.columns import column as _column
from thalweg.api.expressions import AggregateExpression, IntoColumn, Operand, operand
from thalweg.api.place import caller, located
from thalweg.base.types import INT64, STRING
from thalweg.errors import PlanError
from thalweg.expr.nodes import Aggregate, Expr, Literal


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


def sum(column: IntoColumn, *, distinct: bool = False) -> AggregateExpression:  # noqa: A001 - written tw.sum
    """The sum, of the type of what is summed, each value once if `distinct`; NULL without a value.

    Example:
        >>> from thalweg.api import col
        >>> sum(col("price") * col("quantity")).alias("revenue")
        sum((price * quantity)) AS revenue
    """
    return _of("sum", column, distinct=distinct)


def avg(column: IntoColumn, *, distinct: bool = False) -> AggregateExpression:
    """The average, of each value once if `distinct`; of integers it is an integer, as in SQL."""
    return _of("avg", column, distinct=distinct)


mean = avg
"""Another name for `avg`."""


def min(column: IntoColumn) -> AggregateExpression:  # noqa: A001 - written tw.min
    """The least value."""
    return _of("min", column)


def max(column: IntoColumn) -> AggregateExpression:  # noqa: A001 - written tw.max
    """The greatest value."""
    return _of("max", column)


def var_pop(column: IntoColumn, *, distinct: bool = False) -> AggregateExpression:
    """The variance of all values there are."""
    return _of("var_pop", column, distinct=distinct)


def var_samp(column: IntoColumn, *, distinct: bool = False) -> AggregateExpression:
    """The variance of what the values are a sample of; NULL for fewer than two."""
    return _of("var_samp", column, distinct=distinct)


def stddev_pop(column: IntoColumn, *, distinct: bool = False) -> AggregateExpression:
    """The standard deviation of all values there are."""
    return _of("stddev_pop", column, distinct=distinct)


def stddev_samp(column: IntoColumn, *, distinct: bool = False) -> AggregateExpression:
    """The standard deviation of what the values are a sample of; NULL for fewer than two."""
    return _of("stddev_samp", column, distinct=distinct)


def approx_count_distinct(column: IntoColumn) -> AggregateExpression:
    """How many different values there are, within a standard error of 1.1 %, in bounded memory."""
    return _of("approx_count_distinct", column)


def grouping(*keys: IntoColumn) -> AggregateExpression:
    """Whether a row is not grouped by a key, 1 or 0; of several keys a number with a bit for each.

    The last key's bit is the lowest. It belongs to groups by several sets of keys (`rollup`, `cube`, `sets`).

    Example:
        >>> grouping("a", "b")
        grouping(a, b)
    """
    return AggregateExpression(Aggregate("grouping", tuple(map(_argument, keys))))


def first_value(column: IntoColumn) -> AggregateExpression:
    """The value of the row with the first position in the source; NULLs are passed over."""
    return _of("first_value", column)


def last_value(column: IntoColumn) -> AggregateExpression:
    """The value of the row with the last position in the source; NULLs are passed over."""
    return _of("last_value", column)


def lag(column: IntoColumn, rows: int = 1, default: Operand = None) -> AggregateExpression:
    """In `over(…)`: the value of the row so many rows before, NULL or not; `default` where there is none.

    Example:
        >>> lag("price"), lag("price", 2, 0)
        (lag(price, 1), lag(price, 2, 0))
    """
    return _beside("lag", column, rows, default)


def lead(column: IntoColumn, rows: int = 1, default: Operand = None) -> AggregateExpression:
    """In `over(…)`: the value of the row so many rows behind, NULL or not; `default` where there is none."""
    return _beside("lead", column, rows, default)


def ntile(parts: int) -> AggregateExpression:
    """In `over(…)`: which of so many parts of its partition the row is in; the first may have one more."""
    return AggregateExpression(Aggregate("ntile", (Literal(parts, INT64),)))


def percent_rank() -> AggregateExpression:
    """In `over(…)`: the share of the other rows of the partition that are before the row and its peers."""
    return AggregateExpression(Aggregate("percent_rank"))


def cume_dist() -> AggregateExpression:
    """In `over(…)`: the share of the rows of the partition up to the row and its peers."""
    return AggregateExpression(Aggregate("cume_dist"))


def _beside(function: str, column: IntoColumn, rows: int, default: Operand) -> AggregateExpression:
    with located(caller()):
        args = (_argument(column), Literal(rows, INT64))
        rest = () if default is None else (operand(default),)
        return AggregateExpression(Aggregate(function, (*args, *rest)))


def listagg(column: IntoColumn, separator: str = ",", *, distinct: bool = False) -> AggregateExpression:
    """The texts put together, in the order of positions where rows have them, else of the texts.

    Example:
        >>> listagg("name", "; ")
        listagg(name, '; ')
    """
    args = (_argument(column), Literal(separator, STRING))
    return AggregateExpression(Aggregate("listagg", args, distinct))


def array_agg(column: IntoColumn, *, distinct: bool = False) -> AggregateExpression:
    """The values as a list, NULLs among them, in the order of positions where rows have them."""
    return _of("array_agg", column, distinct=distinct)


def collect(column: IntoColumn, *, distinct: bool = False) -> AggregateExpression:
    """The values as a map from each to how often it is there."""
    return _of("collect", column, distinct=distinct)


def _of(function: str, column: IntoColumn, *, distinct: bool = False) -> AggregateExpression:
    return AggregateExpression(Aggregate(function, (_argument(column),), distinct))


def _argument(column: IntoColumn) -> Expr:
    with located(caller()):
        return _column(column).expr
