"""Place the steps that number rows: within windows once, else running with changes.

Called by: planner.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from thalweg.columnar.batch import OTHER_SPLIT, SPLIT
from thalweg.expr.nodes import Column
from thalweg.operators.join_spec import JoinSpec
from thalweg.operators.rowwise import ProjectStep
from thalweg.operators.window_rank import WindowRankSpec
from thalweg.physical import needs
from thalweg.plan.nodes import Rank
from thalweg.plan.pairs import are_rows_of_sources
from thalweg.plan.properties import properties, ranked_window, window_lag, window_slack
from thalweg.plan.window_columns import WindowColumns

if TYPE_CHECKING:
    from thalweg.operators.rowwise import RowStep
    from thalweg.operators.top_rows import TopRowsSpec
    from thalweg.physical.planner import OpenStage, Planner


def place_rank(planner: Planner, plan: Rank) -> OpenStage:
    """Numbers within windows, once a window is complete; else numbers that are kept up to date."""
    schema = {f.name: f.type.polars for f in plan.input.schema}
    schema |= dict.fromkeys(needs.places(plan.input, planner.needs), pl.Int64())
    window = ranked_window(plan)
    if window is not None:
        return _place_window_rank(planner, plan, schema, window)
    return _place_running_rank(planner, plan, schema)


def _place_window_rank(
    planner: Planner, plan: Rank, schema: dict[str, pl.DataType], window: WindowColumns
) -> OpenStage:
    stage = planner.chained(plan.input)
    below = properties(plan.input)
    slack, lag = window_slack(window, below), window_lag(window, below)
    if lag is not None:
        from thalweg.operators.running_rank import RunningRankSpec

        target = planner.exchanged(stage, plan.partition, "rank")
        fields = (schema, plan.partition, plan.order, plan.kind, plan.output, plan.limit)
        ends = (min(window.ends), lag, slack)
        target.add(RunningRankSpec(f"{target.id}.rank", *fields, below.is_updating, ends))
        return target
    keys = tuple(k for k in plan.partition if k not in window.starts)
    target = planner.exchanged(stage, keys, "rank")
    target.add(
        WindowRankSpec(
            f"{target.id}.rank",
            schema,
            plan.partition,
            plan.order,
            plan.kind,
            plan.output,
            plan.limit,
            min(window.ends),
            slack,
            keys,
        )
    )
    return target


def _place_running_rank(planner: Planner, plan: Rank, schema: dict[str, pl.DataType]) -> OpenStage:
    # imported here: a plan of a batch needs no compiler
    from thalweg.operators.running_rank import RunningRankSpec
    from thalweg.operators.top_rows import TopRowsSpec

    stage = planner.chained(plan.input)
    is_updating = properties(plan.input).is_updating
    has_lists = plan.kind == "row_number" and not is_updating and plan.limit is not None
    tells_apart = are_rows_of_sources(plan.input) or OTHER_SPLIT in schema
    if has_lists and tells_apart and SPLIT in schema:
        assert plan.limit is not None, "asked for above"
        if TopRowsSpec.can_keep(schema, plan.order, plan.limit):
            shape = TopRowsSpec(
                "", schema, plan.partition, plan.order, plan.limit, plan.output, closes=plan.closes
            )
            first = f"{stage.id}.first{len(stage.operators)}"
            _leave_out(stage, replace(shape, id=first, is_first_phase=True))
            target = planner.exchanged(stage, plan.partition, "rank")
            target.add(replace(shape, id=f"{target.id}.first"))
            return target
    target = planner.exchanged(stage, plan.partition, "rank")
    fields = (schema, plan.partition, plan.order, plan.kind, plan.output, plan.limit)
    target.add(RunningRankSpec(f"{target.id}.rank", *fields, is_updating, closes=plan.closes))
    return target


def _leave_out(stage: OpenStage, first: TopRowsSpec) -> None:
    """Leave out rows that are not among the first of their batch, and pairs before they are whole."""
    join = stage.operators[-1] if stage.operators else None
    order = tuple(k.column for k in first.order)
    called = _called_below(stage.steps, {*first.partition, *order})
    if not isinstance(join, JoinSpec) or called is None:
        stage.add(first)
        return
    keys = tuple(replace(k, column=called[k.column]) for k in first.order)
    partition = tuple(called[n] for n in first.partition)
    columns = {**join.left.columns, **join.right.columns}
    wanted = replace(first, columns=columns, partition=partition, order=keys, closes=None)
    stage.operators[-1] = replace(join, first=wanted)


def _called_below(steps: Sequence[RowStep], names: Collection[str]) -> dict[str, str] | None:
    """What columns are called before these steps; None where the steps do more than call them otherwise."""
    called = {n: n for n in names}
    for step in reversed(steps):
        if not isinstance(step, ProjectStep):
            return None
        made = {i.name: i.expr for i in step.items}
        below = {n: made[now] for n, now in called.items()}
        if not all(isinstance(e, Column) for e in below.values()):
            return None
        called = {n: e.name for n, e in below.items() if isinstance(e, Column)}
    return called
