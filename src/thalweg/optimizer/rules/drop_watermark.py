"""Forget a watermark that no step uses.

    Project price
      Watermark for ts as (ts - 0:00:05)
    becomes
    Project price

Then the columns that event time is computed from need not be read either. A watermark is used by windows,
by joins in time, by sinks that publish by event time, and by any step that this rule does not know to be
without time. All plans of the job are looked at: a watermark belongs to its scan, and a scan that two plans
read must stay one.

A row without event time is a bad row only where its time is asked for; but a scan that keeps bad rows apart
keeps its watermark, so that the same rows are kept apart.
"""

from __future__ import annotations

from thalweg.optimizer.optimize import Roots, everywhere
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.nodes import (
    AssignWatermark,
    BadRows,
    Explode,
    Filter,
    GroupBy,
    Join,
    Limit,
    MapBatches,
    Plan,
    Project,
    Scan,
    Union,
    Values,
    Write,
)
from thalweg.plan.properties import join_bounds, properties
from thalweg.plan.sort import Sort
from thalweg.protocols.sink import wants_time

_TIMELESS = (
    *(Scan, Values, AssignWatermark, Project, Filter, Explode, MapBatches, MapAsync),
    *(Union, GroupBy, Join, Limit, Sort, BadRows, Write, Roots),
)


def drop_watermark(plan: Plan) -> Plan:
    """All plans without the watermarks that none of them uses."""
    if not isinstance(plan, Roots):
        return plan
    used: set[Plan] = set()
    found: set[Plan] = set()
    _find(plan, False, used, found, set())
    if found <= used:
        return plan
    return everywhere(plan, lambda p: p.inputs[0] if p in found and p not in used else p)


def _find(plan: Plan, is_timed: bool, used: set[Plan], found: set[Plan], seen: set[tuple[int, bool]]) -> None:
    """Collect the watermarks, and those that have a step above that uses time."""
    if (id(plan), is_timed) in seen:
        return
    seen.add((id(plan), is_timed))
    if isinstance(plan, AssignWatermark):
        found.add(plan)
        if is_timed or _is_tolerant(plan):
            used.add(plan)
    is_timed = is_timed or not isinstance(plan, _TIMELESS) or _is_bounded(plan) or _is_told_time(plan)
    is_timed = is_timed or (isinstance(plan, Sort) and not properties(plan.input).is_bounded)
    for below in plan.inputs:
        _find(below, is_timed, used, found, seen)


def _is_bounded(plan: Plan) -> bool:
    """Whether a join keeps rows only for as long as time allows."""
    return isinstance(plan, Join) and any(bound.until is not None for bound in join_bounds(plan))


def _is_told_time(plan: Plan) -> bool:
    """Whether a sink publishes by event time."""
    return isinstance(plan, Write) and wants_time(plan.sink)


def _is_tolerant(plan: Plan) -> bool:
    if isinstance(plan, Scan):
        return plan.is_tolerant
    return any(_is_tolerant(p) for p in plan.inputs)
