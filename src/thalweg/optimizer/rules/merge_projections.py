"""Make one projection of two.

    Project (b * 2) AS c
      Project (a + 1) AS b
    becomes
    Project ((a + 1) * 2) AS c

What the lower one computes must be used once at most, so that nothing is computed twice and a user's
function is not called twice. What only picks (a column, a member, a constant) may be repeated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Column, Named, substitute, walk
from thalweg.optimizer.expressions import is_plain, keeps_type
from thalweg.plan.nodes import Plan, Project
from thalweg.plan.properties import properties


def merge_projections(plan: Plan) -> Plan:
    """One projection instead of two, where nothing has to be computed twice for it."""
    if not isinstance(plan, Project) or not isinstance(plan.input, Project):
        return plan
    lower = plan.input
    made = {i.name: i.expr for i in lower.items}
    uses = Counter(e.name for i in plan.items for e in walk(i.expr) if isinstance(e, Column))
    if any(count > 1 and not is_plain(made[name]) for name, count in uses.items()):
        return plan
    items = tuple(Named(i.name, substitute(i.expr, made)) for i in plan.items)
    schema = lower.input.schema
    for item, old in zip(items, plan.items, strict=True):
        if not keeps_type(item.expr, schema, type_of(old.expr, lower.schema)):
            return plan
    merged = replace(plan, input=lower.input, items=items)
    # a constant that becomes visible can make an event time of `ts - shift`, and rows late by it
    return merged if properties(merged).times == properties(plan).times else plan
