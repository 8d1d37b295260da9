"""Build what takes lists and maps apart, one row for each item.

Not here: the step itself (nodes.py).
"""

from __future__ import annotations

from thalweg.base.types import INT32, INT64, STRING, List, Map
from thalweg.errors import Span
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import ITEM, NUMBERED, ORDINALITY, Call, Column, Expr, Literal, Named
from thalweg.plan import build
from thalweg.plan.nodes import Plan


def unnest(
    plan: Plan,
    column: str,
    *,
    keeps_empty: bool = False,
    is_numbered: bool = False,
    where: Span | None = None,
) -> Plan:
    """One row per item of a list, or per entry of a map.

    Args:
        plan: the rows.
        column: holds the list, and afterwards the item; entries of a map are rows of `key` and `value`.
        keeps_empty: whether a row whose list is empty or NULL stays, with NULL as its item.
        is_numbered: whether items come as rows of themselves and of their number, from 1.
        where: the place in the text.

    Raises:
        TypeMismatch: `plan-explode-type`.
    """
    value: Expr = Column(column)
    held = plan.schema.type_of(column, where=where)
    if isinstance(held, Map):
        value = Call("map_entries", (value,))
    elif not isinstance(held, List):
        return build.explode(plan, column, where=where)
    if is_numbered:
        value = Call(NUMBERED, (value,))
    if keeps_empty:
        value = _with_one(value, plan)
    if value != Column(column):
        plan = build.with_columns(plan, [Named(column, value)])
    return build.explode(plan, column, where=where)


def unnest_with_numbers(plan: Plan, column: str, number: str, *, keeps_empty: bool = False) -> Plan:
    """The same with the number of each item in a column of its own, behind the others."""
    made = unnest(plan, column, keeps_empty=keeps_empty, is_numbered=True)
    row = Column(column)
    item, ordinal = (Call("field", (row, Literal(n, STRING))) for n in (ITEM, ORDINALITY))
    return build.with_columns(made, [Named(column, item), Named(number, ordinal)])


def _with_one(value: Expr, plan: Plan) -> Expr:
    """A list that has an item, NULL if there is no other."""
    held = type_of(value, plan.schema)
    assert isinstance(held, List), "what is taken apart is a list"
    nothing = Call("array_repeat", (Literal(None, held.item), Literal(1, INT64)))
    has_items = Call(">", (Call("cardinality", (value,)), Literal(0, INT32)))
    return Call("case", (has_items, value, nothing))


__all__ = ["unnest", "unnest_with_numbers"]
