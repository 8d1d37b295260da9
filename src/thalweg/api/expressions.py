"""Write expressions in Python: `col("price") * 2 > lit(100)`.

An `Expression` wraps one of the engine's expressions and, possibly, the name of the column that it
will make. It knows no types yet: a mistake is found where the expression meets its input.

One rule for texts: methods of a dataset, and aggregates, take *names of columns*; operators and calls
take *values*. So `select("a")` and `sum("a")` read the column a, while `col("a") == "x"` and
`call("upper", "x")` mean the text x.

Not here: making expressions (calls.py), columns of a step (columns.py), meanings (expr/functions/).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from decimal import Decimal
from typing import NoReturn, Protocol, TypeAlias, runtime_checkable

import polars as pl

from thalweg.api.namespaces import Lists, Maps, Texts, Times
from thalweg.api.place import caller, located
from thalweg.api.types import TypeLike, check_name, data_type
from thalweg.errors import PlanError, TypeMismatch
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Aggregate, Call, Cast, Column, Expr, Literal, QueryCall
from thalweg.expr.subscript import FROM_0
from thalweg.plan.nodes import Plan

Value: TypeAlias = bool | int | float | str | bytes | Decimal | date | time | timedelta | None
"""The Python values that can stand in an expression."""
Operand: TypeAlias = "Expression | Value | list[Value]"
"""What operators and calls take: a text is a text."""
IntoColumn: TypeAlias = "Expression | str"
"""What the methods of a dataset take: a text is the name of a column."""


@runtime_checkable
class HasPlan(Protocol):
    """A dataset."""

    @property
    def plan(self) -> Plan:
        """What is to be computed."""
        ...


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Expression:
    """A value computed from one row; made with `col`, `lit`, `when`, `call` and operators.

    Integers divide as in SQL: `/` of two integers is an integer, rounded toward zero, and `%` has the
    sign of its left side. `&`, `|` and `~` stand for AND, OR and NOT, and need parentheses around
    comparisons.

    Example:
        >>> from thalweg.api import col
        >>> (col("price") * 2 > 100) & col("city").is_in(["Riga", "Oslo"])
        (((price * 2) > 100) AND in(city, 'Riga', 'Oslo'))
    """

    expr: Expr
    name: str | None = None
    """The name given with `alias`."""

    def __repr__(self) -> str:
        return str(self.expr) if self.name is None else f"{self.expr} AS {self.name}"

    @property
    def output_name(self) -> str:
        """The name of the column that the expression makes."""
        return default_name(self.expr) if self.name is None else self.name

    def alias(self, name: str) -> Expression:
        """The same value in a column of that name."""
        with located(caller()):
            return replace(self, name=check_name(name))

    def call(self, function: str, *args: Operand) -> Expression:
        """A function of the registry with this as its first argument; `functions` lists them.

        Example:
            >>> from thalweg.api import col
        >>> col("url").call("split_index", "/", 3)
            split_index(url, '/', 3)
        """
        return Expression(Call(function, (self.expr, *map(operand, args))))

    def __bool__(self) -> NoReturn:
        raise PlanError(
            "an expression is neither true nor false before there are rows",
            code="plan-truth-value",
            where=caller(),
            found=str(self.expr),
            hint="& | ~ are AND, OR, NOT; write (a < b) & (b < c) for a < b < c, and is_in for in",
        )

    def __contains__(self, item: object) -> NoReturn:
        self.__bool__()

    __iter__ = None  # `[]` would otherwise make expressions endless sequences

    # Arithmetic --------------------------------------------------------------------------------

    def __add__(self, other: Operand) -> Expression:
        return self.call("+", other)

    def __radd__(self, other: Operand) -> Expression:
        return _expression(other).call("+", self)

    def __sub__(self, other: Operand) -> Expression:
        return self.call("-", other)

    def __rsub__(self, other: Operand) -> Expression:
        return _expression(other).call("-", self)

    def __mul__(self, other: Operand) -> Expression:
        return self.call("*", other)

    def __rmul__(self, other: Operand) -> Expression:
        return _expression(other).call("*", self)

    def __truediv__(self, other: Operand) -> Expression:
        return self.call("/", other)

    def __rtruediv__(self, other: Operand) -> Expression:
        return _expression(other).call("/", self)

    def __floordiv__(self, other: Operand) -> Expression:
        return self.call("/", other).call("truncate")

    def __rfloordiv__(self, other: Operand) -> Expression:
        return _expression(other) // self

    def __mod__(self, other: Operand) -> Expression:
        return self.call("%", other)

    def __rmod__(self, other: Operand) -> Expression:
        return _expression(other).call("%", self)

    def __pow__(self, other: Operand) -> Expression:
        return self.call("power", other)

    def __neg__(self) -> Expression:
        return self.call("neg")

    def __abs__(self) -> Expression:
        return self.call("abs")

    def round(self, digits: int = 0) -> Expression:
        """Rounded to so many digits after the point, halves away from zero."""
        return self.call("round", digits)

    # Comparison and logic ----------------------------------------------------------------------

    def __eq__(self, other: Operand) -> Expression:  # type: ignore[override]  # comparing makes a condition
        return self.call("=", other)

    def __ne__(self, other: Operand) -> Expression:  # type: ignore[override]  # comparing makes a condition
        return self.call("<>", other)

    def __lt__(self, other: Operand) -> Expression:
        return self.call("<", other)

    def __le__(self, other: Operand) -> Expression:
        return self.call("<=", other)

    def __gt__(self, other: Operand) -> Expression:
        return self.call(">", other)

    def __ge__(self, other: Operand) -> Expression:
        return self.call(">=", other)

    def __and__(self, other: Operand) -> Expression:
        return self.call("and", other)

    def __rand__(self, other: Operand) -> Expression:
        return _expression(other).call("and", self)

    def __or__(self, other: Operand) -> Expression:
        return self.call("or", other)

    def __ror__(self, other: Operand) -> Expression:
        return _expression(other).call("or", self)

    def __invert__(self) -> Expression:
        return self.call("not")

    def is_null(self) -> Expression:
        """Whether there is no value."""
        return self.call("is_null")

    def is_not_null(self) -> Expression:
        """Whether there is a value."""
        return self.call("is_not_null")

    def is_distinct_from(self, other: Operand) -> Expression:
        """Whether two values differ, NULL being a value like any other."""
        return self.call("is_distinct_from", other)

    def is_in(self, values: Iterable[Operand] | HasPlan) -> Expression:
        """Whether the value is one of these, or of a dataset of one column.

        With a NULL among them, the answer is never false, as in SQL.
        """
        if isinstance(values, HasPlan):
            return Expression(QueryCall("in", values.plan, (self.expr,)))
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise TypeMismatch(
                "is_in needs a list of values, or a dataset of one column",
                code="expr-no-list",
                where=caller(),
                found=repr(values),
                hint="a list may hold one value: [value]",
            )
        return self.call("in", *values)

    def between(self, low: Operand, high: Operand) -> Expression:
        """Whether `low <= value <= high`."""
        return (self >= low) & (self <= high)

    def like(self, pattern: str, escape: str | None = None) -> Expression:
        """Whether a text fits a pattern: `%` stands for any characters, `_` for one."""
        return self.call("like", pattern) if escape is None else self.call("like", pattern, escape)

    def fill_null(self, value: Operand) -> Expression:
        """The value, or another one where there is none."""
        return self.call("coalesce", value).alias(self.output_name)

    # Types and parts ---------------------------------------------------------------------------

    def cast(self, to: TypeLike) -> Expression:
        """Converted to a type, such as `"BIGINT"` or `int`; a value that does not fit is an error."""
        with located(caller()):
            return replace(self, expr=Cast(self.expr, data_type(to)))

    def try_cast(self, to: TypeLike) -> Expression:
        """Converted to a type; a value that does not fit becomes NULL."""
        with located(caller()):
            return replace(self, expr=Cast(self.expr, data_type(to), safe=True))

    def field(self, name: str) -> Expression:
        """A member of a row: `col("bid").field("price")` or `col("bid")["price"]`."""
        return self.call("field", name)

    def __getitem__(self, key: Operand) -> Expression:
        """A member of a row by its name, an item of a list by its number from 0, or a map's value by its key.

        What is not there is NULL; a member that no row can have is an error.

        Example:
            >>> from thalweg.api import col
            >>> col("bid")["price"], col("tags")[0], col("labels")["colour"]
            (bid['price'], tags[0], labels['colour'])
        """
        return self.call(FROM_0, key)

    # Aggregates --------------------------------------------------------------------------------

    def count(self) -> AggregateExpression:
        """How many rows of a group have a value."""
        return self._aggregate("count")

    def sum(self) -> AggregateExpression:
        """The sum over a group; NULL where there is no value."""
        return self._aggregate("sum")

    def avg(self) -> AggregateExpression:
        """The average over a group; of integers it is an integer, as in SQL."""
        return self._aggregate("avg")

    mean = avg

    def min(self) -> AggregateExpression:
        """The least value of a group."""
        return self._aggregate("min")

    def max(self) -> AggregateExpression:
        """The greatest value of a group."""
        return self._aggregate("max")

    def _aggregate(self, function: str) -> AggregateExpression:
        return AggregateExpression(Aggregate(function, (self.expr,)), self.name)

    # Namespaces: last, since their names hide the types of the same name in what follows ----------

    @property
    def str(self) -> Texts:
        """Functions of texts."""
        return Texts(self)

    @property
    def dt(self) -> Times:
        """Functions of dates and times."""
        return Times(self)

    @property
    def list(self) -> Lists:
        """Functions of lists."""
        return Lists(self)

    @property
    def map(self) -> Maps:
        """Functions of maps."""
        return Maps(self)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class AggregateExpression(Expression):
    """A value computed from the rows of a group; made with `count`, `sum`, … or `col("a").max()`.

    Example:
        >>> from thalweg.api import col
        >>> col("price").max().filter(col("price") < 100)
        max(price) FILTER (WHERE (price < 100))
    """

    def filter(self, *conditions: Operand) -> AggregateExpression:
        """The same over only those rows of the group for which all conditions are true."""
        aggregate = self.expr
        assert isinstance(aggregate, Aggregate), "only aggregates are wrapped here"
        given = [e for e in (aggregate.filter,) if e is not None]
        return replace(self, expr=replace(aggregate, filter=all_of([*given, *map(operand, conditions)])))


def operand(value: Operand) -> Expr:
    """The engine's expression of an operand: a text is a text."""
    if isinstance(value, Expression):
        return value.expr
    if isinstance(value, pl.Expr):
        raise PlanError(
            "an expression of Polars cannot stand here: it would not mean the same in a stream",
            code="plan-polars-expression",
            where=caller(),
            found=str(value),
            hint='col("a") of thalweg, instead of that of polars, makes the column',
        )
    with located(caller()):
        return literal_of(value)


def _expression(value: Operand) -> Expression:
    return Expression(operand(value))


def all_of(conditions: Sequence[Expr]) -> Expr:
    """The conditions joined by AND."""
    if not conditions:
        return literal_of(True)
    return conditions[0] if len(conditions) == 1 else Call("and", tuple(conditions))


def default_name(expr: Expr) -> str:
    """The name of a column that was not given one: that of the column or field it is, else its text."""
    if isinstance(expr, Column):
        return expr.name
    if isinstance(expr, Cast):
        return default_name(expr.arg)
    if isinstance(expr, Call) and expr.function in ("field", FROM_0) and isinstance(expr.args[1], Literal):
        part = expr.args[1].value
        return part if isinstance(part, str) else str(expr)
    return str(expr)
