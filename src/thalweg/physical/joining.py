"""Place joins: both inputs meet by key in one stage.

Called by: planner.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from thalweg.columnar.batch import OFFSET, OTHER_OFFSET, OTHER_SPLIT, SPLIT
from thalweg.expr.nodes import Column, Named
from thalweg.job.job import Edge, ExchangeKind
from thalweg.operators.as_of_spec import AsOfSpec, TimedSide
from thalweg.operators.broadcast import BroadcastJoinSpec
from thalweg.operators.join_spec import JoinSpec, SideSpec
from thalweg.operators.rowwise import ProjectStep
from thalweg.physical import needs
from thalweg.physical.needs import PLACES_OF_PAIRS
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.nodes import Join, Plan
from thalweg.plan.properties import as_of_slacks, emits_once, join_bounds, properties
from thalweg.plan.time_bounds import SideBound

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


def place_join(planner: Planner, plan: Join) -> OpenStage:
    """Both inputs by key to the tasks that join them; without keys one task gets them all."""
    if plan.first is not None:
        return _place_broadcast_join(planner, plan)
    target = _meeting(planner, plan, _placed_right(planner, plan))
    target.add(join_spec(plan, f"{target.id}.join", places=plan in planner.needs.pairs))
    return target


def _place_broadcast_join(planner: Planner, plan: Join) -> OpenStage:
    """The small input to all tasks; the rows of the other one stay in the tasks that they are in."""
    stages = [planner.place(plan.left), _placed_right(planner, plan)]
    first = 0 if plan.first == "left" else 1
    passing = stages[1 - first]
    target = planner.new_stage("join", parallelism=passing.parallelism)
    for port, stage in enumerate(stages):
        how: ExchangeKind = "broadcast" if port == first else "forward"
        planner.edges.append(Edge(stage.id, target.id, how, port=port))
    target.add(broadcast_spec(plan, f"{target.id}.join", places=plan in planner.needs.pairs))
    return target


def broadcast_spec(plan: Join, id: str, *, places: bool = False) -> BroadcastJoinSpec:
    """The description of the operator; `places`: whether pairs carry the positions of both rows."""
    shape = join_spec(plan, id, places=places)
    sides = (shape.left, shape.right)
    return BroadcastJoinSpec(
        id,
        plan.kind,
        0 if plan.first == "left" else 1,
        (sides[0].columns, sides[1].columns),
        (sides[0].keys, sides[1].keys),
        plan.residual,
        plan.both,
    )


def place_as_of_join(planner: Planner, plan: AsOfJoin) -> OpenStage:
    """The same for a join in time."""
    target = _meeting(planner, plan, planner.place(plan.right))
    is_placed = needs.has_positions(plan.right, planner.needs)
    target.add(as_of_spec(plan, f"{target.id}.as_of", is_placed=is_placed))
    return target


def _meeting(planner: Planner, plan: Join | AsOfJoin, right: OpenStage) -> OpenStage:
    """A stage that gets the rows of both inputs by key."""
    stages = [planner.place(plan.left), right]
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


def _placed_right(planner: Planner, plan: Join) -> OpenStage:
    """The right input, its positions under the names that they have in pairs."""
    if plan not in planner.needs.pairs:
        return planner.place(plan.right)
    stage = planner.chained(plan.right)
    names = [Named(n, Column(n)) for n in plan.right.schema.names]
    items = (*names, Named(OTHER_SPLIT, Column(SPLIT)), Named(OTHER_OFFSET, Column(OFFSET)))
    stage.steps.append(ProjectStep(items, plan.right.schema))
    return stage


def join_spec(plan: Join, id: str, *, places: bool = False) -> JoinSpec:
    """The description of the operator; `places`: whether pairs carry the positions of both rows."""
    # of the right input of a semi or anti join nobody sees the rows: equal ones may be one
    merges = plan.kind in ("semi", "anti")
    bounds = join_bounds(plan)
    left = _side("left", plan.left, tuple(k for k, _ in plan.keys), bounds[0], merges=False)
    right = _side("right", plan.right, tuple(k for _, k in plan.keys), bounds[1], merges=merges)
    if places:
        left, right = (
            replace(side, columns={**side.columns, **dict.fromkeys(names, pl.Int64())})
            for side, names in ((left, PLACES_OF_PAIRS[:2]), (right, PLACES_OF_PAIRS[2:]))
        )
    return JoinSpec(id, plan.kind, left, right, plan.residual, plan.both, emits_once(plan))


def _side(name: str, plan: Plan, keys: tuple[str, ...], bound: SideBound, *, merges: bool) -> SideSpec:
    is_updating = properties(plan).is_updating
    return SideSpec(name, dict(plan.schema.polars), keys, is_updating, merges or is_updating, bound)
