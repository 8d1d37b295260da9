"""Leave out a projection that changes nothing.

    Project a, b
      Scan t [a, b]
    becomes
    Scan t [a, b]

Nothing but the same columns, in the same order, under the same names, is trivial.
"""

from __future__ import annotations

from thalweg.expr.nodes import Column
from thalweg.plan.nodes import Plan, Project


def drop_trivial_projection(plan: Plan) -> Plan:
    """The input, where the projection picks its columns in their order under their names."""
    if not isinstance(plan, Project):
        return plan
    picked = [i.name if i.expr == Column(i.name) else None for i in plan.items]
    return plan.input if picked == list(plan.input.schema.names) else plan
