"""Trace the watermarks of plans back to the scans whose rows they are computed from.

The operators find event time in the source, before any filter. A bounded plan that runs as a query has no
such place, but must know it where a scan keeps rows without event time apart.

Not here: finding the times of rows (runtime/times.py), how a job is told (planner.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from thalweg.expr.nodes import Column, Expr, columns_of, substitute
from thalweg.job.job import EventTime
from thalweg.plan.nodes import AssignWatermark, Explode, Filter, Plan, Project, Scan

Origin = dict[str, Expr]
"""Each column as an expression over the columns of the scan."""


def event_times(roots: Iterable[Plan]) -> dict[Scan, EventTime]:
    """The event time of each scan that has one."""
    found: dict[Scan, EventTime] = {}
    for root in roots:
        _visit(root, found, set())
    return found


def _visit(plan: Plan, found: dict[Scan, EventTime], seen: set[int]) -> None:
    if id(plan) in seen:
        return
    seen.add(id(plan))
    if isinstance(plan, AssignWatermark):
        scan, origin = _traced(plan.input)
        if scan is not None and columns_of(plan.watermark) | {plan.column} <= origin.keys():
            time, mark = substitute(Column(plan.column), origin), substitute(plan.watermark, origin)
            found.setdefault(scan, EventTime(plan.column, time, mark, wants_verdict=False))
    for below in plan.inputs:
        _visit(below, found, seen)


def _traced(plan: Plan) -> tuple[Scan | None, Origin]:
    """The scan below row-wise steps, and where the columns come from; no scan where they hide it."""
    if isinstance(plan, Scan):
        return plan, {f.name: Column(f.name) for f in plan.schema}
    if isinstance(plan, (AssignWatermark, Filter)):
        return _traced(plan.input)
    if isinstance(plan, Explode):
        scan, origin = _traced(plan.input)
        return scan, {n: e for n, e in origin.items() if n != plan.column}
    if isinstance(plan, Project):
        scan, origin = _traced(plan.input)
        kept = [i for i in plan.items if columns_of(i.expr) <= origin.keys()]
        return scan, {i.name: substitute(i.expr, origin) for i in kept}
    return None, {}
