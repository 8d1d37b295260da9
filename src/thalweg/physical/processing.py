"""Place keyed functions: the rows of a key meet in one task.

Called by: planner.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.expr.python_rows import GivenRows
from thalweg.job.job import Edge
from thalweg.operators.process import ProcessSpec, side_port
from thalweg.physical import needs
from thalweg.plan.process import Process, SideOutput
from thalweg.plan.properties import properties

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


def place_process(planner: Planner, plan: Process) -> OpenStage:
    """A keyed function."""
    target = planner.exchanged(planner.chained(plan.input), plan.keys, "process")
    places = needs.has_positions(plan.input, planner.needs)
    target.add(process_spec(plan, f"{target.id}.process", is_placed=places))
    return target


def place_side(planner: Planner, plan: SideOutput) -> OpenStage:
    """What the function gives to a side output."""
    below = planner.place(plan.input)
    stage = planner.new_stage("side", parallelism=below.parallelism)
    planner.edges.append(Edge(below.id, stage.id, output=side_port(plan.port)))
    return stage


def process_spec(plan: Process, id: str, *, is_placed: bool) -> ProcessSpec:
    """The description of the operator; `is_placed`: whether rows carry their position."""
    places = {SPLIT: pl.Int64(), OFFSET: pl.Int64()} if is_placed else {}
    function = plan.function
    return ProcessSpec(
        id,
        {**plan.input.schema.polars, **places},
        plan.keys,
        plan.time,
        None if plan.time is None else properties(plan.input).times.get(plan.time),
        function,
        GivenRows(plan.result, function.name, function.place),
        {name: GivenRows(schema, function.name, function.place) for name, schema in plan.sides},
        plan.order,
    )
