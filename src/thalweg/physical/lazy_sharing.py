"""Groupings by different windows in a lazy query, put together from common panes.

Not here: which groupings share panes (common_panes.py), windows from panes (lazy_windows.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from thalweg.expr.nodes import Aggregate, Column
from thalweg.physical.arguments import arguments, call_of, named_calls, over_columns
from thalweg.physical.common_panes import CommonPanes, Merged, merge_grouped, merged_below
from thalweg.physical.lazy_windows import PANE, can_merge, of_panes, pane_of, part_call
from thalweg.plan.nodes import GroupBy, Plan

if TYPE_CHECKING:
    from thalweg.physical.lazy import LazyBuilder


@dataclass(frozen=True)
class CommonFrame:
    """What is added up by key and common pane.

    Attributes:
        frame: one row per key and pane.
        names: for each grouping, what its keys and aggregates are called there.
    """

    frame: pl.LazyFrame
    names: Mapping[Plan, Mapping[str, str]]


def can_share(plan: GroupBy) -> bool:
    """Whether a grouping by windows follows from the aggregates of panes."""
    return can_merge(over_columns(plan))


def group_common_panes(builder: LazyBuilder, plan: GroupBy, common: CommonPanes) -> pl.LazyFrame:
    """One of the groupings that share panes."""
    built = builder.panes_built.get(id(common))
    if built is None:
        built = builder.panes_built[id(common)] = _build(builder, common)
    (member,) = (m for m in common.members if m.plan == plan)
    names = built.names[plan]
    own = built.frame.select(PANE, *(pl.col(held).alias(name) for name, held in names.items()))
    return of_panes(own, over_columns(plan), member.window, member.panes.columns, member.keys)


def _build(builder: LazyBuilder, common: CommonPanes) -> CommonFrame:
    from thalweg.physical.lazy import checked_time

    merged = merged_below(common)
    frame = _through(builder.build(common.base), merged)
    column = merged.names[0][common.members[0].window.column]
    frame = checked_time(frame, column).with_columns(pane_of(column, common.grid))
    merged.steps.clear()
    calls = [[call_of(a) for a in m.plan.aggregates] for m in common.members]
    made = [
        arguments(c, m.plan.keys, m.plan.input.schema) for c, m in zip(calls, common.members, strict=True)
    ]
    merge_grouped(merged, common.members, made)
    frame = _through(frame, merged)
    aggregates: dict[Aggregate, str] = {}
    names: dict[Plan, Mapping[str, str]] = {}
    for member, some, called in zip(common.members, calls, merged.names, strict=True):
        own = {k: called[k] for k in member.keys}
        for name, call in named_calls(member.plan, some):
            args = tuple(Column(called[a.name]) if isinstance(a, Column) else a for a in call.args)
            own[name] = aggregates.setdefault(replace(call, args=args), f"__part{len(aggregates)}")
        names[member.plan] = own
    keys = [names[common.members[0].plan][k] for k in common.members[0].keys]
    parts = [part_call(call, merged.schema).alias(name) for call, name in aggregates.items()]
    return CommonFrame(frame.group_by([*keys, PANE]).agg(parts), names)


def _through(frame: pl.LazyFrame, merged: Merged) -> pl.LazyFrame:
    """The rows behind the common projections and conditions."""
    from thalweg.expr.evaluate import Predicate
    from thalweg.operators.rowwise import projection_with

    for what, schema in merged.steps:
        if isinstance(what, tuple):
            kept = [PANE] if PANE in frame.collect_schema() else []
            frame = projection_with(what, schema, kept).lazy(frame)
        else:
            frame = Predicate(what, schema).lazy(frame)
    return frame
