"""Place joins with tables that are looked up.

Rows that stay look for others where they are. Rows that may be taken back go by key to the task that holds
what they were answered. The table itself is no stage: the runtime reads it, or asks it.

Called by: planner.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thalweg.expr.nodes import Column
from thalweg.operators.lookup import LookupSpec
from thalweg.operators.rowwise import ExplodeStep, FilterStep, MapStep, ProjectStep, RowStep, RowwiseSpec
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import AssignWatermark, Explode, Filter, MapBatches, Plan, Project, Scan
from thalweg.plan.properties import properties
from thalweg.protocols.lookup import KeyedSource, LookupTable, inner_of, options_of

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


def place_lookup(planner: Planner, plan: LookupJoin) -> OpenStage:
    """Each row with the rows of the table that it belongs to."""
    if properties(plan.left).is_updating:
        mine = [a for a, _ in plan.keys]
        stage = planner.exchanged(planner.place(plan.left), mine, "lookup")
    else:
        stage = planner.chained(plan.left)
    stage.flush()
    stage.add(lookup_spec(plan, f"{stage.id}.lookup{len(stage.operators)}"))
    return stage


def lookup_spec(plan: LookupJoin, id: str) -> LookupSpec:
    """The description of the operator."""
    return LookupSpec(
        id,
        _table(plan, f"{id}.table"),
        "left" if plan.kind == "left" else "inner",
        tuple(a for a, _ in plan.keys),
        dict(plan.left.schema.polars),
        plan.residual,
        plan.both,
        properties(plan.left).is_updating,
    )


def _table(plan: LookupJoin, id: str) -> LookupTable:
    """What is looked up: a scan, and what is done to each of its rows."""
    steps: list[RowStep] = []
    keys: list[str] | None = [b for _, b in plan.keys]
    below = plan.right
    while not isinstance(below, Scan):
        step = _row_step(below)
        if step is not None:
            steps.insert(0, step)
        keys = None if keys is None else _keys_below(below, keys)
        below = below.inputs[0]
    can_ask = keys is not None and isinstance(inner_of(below.source), KeyedSource)
    return LookupTable(
        below.wanted,
        below.fields,
        RowwiseSpec(id, tuple(steps)) if steps else None,
        dict(plan.right.schema.polars),
        tuple(b for _, b in plan.keys),
        tuple(keys or ()) if can_ask else None,
        options_of(below.source),
        below.is_tolerant,
    )


def _keys_below(plan: Plan, keys: list[str]) -> list[str] | None:
    """What the keys are called below a step; None where they are computed there."""
    if not isinstance(plan, Project):
        return None if isinstance(plan, (Explode, MapBatches)) else keys
    made = {i.name: i.expr for i in plan.items}
    found = [e.name for e in (made[k] for k in keys) if isinstance(e, Column)]
    return found if len(found) == len(keys) else None


def _row_step(plan: Plan) -> RowStep | None:
    """What a step does to each row; None if it only declares something."""
    schema = plan.inputs[0].schema
    if isinstance(plan, Project):
        return ProjectStep(plan.items, schema)
    if isinstance(plan, Filter):
        return FilterStep(plan.condition, schema)
    if isinstance(plan, Explode):
        return ExplodeStep(plan.column)
    if isinstance(plan, MapBatches):
        return MapStep(plan.function, schema, plan.result)
    assert isinstance(plan, AssignWatermark), f"{type(plan).__name__} does not treat rows by themselves"
    return None
