"""Hold expressions as immutable values that print, compare and hash.

Six kinds of node are enough: a column, a literal, a call of a registered function, a cast, a call
of a user's Python function, and an aggregate. Everything else (CASE, IN, field access, LIKE …) is
a call. Where an expression was written travels along as `span`, but never takes part in equality.

Not here: what functions mean (registry.py, functions/), types (infer.py), execution (compile.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any
from typing import Literal as Choice

from thalweg.base.types import DataType
from thalweg.errors import Span

SINGLE, REQUIRED = "__single", "__required"
"""Functions that are their first argument, and fail: where that is the value of several rows, as the second
argument says; where it is NULL."""
NUMBERED, ITEM, ORDINALITY = "__numbered", "item", "ordinality"


@dataclass(frozen=True)
class Expr:
    """A value computed from one row (or, under an `Aggregate`, from a group of rows)."""

    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    @property
    def children(self) -> tuple[Expr, ...]:
        """The expressions directly below."""
        return ()

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        """The same node over other children."""
        assert not children, "a leaf has no children"
        return self


@dataclass(frozen=True)
class Column(Expr):
    """A column of the input, by name.

    A column that the engine made for itself remembers in `written` what the user wrote in its place.
    """

    name: str
    written: str | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Literal(Expr):
    """A constant.

    `value` is None, bool, int, float, str, bytes, Decimal, date, time, datetime, timedelta, or a
    tuple of such values for lists.
    """

    value: Any  # one of the types above; there is no narrower common type
    type: DataType

    def __str__(self) -> str:
        if self.value is None:
            return "NULL"
        return "'" + self.value.replace("'", "''") + "'" if isinstance(self.value, str) else str(self.value)

    def __eq__(self, other: object) -> bool:
        # repr keeps 0.0 and -0.0, 1 and True, NaN and NaN as apart or as equal as they print
        return (
            isinstance(other, Literal) and self.type == other.type and repr(self.value) == repr(other.value)
        )

    def __hash__(self) -> int:
        return hash((repr(self.value), self.type))


@dataclass(frozen=True)
class Call(Expr):
    """A call of a function of the registry."""

    function: str
    args: tuple[Expr, ...]

    def __str__(self) -> str:
        if self.function.startswith("["):
            return f"{self.args[0]}[{self.args[1]}]"
        if self.function in (SINGLE, REQUIRED):
            return str(self.args[0])
        if len(self.args) == 2 and (self.function in ("and", "or") or not self.function[0].isalpha()):
            return f"({self.args[0]} {self.function.upper()} {self.args[1]})"
        return f"{self.function}({', '.join(map(str, self.args))})"

    @property
    def children(self) -> tuple[Expr, ...]:
        return self.args

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        return replace(self, args=children)


@dataclass(frozen=True)
class Cast(Expr):
    """A conversion to a type; a `safe` one (`TRY_CAST`) gives NULL instead of an error."""

    arg: Expr
    type: DataType
    safe: bool = False

    def __str__(self) -> str:
        return f"{'TRY_CAST' if self.safe else 'CAST'}({self.arg} AS {self.type})"

    @property
    def children(self) -> tuple[Expr, ...]:
        return (self.arg,)

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        return replace(self, arg=children[0])


@dataclass(frozen=True)
class QueryCall(Expr):
    """What a query gives: its one value, whether it has rows, or whether a value is one of its.

    A step that is built over such an expression puts columns in its place (plan/queries.py).
    """

    kind: Choice["value", "exists", "in"]
    query: Any  # a plan, of which this layer knows nothing
    args: tuple[Expr, ...] = ()

    def __str__(self) -> str:
        return f"{self.args[0]} IN (query)" if self.args else f"{self.kind} of (query)"

    @property
    def children(self) -> tuple[Expr, ...]:
        return self.args

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        return replace(self, args=children)


@dataclass(frozen=True)
class PythonFunction:
    """A user's function of one row's values (`by="row"`) or of whole columns (`by="column"`).

    A column function takes one `polars.Series` per argument and returns one of the same length; it
    must treat every row by itself, since it is called on arbitrary cuts of the data.
    """

    name: str
    call: Callable[..., Any]  # the user's own signature
    result: DataType
    by: Choice["row", "column"] = "row"
    volatile: bool = False
    """Whether two calls with the same arguments may differ."""
    place: str | None = None
    """`file:line` where the function was defined."""


@dataclass(frozen=True)
class PythonCall(Expr):
    """A call of a user's Python function."""

    function: PythonFunction
    args: tuple[Expr, ...]

    def __str__(self) -> str:
        return f"{self.function.name}({', '.join(map(str, self.args))})"

    @property
    def children(self) -> tuple[Expr, ...]:
        return self.args

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        return replace(self, args=children)


@dataclass(frozen=True)
class Aggregate(Expr):
    """An aggregate function over the rows of a group; `COUNT(*)` is `count` without arguments."""

    function: str
    args: tuple[Expr, ...] = ()
    distinct: bool = False
    filter: Expr | None = None

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.args)) or "*"
        tail = "" if self.filter is None else f" FILTER (WHERE {self.filter})"
        return f"{self.function}({'DISTINCT ' if self.distinct else ''}{inner}){tail}"

    @property
    def children(self) -> tuple[Expr, ...]:
        return self.args if self.filter is None else (*self.args, self.filter)

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        if self.filter is None:
            return replace(self, args=children)
        return replace(self, args=children[:-1], filter=children[-1])


@dataclass(frozen=True)
class Named:
    """An expression and the name of the column that it makes."""

    name: str
    expr: Expr

    def __str__(self) -> str:
        return self.name if str(self.expr) == self.name else f"{self.expr} AS {self.name}"


def walk(expr: Expr) -> Iterator[Expr]:
    """Every node, parents first.

    Example:
        >>> [str(e) for e in walk(Call("neg", (Column("a"),)))]
        ['neg(a)', 'a']
    """
    yield expr
    for child in expr.children:
        yield from walk(child)


def as_written(expr: Expr) -> Expr:
    """The expression as messages show it: columns that the engine made are what the user wrote.

    Example:
        >>> str(as_written(Call("+", (Column("__value0", written="(SELECT 1)"), Column("a")))))
        '((SELECT 1) + a)'
    """
    return transform(expr, _written)


def _written(expr: Expr) -> Expr:
    return expr if not isinstance(expr, Column) or expr.written is None else Column(expr.written)


def transform(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The expression with `change` applied to every node, children first."""
    old = expr.children
    new = tuple(transform(c, change) for c in old)
    changed = any(a is not b for a, b in zip(old, new, strict=True))
    return change(expr.with_children(new) if changed else expr)


def columns_of(expr: Expr) -> frozenset[str]:
    """The names of the columns that the expression reads."""
    return frozenset(e.name for e in walk(expr) if isinstance(e, Column))


def substitute(expr: Expr, columns: dict[str, Expr]) -> Expr:
    """The expression with columns replaced by the expressions that define them."""

    def change(e: Expr) -> Expr:
        return columns.get(e.name, e) if isinstance(e, Column) else e

    return transform(expr, change)


def conjuncts(condition: Expr) -> list[Expr]:
    """The parts of a condition that must all be true, in order."""
    if isinstance(condition, Call) and condition.function == "and":
        return [part for arg in condition.args for part in conjuncts(arg)]
    return [condition]


def conjunction(parts: Sequence[Expr]) -> Expr:
    """One condition from its parts; equal ones count once."""
    return reduce(lambda a, b: Call("and", (a, b)), dict.fromkeys(parts))
