"""Refuse plans that have no way to run yet, alike in both modes.

Not here: what a sink can take (results.py), names and types (plan/build.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from thalweg.errors import SqlError
from thalweg.expr.nodes import Aggregate
from thalweg.plan.nodes import GroupBy, Plan


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
