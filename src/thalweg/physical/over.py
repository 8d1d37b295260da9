"""Place OVER: rows of a partition meet, and wait for the watermark, or are aggregated anew when they change.

Called by: planner.py, lazy.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Aggregate
from thalweg.physical import needs
from thalweg.plan.over import Over
from thalweg.plan.properties import properties, recomputes

if TYPE_CHECKING:
    from thalweg.operators.over import OverSpec
    from thalweg.operators.running_over import RunningOverSpec
    from thalweg.physical.needs import Needs
    from thalweg.physical.planner import OpenStage, Planner


def place_over(planner: Planner, plan: Over) -> OpenStage:
    """Aggregates over the rows around each row."""
    stage = planner.chained(plan.input)
    target = planner.exchanged(stage, plan.partition, "over")
    make = running_spec if recomputes(plan) else over_spec
    target.add(make(plan, planner.needs, f"{target.id}.over"))
    return target


def running_spec(plan: Over, found: Needs, step: str) -> RunningOverSpec:
    """The description of the step that keeps aggregates up to date."""
    # imported here: a batch without OVER needs no compiler
    from thalweg.operators.running_over import RunningOverSpec

    calls = over_spec(plan, found, "")
    return RunningOverSpec(step, calls.columns, plan.sort_keys, calls)


def over_spec(plan: Over, found: Needs, step: str) -> OverSpec:
    """The step's description."""
    # imported here: a batch without OVER needs no compiler
    from thalweg.operators.over import OverSpec

    below = plan.input.schema
    columns = {f.name: f.type.polars for f in below}
    if needs.has_positions(plan.input, found):
        columns |= {SPLIT: pl.Int64(), OFFSET: pl.Int64()}
    calls = []
    for item in plan.aggregates:
        assert isinstance(item.expr, Aggregate), "OVER holds aggregates"
        calls.append((item.name, item.expr, type_of(item.expr, below)))
    order = plan.order or ""
    slack = properties(plan.input).times.get(order)
    return OverSpec(step, columns, plan.partition, order, plan.frame, tuple(calls), slack)
