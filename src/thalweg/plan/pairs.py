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

    def visit(step: Plan) -> bool:
        if isinstance(step, (Scan, Values)):
            scans.append(step)
            return True
        known = isinstance(step, (Project, Filter, AssignWatermark, DeclaredKey, Union))
        return known and all(visit(p) for p in step.inputs)

    return visit(plan) and len(set(scans)) == len(scans)
