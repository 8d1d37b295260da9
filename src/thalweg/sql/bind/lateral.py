"""Bind `LATERAL (SELECT …)` in FROM: a query that is asked for each row of the tables before it.

Not here: how a query's rows are found for a row around it (correlation.py, nested.py), UNNEST (tables.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal as Choice

from sqlglot import exp

from thalweg.expr.nodes import Call, Column, Expr, Named
from thalweg.plan import build
from thalweg.plan.attach import TRUE, Attachment
from thalweg.sql import problems
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.joins import check_aliases
from thalweg.sql.bind.nested import BoundQuery, bind_nested, free_name
from thalweg.sql.bind.scope import Relation, Scope
from thalweg.sql.source import span_of


def joined_lateral(scope: Scope, node: exp.Expr, context: Context) -> Scope:
    """The rows of the scope, each with the rows that the query gives for it."""
    kind = _kind(node)
    inner = node.this.this
    query = bind_nested(scope, context, inner, taken=scope.schema.names, plans=[scope.plan])
    columns: tuple[Expr, ...] = tuple(Column(c) for c in query.columns)
    right = query.plan
    if query.when_empty is not None:
        # an aggregate has a row for each row around it, also where it has nothing to aggregate
        mark = free_name("rows", (*scope.schema.names, *right.schema.names))
        right, kind = build.with_columns(right, [Named(mark, TRUE)]), "left"
        columns = tuple(
            Call("case", (Call("is_not_null", (Column(mark),)), c, empty))
            for c, empty in zip(columns, query.when_empty, strict=True)
        )
    relation = _relation(node.this, query, columns)
    check_aliases(scope.relations, relation, node.this)
    made = Attachment(right, query.pairs, span_of(inner)).beside(scope.plan, lambda e: e, kind)
    return replace(scope, plan=placed(made, node), relations=(*scope.relations, relation))


def _kind(node: exp.Expr) -> Choice["inner", "left"]:
    side, on = node.args.get("side") or "", node.args.get("on")
    if side not in ("", "LEFT"):
        raise problems.meaning(
            f"LATERAL cannot stand in {side} JOIN: its query is asked for the rows of the tables before it",
            span_of(node.this),
            code="sql-lateral-kind",
            expected="CROSS JOIN LATERAL (…), or LEFT JOIN LATERAL (…) ON TRUE",
        )
    is_true = on is None or (isinstance(on, exp.Boolean) and on.this)
    if node.args.get("using") or not is_true:
        raise problems.not_yet(
            "LATERAL with a condition is",
            span_of(on or node),
            hint="the condition can stand in WHERE of its query, and ON TRUE here",
        )
    return "left" if side else "inner"


def _relation(table: exp.Expr, query: BoundQuery, columns: tuple[Expr, ...]) -> Relation:
    """What the columns of the query are called."""
    alias = table.args.get("alias")
    names = [c.name for c in alias.args.get("columns") or ()] if alias is not None else []
    if names and len(names) != len(columns):
        raise problems.meaning(
            f"LATERAL is given {len(names)} column names for {len(columns)} columns",
            span_of(alias),
            code="sql-alias-columns",
        )
    called = names or query.names
    owner = alias.name if alias is not None else None
    return Relation(owner, dict(zip(called, columns, strict=True)))
