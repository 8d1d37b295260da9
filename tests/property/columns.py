"""What random plans are asked about, and columns, names and keys of theirs that a step may use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from random import Random

from thalweg.base.types import INT64, INTERVAL, DataType, Integer, List
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Literal, walk
from thalweg.plan import build
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    WINDOW_TIME,
    GroupBy,
    Join,
    Limit,
    MapBatches,
    Plan,
)

BOUNDS = (WINDOW_START, WINDOW_END, WINDOW_TIME)


def minus(expr: Expr, by: timedelta) -> Expr:
    """A time, shifted back."""
    return Call("-", (expr, Literal(by, INTERVAL)))


def every_node(plan: Plan) -> list[Plan]:
    """The plan and all below it, sinks first."""
    return [plan, *(n for p in plan.inputs for n in every_node(p))]


def columns_of_kind(plan: Plan, *kinds: type[DataType]) -> list[str]:
    """The columns of some types; float averages are left out, since they are not exact."""
    usable = [f for f in plan.schema if not f.name.startswith("inexact")]
    return [f.name for f in usable if not kinds or isinstance(f.type, kinds)]


def condition(r: Random, plan: Plan) -> Expr | None:
    """A comparison of whole numbers, now and then with NULL in it."""
    names = columns_of_kind(plan, Integer)
    if not names:
        return None
    bound = Literal(r.randint(0, 20), INT64)
    return Call(r.choice(["<", ">", "=", "<>"]), (Column(r.choice(names)), bound))


def fresh_name(plan: Plan, name: str) -> str:
    """A name that no column has."""
    return next(f"{name}{i}" for i in count() if f"{name}{i}" not in plan.schema)


def random_keys(r: Random, plan: Plan) -> list[str]:
    """Columns to group by, rather some with few values."""
    able = [n for n in columns_of_kind(plan) if n not in BOUNDS and n not in columns_of_kind(plan, List)]
    few = [n for n in able if n not in ("id", "t", "u")] or able
    # a key that an earlier step made changes as rows arrive, and that takes rows from one group to another
    made = [n for n in few if n.startswith("a")]
    if made and r.random() < 0.5:
        return [r.choice(made)]
    return sorted(set(r.choices(few, k=r.choice([0, 1, 1, 2])))) if few else []


def argument_of(call: Aggregate) -> str:
    """The column that an aggregate reads."""
    column = call.args[0]
    assert isinstance(column, Column), "the calls made here are over columns"
    return column.name


def is_placed(plan: Plan) -> bool:
    """Whether every row has the position of one row of a source."""
    return not any(isinstance(n, (GroupBy, Join, AsOfJoin, MapBatches, Limit)) for n in every_node(plan))


def told_apart(plan: Plan) -> Plan:
    """The plan without columns by which nothing can be ordered, where no position tells its rows apart."""
    if is_placed(plan):
        return plan
    return build.select_names(
        plan, [n for n in columns_of_kind(plan) if n not in columns_of_kind(plan, List)]
    )


def ordered_columns(expr: Expr | None) -> Iterator[tuple[str, str]]:
    """Which columns a condition says to be less than, or equal to, which others but for a constant."""
    if not isinstance(expr, Call) or expr.function not in ("and", "<=", ">="):
        return
    if expr.function == "and":
        for part in expr.args:
            yield from ordered_columns(part)
        return
    names = [next(e.name for e in walk(a) if isinstance(e, Column)) for a in expr.args]
    yield (names[0], names[1]) if expr.function == "<=" else (names[1], names[0])
