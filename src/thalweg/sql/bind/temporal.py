"""Bind joins with a table as it was at a time: `JOIN t FOR SYSTEM_TIME AS OF left.time ON …`.

Which way such a join goes depends on the time: an event time of the left table asks for the version of a row
that was valid then, processing time for the rows that are there now (lookups.py).

Not here: other joins (joins.py).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from thalweg.errors import SqlError
from thalweg.expr.nodes import Column, Expr
from thalweg.plan.properties import properties
from thalweg.sql import problems
from thalweg.sql.bind import lookups
from thalweg.sql.bind.context import Context
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.scope import Scope
from thalweg.sql.source import span_of


def without_join(table: exp.Expr) -> SqlError:
    """The error for a table at a time that nothing is joined with."""
    return problems.not_yet(
        "FOR SYSTEM_TIME AS OF without a join is",
        span_of(table.args["system_time"]),
        hint="FROM t JOIN versions FOR SYSTEM_TIME AS OF t.time AS v ON t.key = v.key",
    )


def joined_at(scope: Scope, read: Callable[[], Scope], node: exp.Expr, context: Context) -> Scope:
    """The rows of the scope, each with the rows of a table as they were at its time.

    Args:
        scope: the tables to the left.
        read: binds the table to the right.
        node: the join.
        context: the catalog.
    """
    moment = node.this.args["system_time"]
    if lookups.is_now(moment, scope, context):
        return lookups.looked_up(scope, read(), node, context)
    at = ExpressionBinder(scope, context.catalog, "FOR SYSTEM_TIME AS OF").bind(moment)
    if _is_event_time(at, scope):
        raise problems.not_yet("temporal joins by event time are", span_of(moment))
    raise problems.meaning(
        "the time of a temporal join is a time of the left table: its event time, or its processing time",
        span_of(moment),
        code="sql-temporal-time",
        expected=", ".join(properties(scope.plan).times) or "a column with a watermark",
    )


def _is_event_time(at: Expr, scope: Scope) -> bool:
    return isinstance(at, Column) and at.name in properties(scope.plan).times
