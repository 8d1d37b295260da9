"""Find the members of rows that a step reads, so that they can be picked further below.

Not here: where they are picked (rules/project_before_filter.py, rules/project_before_union.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from thalweg.base.schema import Schema
from thalweg.base.types import Struct
from thalweg.expr.nodes import Call, Column, Expr, Literal, Named
from thalweg.optimizer.expressions import is_member, members_read, root_of


def picked_members(
    exprs: Iterable[Expr], keys: Sequence[str], schema: Schema
) -> tuple[list[Named], set[str]]:
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
