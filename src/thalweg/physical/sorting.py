"""Place the order of a whole result: one task gets all rows.

Called by: planner.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thalweg.operators.folding import FoldSpec
from thalweg.operators.sort import SortSpec
from thalweg.plan.properties import properties
from thalweg.plan.sort import Sort

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


def place_sort(planner: Planner, plan: Sort) -> OpenStage:
    """Rows that end in their order at the end, others in the order of event time as it goes on."""
    below = properties(plan.input)
    target = planner.exchanged(planner.chained(plan.input), (), "sort")
    columns = dict(plan.schema.polars)
    if below.is_bounded:
        target.add(FoldSpec(f"{target.id}.fold", columns, plan.order))
    else:
        slack = below.times[plan.order[0].column]
        target.add(SortSpec(f"{target.id}.sort", columns, plan.order, slack))
    return target
