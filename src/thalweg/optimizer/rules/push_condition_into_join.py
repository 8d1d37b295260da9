"""Test what a join's condition says of one input before rows are kept and paired.

    Join left on a = c AND (d > 1)
      Scan t [*]
      Scan u [*]
    becomes
    Join left on a = c
      Scan t [*]
      Filter (d > 1)
        Scan u [*]

Of an input whose rows are kept without a partner, a row that fails the condition is no row to leave out: it
has no partner then. Only conditions that are sure move, since below they see rows that find no partner.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.expr.nodes import Expr, columns_of, conjunction, conjuncts
from thalweg.optimizer.expressions import is_sure
from thalweg.plan.nodes import Filter, Join, Plan

_LOSES = {
    "inner": (True, True),
    "left": (False, True),
    "right": (True, False),
    "full": (False, False),
    "semi": (True, True),
    "anti": (False, True),
}
"""Whether a row of the left, and of the right, input is in no result if nothing matches it."""


def push_condition_into_join(plan: Plan) -> Plan:
    """The join over filtered inputs."""
    if not isinstance(plan, Join) or plan.residual is None:
        return plan
    loses = _LOSES[plan.kind]
    inputs = list(plan.inputs)
    kept: list[Expr] = []
    for part in conjuncts(plan.residual):
        side = _side(part, plan)
        if side is None or not loses[side] or not is_sure(part, plan.both):
            kept.append(part)
        else:
            inputs[side] = Filter(inputs[side], part, place=plan.place, span=part.span)
    if len(kept) == len(conjuncts(plan.residual)):
        return plan
    left, right = inputs
    return replace(plan, left=left, right=right, residual=conjunction(kept) if kept else None)


def _side(part: Expr, plan: Join) -> int | None:
    """The input that a condition reads, if it is one alone."""
    used = columns_of(part)
    for number, below in enumerate(plan.inputs):
        if used and used <= set(below.schema.names):
            return number
    return None
