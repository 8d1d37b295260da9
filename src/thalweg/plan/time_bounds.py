"""Derive from a join's condition for how long its rows can find partners.

    b.ts BETWEEN a.ts AND a.expires

Of `b` only rows are still to come whose `ts` is not behind the watermark, so that a row of `a` can be
forgotten once the watermark has passed its `expires`; and a row of `b` once it has passed the row's own `ts`,
since rows of `a` that are still to come begin later. Any comparison of an event time of one input with a time
of the other one bounds the other one's rows; an equality, such as that of two windows' ends, bounds both.

Reads:    the join, and the event times of its inputs.
Not here: forgetting rows (operators/), what an output's event times are (properties.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from thalweg.base.durations import shown
from thalweg.base.schema import Schema
from thalweg.base.types import Timestamp
from thalweg.expr.nodes import Call, Column, Expr, Literal, conjuncts
from thalweg.plan.nodes import Join

Times = Mapping[str, int]
"""The event times of an input, each with its slack in microseconds."""


@dataclass(frozen=True)
class Shifted:
    """A column and a constant number of microseconds that is added to it."""

    column: str
    shift_us: int

    def __str__(self) -> str:
        if not self.shift_us:
            return self.column
        return f"{self.column} {'-' if self.shift_us < 0 else '+'} {shown(abs(self.shift_us))}"


@dataclass(frozen=True)
class Order:
    """`lesser <= greater`, where one is of the left input and the other one of the right."""

    lesser: Shifted
    greater: Shifted
    is_lesser_left: bool


@dataclass(frozen=True)
class SideBound:
    """What time says of the rows of one input.

    Attributes:
        until: a row finds no partner any more once the watermark is greater than this; None: at any time.
        late: a row is late if this is less than its split's watermark before it; None: none is.
    """

    until: Shifted | None = None
    late: Shifted | None = None


def side_bounds(join: Join, left: Times, right: Times) -> tuple[SideBound, SideBound]:
    """The bounds of both inputs, whose rows are never taken back.

    Example:
        >>> from thalweg.plan.nodes import rows
        >>> one, two = rows({"t": [], "end": []}), rows({"u": []})
        >>> side_bounds(Join(one, two, "inner"), {"t": 0}, {"u": 0})[0].until is None
        True
    """
    until: list[Shifted | None] = [None, None]
    late: list[Shifted | None] = [None, None]
    for order in orders(join):
        lesser, greater = (0, 1) if order.is_lesser_left else (1, 0)
        slack = (left, right)[lesser].get(order.lesser.column)
        if slack is None or until[greater] is not None:
            continue
        wait = order.greater.shift_us - order.lesser.shift_us + slack
        until[greater] = Shifted(order.greater.column, wait)
        late[lesser] = Shifted(order.lesser.column, slack)
    return SideBound(until[0], late[0]), SideBound(until[1], late[1])


def orders(join: Join) -> Iterator[Order]:
    """What a pair's condition says of the order of times of both inputs."""
    for a, b in join.keys:
        if isinstance(join.left.schema.type_of(a), Timestamp):
            yield Order(Shifted(a, 0), Shifted(b, 0), is_lesser_left=True)
            yield Order(Shifted(b, 0), Shifted(a, 0), is_lesser_left=False)
    for part in [] if join.residual is None else conjuncts(join.residual):
        yield from _orders_of(part, join)


def says_order(part: Expr, join: Join) -> bool:
    """Whether a condition compares a time of one input with one of the other."""
    return any(_orders_of(part, join))


def _orders_of(part: Expr, join: Join) -> Iterator[Order]:
    if not isinstance(part, Call) or part.function not in ("<", "<=", ">", ">=", "="):
        return
    one, other = (shifted(a, join.both) for a in part.args)
    if one is None or other is None:
        return
    of_left = [s.column in join.left.schema for s in (one, other)]
    if of_left[0] == of_left[1]:
        return
    if part.function != ">" and part.function != ">=":
        yield Order(one, other, of_left[0])
    if part.function in (">", ">=", "="):
        yield Order(other, one, of_left[1])


def shifted(expr: Expr, schema: Schema) -> Shifted | None:
    """A time column to which constants are added, if the expression is one."""
    if isinstance(expr, Column):
        return Shifted(expr.name, 0) if isinstance(schema.get(expr.name), Timestamp) else None
    if not isinstance(expr, Call) or expr.function not in ("+", "-"):
        return None
    below = shifted(expr.args[0], schema)
    by = expr.args[1]
    if below is None or not isinstance(by, Literal) or not isinstance(by.value, timedelta):
        return None
    micros = by.value // timedelta(microseconds=1)
    return Shifted(below.column, below.shift_us + (micros if expr.function == "+" else -micros))


def output_times(join: Join, left: Times, right: Times) -> dict[str, int]:
    """The event times of a join's pairs: those that rows still to come bound from below."""
    found: dict[str, int] = {}
    for order in orders(join):
        mine, others = (right, left) if order.is_lesser_left else (left, right)
        own, slack = mine.get(order.greater.column), others.get(order.lesser.column)
        if own is None or slack is None:
            continue
        through = slack + order.greater.shift_us - order.lesser.shift_us
        name = order.greater.column
        found[name] = min(max(own, through), found.get(name, max(own, through)))
    return found
