"""Refuse plans that have no way to run yet, alike in both modes.

Not here: what a sink can take (results.py), names and types (plan/build.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from thalweg.errors import PlanError, SqlError
from thalweg.expr import aggregates
from thalweg.expr.nodes import Aggregate
from thalweg.physical import needs
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.nodes import GroupBy, Plan
from thalweg.plan.over import Over
from thalweg.plan.process import Process
from thalweg.plan.properties import properties, recomputes
from thalweg.plan.sort import Sort


def check_possible(roots: Iterable[Plan]) -> None:
    """Refuse what cannot run.

    Raises:
        SqlError: `sql-not-yet`, with the place and a way around.
    """
    roots = list(roots)
    found = needs.find(roots)
    for root in roots:
        _check(root, found)


def _check(plan: Plan, found: needs.Needs) -> None:
    for below in plan.inputs:
        _check(below, found)
    if isinstance(plan, GroupBy):
        _check_positions(plan, found)
    if isinstance(plan, Over):
        _check_over(plan)
    if isinstance(plan, AsOfJoin):
        _check_as_of_join(plan)
    if isinstance(plan, Process):
        _check_process(plan)
    if isinstance(plan, Sort):
        _check_sort(plan)


def _check_over(plan: Over) -> None:
    below = properties(plan.input)
    where = plan.span or plan.place
    if recomputes(plan):
        return
    if plan.order not in below.times and not below.is_bounded:
        raise PlanError(
            f'the rows of OVER never close: nothing says how late "{plan.order}" may come',
            code="plan-window-time",
            where=where,
            choices=sorted(below.times) or None,
            hint=f'declare WATERMARK FOR {plan.order}, or call assign_watermark("{plan.order}", …)',
        )


def _check_process(plan: Process) -> None:
    below = [properties(part) for part in plan.parts]
    if plan.order == "arrival" or all(b.is_bounded for b in below):
        return
    for found, by in zip(below, plan.by, strict=True):
        if by.time not in found.times:
            raise PlanError(
                f'{plan.function.name} waits for ever: nothing says how late "{by.time}" may come',
                code="plan-window-time",
                where=plan.span or plan.place,
                choices=sorted(found.times) or None,
                hint=f'declare WATERMARK FOR {by.time}, or call assign_watermark("{by.time}", …)',
            )


def _check_sort(plan: Sort) -> None:
    below, first = properties(plan.input), plan.order[0]
    if below.is_bounded:
        return
    if first.column in below.times and not first.descending and not below.is_updating:
        return
    raise PlanError(
        "rows that do not end have no order but that of their event time"
        if not below.is_updating
        else "rows that do not end, and change, have no order",
        code="plan-sort-unbounded",
        where=plan.span or plan.place,
        found=f"ORDER BY {first}",
        choices=None
        if below.is_updating
        else sorted(n for n in below.times if not n.startswith("__")) or None,
        hint="with LIMIT n (in Python top(n)) the first n rows are kept up to date",
    )


def _check_as_of_join(plan: AsOfJoin) -> None:
    where = plan.span or plan.place
    below = [properties(p) for p in plan.inputs]
    if any(b.is_updating for b in below):
        side = "left" if below[0].is_updating else "right"
        raise SqlError(
            f"a join in time is only possible on rows that stay yet; those of the {side} side change",
            code="sql-not-yet",
            where=where,
            hint="join before rows are grouped without a window; versions may come from a table with a "
            "PRIMARY KEY, or from ROW_NUMBER() OVER (PARTITION BY key ORDER BY time DESC) = 1",
        )
    if all(b.is_bounded for b in below):
        return
    for name, found in zip(plan.times, below, strict=True):
        if name not in found.times:
            raise PlanError(
                f'the rows of a join in time wait for ever: nothing says how late "{name}" may come',
                code="plan-window-time",
                where=where,
                choices=sorted(found.times) or None,
                hint=f'declare WATERMARK FOR {name}, or call assign_watermark("{name}", …)',
            )


def _check_positions(plan: GroupBy, found: needs.Needs) -> None:
    calls = [a.expr for a in plan.aggregates]
    if not any(isinstance(c, Aggregate) and aggregates.lookup(c.function).needs_position for c in calls):
        return
    if needs.has_positions(plan.input, found):
        return
    raise SqlError(
        "FIRST_VALUE and LAST_VALUE need rows that come from a source one by one",
        code="sql-not-yet",
        where=plan.span or plan.place,
        hint="rows that are computed from several have no place; MIN and MAX need none",
    )
