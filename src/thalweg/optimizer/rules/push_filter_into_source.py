"""Tell the source what rows are wanted, where it can leave out others.

    Filter (id < 1000)
      Scan events.parquet [id, price]
    becomes
    Filter (id < 1000)
      Scan events.parquet [id, price] where id < 1000

The filter stays, since a source leaves out what it can do without reading (row groups of a Parquet file by
their statistics), and no more. All plans of the job are looked at together: a scan that several steps read
stays one scan, which gives what any of them wants.

- From a filter through projections, further filters and unions down to the scan, and no other step.
- Never below a watermark: event time is found on the rows of the source before any filter, and lateness
  would change with the rows. (A watermark that nobody uses is gone by now: drop_watermark.py.)
- Never into a scan that keeps bad rows apart, which must have seen them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from thalweg.base.schema import STAMP
from thalweg.expr.nodes import Expr, columns_of, conjuncts, substitute
from thalweg.optimizer.conditions import any_of, conditions_of
from thalweg.optimizer.optimize import Roots, everywhere
from thalweg.plan.nodes import AssignWatermark, Filter, Plan, Project, Scan, Union
from thalweg.protocols.conditions import Conditions, FilteringSource

_Parts = tuple[Expr, ...]


def push_filter_into_source(plan: Plan) -> Plan:
    """All plans with the conditions that their sources take over."""
    if not isinstance(plan, Roots):
        return plan
    found = _Readers()
    found.visit(plan, (), is_timed=False)
    taken = {scan: _taken(scan, cases) for scan, cases in found.cases.items()}
    if all(scan.filter == conditions for scan, conditions in taken.items()):
        return plan
    return everywhere(plan, lambda p: _told(p, taken[p]) if isinstance(p, Scan) else p)


def _told(scan: Scan, conditions: Conditions) -> Scan:
    return scan if scan.filter == conditions else replace(scan, filter=conditions)


def _taken(scan: Scan, cases: Sequence[_Parts]) -> Conditions:
    if scan.is_tolerant or not isinstance(scan.source, FilteringSource):
        return ()
    wanted = any_of([conditions_of(parts, scan.schema) for parts in cases])
    return scan.source.taken(wanted) if wanted else ()


class _Readers:
    """Collects, for each scan, the conditions of every way on which its rows are read."""

    def __init__(self) -> None:
        self.cases: dict[Scan, list[_Parts]] = {}
        self._seen: set[tuple[Plan, _Parts, bool]] = set()

    def visit(self, plan: Plan, parts: _Parts, *, is_timed: bool) -> None:
        """Go on below a step whose output is only wanted where all parts are true."""
        if (plan, parts, is_timed) in self._seen:
            return
        self._seen.add((plan, parts, is_timed))
        is_timed = is_timed or isinstance(plan, AssignWatermark)
        if isinstance(plan, Scan):
            known = tuple(p for p in parts if STAMP not in columns_of(p))
            self.cases.setdefault(plan, []).append(() if is_timed else known)
        for below in plan.inputs:
            self.visit(below, _below(plan, below, parts), is_timed=is_timed)


def _below(plan: Plan, below: Plan, parts: _Parts) -> _Parts:
    """The conditions in the columns of an input."""
    if isinstance(plan, Filter):
        return (*parts, *conjuncts(plan.condition))
    if isinstance(plan, Project):
        made = {i.name: i.expr for i in plan.items}
        return tuple(substitute(p, made) for p in parts if columns_of(p) <= made.keys())
    if isinstance(plan, Union) and below.schema.names == plan.schema.names:
        return parts
    return ()
