"""Refuse plans that have no way to run yet, alike in both modes.

Not here: what a sink can take (results.py), names and types (plan/build.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from thalweg.errors import PlanError, SqlError
from thalweg.expr.nodes import Aggregate
from thalweg.plan.nodes import GroupBy, Plan
from thalweg.plan.over import Over
from thalweg.plan.properties import properties


def check_possible(roots: Iterable[Plan]) -> None:
    """Refuse what cannot run.

    Raises:
        SqlError: `sql-not-yet`, with the place and a way around.
    """
    for root in roots:
        _check(root)


def _check(plan: Plan) -> None:
    for below in plan.inputs:
        _check(below)
    if isinstance(plan, GroupBy):
        _check_distinct(plan)
    if isinstance(plan, Over):
        _check_over(plan)


def _check_over(plan: Over) -> None:
    below = properties(plan.input)
    where = plan.span or plan.place
    if below.is_updating:
        raise SqlError(
            "OVER is only possible on rows that stay yet",
            code="sql-not-yet",
            where=where,
            hint="aggregate with OVER before rows are grouped without a window",
        )
    if plan.order not in below.times and not below.is_bounded:
        raise PlanError(
            f'the rows of OVER never close: nothing says how late "{plan.order}" may come',
            code="plan-window-time",
            where=where,
            choices=sorted(below.times) or None,
            hint=f'declare WATERMARK FOR {plan.order}, or call assign_watermark("{plan.order}", …)',
        )


def _check_distinct(plan: GroupBy) -> None:
    for named in plan.aggregates:
        call = named.expr
        assert isinstance(call, Aggregate), "a grouping holds aggregates"
        if call.distinct and call.function not in ("min", "max"):
            raise SqlError(
                f"{call} is not possible yet",
                code="sql-not-yet",
                where=call.span or plan.span or plan.place,
                hint="group by the value first, then count the groups",
            )
