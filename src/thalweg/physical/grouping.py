"""Place the steps that bring rows together: windows, groupings, rankings, limits.

A grouping of windows over panes is recognised here: the rows between the window and the grouping
then carry a pane instead of being repeated for every window.

Called by: planner.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.errors import PlanError, SqlError
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Aggregate, Call, Column, Literal, Named, columns_of
from thalweg.operators.aggregation import GroupingSpec, WindowGrouping, can_split
from thalweg.operators.limit import LimitSpec
from thalweg.operators.partials import PartialsSpec
from thalweg.operators.rowwise import ProjectStep
from thalweg.operators.window_rank import WindowRankSpec
from thalweg.operators.windows import LATE, WindowsSpec
from thalweg.physical import needs
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    WINDOW_TIME,
    Filter,
    GroupBy,
    Limit,
    Plan,
    Project,
    Rank,
    Window,
)
from thalweg.plan.properties import UNTIL_END, closes_windows, properties, ranks_windows

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner

_BOUNDS = (WINDOW_START, WINDOW_END, WINDOW_TIME)


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
        keys = tuple(k for k in plan.keys if k not in _BOUNDS)
        slack = _slack(shared.window)
        window = WindowGrouping(slack_us=slack, window=shared.window.window)
        return _group(planner, plan, stage, keys, window)
    stage = planner.chained(plan.input)
    slack = properties(plan.input).times.get(WINDOW_END, UNTIL_END)
    return _group(planner, plan, stage, plan.keys, WindowGrouping(slack_us=slack, window=None))


class Panes:
    """A window whose rows reach a grouping through steps that do not look at the window."""

    def __init__(self, window: Window, steps: Sequence[Project | Filter]) -> None:
        self.window, self.steps = window, steps


def pane_window(plan: GroupBy) -> Panes | None:
    """The window below a grouping, if panes can stand for windows."""
    keys = set(plan.keys)
    if not {WINDOW_START, WINDOW_END} <= keys:
        return None
    if any(columns_of(a.expr) & set(_BOUNDS) for a in plan.aggregates):
        return None
    steps: list[Project | Filter] = []
    below: Plan = plan.input
    while not isinstance(below, Window):
        if not isinstance(below, (Project, Filter)) or not _passes_window(below):
            return None
        steps.append(below)
        below = below.input
    return Panes(below, list(reversed(steps)))


def _passes_window(step: Project | Filter) -> bool:
    """Whether a step does the same to a row in all of its windows."""
    if isinstance(step, Filter):
        return not columns_of(step.condition) & set(_BOUNDS)
    return all(_is_plain(i) for i in step.items)


def _is_plain(item: Named) -> bool:
    """Whether a column has nothing to do with the window, or is a bound of it under its own name."""
    used = columns_of(item.expr) & set(_BOUNDS)
    return not used or (isinstance(item.expr, Column) and item.expr.name == item.name)


def _place_panes(planner: Planner, plan: GroupBy, panes: Panes) -> OpenStage:
    stage = place_window(planner, panes.window, shares_panes=True)
    for step in panes.steps:
        if isinstance(step, Filter):
            from thalweg.operators.rowwise import FilterStep

            stage.steps.append(FilterStep(step.condition, step.input.schema))
        else:
            items = tuple(i for i in step.items if i.name not in _BOUNDS)
            stage.steps.append(ProjectStep(items, step.input.schema))
    return stage


def _slack(window: Window) -> int:
    return properties(window.input).times.get(window.column, UNTIL_END)


def _group(
    planner: Planner, plan: GroupBy, stage: OpenStage, keys: tuple[str, ...], window: WindowGrouping | None
) -> OpenStage:
    """Compute arguments, add up what is there, exchange by key, group."""
    below = plan.input.schema
    calls = tuple(_call(a) for a in plan.aggregates)
    arguments = _arguments(calls, below)
    items = [Named(k, Column(k)) for k in keys] + arguments
    if items:
        # a frame without columns would have no rows to count
        stage.steps.append(ProjectStep(tuple(items), below))
    held = {k: below.type_of(k).polars for k in keys}
    time_type = below.get(WINDOW_START)
    shape = GroupingSpec(
        id="",
        keys=held,
        calls=tuple((n, c) for n, c in _named_calls(plan, calls)),
        argument_types={a.name: type_of(a.expr, below) for a in arguments},
        is_updating=properties(plan.input).is_updating,
        window=None
        if window is None
        else replace(window, time=None if time_type is None else time_type.polars),
        columns=tuple(plan.schema.names),
        partials=False,
    )
    if not shape.is_updating and can_split(shape):
        shape = replace(shape, partials=True)
        stage.add(PartialsSpec(f"{stage.id}.partials{len(stage.operators)}", shape))
    target = planner.exchanged(stage, _exchange_keys(keys, window), "group")
    target.add(replace(shape, id=f"{target.id}.{'window' if window else 'group'}"))
    return target


def _exchange_keys(keys: tuple[str, ...], window: WindowGrouping | None) -> tuple[str, ...]:
    """Rows meet by their keys; what differs only in its window may meet elsewhere too."""
    if window is not None and window.window is None:
        own = tuple(k for k in keys if k not in _BOUNDS)
        return own or tuple(k for k in keys if k == WINDOW_END)
    return keys


def _call(named: Named) -> Aggregate:
    assert isinstance(named.expr, Aggregate), "a grouping holds aggregates"
    return named.expr


def _named_calls(plan: GroupBy, calls: tuple[Aggregate, ...]) -> list[tuple[str, Aggregate]]:
    """Each aggregate over columns of its own: arguments and conditions are computed before."""
    done = []
    for named, call in zip(plan.aggregates, calls, strict=True):
        bare = not call.args and call.filter is None
        args = () if bare else (Column(argument_name(call)),)
        done.append((named.name, replace(call, args=args, filter=None)))
    return done


def argument_name(call: Aggregate) -> str:
    """The name of the column that holds an aggregate's argument; equal arguments share one."""
    text = ", ".join(map(str, call.args))
    return f"__arg {text}" + ("" if call.filter is None else f" if {call.filter}")


def _arguments(calls: Sequence[Aggregate], schema: Schema) -> list[Named]:
    """The columns that the aggregates read: a condition makes an argument NULL where it is not true."""
    made: dict[str, Named] = {}
    for call in calls:
        if not call.args and call.filter is None:
            continue
        value = call.args[0] if call.args else Literal(value=True, type=BOOLEAN)
        if call.filter is not None:
            value = Call("case", (call.filter, value, Literal(None, type_of(value, schema))))
        made.setdefault(argument_name(call), Named(argument_name(call), value))
    return list(made.values())


def over_columns(plan: GroupBy) -> GroupBy:
    """The same grouping over columns alone: what its aggregates compute of a row is computed before."""
    calls = tuple(_call(a) for a in plan.aggregates)
    if all(c.filter is None and all(isinstance(a, Column) for a in c.args) for c in calls):
        return plan
    items = [*(Named(k, Column(k)) for k in plan.keys), *_arguments(calls, plan.input.schema)]
    aggregates = tuple(Named(n, c) for n, c in _named_calls(plan, calls))
    return replace(plan, input=Project(plan.input, tuple(items)), aggregates=aggregates)


def place_rank(planner: Planner, plan: Rank) -> OpenStage:
    """Numbers within windows, once a window is complete."""
    assert ranks_windows(plan), "other ranks were refused"
    stage = planner.chained(plan.input)
    schema = {f.name: f.type.polars for f in plan.input.schema}
    if needs.has_positions(plan.input, planner.needs):
        schema |= {SPLIT: pl.Int64(), OFFSET: pl.Int64()}
    keys = tuple(k for k in plan.partition if k != WINDOW_START)
    target = planner.exchanged(stage, keys, "rank")
    slack = properties(plan.input).times.get(WINDOW_END, UNTIL_END)
    target.add(
        WindowRankSpec(
            f"{target.id}.rank",
            schema,
            plan.partition,
            plan.order,
            plan.kind,
            plan.output,
            plan.limit,
            slack,
            keys,
        )
    )
    return target


def place_limit(planner: Planner, plan: Limit) -> OpenStage:
    """The first rows by position."""
    if properties(plan.input).is_updating or not needs.has_positions(plan.input, planner.needs):
        raise SqlError(
            "LIMIT needs rows that come from a source one by one",
            code="sql-not-yet",
            where=plan.span or plan.place,
            hint="a result that changes has no first rows; order it with ROW_NUMBER over a window",
        )
    stage = planner.chained(plan.input)
    schema = {f.name: f.type.polars for f in plan.input.schema}
    schema |= {SPLIT: pl.Int64(), OFFSET: pl.Int64()}
    target = planner.exchanged(stage, (), "limit")
    target.add(LimitSpec(f"{target.id}.limit", schema, plan.count, plan.offset))
    return target
