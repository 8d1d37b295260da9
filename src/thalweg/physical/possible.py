"""Refuse plans that have no way to run yet, alike in both modes.

Not here: what a sink can take (results.py), names and types (plan/build.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from thalweg.errors import SqlError
from thalweg.plan.nodes import Plan, Rank
from thalweg.plan.properties import ranks_windows


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
    if isinstance(plan, Rank) and not ranks_windows(plan):
        raise SqlError(
            f"{plan.kind.upper()} is only possible within windows yet",
            code="sql-not-yet",
            where=plan.span or plan.place,
            expected="a partition that names window_start and window_end",
            hint="number the rows of TABLE(TUMBLE(…)), or of a grouping by window",
        )
