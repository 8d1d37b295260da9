"""Read what `Dataset.join` is given, and build the step.

Not here: joins of plans as such (plan/join.py).
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from thalweg.api.columns import Names, column, listed
from thalweg.api.expressions import IntoColumn, all_of
from thalweg.base.schema import unknown_column
from thalweg.errors import PlanError, did_you_mean
from thalweg.expr.nodes import Call, Column, Expr, Named
from thalweg.plan import build
from thalweg.plan.as_of import AsOfKind, latest_join
from thalweg.plan.join import apart, equal, join
from thalweg.plan.late import Behind
from thalweg.plan.lookup import lookup_join
from thalweg.plan.nodes import Join, JoinKind, Plan, Project
from thalweg.plan.over import Over
from thalweg.plan.process import Process, late_of_process
from thalweg.plan.properties import late_of_join, properties

How: TypeAlias = Literal["inner", "left", "right", "full", "semi", "anti", "cross"]
"""Which rows a join gives."""


def join_plans(
    left: Plan,
    right: Plan,
    on: Names,
    how: How,
    suffix: str,
    *,
    looks_up: bool = False,
    may_broadcast: bool = True,
) -> Plan:
    """The join of two plans by the names of columns that both have, by conditions, or by both.

    With `looks_up`, the right side is a table whose rows are those of the moment; `may_broadcast` says
    whether a small side may go to all tasks.
    """
    kind = _kind(how)
    names, conditions = _split(on)
    _check_on(how, names, conditions)
    for name in names:
        _check_both(name, left, right)
    other, called = apart(left, right, lambda name: f"{name}{suffix}")
    parts = list(conditions)
    if names:
        parts.insert(0, equal([(Column(n), Column(called[n])) for n in names]))
    condition = all_of(parts) if parts else None
    if looks_up:
        made = lookup_join(left, other, kind, condition)
    else:
        made = join(left, other, kind, condition, clause="join", may_broadcast=may_broadcast)
    if kind in ("semi", "anti"):
        return made
    hidden = {called[n] for n in names}
    items = [Named(n, _shared(n, called[n], kind) if n in names else Column(n)) for n in left.schema.names]
    items += [Named(n, Column(n)) for n in other.schema.names if n not in hidden]
    if all(i.expr == Column(i.name) for i in items) and len(items) == len(made.schema):
        return made
    return build.project(made, items)


def join_latest(
    left: Plan, right: Plan, on: IntoColumn, by: Names, how: str, *, reach: int | None, suffix: str
) -> Plan:
    """Each row of the left plan with the latest row of the right one."""
    if how not in get_args(AsOfKind):
        raise PlanError(
            f'there is no as-of join "{how}"',
            code="plan-join-kind",
            choices=get_args(AsOfKind),
            hint=did_you_mean(how, get_args(AsOfKind)),
        )
    names, conditions = _split(by)
    times = column(on).expr
    shared = [*names, times.name] if isinstance(times, Column) else names
    for name in shared:
        _check_both(name, left, right)
    other, called = apart(left, right, lambda name: f"{name}{suffix}")
    parts = list(conditions)
    if names:
        parts.insert(0, equal([(Column(n), Column(called[n])) for n in names]))
    order = Call(">=", (times, Column(called[times.name]))) if isinstance(times, Column) else times
    kind: AsOfKind = "left" if how == "left" else "inner"
    made = latest_join(
        left, other, kind, all_of(parts) if parts else None, order, reach=reach, clause="join_asof"
    )
    hidden = {called[n] for n in names}
    kept = [n for n in made.schema.names if n not in hidden]
    return build.select_names(made, kept) if hidden else made


def _check_both(name: str, left: Plan, right: Plan) -> None:
    for side, word in ((left, "left"), (right, "right")):
        if name not in side.schema:
            raise _missing(name, side, word)


def _kind(how: str) -> JoinKind:
    known = get_args(How)
    if how not in known:
        raise PlanError(
            f'there is no join "{how}"', code="plan-join-kind", choices=known, hint=did_you_mean(how, known)
        )
    return "inner" if how == "cross" else how  # type: ignore[return-value]  # one of `How`


def _split(on: Names) -> tuple[list[str], list[Expr]]:
    names: list[str] = []
    conditions: list[Expr] = []
    for each in listed(on):
        found = column(each).expr
        if isinstance(found, Column):
            names.append(found.name)
        else:
            conditions.append(found)
    return names, conditions


def _check_on(how: str, names: list[str], conditions: list[Expr]) -> None:
    if how == "cross" and (names or conditions):
        raise PlanError(
            "a cross join gives all pairs, and takes no condition",
            code="plan-join-condition",
            hint='how="inner" takes one',
        )
    if how != "cross" and not names and not conditions:
        raise PlanError(
            "a join needs to know which rows belong together",
            code="plan-join-condition",
            hint='on="column" or on=col("a") == col("b"); how="cross" gives all pairs',
        )


def _missing(name: str, side: Plan, word: str) -> PlanError:
    error = unknown_column(name, side.schema.names)
    error.message = f'the {word} side of the join has no column "{name}"'
    return error


def _shared(mine: str, others: str, kind: JoinKind) -> Expr:
    """The one column that stands for both."""
    if kind == "full":
        return Call("coalesce", (Column(mine), Column(others)))
    return Column(others if kind == "right" else mine)


def late_rows(plan: Plan, side: str) -> Plan:
    """The rows of an input of the last join, or of OVER, that come too late for it.

    Raises:
        PlanError: `plan-no-late-rows`.
    """
    if side not in ("left", "right"):
        raise PlanError(f'a join has no side "{side}"', code="plan-join-side", choices=["left", "right"])
    step = plan
    while isinstance(step, Project):
        step = step.input
    if isinstance(step, Join):
        found = late_of_join(step, 0 if side == "left" else 1)
        if found is not None:
            return found
        raise PlanError(
            f"no row of the {side} side is ever late: rows of the other side are kept for ever",
            code="plan-no-late-rows",
            hint='a condition such as (col("at") >= col("since")) on event times of both sides does',
        )
    if isinstance(step, Over) and step.order in properties(step.input).times:
        return Behind(step.input, step.order, properties(step.input).times[step.order])
    if isinstance(step, Process) and (side == "left" or len(step.parts) > 1):
        late = late_of_process(step, 0 if side == "left" else 1)
        if late is not None:
            return late
    raise PlanError(
        "the last step is no join in time, and turns no rows away",
        code="plan-no-late-rows",
        hint="call late() right behind the join; late rows of windows are those of window(…).late()",
    )
