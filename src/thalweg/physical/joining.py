"""Place joins: both inputs meet by key in one stage.

Called by: planner.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.job.job import Edge
from thalweg.operators.as_of_spec import AsOfSpec, TimedSide
from thalweg.operators.join_spec import JoinSpec, SideSpec
from thalweg.physical import needs
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.nodes import Join, Plan
from thalweg.plan.properties import as_of_slacks, emits_once, join_bounds, properties
from thalweg.plan.time_bounds import SideBound

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


def place_join(planner: Planner, plan: Join) -> OpenStage:
    """Both inputs by key to the tasks that join them; without keys one task gets them all."""
    target = _meeting(planner, plan)
    target.add(join_spec(plan, f"{target.id}.join"))
    return target


def place_as_of_join(planner: Planner, plan: AsOfJoin) -> OpenStage:
    """The same for a join in time."""
    target = _meeting(planner, plan)
    is_placed = needs.has_positions(plan.right, planner.needs)
    target.add(as_of_spec(plan, f"{target.id}.as_of", is_placed=is_placed))
    return target


def _meeting(planner: Planner, plan: Join | AsOfJoin) -> OpenStage:
    """A stage that gets the rows of both inputs by key."""
    stages = [planner.place(p) for p in plan.inputs]
    keys = tuple(zip(*plan.keys, strict=True)) or ((), ())
    target = planner.new_stage("join", parallelism=planner.parallelism if plan.keys else 1)
    for port, stage in enumerate(stages):
        how = "hash" if plan.keys else "gather"
        planner.edges.append(Edge(stage.id, target.id, how, keys[port], port=port))  # type: ignore[arg-type]
    return target


def as_of_spec(plan: AsOfJoin, id: str, *, is_placed: bool) -> AsOfSpec:
    """The description of the operator; `is_placed`: whether the right rows carry their position."""
    slacks = as_of_slacks(plan) or (None, None)
    keys = tuple(zip(*plan.keys, strict=True)) or ((), ())
    places = {SPLIT: pl.Int64(), OFFSET: pl.Int64()} if is_placed else {}
    left, right = plan.left.schema.polars, plan.right.schema.polars
    return AsOfSpec(
        id,
        plan.kind,
        TimedSide("left", dict(left), keys[0], plan.times[0], slacks[0]),
        TimedSide("right", {**right, **places}, keys[1], plan.times[1], slacks[1]),
        plan.residual,
        plan.schema,
        plan.is_strict,
        plan.reach,
        plan.alive,
        plan.takes_first,
    )


def join_spec(plan: Join, id: str) -> JoinSpec:
    """The description of the operator."""
    # of the right input of a semi or anti join nobody sees the rows: equal ones may be one
    merges = plan.kind in ("semi", "anti")
    bounds = join_bounds(plan)
    left = _side("left", plan.left, tuple(k for k, _ in plan.keys), bounds[0], merges=False)
    right = _side("right", plan.right, tuple(k for _, k in plan.keys), bounds[1], merges=merges)
    return JoinSpec(id, plan.kind, left, right, plan.residual, plan.both, emits_once(plan))


def _side(name: str, plan: Plan, keys: tuple[str, ...], bound: SideBound, *, merges: bool) -> SideSpec:
    is_updating = properties(plan).is_updating
    return SideSpec(name, dict(plan.schema.polars), keys, is_updating, merges or is_updating, bound)
