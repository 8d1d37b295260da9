"""Joins in time in random plans: each row with the latest of some of the same rows, and what that is.

Not here: other joins (plans.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any

from tests.property.columns import BOUNDS, columns_of_kind, condition, every_node, told_apart
from tests.property.worlds import SECOND
from thalweg.base.types import Integer, Timestamp
from thalweg.expr.nodes import Call, Column, Expr, Named
from thalweg.plan import build
from thalweg.plan.as_of import AsOfJoin, as_of_join
from thalweg.plan.join import apart, equal
from thalweg.plan.nodes import Plan
from thalweg.plan.properties import properties

Row = Mapping[str, Any]
_VALID = "valid"


def latest_rows(r: Random, plan: Plan) -> Plan | None:
    """Each row with the latest one of its key, or of all rows, up to its time."""
    times = sorted(properties(plan).times)
    if properties(plan).is_updating or not times or "inexact" in "".join(plan.schema.names):
        return None
    depth = sum(isinstance(n, AsOfJoin) for n in every_node(plan))
    some = condition(r, plan)
    other = plan if some is None else build.filter_rows(plan, some)
    mine, others = r.choice(times), r.choice(times)
    other = told_apart(
        build.select_names(other, [n for n in other.schema.names if _is_wanted(other, n, others)])
    )
    ends = condition(r, other) if r.random() < 0.3 else None
    if ends is not None:
        other = build.with_columns(other, [Named(_VALID, ends)])
    other, called = apart(plan, other, lambda name: f"{name}_q{depth}")
    shape = AsOfJoin(
        plan,
        other,
        r.choice(["inner", "left"]),
        (mine, called[others]),
        is_strict=r.random() < 0.3,
        reach=r.choice([None, None, 0, 4 * SECOND]),
        alive=called[_VALID] if ends is not None else None,
        takes_first=r.random() < 0.3,
    )
    keys = [n for n in ("k", "s", "d") if n in plan.schema and n in called]
    pairs = (
        [(Column(n), Column(called[n])) for n in sorted(set(r.choices(keys, k=r.choice([0, 1, 1, 2]))))]
        if keys
        else []
    )
    parts: list[Expr] = [equal(pairs)] if pairs else []
    numbers = [columns_of_kind(p, Integer) for p in (plan, other)]
    if r.random() < 0.3 and all(numbers):
        parts.append(Call("<", (Column(r.choice(numbers[0])), Column(r.choice(numbers[1])))))
    whole = None if not parts else parts[0] if len(parts) == 1 else Call("and", tuple(parts))
    made = as_of_join(shape, whole)
    # a row without a partner has no time there, and falls into no window
    gone = {called[n] for n in called if isinstance(other.schema.type_of(called[n]), Timestamp)}
    return build.select_names(made, [n for n in made.schema.names if n not in gone])


def _is_wanted(plan: Plan, name: str, time: str) -> bool:
    return name == time or (name not in BOUNDS and not isinstance(plan.schema.type_of(name), Timestamp))


def with_latest(
    plan: AsOfJoin, left: list[Row], right: list[Row], is_true: Callable[[Expr, Row], bool]
) -> list[Row]:
    """Each left row with the last of the rows of its key that are not later.

    Args:
        plan: the join.
        left: rows by their columns.
        right: the same; of rows with equal times the last one counts.
        is_true: whether a condition is true of a row.
    """
    mine, others = plan.times
    ordered = sorted(right, key=lambda r: r[others])
    found: list[Row] = []
    for row in left:
        time = row[mine]
        before = [o for o in ordered if o[others] < time or (not plan.is_strict and o[others] == time)]
        same = [o for o in before if all(row[a] is not None and row[a] == o[b] for a, b in plan.keys)]
        pair = {**row, **same[-1]} if same else None
        if pair and plan.reach is not None and time - pair[others] > timedelta(microseconds=plan.reach):
            pair = None
        if pair and plan.alive is not None and pair[plan.alive] is not True:
            pair = None
        if pair and plan.residual is not None and not is_true(plan.residual, pair):
            pair = None
        if pair or plan.kind == "left":
            found.append(pair or {**row, **dict.fromkeys(plan.right.schema.names)})
    return found
