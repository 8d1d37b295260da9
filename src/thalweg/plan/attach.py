"""Build what a query inside an expression stands for: columns beside every row of another plan.

The query's rows are brought down to one row for each value that they belong by; a left join then adds its
columns to every row, neither dropping nor repeating any.

Not here: which rows belong together (sql/bind/correlation.py), keeping rows by a condition (join.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal as Number
from typing import Any
from typing import Literal as Choice

from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    INT32,
    INT64,
    INTERVAL,
    STRING,
    TIME,
    DataType,
    Decimal,
    Float,
    Integer,
    Timestamp,
)
from thalweg.errors import Span
from thalweg.expr.infer import resolve, type_of
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Literal, Named, conjunction
from thalweg.expr.subscript import FROM_1
from thalweg.plan import build
from thalweg.plan.join import KeyFinder, join
from thalweg.plan.nodes import GroupBy, Join, Plan, Project, Values
from thalweg.plan.properties import properties
from thalweg.plan.sets import distinct

TRUE, FALSE = Literal(value=True, type=BOOLEAN), Literal(value=False, type=BOOLEAN)
UNKNOWN = Literal(None, BOOLEAN)


@dataclass(frozen=True)
class Pair:
    """An expression over a plan, and the column of another one that must be equal to it.

    Attributes:
        is_null_safe: whether NULL belongs to NULL.
    """

    outer: Expr
    column: str
    is_null_safe: bool = False


@dataclass(frozen=True)
class Attachment:
    """Columns to put beside every row.

    Attributes:
        right: the columns, and those that rows belong by; for each value of these there is one row.
        pairs: by what the rows belong; where there are none, one row belongs to all.
    """

    right: Plan
    pairs: tuple[Pair, ...]
    span: Span | None = None

    def beside(
        self, plan: Plan, change: Callable[[Expr], Expr], kind: Choice["inner", "left"] = "left"
    ) -> Plan:
        """The plan's rows with the columns; `change` puts the pairs' expressions in the plan's terms."""
        pairs = [(change(p.outer), Column(p.column), p.is_null_safe) for p in self.pairs]
        if not pairs:
            return join(plan, self.right, "inner" if has_one_row(self.right) else kind)
        plain = [Call("=", (a, b), span=self.span) for a, b, is_safe in pairs if not is_safe]
        safe = [part for a, b, is_safe in pairs if is_safe for part in _null_safe(a, b, plan, self.right)]
        if not safe:
            return join(plan, self.right, kind, conjunction(plain))
        return _joined(plan, self.right, kind, plain, safe)


def _joined(
    plan: Plan, right: Plan, kind: Choice["inner", "left"], plain: Sequence[Expr], safe: Sequence[Expr]
) -> Plan:
    """A join by equalities, of which `safe` ones say as keys all that there is to say."""
    keys = KeyFinder(plan, right)
    both = Join(plan, right, "left").both
    for part in safe:
        keys.take(resolve(part, both)[0])
    rest = [p for p in (resolve(p, both)[0] for p in plain) if not keys.take(p)]
    residual = conjunction(rest) if rest else None
    made = Join(keys.left.plan, keys.right.plan, kind, tuple(keys.pairs), residual)
    names = (*plan.schema.names, *right.schema.names)
    return made if made.schema.names == names else Project(made, tuple(Named(n, Column(n)) for n in names))


def _null_safe(outer: Expr, column: Column, plan: Plan, right: Plan) -> list[Expr]:
    """That two values are equal, or both NULL, as equalities of values that are never NULL."""
    default = _default(type_of(outer, plan.schema))
    assert default is not None, "values of a type without a default are told apart otherwise"
    pairs = [(Call("is_null", (outer,)), Call("is_null", (column,)))]
    pairs.append((Call("coalesce", (outer, default)), Call("coalesce", (column, default))))
    return [Call("=", pair) for pair in pairs]


def can_be_null_safe(held: DataType) -> bool:
    """Whether rows can belong together by a column of that type, NULL to NULL."""
    return _default(held) is not None


def _default(held: DataType) -> Literal | None:
    """Some value of a type."""
    made: Any
    if isinstance(held, (Integer, Float)):
        made = 0
    elif isinstance(held, Decimal):
        made = Number(0)
    elif isinstance(held, Timestamp):
        made = datetime(1970, 1, 1, tzinfo=None if held.zone is None else UTC)
    else:
        made = _DEFAULTS.get(held)
    return None if made is None else Literal(made, held)


_DEFAULTS: dict[DataType, Any] = {
    STRING: "",
    BOOLEAN: False,
    BINARY: b"",
    DATE: date(1970, 1, 1),
    TIME: time(0),
    INTERVAL: timedelta(0),
}

# Numbers of rows ------------------------------------------------------------------------------------


def has_one_row(plan: Plan) -> bool:
    """Whether there is one row, whatever the sources have."""
    if isinstance(plan, Project):
        return has_one_row(plan.input)
    if isinstance(plan, Join):
        sides = [has_one_row(p) for p in plan.inputs]
        return plan.kind == "inner" and not plan.keys and plan.residual is None and all(sides)
    return (isinstance(plan, GroupBy) and not plan.keys) or (
        isinstance(plan, Values) and plan.frame.height == 1
    )


def has_one_row_by(plan: Plan, by: Sequence[str]) -> bool:
    """Whether there is at most one row for each value of some columns."""
    return has_one_row(plan) or any(key <= set(by) for key in properties(plan).keys)


# What a query gives ---------------------------------------------------------------------------------


def first_of(plan: Plan, value: str, by: Sequence[str], count: str) -> Plan:
    """For each value of `by` one row: a value, and in `count` the number of values that there were."""
    keys = [Named(n, Column(n)) for n in by]
    held = plan.schema.type_of(value)
    is_ordered = _default(held) is not None
    one = Aggregate("min" if is_ordered else "array_agg", (Column(value),))
    counted = Named(count, Aggregate("count"))
    if is_ordered:
        return build.group_by(plan, keys, [*keys, Named(value, one), counted])
    first = Call(FROM_1, (one, Literal(1, INT32)))
    return build.group_by(plan, keys, [*keys, Named(value, first), counted])


def present(plan: Plan, by: Sequence[str], mark: str) -> Plan:
    """The different values of `by`, with a column that is true."""
    return distinct(build.project(plan, [*(Named(n, Column(n)) for n in by), Named(mark, TRUE)]))


def with_nulls(plan: Plan, value: str, by: Sequence[str], mark: str) -> Plan:
    """For each value of `by` whether a value is NULL; NULL, or no row, if there is no row at all."""
    keys = [Named(n, Column(n)) for n in by]
    # of each kind one is enough, so that nothing changes with every row
    kinds = distinct(build.project(plan, [*keys, Named(mark, Call("is_null", (Column(value),)))]))
    return build.group_by(kinds, keys, [*keys, Named(mark, Aggregate("max", (Column(mark),)))])


@dataclass(frozen=True)
class Extremes:
    """The least and the greatest value of a query, and how many there are, as columns beside other rows.

    Attributes:
        may_be_nan: whether NaN, of which no comparison but `<>` is true, can be among the values; it is no
            extreme.
    """

    name: str
    may_be_nan: bool = False

    @property
    def rows(self) -> str:
        """How many rows the query has."""
        return f"{self.name}_rows"

    @property
    def values(self) -> str:
        """How many of them have a value."""
        return f"{self.name}_values"

    @property
    def nans(self) -> str:
        """How many of them are NaN."""
        return f"{self.name}_nans"

    def of(self, plan: Plan, value: str, by: Sequence[str]) -> Plan:
        """For each value of `by` one row."""
        keys = [Named(n, Column(n)) for n in by]
        held = Column(value)
        counts = [Named(self.rows, Aggregate("count")), Named(self.values, Aggregate("count", (held,)))]
        ranged: Expr = held
        if self.may_be_nan:
            is_nan = Call("<>", (held, held))
            ranged = Call("case", (is_nan, Literal(None, plan.schema.type_of(value)), held))
            counts.append(Named(self.nans, Aggregate("count", filter=is_nan)))
        least, greatest = (Named(f"{self.name}_{f}", Aggregate(f, (ranged,))) for f in ("min", "max"))
        return build.group_by(plan, keys, [*keys, least, greatest, *counts])

    def is_some(self, value: Expr, function: str, *, or_apart: bool = False) -> Expr:
        """Whether a comparison is true of some value; NULL if not, but a NULL could be one.

        Args:
            value: what is compared with the values.
            function: the comparison.
            or_apart: whether it counts as true also between NaN and any value.
        """
        ends = {"<": ("max",), "<=": ("max",), ">": ("min",), ">=": ("min",)}.get(function, ("min", "max"))
        found: list[Expr] = [Call(function, (value, Column(f"{self.name}_{e}"))) for e in ends]
        none = Literal(0, INT64)
        if self.may_be_nan and (or_apart or function == "<>"):
            found += [
                Call("and", (Call("is_not_null", (value,)), Call(">", (Column(self.nans), none)))),
                Call("and", (Call("<>", (value, value)), Call(">", (Column(self.values), none)))),
            ]
        is_true = found[0] if len(found) == 1 else Call("or", tuple(found))
        has_rows = Call(">", (Call("coalesce", (Column(self.rows), none)), none))
        is_open = Call("or", (Call("is_null", (value,)), Call("<", (Column(self.values), Column(self.rows)))))
        return Call("case", (Call("not", (has_rows,)), FALSE, is_true, TRUE, is_open, UNKNOWN, FALSE))


def is_in(value: Expr, mark: str, has_null: str) -> Expr:
    """Three-valued IN: whether there is a partner, else whether NULL could be one."""
    is_open = Call("or", (Call("is_null", (value,)), Column(has_null)))
    parts: tuple[Expr, ...] = (Call("is_not_null", (Column(mark),)), TRUE)
    parts += (Call("is_null", (Column(has_null),)), FALSE, is_open, UNKNOWN, FALSE)
    return Call("case", parts)


__all__ = [
    *("FALSE", "TRUE", "UNKNOWN", "Attachment", "Extremes", "Pair", "can_be_null_safe", "first_of"),
    *("has_one_row", "has_one_row_by", "is_in", "present", "with_nulls"),
]
