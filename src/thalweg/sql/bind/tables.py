"""Bind what stands in FROM: tables, files, sub-queries, window functions, UNNEST."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.expr.nodes import Column, Named
from thalweg.plan import build
from thalweg.plan.nodes import Plan
from thalweg.sql import problems
from thalweg.sql.bind import lateral, temporal, unnesting, windows
from thalweg.sql.bind.context import Context
from thalweg.sql.bind.joins import is_comma, joined
from thalweg.sql.bind.rows import one_row
from thalweg.sql.bind.scope import Relation, Scope
from thalweg.sql.grammar.tree import JoinedTables, LateralQuery, PathTable, TableFunction
from thalweg.sql.source import span_of


def bind_from(select: exp.Expr, context: Context) -> Scope:
    """The scope that FROM and its joins make; without FROM one row without columns."""
    source = select.args.get("from_")
    if source is None:
        return Scope(one_row(), ())
    if source.this.args.get("system_time") is not None:
        raise temporal.without_join(source.this)
    return _chained(_scope_of(source.this, context), select.args.get("joins") or (), context)


def _chained(scope: Scope, joins: Sequence[exp.Expr], context: Context) -> Scope:
    """A table with the joins that follow it, from left to right."""
    for number, join in enumerate(joins):
        chain = _behind_comma(joins[number:])
        if chain:
            # a comma binds less than JOIN: the rows that these joins keep are paired with all those before
            other = _chained(_scope_of(join.this, context), chain, context)
            scope = joined(scope, other, join, context)
            return _chained(scope, joins[number + 1 + len(chain) :], context)
        scope = _joined(scope, join, context)
    return scope


def _behind_comma(joins: Sequence[exp.Expr]) -> Sequence[exp.Expr]:
    """The joins of the table behind a comma, where it matters that they come first."""
    if not is_comma(joins[0]) or isinstance(joins[0].this, exp.Unnest):
        return ()
    end = next((i for i, j in enumerate(joins) if i and is_comma(j)), len(joins))
    chain = joins[1:end]
    return chain if any(j.args.get("side") in ("RIGHT", "FULL") for j in chain) else ()


def _scope_of(node: exp.Expr, context: Context) -> Scope:
    """A table, with the joins inside a join that follow it before their ON."""
    if isinstance(node, JoinedTables):
        if node.args.get("alias") is not None:
            raise problems.not_yet(
                "a name for joins in parentheses is", span_of(node.args["alias"]), hint="name each table"
            )
        scope = _scope_of(node.this, context)
    else:
        scope = _table_scope(node, context)
    return _chained(scope, node.args.get("joins") or (), context)


def _table_scope(node: exp.Expr, context: Context) -> Scope:
    plan, own_name = table_plan(node, context)
    alias = node.args.get("alias")
    if alias is None:
        return Scope(plan, (Relation.of(plan, own_name),))
    plan = renamed(plan, alias)
    return Scope(plan, (Relation.of(plan, alias.name),))


def table_plan(node: exp.Expr, context: Context) -> tuple[Plan, str | None]:
    """The plan of one table reference, and the name it goes by without an alias."""
    reader = _READERS.get(type(node))
    if reader is None:
        raise problems.not_yet("this in FROM is", span_of(node))
    return reader(node, context)


def _table(node: exp.Expr, context: Context) -> tuple[Plan, str | None]:
    name = node.this.name
    known = context.named.get(name)
    return (context.catalog.table(name, span_of(node.this)) if known is None else known), name


def _path(node: exp.Expr, context: Context) -> tuple[Plan, str | None]:
    return context.catalog.path_table(node.this, span_of(node)), None


def _sub_query(node: exp.Expr, context: Context) -> tuple[Plan, str | None]:
    return context.query(node.this, context), None


def _function(node: exp.Expr, context: Context) -> tuple[Plan, str | None]:
    return windows.bind_window(node, lambda table: table_plan(table, context)[0]), None


def _lone_unnest(node: exp.Expr, context: Context) -> tuple[Plan, str | None]:
    raise problems.not_yet(
        "UNNEST without a table before it is", span_of(node), hint="FROM t CROSS JOIN UNNEST(t.list)"
    )


_READERS: dict[type[exp.Expr], Callable[[exp.Expr, Context], tuple[Plan, str | None]]] = {
    exp.Table: _table,
    PathTable: _path,
    exp.Subquery: _sub_query,
    LateralQuery: _sub_query,
    TableFunction: _function,
    exp.Unnest: _lone_unnest,
}


def renamed(plan: Plan, alias: exp.Expr) -> Plan:
    """The plan with its columns called as in `AS t (a, b)`."""
    names = [c.name for c in alias.args.get("columns") or ()]
    if not names:
        return plan
    visible = [n for n in plan.schema.names if not n.startswith(SYSTEM_PREFIX)]
    if len(names) != len(visible):
        raise problems.meaning(
            f'"{alias.name}" is given {len(names)} column names for {len(visible)} columns',
            span_of(alias),
            code="sql-alias-columns",
        )
    places = [span_of(c) for c in alias.args["columns"]]
    return build.project(
        plan, [Named(n, Column(v, span=p)) for n, v, p in zip(names, visible, places, strict=True)]
    )


# Joins -------------------------------------------------------------------------------------------


def _joined(scope: Scope, join: exp.Expr, context: Context) -> Scope:
    other = join.this
    if isinstance(other, exp.Unnest):
        return unnesting.with_items(scope, join, context)
    if isinstance(other, LateralQuery):
        return lateral.joined_lateral(scope, join, context)
    if other.args.get("system_time") is not None:
        return temporal.joined_at(scope, lambda: _scope_of(other, context), join, context)
    if join.args.get("method") == "ASOF":
        return temporal.joined_as_of(scope, _scope_of(other, context), join, context)
    return joined(scope, _scope_of(other, context), join, context)
