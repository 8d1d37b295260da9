"""Tell where rows come from sources one by one, or in pairs, so that positions tell them apart.

Not here: which positions are read for it (physical/needs.py).
"""

from __future__ import annotations

from thalweg.plan.keys import DeclaredKey
from thalweg.plan.nodes import AssignWatermark, Filter, Join, Plan, Project, Scan, Union, Values


def pairs_below(plan: Plan) -> Join | None:
    """The join whose pairs of source rows a plan hands on one by one, if it does."""
    while isinstance(plan, (Project, Filter, DeclaredKey)):
        plan = plan.inputs[0]
    if type(plan) is Join and plan.kind == "inner" and all(map(are_rows_of_sources, plan.inputs)):
        return plan
    return None


def are_rows_of_sources(plan: Plan) -> bool:
    """Whether positions tell all rows apart: each is one row of a source, and no source row comes twice."""
    scans: list[Plan] = []
    return _is_made_of(plan, scans) and len(set(scans)) == len(scans)


def _is_made_of(plan: Plan, scans: list[Plan]) -> bool:
    """Whether each row is one row of one of the scans, which are noted."""
    if isinstance(plan, (Scan, Values)):
        scans.append(plan)
        return True
    known = isinstance(plan, (Project, Filter, AssignWatermark, DeclaredKey, Union))
    return known and all(_is_made_of(p, scans) for p in plan.inputs)
