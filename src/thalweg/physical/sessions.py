"""Place sessions: groupings of sessions, and rows with their sessions.

A grouping by the key of the sessions and their bounds merges stretches of time that were added up before
the exchange. Every other step that reads sessions gets rows, once their session is complete.

Called by: grouping.py, planner.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.errors import PlanError
from thalweg.expr.nodes import Column, Expr
from thalweg.operators.aggregation import can_split
from thalweg.operators.common_panes import CommonPanesSpec
from thalweg.operators.rowwise import ProjectStep
from thalweg.operators.sessions import SessionsSpec
from thalweg.operators.windows import LATE, WindowsSpec
from thalweg.physical import needs
from thalweg.physical.arguments import call_of, needs_rows
from thalweg.physical.panes import Panes
from thalweg.plan.nodes import WINDOW_TIME, GroupBy, Project, SessionWindow, Window
from thalweg.plan.properties import UNTIL_END, properties, window_lag
from thalweg.plan.window_columns import WindowColumns

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


@dataclass(frozen=True)
class GroupedSessions:
    """Sessions whose rows reach a grouping by their own key, through projections only."""

    window: SessionWindow
    steps: Sequence[Project]
    keys: tuple[str, ...]
    columns: WindowColumns


def grouped_sessions(plan: GroupBy, found: Panes | None) -> GroupedSessions | None:
    """The sessions below a grouping, if it makes one row of each; `found` is the window that it groups by."""
    if found is None or not isinstance(found.window, SessionWindow):
        return None
    if any(needs_rows(call_of(a)) for a in plan.aggregates):
        return None
    steps = [s for s in found.steps if isinstance(s, Project)]
    if len(steps) < len(found.steps):
        return None
    keys = found.keys(plan)
    origin: dict[str, str | None] = {k: k for k in keys}
    for step in reversed(steps):
        made = {i.name: i.expr for i in step.items}
        origin = {k: _column(made, name) for k, name in origin.items()}
    if sorted(map(str, origin.values())) != sorted(found.window.window.partition):
        return None
    return GroupedSessions(found.window, steps, keys, found.columns)


def _column(made: dict[str, Expr], name: str | None) -> str | None:
    """The column that another one is the same as."""
    expr = None if name is None else made.get(name)
    return expr.name if isinstance(expr, Column) else None


def slack_of(plan: Window | SessionWindow) -> int | None:
    """How far the time of windows may lag; None where they close at the end of the input only.

    Raises:
        PlanError: they would never close.
    """
    below = properties(plan.input)
    slack = below.times.get(plan.column)
    if slack is None and not below.is_bounded:
        raise PlanError(
            f'the windows on "{plan.column}" never close: nothing says how late its rows may come',
            code="plan-window-time",
            where=plan.span or plan.place,
            choices=sorted(below.times) or None,
            hint=f'declare WATERMARK FOR {plan.column}, or call assign_watermark("{plan.column}", …)',
        )
    return slack


def late_port(stage: OpenStage) -> str:
    """The output for the late rows of the next window step of a stage."""
    return numbered_port(ports_before(stage))


def ports_before(stage: OpenStage) -> int:
    """How many outputs for late rows the steps of a stage have."""
    panes = (len(o.windows) for o in stage.operators if isinstance(o, CommonPanesSpec))
    return sum(isinstance(o, (WindowsSpec, SessionsSpec)) for o in stage.operators) + sum(panes)


def numbered_port(before: int) -> str:
    """The output for late rows behind so many others of the stage."""
    return f"{LATE}{before + 1}" if before else LATE


def _judged(planner: Planner, plan: SessionWindow) -> OpenStage:
    """Rows that are in time, with their time."""
    slack = slack_of(plan)
    if properties(plan.input).is_updating:
        raise PlanError(
            "sessions need rows that stay as they are, and these may be taken back",
            code="plan-session-updating",
            where=plan.span or plan.place,
            hint="put the sessions before the step whose results change, or group by fixed windows",
        )
    stage = planner.chained(plan.input)
    step, port = f"{stage.id}.sessions{len(stage.operators)}", late_port(stage)
    stage.add(SessionsSpec(step, plan.column, plan.window, slack, tuple(plan.input.schema.names), port))
    planner.window_ports[plan] = (stage, port)
    return stage


def place_group_by(planner: Planner, plan: GroupBy, found: GroupedSessions) -> OpenStage:
    """One row per key and session."""
    # imported here: jobs without sessions need not compile what finds them
    from thalweg.operators.session_group import SessionGroupSpec, SessionPartialsSpec
    from thalweg.physical.grouping import shape_of

    stage = _judged(planner, found.window)
    for step in found.steps:
        stage.steps.append(ProjectStep(step.items, step.input.schema))
    shape, items = shape_of(plan, found.keys)
    stage.steps.append(ProjectStep(items, plan.input.schema))
    gap = found.window.window.gap_us
    if can_split(shape):
        shape = replace(shape, partials=True)
        stage.add(SessionPartialsSpec(f"{stage.id}.partials{len(stage.operators)}", shape, gap))
    target = planner.exchanged(stage, found.keys, "session")
    slack = properties(found.window.input).times.get(found.window.column, UNTIL_END)
    held = found.window.schema.type_of(WINDOW_TIME).polars
    # the end of a session lags one microsecond more than the time of its rows
    lag = window_lag(found.columns, properties(plan.input))
    lag = None if lag is None else lag - 1
    target.add(SessionGroupSpec(f"{target.id}.session", shape, gap, slack, found.columns.bounds, held, lag))
    return target


def place_session(planner: Planner, plan: SessionWindow) -> OpenStage:
    """Rows with their session, once it is complete."""
    from thalweg.operators.session_rows import SessionRowsSpec

    stage = _judged(planner, plan)
    columns = {f.name: f.type.polars for f in plan.input.schema}
    if needs.has_positions(plan.input, planner.needs):
        columns |= {SPLIT: pl.Int64(), OFFSET: pl.Int64()}
    keys = plan.window.partition
    target = planner.exchanged(stage, keys, "session")
    slack = properties(plan.input).times.get(plan.column, UNTIL_END)
    held = plan.schema.type_of(WINDOW_TIME).polars
    target.add(SessionRowsSpec(f"{target.id}.session", columns, keys, plan.window.gap_us, slack, held))
    return target
