"""Make one filter of two.

    Filter (b < 2)
      Filter (a > 1)
    becomes
    Filter ((a > 1) AND (b < 2))

The upper condition then sees rows that the lower one throws away. So it must be cheap, and have a value
for every row; a costly one (LIKE, a user's function) or one that can fail (a / b) stays behind.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.expr.nodes import conjunction, conjuncts
from thalweg.optimizer.expressions import is_movable
from thalweg.plan.nodes import Filter, Plan


def merge_filters(plan: Plan) -> Plan:
    """One filter instead of two, where the upper one may see all rows."""
    if not isinstance(plan, Filter) or not isinstance(plan.input, Filter):
        return plan
    lower = plan.input
    if not is_movable(plan.condition, plan.input.schema):
        return plan
    parts = [*conjuncts(lower.condition), *conjuncts(plan.condition)]
    return replace(lower, condition=conjunction(parts))
