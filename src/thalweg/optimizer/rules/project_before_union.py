"""Pick members of rows before rows of several inputs are put together.

    Project field(bid, 'price') AS price
      Union of 2
        Scan left [*]
        Scan right [*]
    becomes
    Project bid.price AS price
      Union of 2
        Project field(bid, 'price') AS bid.price
          Scan left [*]
        Project field(bid, 'price') AS bid.price
          Scan right [*]

The parts of a union must have the same columns, so that none of them could give up members by itself: without
this every source would read its rows whole.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.expr.nodes import Column, Expr, Named
from thalweg.optimizer.expressions import replaced
from thalweg.optimizer.members import picked_members
from thalweg.plan.nodes import GroupBy, Plan, Project, Union


def project_before_union(plan: Plan) -> Plan:
    """The step over a union of flat columns."""
    if not isinstance(plan, (Project, GroupBy)) or not isinstance(plan.input, Union):
        return plan
    union = plan.input
    if any(p.schema != union.schema for p in union.parts):
        return plan
    named = plan.items if isinstance(plan, Project) else plan.aggregates
    keys = () if isinstance(plan, Project) else plan.keys
    picked, columns = picked_members([i.expr for i in named], keys, union.schema)
    if not picked:
        return plan
    items = (*(Named(n, Column(n)) for n in union.schema.names if n in columns), *picked)
    flat: dict[Expr, Expr] = {i.expr: Column(i.name) for i in picked}
    below = replace(union, parts=tuple(Project(p, items) for p in union.parts))
    over = tuple(Named(i.name, replaced(i.expr, flat)) for i in named)
    if isinstance(plan, Project):
        return replace(plan, input=below, items=over)
    return replace(plan, input=below, aggregates=over)
