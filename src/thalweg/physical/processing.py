"""Place keyed functions: the rows of a key meet in one task.

Called by: planner.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, Field
from thalweg.columnar.batch import OFFSET, SPLIT, WEIGHT
from thalweg.expr.python_rows import GivenRows
from thalweg.job.job import Edge, ExchangeKind
from thalweg.operators.on_time import OnTimeSpec
from thalweg.operators.process import TURN, ProcessInput, ProcessSpec, side_port
from thalweg.operators.split_names import SplitNamesSpec
from thalweg.physical import needs
from thalweg.plan.nodes import Plan
from thalweg.plan.process import Failed, MissedRows, Process, ProcessedBy, SideOutput
from thalweg.plan.properties import properties
from thalweg.protocols.process import FAILED_PORT, MISSED_PORT

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


def place_process(planner: Planner, plan: Process) -> OpenStage:
    """A keyed function."""
    if len(plan.parts) == 1:
        target = planner.exchanged(planner.chained(plan.parts[0]), plan.by[0].keys, "process")
    else:
        target = _meeting(planner, plan)
    placed = [needs.has_positions(part, planner.needs) for part in plan.parts]
    is_tolerant = plan in planner.needs.tolerant
    target.add(process_spec(plan, f"{target.id}.process", placed, is_tolerant=is_tolerant))
    return target


def _meeting(planner: Planner, plan: Process) -> OpenStage:
    """A stage that gets the rows of keyed inputs by key, and all of those that are for all keys."""
    stages = [
        _in_time(planner, part, by) if by.is_broadcast else planner.place(part)
        for part, by in zip(plan.parts, plan.by, strict=True)
    ]
    is_keyed = bool(plan.by[0].keys)
    target = planner.new_stage("process", parallelism=planner.parallelism if is_keyed else 1)
    for port, (stage, by) in enumerate(zip(stages, plan.by, strict=True)):
        how: ExchangeKind = "broadcast" if by.is_broadcast else "hash" if is_keyed else "gather"
        planner.edges.append(Edge(stage.id, target.id, how, by.keys, port=port))
    return target


def _in_time(planner: Planner, plan: Plan, by: ProcessedBy) -> OpenStage:
    """The rows that are in time: judged before every task gets them."""
    stage = planner.chained(plan)
    slack = None if by.time is None else properties(plan).times.get(by.time)
    if by.time is not None and slack is not None:
        stage.add(OnTimeSpec(f"{stage.id}.in_time{len(stage.operators)}", by.time, slack))
    return stage


def place_side(planner: Planner, plan: SideOutput) -> OpenStage:
    """What the function gives to a side output, or fails on."""
    below = planner.place(plan.input)
    stage = planner.new_stage("side", parallelism=below.parallelism)
    own = FAILED_PORT if isinstance(plan, Failed) else MISSED_PORT if isinstance(plan, MissedRows) else None
    port = own or side_port(plan.port)
    planner.edges.append(Edge(below.id, stage.id, output=port))
    if own is not None:
        stage.add(SplitNamesSpec(f"{stage.id}.splits", "split"))
    return stage


def process_spec(plan: Process, id: str, placed: Sequence[bool], *, is_tolerant: bool = False) -> ProcessSpec:
    """The description of the operator.

    Args:
        plan: the step.
        id: its name.
        placed: of which inputs the rows carry their position.
        is_tolerant: whether somebody reads the rows that the function fails on.
    """
    function = plan.function
    inputs = [
        _input(plan, port, is_placed=is_placed)
        for port, is_placed in zip(range(len(plan.parts)), placed, strict=True)
    ]
    rules = inputs.pop() if plan.by[-1].is_broadcast else None
    return ProcessSpec(
        id,
        tuple(inputs),
        function,
        GivenRows(
            _weighted(plan.result) if function.retracts else plan.result, function.name, function.place
        ),
        {name: GivenRows(schema, function.name, function.place) for name, schema in plan.sides},
        plan.order,
        rules,
        is_tolerant,
    )


def _weighted(rows: Schema) -> Schema:
    return Schema((*rows.fields, Field(WEIGHT, INT64)))


def _input(plan: Process, port: int, *, is_placed: bool) -> ProcessInput:
    below, by, known = plan.parts[port], plan.by[port], properties(plan.parts[port])
    columns = dict(below.schema.polars)
    if is_placed:
        columns |= {SPLIT: pl.Int64(), OFFSET: pl.Int64()}
    slack = None if by.time is None else known.times.get(by.time)
    if not plan.function.takes_late:
        return ProcessInput(columns, by.keys, by.time, slack)
    if plan.order == "time":
        columns[TURN] = pl.Int64()
    if slack is None or by.time is None or not needs.carries_verdicts(below):
        return ProcessInput(columns, by.keys, by.time, slack)
    lag = known.lag(by.time, slack)
    return ProcessInput(columns, by.keys, by.time, lag, slack - lag)
