"""Use above a filter what it says about a column.

    Project CASE WHEN kind = 0 THEN a ELSE b END AS x
      Filter (kind = 2)
    becomes
    Project CASE WHEN 2 = 0 THEN a ELSE b END AS x
      Filter (kind = 2)

What then folds away need not be read: of a stream whose rows are of several kinds, only the columns of one
kind. Columns that are handed on as they are stay columns.
"""

from __future__ import annotations

from thalweg.base.types import BOOLEAN, DATE, STRING, DataType, Integer
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Call, Column, Expr, Literal, conjuncts
from thalweg.optimizer.expressions import (
    is_member,
    is_plain,
    is_same_type,
    keeps_type,
    replaced,
    with_expressions,
)
from thalweg.plan.nodes import Filter, GroupBy, Plan, Project


def propagate_constants(plan: Plan) -> Plan:
    """The step over a filter with the columns that can only have one value as constants."""
    if not isinstance(plan, (Project, GroupBy)) or not isinstance(plan.input, Filter):
        return plan
    schema = plan.input.schema
    known: dict[Expr, Expr] = {}
    for part in conjuncts(plan.input.condition):
        pair = _known(part)
        if pair is not None and _is_exact(type_of(pair[0], schema), pair[1].type):
            known.setdefault(*pair)
    if not known:
        return plan

    def change(expr: Expr, _: object) -> Expr:
        if is_plain(expr):
            return expr
        made = replaced(expr, known)
        return made if keeps_type(made, schema, type_of(expr, schema)) else expr

    return with_expressions(plan, change)


def _known(part: Expr) -> tuple[Expr, Literal] | None:
    """The column and the value of `column = value`."""
    if not isinstance(part, Call) or part.function != "=":
        return None
    for one, other in (part.args, part.args[::-1]):
        is_value = isinstance(other, Literal) and other.value is not None
        if is_value and (isinstance(one, Column) or is_member(one)):
            assert isinstance(other, Literal), "checked above"
            return one, other
    return None


def _is_exact(held: DataType, known: DataType) -> bool:
    """Whether equal values of the type are the same value; 0.0 and -0.0 are not."""
    exact = isinstance(held, Integer) or held in (STRING, BOOLEAN, DATE)
    return exact and is_same_type(held, known)
