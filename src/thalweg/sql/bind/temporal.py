"""Bind joins in time: `JOIN t FOR SYSTEM_TIME AS OF a.ts ON …`, and `ASOF JOIN t ON … AND a.ts >= t.ts`.

Which way the first goes depends on the time: an event time of the left table asks for the version of a row
that was valid then, processing time for the rows that are there now (lookups.py).

Not here: other joins (joins.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.errors import PlanError, SqlError
from thalweg.expr.nodes import Column, Expr, Named
from thalweg.plan import build
from thalweg.plan.as_of import AsOfJoin, AsOfKind, as_of_join, keys_of, latest_join
from thalweg.plan.nodes import Join, Plan
from thalweg.plan.versions import Versions, versions_of
from thalweg.sql import problems
from thalweg.sql.bind import lookups
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.joins import beside, check_aliases, using
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
    """The rows of the scope, each with the row of a table as it was at its time.

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
    return _with_versions(scope, read(), at, node, context)


def _with_versions(scope: Scope, other: Scope, at: Expr, node: exp.Expr, context: Context) -> Scope:
    """The version that was valid at the time of each row."""
    kind = _kind(node)
    for relation in other.relations:
        check_aliases(scope.relations, relation, node.this)
    scope, time = _with_time(scope, at)
    other = beside(scope, other)
    versions = versions_of(other.plan)
    if versions is None:
        raise _no_versions(node, other)
    shape = AsOfJoin(
        scope.plan,
        versions.plan,
        kind,
        (time, versions.time),
        alive=versions.alive,
        takes_first=versions.takes_first,
    )
    where = span_of(node.this.args["system_time"])
    both, condition = _on_or_using(scope, other.over(versions.plan), node, kind, context)
    made = as_of_join(shape, condition, may_be_key=versions.key.__contains__, where=where)
    _check_key(made, versions, both, node)
    return replace(both, plan=placed(made, node))


def joined_as_of(scope: Scope, other: Scope, node: exp.Expr, context: Context) -> Scope:
    """The rows of the scope, each with the latest row of a table up to its time."""
    for relation in other.relations:
        check_aliases(scope.relations, relation, node.this)
    other = beside(scope, other)
    kind: AsOfKind = "left" if node.args.get("side") == "LEFT" else "inner"
    match = node.args.get("match_condition")
    both, condition = scope, None
    if match is None or node.args.get("on") is not None or node.args.get("using"):
        both, condition = _on_or_using(scope, other, node, kind, context)
    else:
        both = Scope(
            Join(scope.plan, other.plan, "inner"), (*scope.relations, *other.relations), scope.merged
        )
    order = None if match is None else ExpressionBinder(both, context.catalog, "MATCH_CONDITION").bind(match)
    made = latest_join(scope.plan, other.plan, kind, condition, order, where=span_of(node))
    return both.over(placed(made, node))


def _on_or_using(
    scope: Scope, other: Scope, node: exp.Expr, kind: AsOfKind, context: Context
) -> tuple[Scope, Expr]:
    """The tables of both sides, and what the join says of their pairs of rows."""
    relations = (*scope.relations, *other.relations)
    both = Scope(Join(scope.plan, other.plan, "inner"), relations, scope.merged)
    if node.args.get("on") is not None:
        return both, ExpressionBinder(both, context.catalog, "ON").bind(node.args["on"])
    if not node.args.get("using"):
        raise problems.meaning(
            "the join needs a condition",
            span_of(node),
            hint="… JOIN t FOR SYSTEM_TIME AS OF a.time ON a.key = t.key"
            if node.args.get("method") != "ASOF"
            else "… ASOF JOIN t ON a.key = t.key AND a.time >= t.time",
        )
    both, condition = using(scope, other, node, kind)
    return replace(both, relations=relations), condition


def _kind(node: exp.Expr) -> AsOfKind:
    side = node.args.get("side") or ""
    if side in ("", "LEFT") and node.args.get("kind") in (None, "", "INNER", "OUTER"):
        return "left" if side else "inner"
    raise problems.meaning(
        f"a table as of a time cannot be joined with {side or node.args.get('kind')} JOIN",
        span_of(node.this),
        code="sql-temporal-kind",
        expected="JOIN or LEFT JOIN",
        hint="each row of the left table asks for the version at its time",
    )


def _with_time(scope: Scope, at: Expr) -> tuple[Scope, str]:
    """The scope with a column for the time."""
    if isinstance(at, Column):
        return scope, at.name
    name = f"{SYSTEM_PREFIX}at{len(scope.relations)}"
    return scope.over(build.with_columns(scope.plan, [Named(name, at)])), name


def _no_versions(node: exp.Expr, other: Scope) -> PlanError:
    name = other.relations[0].alias or "this table"
    return PlanError(
        f'"{name}" has no versions',
        code="plan-no-versions",
        where=span_of(node.this),
        expected="a table with a PRIMARY KEY and a WATERMARK, or a view of the latest row of each key: "
        "ROW_NUMBER() OVER (PARTITION BY key ORDER BY time DESC) = 1",
    )


def _check_key(made: Plan, versions: Versions, scope: Scope, node: exp.Expr) -> None:
    """Which row is meant must be said by the condition."""
    said = keys_of(made)
    missing = [n for n in versions.plan.schema.names if n in versions.key - said]
    if not missing:
        return
    owner = scope.relations[-1]
    shown = {str(e): f"{owner.alias}.{n}" for n, e in owner.columns.items()}
    raise PlanError(
        f"the condition does not say which row of the table is meant: nothing equals {shown[missing[0]]}",
        code="plan-temporal-key",
        where=span_of(node.args.get("on") or node.this),
        expected=f"left.column = {shown[missing[0]]} in ON",
        hint="the whole key of the table must be compared with columns of the left table",
    )
