"""Place groupings by windows of different kinds whose rows are added up once, in common panes.

One stage gives rows their panes and adds them up; behind the exchange each grouping has a stage of its own,
which takes its aggregates and its panes, and closes its windows as it would alone.

Called by: grouping.py.
Not here: which groupings share panes (common_panes.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thalweg.base.types import DataType
from thalweg.expr.nodes import Aggregate, Column
from thalweg.operators.aggregation import GroupingSpec, WindowGrouping
from thalweg.operators.common_panes import CommonPanesSpec, JudgedWindow, OwnPanesSpec
from thalweg.operators.partials import PartialsSpec
from thalweg.operators.rowwise import FilterStep, ProjectStep
from thalweg.physical import sessions
from thalweg.physical.arguments import arguments, call_of
from thalweg.physical.common_panes import CommonPanes, Member, Merged, merge_grouped, merged_below
from thalweg.plan.nodes import WINDOW_TIME, GroupBy, Plan
from thalweg.plan.properties import UNTIL_END, properties
from thalweg.progress.windows import WindowSpec

if TYPE_CHECKING:
    from thalweg.physical.planner import OpenStage, Planner


@dataclass(frozen=True)
class Placed:
    """The common stage.

    Attributes:
        stage: gives what was added up by common pane.
        source: how that was done.
        own: for each grouping its own shape, and what the source calls the arguments of its aggregates.
    """

    stage: OpenStage
    source: GroupingSpec
    own: Mapping[Plan, tuple[GroupingSpec, Mapping[str, str]]]


def place_member(planner: Planner, plan: GroupBy, common: CommonPanes) -> OpenStage:
    """One of the groupings, behind the stage that all of them share."""
    placed = planner.panes_placed.get(id(common))
    if placed is None:
        placed = planner.panes_placed[id(common)] = _place(planner, common)
    own, arguments = placed.own[plan]
    target = planner.exchanged(placed.stage, placed.source.partition, "group")
    target.add(OwnPanesSpec(f"{target.id}.panes", placed.source, own, arguments))
    target.add(replace(own, id=f"{target.id}.window"))
    return target


def _place(planner: Planner, common: CommonPanes) -> Placed:
    merged = merged_below(common)
    stage = planner.chained(common.base)
    _add_steps(stage, merged)
    _judge(planner, stage, common, merged)
    calls = [[call_of(a) for a in m.plan.aggregates] for m in common.members]
    made = [
        arguments(c, m.plan.keys, m.plan.input.schema) for c, m in zip(calls, common.members, strict=True)
    ]
    merged.steps.clear()
    merge_grouped(merged, common.members, made)
    _add_steps(stage, merged)
    own: dict[Plan, tuple[GroupingSpec, Mapping[str, str]]] = {
        m.plan: (_own(m), {a.name: names[a.name] for a in some})
        for m, some, names in zip(common.members, made, merged.names, strict=True)
    }
    source = _source(common, merged, own)
    stage.add(PartialsSpec(f"{stage.id}.partials{len(stage.operators)}", source))
    return Placed(stage, source, own)


def _add_steps(stage: OpenStage, merged: Merged) -> None:
    for what, schema in merged.steps:
        stage.steps.append(ProjectStep(what, schema) if isinstance(what, tuple) else FilterStep(what, schema))


def _judge(planner: Planner, stage: OpenStage, common: CommonPanes, merged: Merged) -> None:
    """Give rows their common panes, and turn away what is late for the windows of each grouping."""
    stage.flush()
    judged: dict[Plan, JudgedWindow] = {}
    first = sessions.ports_before(stage)
    for member, names in zip(common.members, merged.names, strict=True):
        if member.window not in judged:
            port = sessions.numbered_port(first + len(judged))
            columns = tuple((n, names[n]) for n in member.window.input.schema.names)
            judged[member.window] = JudgedWindow(member.window.window, port, columns)
            planner.window_ports[member.window] = (stage, port)
    window = common.members[0].window
    slack = sessions.slack_of(window)
    step = f"{stage.id}.panes{len(stage.operators)}"
    column = merged.names[0][window.column]
    stage.add(CommonPanesSpec(step, column, common.grid, tuple(judged.values()), slack))


def _own(member: Member) -> GroupingSpec:
    """The shape of one grouping, as it would be alone."""
    from thalweg.physical.grouping import shape_of

    shape, _ = shape_of(member.plan, member.keys)
    return replace(shape, window=_windows(member, member.window.window), partials=True)


def _windows(member: Member, window: WindowSpec) -> WindowGrouping:
    slack = properties(member.window.input).times.get(member.window.column, UNTIL_END)
    held = member.window.schema.type_of(WINDOW_TIME).polars
    return WindowGrouping(slack, window, member.panes.columns.bounds, held)


def _source(
    common: CommonPanes, merged: Merged, own: Mapping[Plan, tuple[GroupingSpec, Mapping[str, str]]]
) -> GroupingSpec:
    """What is added up by common pane: whatever any of the groupings needs."""
    first, names = common.members[0], merged.names[0]
    calls: dict[Aggregate, str] = {}
    types: dict[str, DataType] = {}
    for shape, called in own.values():
        for _, call in shape.calls:
            args = tuple(Column(called[a.name]) if isinstance(a, Column) else a for a in call.args)
            over = replace(call, args=args)
            calls.setdefault(over, str(over))
        types |= {called[n]: held for n, held in shape.argument_types.items()}
    shape, _ = own[first.plan]
    return replace(
        shape,
        keys={names[k]: held for k, held in shape.keys.items()},
        calls=tuple((name, call) for call, name in calls.items()),
        argument_types=types,
        window=_windows(first, common.grid),
        columns=(),
    )
