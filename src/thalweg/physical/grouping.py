"""Place the steps that bring rows together: windows, groupings, limits.

Called by: planner.py.
Not here: which groupings work with panes (panes.py), the arguments of aggregates (arguments.py), numbers of
rows (ranking.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.errors import PlanError, SqlError
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Column, Named
from thalweg.operators.aggregation import GroupingSpec, WindowGrouping, can_split
from thalweg.operators.limit import LimitSpec
from thalweg.operators.partials import PartialsSpec
from thalweg.operators.rowwise import ProjectStep
from thalweg.operators.windows import LATE, WindowsSpec
from thalweg.physical import needs
from thalweg.physical.arguments import arguments, call_of, named_calls
from thalweg.physical.panes import BOUNDS, Panes, pane_window
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    Filter,
    GroupBy,
    Limit,
    Window,
)
from thalweg.plan.properties import UNTIL_END, closes_windows, properties

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


def place_window(planner: Planner, plan: Window, *, shares_panes: bool) -> OpenStage:
    """Rows with their windows, or with their panes."""
    below = properties(plan.input)
    slack = below.times.get(plan.column)
    # without a slack, nothing is closed before the end, and no row is late
    if slack is None and not below.is_bounded:
        raise PlanError(
            f'the windows on "{plan.column}" never close: nothing says how late its rows may come',
            code="plan-window-time",
            where=plan.span or plan.place,
            choices=sorted(below.times) or None,
            hint=f'declare WATERMARK FOR {plan.column}, or call assign_watermark("{plan.column}", …)',
        )
    stage = planner.chained(plan.input)
    columns = tuple(plan.input.schema.names)
    # names of the stage alone would change when a step is added in front of it
    step = f"{stage.id}.windows{len(stage.operators)}"
    before = sum(isinstance(o, WindowsSpec) for o in stage.operators)
    port = f"{LATE}{before + 1}" if before else LATE
    stage.add(WindowsSpec(step, plan.column, plan.window, slack, shares_panes, columns, port))
    planner.window_ports[plan] = (stage, port)
    return stage


def place_group_by(planner: Planner, plan: GroupBy) -> OpenStage:
    """A grouping: per window once, or running with changes."""
    if not closes_windows(plan):
        stage = planner.chained(plan.input)
        return _group(planner, plan, stage, plan.keys, None)
    shared = pane_window(plan)
    if shared is not None and all(planner.needs.readers(p) <= 1 for p in (shared.window, *shared.steps)):
        stage = _place_panes(planner, plan, shared)
        keys = tuple(k for k in plan.keys if k not in BOUNDS)
        slack = _slack(shared.window)
        window = WindowGrouping(slack_us=slack, window=shared.window.window)
        return _group(planner, plan, stage, keys, window)
    stage = planner.chained(plan.input)
    slack = properties(plan.input).times.get(WINDOW_END, UNTIL_END)
    return _group(planner, plan, stage, plan.keys, WindowGrouping(slack_us=slack, window=None))


def _place_panes(planner: Planner, plan: GroupBy, panes: Panes) -> OpenStage:
    stage = place_window(planner, panes.window, shares_panes=True)
    for step in panes.steps:
        if isinstance(step, Filter):
            from thalweg.operators.rowwise import FilterStep

            stage.steps.append(FilterStep(step.condition, step.input.schema))
        else:
            items = tuple(i for i in step.items if i.name not in BOUNDS)
            stage.steps.append(ProjectStep(items, step.input.schema))
    return stage


def _slack(window: Window) -> int:
    return properties(window.input).times.get(window.column, UNTIL_END)


def _group(
    planner: Planner, plan: GroupBy, stage: OpenStage, keys: tuple[str, ...], window: WindowGrouping | None
) -> OpenStage:
    """Compute arguments, add up what is there, exchange by key, group."""
    below = plan.input.schema
    calls = tuple(call_of(a) for a in plan.aggregates)
    made = arguments(calls, plan.keys, below)
    held = {k: below.type_of(k).polars for k in keys}
    time_type = below.get(WINDOW_START)
    shape = GroupingSpec(
        id="",
        keys=held,
        calls=tuple((n, c) for n, c in named_calls(plan, calls)),
        argument_types={a.name: type_of(a.expr, below) for a in made},
        is_updating=properties(plan.input).is_updating,
        window=None
        if window is None
        else replace(window, time=None if time_type is None else time_type.polars),
        columns=tuple(plan.schema.names),
        partials=False,
    )
    items = tuple([Named(k, Column(k)) for k in keys] + made)
    splits = not shape.is_updating and can_split(shape)
    # what adds rows up reads columns by name; a frame without columns would have no rows to count
    if items and not (splits and all(i.expr == Column(i.name) for i in items)):
        stage.steps.append(ProjectStep(items, below))
    if splits:
        shape = replace(shape, partials=True)
        stage.add(PartialsSpec(f"{stage.id}.partials{len(stage.operators)}", shape))
    target = planner.exchanged(stage, _exchange_keys(keys, window), "group")
    target.add(replace(shape, id=f"{target.id}.{'window' if window else 'group'}"))
    return target


def _exchange_keys(keys: tuple[str, ...], window: WindowGrouping | None) -> tuple[str, ...]:
    """Rows meet by their keys; what differs only in its window may meet elsewhere too."""
    if window is not None and window.window is None:
        own = tuple(k for k in keys if k not in BOUNDS)
        return own or tuple(k for k in keys if k == WINDOW_END)
    return keys


def place_limit(planner: Planner, plan: Limit) -> OpenStage:
    """The first rows by position."""
    if properties(plan.input).is_updating or not needs.has_positions(plan.input, planner.needs):
        raise SqlError(
            "LIMIT needs rows that come from a source one by one",
            code="sql-not-yet",
            where=plan.span or plan.place,
            hint="a result that changes has no first rows; ORDER BY … LIMIT says which come first",
        )
    stage = planner.chained(plan.input)
    schema = {f.name: f.type.polars for f in plan.input.schema}
    schema |= {SPLIT: pl.Int64(), OFFSET: pl.Int64()}
    target = planner.exchanged(stage, (), "limit")
    target.add(LimitSpec(f"{target.id}.limit", schema, plan.count, plan.offset))
    return target
