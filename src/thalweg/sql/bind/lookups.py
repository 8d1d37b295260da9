"""Bind joins with a table as it is now: `JOIN t FOR SYSTEM_TIME AS OF left.proctime ON …`.

Not here: other times (temporal.py).
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from thalweg.expr.infer import PROCTIME
from thalweg.expr.nodes import Call, Column
from thalweg.plan.lookup import lookup_join
from thalweg.plan.nodes import Join
from thalweg.plan.proctime import is_proctime
from thalweg.sql import problems
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.joins import beside, check_aliases, kind_of
from thalweg.sql.bind.scope import Scope
from thalweg.sql.source import span_of


def is_now(moment: exp.Expr, scope: Scope, context: Context) -> bool:
    """Whether a time is when a row is read: its processing time, or `PROCTIME()`."""
    at = ExpressionBinder(scope, context.catalog, "FOR SYSTEM_TIME AS OF").bind(moment)
    if isinstance(at, Call) and at.function == PROCTIME:
        return True
    return isinstance(at, Column) and is_proctime(scope.plan, at.name)


def looked_up(scope: Scope, other: Scope, node: exp.Expr, context: Context) -> Scope:
    """The rows of the scope, each with the rows that a table has for it when it is looked up."""
    kind, on = kind_of(node), node.args.get("on")
    for relation in other.relations:
        check_aliases(scope.relations, relation, node.this)
    if on is None:
        raise problems.meaning(
            "a table is looked up with a condition: JOIN … ON",
            span_of(node),
            hint="… ON t.column = table.column",
        )
    other = beside(scope, other)
    relations = (*scope.relations, *other.relations)
    both = Scope(Join(scope.plan, other.plan, "inner"), relations, scope.merged)
    condition = ExpressionBinder(both, context.catalog, "ON").bind(on)
    made = lookup_join(scope.plan, other.plan, kind, condition, where=span_of(node))
    return replace(both, plan=placed(made, node), relations=relations)
