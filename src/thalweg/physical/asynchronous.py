"""Place asynchronous functions: behind whatever makes the rows, in the same task.

Called by: planner.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.expr.python_rows import GivenRows
from thalweg.operators.asynchronous import AsyncSpec
from thalweg.physical import needs
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.properties import properties

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


def place_map_async(planner: Planner, plan: MapAsync) -> OpenStage:
    """An asynchronous function."""
    stage, below = planner.chained(plan.input), properties(plan.input)
    schema, function = plan.input.schema, plan.function
    if below.is_updating:
        # a row and its removal are answered in one task, one after the other
        stage = planner.exchanged(stage, schema.names, "async")
    is_placed = needs.has_positions(plan.input, planner.needs)
    places = {SPLIT: pl.Int64(), OFFSET: pl.Int64()} if is_placed else {}
    stage.add(
        AsyncSpec(
            f"{stage.id}.async{len(stage.operators)}",
            function,
            schema,
            GivenRows(plan.given, function.name, function.place),
            {**schema.polars, **places},
            plan.carry,
            is_ordered=plan.is_ordered or below.is_updating,
            is_updating=below.is_updating,
            # a time that nobody carries is no time behind the step
            is_judged=not below.times.keys().isdisjoint(plan.carry),
            time=next((n for n in below.times if n in schema.names), None),
            is_tolerant=plan in planner.needs.tolerant,
        )
    )
    return stage
