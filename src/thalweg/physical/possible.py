"""Refuse plans that have no way to run yet, alike in both modes.

Not here: what a sink can take (results.py), names and types (plan/build.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from thalweg.errors import SqlError
from thalweg.physical.needs import needs_positions
from thalweg.plan.nodes import GroupBy, MapBatches, Plan, Rank, Scan, Values
from thalweg.plan.properties import properties, ranks_windows


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
    if isinstance(plan, GroupBy) and needs_positions(plan):
        _check_positions(plan)
    if isinstance(plan, Rank) and not ranks_windows(plan):
        raise SqlError(
            f"{plan.kind.upper()} is only possible within windows yet",
            code="sql-not-yet",
            where=plan.span or plan.place,
            expected="a partition that names window_start and window_end",
            hint="number the rows of TABLE(TUMBLE(…)), or of a grouping by window",
        )


def _check_positions(plan: GroupBy) -> None:
    if not properties(plan.input).is_updating and _has_places(plan.input):
        return
    raise SqlError(
        "FIRST_VALUE and LAST_VALUE need rows that come from a source one by one",
        code="sql-not-yet",
        where=plan.span or plan.place,
        hint="rows that are computed from several have no place; MIN and MAX need none",
    )


def _has_places(plan: Plan) -> bool:
    """Whether every row can carry the position that it has in its source."""
    if isinstance(plan, (GroupBy, MapBatches)):
        return False
    return isinstance(plan, (Scan, Values)) or (bool(plan.inputs) and all(map(_has_places, plan.inputs)))
