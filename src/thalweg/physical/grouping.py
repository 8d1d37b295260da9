"""Place the steps that bring rows together: windows, groupings, limits.

Called by: planner.py.
Not here: which groupings work with panes (panes.py), the arguments of aggregates (arguments.py), numbers of
rows (ranking.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.errors import SqlError
from thalweg.expr import aggregates
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Aggregate, Column, Named
from thalweg.operators.aggregation import GroupingSpec, WindowGrouping, can_split
from thalweg.operators.limit import LimitSpec
from thalweg.operators.partials import PartialsSpec
from thalweg.operators.rowwise import FilterStep, ProjectStep
from thalweg.operators.windows import WindowsSpec
from thalweg.physical import needs, sessions, sharing
from thalweg.physical.arguments import argument_name, arguments, call_of, counts_values, named_calls
from thalweg.physical.distinct import columns_of_values, find_values, label, place_values
from thalweg.physical.panes import Panes, pane_window
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.nodes import (
    WINDOW_TIME,
    Filter,
    GroupBy,
    Limit,
    Plan,
    Rank,
    SessionWindow,
    Window,
)
from thalweg.plan.over import Over
from thalweg.plan.properties import UNTIL_END, closing_window, properties, window_lag, window_slack

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


def place_window(planner: Planner, plan: Window, *, shares_panes: bool) -> OpenStage:
    """Rows with their windows, or with their panes."""
    slack = sessions.slack_of(plan)
    stage = planner.chained(plan.input)
    columns = tuple(plan.input.schema.names)
    # names of the stage alone would change when a step is added in front of it
    step = f"{stage.id}.windows{len(stage.operators)}"
    port = sessions.late_port(stage)
    stage.add(WindowsSpec(step, plan.column, plan.window, slack, shares_panes, columns, port))
    planner.window_ports[plan] = (stage, port)
    return stage


def place_group_by(planner: Planner, plan: GroupBy) -> OpenStage:
    """A grouping: per window once, or running with changes."""
    common = planner.common_panes.get(plan)
    if common is not None:
        return sharing.place_member(planner, plan, common)
    closing = closing_window(plan)
    shared = pane_window(plan)
    if shared is not None and any(planner.needs.readers(p) > 1 for p in (shared.window, *shared.between)):
        shared = None
    found = None if shared is None else sessions.grouped_sessions(plan, shared)
    if found is not None:
        return sessions.place_group_by(planner, plan, found)
    if closing is None:
        stage = planner.chained(plan.input)
        return _group(planner, plan, stage, plan.keys, None)
    time = plan.schema.type_of(next(iter(closing.ends))).polars
    lag = window_lag(closing, properties(plan.input))
    is_shared = shared is not None and lag is None and not _keeps_windows_apart(plan)
    if is_shared and shared is not None and isinstance(shared.window, Window):
        stage = _place_panes(planner, shared, shared.window)
        slack = properties(shared.window.input).times.get(shared.window.column, UNTIL_END)
        held = shared.window.schema.type_of(WINDOW_TIME).polars
        window = WindowGrouping(slack, shared.window.window, shared.columns.bounds, held)
        return _group(planner, plan, stage, shared.keys(plan), window)
    stage = planner.chained(plan.input)
    slack = window_slack(closing, properties(plan.input))
    return _group(planner, plan, stage, plan.keys, WindowGrouping(slack, None, closing.bounds, time, lag))


def _keeps_windows_apart(plan: GroupBy) -> bool:
    """Whether some value of a window cannot be put together from panes."""
    keeps_places = needs.may_lose_places(plan)
    for call in map(call_of, plan.aggregates):
        entry = aggregates.lookup(call.function)
        if call.distinct or (entry.is_ordered and (keeps_places or not entry.needs_position)):
            return True
    return False


def _place_panes(planner: Planner, panes: Panes, window: Window) -> OpenStage:
    stage = place_window(planner, window, shares_panes=True)
    for step in panes.steps:
        if isinstance(step, Filter):
            stage.steps.append(FilterStep(step.condition, step.input.schema))
        else:
            stage.steps.append(ProjectStep(step.items, step.input.schema))
    return stage


def shares_panes(plan: GroupBy) -> bool:
    """Whether windows can be put together from panes that were added up before the exchange."""
    closing = closing_window(plan)
    if closing is None or window_lag(closing, properties(plan.input)) is not None:
        return False
    if properties(plan.input).is_updating or _keeps_windows_apart(plan) or needs.reads_positions(plan):
        return False
    return can_split(shape_of(plan, ())[0])


def shape_of(plan: GroupBy, keys: tuple[str, ...]) -> tuple[GroupingSpec, tuple[Named, ...]]:
    """A running grouping of rows that stay, and the columns that it reads."""
    below = plan.input.schema
    calls = tuple(call_of(a) for a in plan.aggregates)
    made = arguments(calls, plan.keys, below)
    shape = GroupingSpec(
        id="",
        keys={k: below.type_of(k).polars for k in keys},
        calls=tuple(named_calls(plan, calls)),
        argument_types={a.name: type_of(a.expr, below) for a in made},
        is_updating=False,
        window=None,
        columns=tuple(plan.schema.names),
        partials=False,
    )
    return shape, tuple([Named(k, Column(k)) for k in keys] + made)


def _group(
    planner: Planner, plan: GroupBy, stage: OpenStage, keys: tuple[str, ...], window: WindowGrouping | None
) -> OpenStage:
    """Compute arguments, add up what is there, exchange by key, group."""
    below, columns = plan.input.schema, tuple(plan.schema.names)
    plan, closes = _with_closing(plan)
    calls = tuple(call_of(a) for a in plan.aggregates)
    made = arguments([c for c in calls if not counts_values(c)], plan.keys, below)
    values = find_values(calls, plan.keys, below)
    fed = {name: v.type for v in values for name in v.conditions}
    shape = GroupingSpec(
        id="",
        keys={k: below.type_of(k).polars for k in keys},
        calls=tuple(_named_calls(plan, calls)),
        argument_types={a.name: type_of(a.expr, below) for a in made} | fed,
        is_updating=properties(plan.input).is_updating,
        window=window,
        columns=columns,
        partials=False,
        fed=frozenset(fed),
        is_placed=needs.reads_positions(plan) and needs.has_positions(plan.input, planner.needs),
        closes=closes,
        keeps_places=needs.may_lose_places(plan),
    )
    own = [Named(k, Column(k)) for k in keys] + made
    items = tuple(dict.fromkeys(own + columns_of_values(values)))
    splits = not shape.is_updating and can_split(shape)
    # what adds rows up reads columns by name; a frame without columns would have no rows to count
    if items and not ((splits or values) and all(i.expr == Column(i.name) for i in items)):
        stage.steps.append(ProjectStep(items, below))
    if splits:
        shape = replace(shape, partials=True)
    exchange = shape.partition
    if values:
        rows = [i.name for i in own] + ([SPLIT, OFFSET] if shape.is_placed else [])
        target = place_values(planner, stage, shape, values, rows=rows, exchange=exchange)
    else:
        if splits:
            stage.add(PartialsSpec(f"{stage.id}.partials{len(stage.operators)}", shape))
        target = planner.exchanged(stage, exchange, "group")
    target.add(replace(shape, id=f"{target.id}.{'window' if window else 'group'}"))
    return target


def _with_closing(plan: GroupBy) -> tuple[GroupBy, tuple[str, int] | None]:
    """The grouping with one more aggregate, the time at which a group closes; it is in no result."""
    if plan.closes is None:
        return plan, None
    column, slack = plan.closes
    call = Aggregate("max", (Column(column),))
    hidden = Named(f"{SYSTEM_PREFIX}closes", call)
    closes = argument_name(call, plan.keys), slack
    return replace(plan, aggregates=(*plan.aggregates, hidden)), closes


def _named_calls(plan: GroupBy, calls: Sequence[Aggregate]) -> Iterator[tuple[str, Aggregate]]:
    """Each aggregate over columns alone; those over different values over what is sent for them."""
    for (name, named), call in zip(named_calls(plan, calls), calls, strict=True):
        yield name, replace(named, args=(Column(label(call, plan.keys)),)) if counts_values(call) else named


def place_limit(planner: Planner, plan: Limit) -> OpenStage:
    """The first rows by position."""
    is_updating = properties(plan.input).is_updating
    if is_updating or not needs.has_positions(plan.input, planner.needs):
        what = "a result that changes has" if is_updating else "rows that were joined or grouped have"
        raise SqlError(
            "LIMIT needs rows that come from a source one by one",
            code="sql-not-yet",
            where=plan.span or plan.place,
            hint=f"{what} no first rows, unless in an order: ORDER BY … LIMIT, sort(…).limit(…)",
        )
    stage = planner.chained(plan.input)
    schema = {f.name: f.type.polars for f in plan.input.schema}
    schema |= {SPLIT: pl.Int64(), OFFSET: pl.Int64()}
    target = planner.exchanged(stage, (), "limit")
    in_order = not _keeps_rows_back(plan.input)
    target.add(LimitSpec(f"{target.id}.limit", schema, plan.count, plan.offset, in_order))
    return target


def _keeps_rows_back(plan: Plan) -> bool:
    """Whether a step gives rows when their time has come, and not when they do."""
    return isinstance(plan, (AsOfJoin, Over, Rank, SessionWindow)) or any(map(_keeps_rows_back, plan.inputs))
