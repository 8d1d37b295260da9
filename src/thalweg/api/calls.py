"""Make expressions: of columns, constants, and functions by name.

Not here: operators and methods (expressions.py), user's functions (user_functions.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from thalweg.api.expressions import AggregateExpression, Expression, Operand, Value, operand
from thalweg.api.place import caller, located
from thalweg.errors import PlanError
from thalweg.expr import aggregates, functions, registry
from thalweg.expr.infer import PROCTIME
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Aggregate, Call, Column, Expr

assert functions.__all__, "importing the functions registers them"


def col(name: str) -> Expression:
    """A column of the input.

    Example:
        >>> col("auction") % 123 == 0
        ((auction % 123) = 0)
    """
    return Expression(Column(name))


def lit(value: Value | list[Value]) -> Expression:
    """A constant. Integers are INT where 32 bits hold them; a list has the common type of its items.

    Example:
        >>> lit("it's").alias("text")
        'it''s' AS text
    """
    with located(caller()):
        return Expression(literal_of(value))


def proctime() -> Expression:
    """When a row was read: processing time, for a column of rows that come from a source.

    Windows on such a column close when the clock has passed their end.

    Example:
        >>> import thalweg as tw
        >>> rows = tw.Session().from_iter([{"n": 1}, {"n": 2}]).with_columns(at=tw.proctime())
        >>> rows.window(tw.tumbling("10s"), on="at").agg(n=tw.sum("n")).collect()["n"].sum()
        3
    """
    return Expression(Call(PROCTIME, (), span=None))


def coalesce(*values: Operand) -> Expression:
    """The first of the values that is not NULL."""
    return call("coalesce", *values)


def call(function: str, *args: Operand) -> Expression:
    """A function of the registry, or an aggregate, by name.

    A text is a text here; a column is `col("a")`.

    Raises:
        TypeMismatch: `expr-unknown-function` with the near misses.
        PlanError: `plan-text-argument` if only texts are given where a column was probably meant.

    Example:
        >>> call("date_format", col("at"), "yyyy-MM-dd")
        date_format(at, 'yyyy-MM-dd')
    """
    with located(caller()):
        if aggregates.has(function):
            return AggregateExpression(Aggregate(function.lower(), tuple(arguments(function, args))))
        registry.lookup(function)
        return Expression(Call(function.lower(), tuple(arguments(function, args))))


def arguments(function: str, args: Sequence[Operand]) -> list[Expr]:
    """The arguments of a call; refuses texts without any column beside them: `upper("name")`."""
    texts = [a for a in args if isinstance(a, str)]
    if texts and not any(isinstance(a, Expression) for a in args):
        raise PlanError(
            f'"{function}" is called with the text "{texts[0]}", and with no column',
            code="plan-text-argument",
            hint=f'col("{texts[0]}") is the column, lit("{texts[0]}") the text',
        )
    return [operand(a) for a in args]
