"""Build set operations and ordered limits from steps that there are already.

INTERSECT and EXCEPT count each row on both sides; whatever is taken back below, the counts follow. With
ALL, a row comes as often as the counts say.

Not here: UNION ALL (build.py), the steps themselves (nodes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal as Choice

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.base.types import INT64
from thalweg.errors import PlanError, Span
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Literal, Named
from thalweg.plan import build
from thalweg.plan.nodes import Plan, Project, Rank, SortKey
from thalweg.plan.sort import Sort

_LEFT, _RIGHT, _COPIES = (SYSTEM_PREFIX + n for n in ("left", "right", "copies"))
_NUMBER = f"{SYSTEM_PREFIX}number"


def distinct(plan: Plan) -> Plan:
    """Each row once."""
    columns = [Named(n, Column(n)) for n in plan.schema.names]
    return build.group_by(plan, columns, columns)


def intersect_or_except(
    kind: Choice["intersect", "except"], left: Plan, right: Plan, *, copies: bool, where: Span | None = None
) -> Plan:
    """The rows of both sides, or those of the left that the right has not.

    Args:
        kind: which of the two.
        left: rows; its columns give the result their names.
        right: rows with columns of the same types, in the same order.
        copies: whether equal rows are told apart: the less frequent side says how often a row comes, or how
            often it is taken away.
        where: the place in the text.
    """
    both = build.union_all([left, right], where=where)
    names = list(both.schema.names)
    marked = [_marked(p, names, *sides) for p, sides in zip(both.inputs, ((1, 0), (0, 1)), strict=True)]
    keys = [Named(n, Column(n)) for n in names]
    counts = [Named(n, Aggregate("sum", (Column(n),))) for n in (_LEFT, _RIGHT)]
    counted = build.group_by(build.union_all(marked), keys, [*keys, *counts])
    on_left, on_right, none = Column(_LEFT), Column(_RIGHT), Literal(0, INT64)
    if kind == "intersect":
        wanted = Call("and", (Call(">", (on_left, none)), Call(">", (on_right, none))))
        times: Expr = Call("least", (on_left, on_right))
    elif copies:
        wanted, times = Call(">", (on_left, on_right)), Call("-", (on_left, on_right))
    else:
        wanted, times = Call("and", (Call(">", (on_left, none)), Call("=", (on_right, none)))), none
    found = build.filter_rows(counted, wanted)
    if copies:
        listed = Named(_COPIES, Call("array_repeat", (Literal(1, INT64), times)))
        found = build.explode(build.project(found, [*keys, listed]), _COPIES)
    return build.select_names(found, names)


def _marked(plan: Plan, names: Sequence[str], left: int, right: int) -> Plan:
    """Rows that say from which side they are."""
    sides = [Named(_LEFT, Literal(left, INT64)), Named(_RIGHT, Literal(right, INT64))]
    return build.project(plan, [*(Named(n, Column(n)) for n in names), *sides])


def first_rows(
    plan: Plan,
    order: Sequence[SortKey],
    count: int,
    offset: int = 0,
    *,
    by: Sequence[str] = (),
    where: Span | None = None,
) -> Plan:
    """Rows number `offset + 1` to `offset + count` in an order, by `by`; position breaks ties."""
    if count < 0 or offset < 0:
        raise PlanError("LIMIT and OFFSET cannot be negative", code="plan-negative-limit", where=where)
    output = _NUMBER
    while output in plan.schema:
        output = f"_{output}"
    ranked = build.rank(plan, by, order, kind="row_number", output=output, where=where)
    assert isinstance(ranked, Rank), "numbering makes a rank step"
    number = Column(output)
    last = Call("<=", (number, Literal(offset + count, INT64)))
    found = build.filter_rows(ranked, last)
    if offset:
        found = build.filter_rows(found, Call(">", (number, Literal(offset, INT64))))
    return build.select_names(found, plan.schema.names)


def limited(plan: Plan, count: int, offset: int = 0) -> Plan:
    """The first rows: of an order, if the rows have one, else by position."""
    below, projections = plan, []
    while isinstance(below, Project):
        projections.append(below)
        below = below.input
    if not isinstance(below, Sort):
        return build.limit(plan, count, offset)
    found = first_rows(below.input, below.order, count, offset)
    for step in reversed(projections):
        found = replace(step, input=found)
    return found
