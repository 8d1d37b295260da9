"""Bind WHERE: conditions on rows, and conditions with a query.

`[NOT] IN (SELECT …)` and `[NOT] EXISTS (SELECT …)` that must be true keep or drop rows by whether they have a
partner among the rows of the query, which a join decides. Below OR, NOT and the like they are values as
others are (nested.py).

Not here: queries in FROM (tables.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlglot import exp

from thalweg.expr import aggregates
from thalweg.expr.nodes import Call, Column, Expr, columns_of, conjunction
from thalweg.plan import build
from thalweg.plan.attach import Pair
from thalweg.plan.join import into_joins, join
from thalweg.plan.nodes import JoinKind, Plan
from thalweg.sql import problems
from thalweg.sql.bind.calls import function_name
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.expressions import ExpressionBinder, bind_without_aliases
from thalweg.sql.bind.joins import beside
from thalweg.sql.bind.nested import (
    BoundQuery,
    NestedQueries,
    bind_nested,
    free_name,
    has_query,
    without_limit,
)
from thalweg.sql.bind.scope import Outer, Scope
from thalweg.sql.bind.tables import bind_from
from thalweg.sql.source import span_of

C = TypeVar("C")


def where(scope: Scope, select: exp.Expr, context: Context) -> tuple[Scope, list[Expr]]:
    """The rows for which WHERE is true, and the parts of it that also speak of the tables around the query.

    Parts on rows alone come first, then those that a join decides, then those with other queries.
    """
    node = select.args.get("where")
    plain, queries = split(node.this) if node is not None else ([], [])
    others = [p for p in plain if has_query(p)]
    if node is not None and scope.outer is None and not queries and not others:
        plain = [node.this]
    conditions: list[Expr] = []

    def take(scope: Scope, part: exp.Expr, nested: NestedQueries | None = None) -> Scope:
        binder = ExpressionBinder(scope, context.catalog, "WHERE", nested)
        condition = bind_without_aliases(binder, part, select)
        if nested is not None:
            scope = scope.over(nested.beside(scope.plan))
        if columns_of(condition) <= set(scope.schema.names):
            return scope.over(into_joins(placed(build.filter_rows(scope.plan, condition), node)))
        conditions.append(condition)
        return scope

    for part in plain:
        if not any(part is other for other in others):
            scope = take(scope, part)
    for query in queries:
        scope = scope.over(kept(scope, query, context))
    for part in others:
        nested = NestedQueries(scope, context)
        nested.as_condition(part)
        scope = take(scope, part, nested)
    return scope, conditions


@dataclass(frozen=True)
class SubQuery:
    """One condition with a query.

    Attributes:
        value: what IN looks for; None for EXISTS.
    """

    node: exp.Expr
    query: exp.Expr
    value: exp.Expr | None
    negated: bool

    @property
    def clause(self) -> str:
        """What the condition is called in messages."""
        name = "EXISTS" if self.value is None else "IN"
        return f"NOT {name}" if self.negated and self.value is not None else name


def split(condition: exp.Expr) -> tuple[list[exp.Expr], list[SubQuery]]:
    """The parts of a condition that must all be true: those of one row, and those that a join decides."""
    plain: list[exp.Expr] = []
    found: list[SubQuery] = []
    for part in _parts(condition):
        query = _sub_query(part, negated=False)
        if query is None:
            plain.append(part)
        else:
            found.append(query)
    return plain, found


def _parts(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.And):
        yield from _parts(node.this)
        yield from _parts(node.expression)
    elif isinstance(node, exp.Paren) and isinstance(node.this, (exp.And, exp.Exists, exp.In, exp.Not)):
        yield from _parts(node.this)
    else:
        yield node


def _sub_query(node: exp.Expr, *, negated: bool) -> SubQuery | None:
    if isinstance(node, exp.Not):
        return _sub_query(node.this, negated=not negated)
    if isinstance(node, exp.Paren):
        return _sub_query(node.this, negated=negated)
    if isinstance(node, exp.Exists):
        return SubQuery(node, without_limit(node.this), None, negated)
    if isinstance(node, exp.In) and node.args.get("query") is not None:
        return SubQuery(node, node.args["query"], node.this, negated)
    return None


# By a join ------------------------------------------------------------------------------------------


def kept(scope: Scope, sub: SubQuery, context: Context) -> Plan:
    """The rows of the scope for which a condition with a query is true."""
    values = _values(scope, sub, context)
    if _is_simple(sub) and not (sub.negated and values):
        inner = _rows(scope, sub, context)
        pairs = zip(values, _fitting(inner.items, values, sub), strict=True) if values else ()
        found = [*(Call("=", pair, span=span_of(sub.node)) for pair in pairs), *inner.conditions]
        return placed(_matched(scope.plan, inner.plan, sub, found, context), sub.node)
    query = bind_nested(scope, context, sub.query, taken=scope.schema.names, plans=[scope.plan])
    if query.when_empty is not None or any(p.is_null_safe for p in query.pairs):
        return _filtered(scope, sub, context)
    plan = scope.plan
    if len(values) == 1:
        value, query = query.compared(values[0], scope.schema, sub.node)
        if sub.negated:
            plan = _where_null_decides_not(plan, value, query, sub)
        query = replace(query, pairs=(*query.pairs, Pair(value, query.columns[0])))
    elif values:
        columns = _fitting(query.columns, values, sub)
        query = replace(query, pairs=(*query.pairs, *map(Pair, values, columns)))
    found = [Call("=", (p.outer, Column(p.column)), span=span_of(sub.node)) for p in query.pairs]
    return placed(_matched(plan, query.plan, sub, found, context), sub.node)


def _matched(plan: Plan, query: Plan, sub: SubQuery, conditions: list[Expr], context: Context) -> Plan:
    """The rows that the query has a row for, or those that it has none for."""
    kind: JoinKind = "anti" if sub.negated else "semi"
    may_broadcast = context.may_broadcast
    return join(plan, query, kind, _all(conditions), clause=sub.clause, may_broadcast=may_broadcast)


def _values(scope: Scope, sub: SubQuery, context: Context) -> list[Expr]:
    """What IN looks for, several values for `(a, b) IN`; nothing for EXISTS."""
    nodes = [] if sub.value is None else [sub.value]
    if isinstance(sub.value, exp.Tuple):
        nodes = sub.value.expressions
        if sub.negated:
            raise problems.not_yet(
                "NOT IN for several values is", span_of(sub.node), hint="NOT EXISTS compares them one by one"
            )
    values = [ExpressionBinder(scope, context.catalog, "IN").bind(n) for n in nodes]
    for value, node in zip(values, nodes, strict=True):
        if not columns_of(value) <= set(scope.schema.names):
            what = "IN with a query, for a value of the tables around this query, is"
            raise problems.not_yet(what, span_of(node))
    return values


def _where_null_decides_not(plan: Plan, value: Expr, query: BoundQuery, sub: SubQuery) -> Plan:
    """The rows for which NOT IN is decided by values: NULL is on neither side, or the query has no row."""
    mark = free_name("nulls", (*plan.schema.names, *query.plan.schema.names))
    wide = query.nulls(mark, span_of(sub.node)).beside(plan, lambda e: e)
    is_clear = Call("and", (Call("is_not_null", (value,)), Call("not", (Column(mark),))))
    is_decided = Call("or", (Call("is_null", (Column(mark),)), is_clear))
    return build.select_names(build.filter_rows(wide, is_decided, clause=sub.clause), plan.schema.names)


def _filtered(scope: Scope, sub: SubQuery, context: Context) -> Plan:
    """The rows by the condition as a value."""
    nested = NestedQueries(scope, context)
    if not sub.negated:
        nested.as_condition(sub.node)
    binder = ExpressionBinder(scope, context.catalog, sub.clause, nested)
    found = binder.bind(sub.node)
    condition = Call("not", (found,)) if sub.negated else found
    made = build.filter_rows(nested.beside(scope.plan), condition, clause=sub.clause)
    return placed(build.select_names(made, scope.schema.names), sub.node)


def _all(parts: Sequence[Expr]) -> Expr | None:
    return conjunction(parts) if parts else None


# Queries that keep or drop single rows --------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """The rows of a query, the conditions that also speak of the tables around it, and its list."""

    plan: Plan
    conditions: list[Expr]
    items: list[Expr]


def _is_simple(sub: SubQuery) -> bool:
    """Whether a query keeps or drops single rows: any condition can then say which rows belong together."""
    parts, query = ("with_", "group", "having", "windows", "limit", "offset", "order"), sub.query
    if not isinstance(query, exp.Select) or any(query.args.get(p) for p in parts):
        return False
    items = [i for i in query.expressions if sub.value is not None or not _is_star(i)]
    return not any(_is_more(item) for item in items)


def _is_star(item: exp.Expr) -> bool:
    return isinstance(item, exp.Column) and isinstance(item.this, exp.Star)


def _is_more(item: exp.Expr) -> bool:
    """Whether an item of a list is more than a value of a row."""
    for node in item.walk(prune=lambda n: isinstance(n, exp.Select)):
        is_call = isinstance(node, exp.Anonymous) and aggregates.has(function_name(node))
        if is_call or isinstance(node, (exp.Window, exp.Subquery, exp.Exists)):
            return True
        if isinstance(node, exp.In) and node.args.get("query") is not None:
            return True
        if _is_star(node):
            return True
    return False


def _rows(scope: Scope, sub: SubQuery, context: Context) -> _Rows:
    inner = beside(scope, bind_from(sub.query, context.apart))
    inner, conditions = where(replace(inner, outer=Outer(scope)), sub.query, context)
    binder = ExpressionBinder(inner, context.catalog, "a query inside a condition")
    items: list[Expr] = []
    for node in sub.query.expressions:
        node = node.this if isinstance(node, exp.Alias) else node
        if isinstance(node, exp.Star):
            items += [e for _, e in inner.visible()]
        elif not _is_star(node):
            items.append(binder.bind(node))
    return _Rows(inner.plan, conditions, items)


def _fitting(columns: Sequence[C], values: Sequence[Expr], sub: SubQuery) -> Sequence[C]:
    """The columns of the query, which must be as many as the values."""
    if len(columns) != len(values):
        wanted = "one column" if len(values) == 1 else f"{len(values)} columns"
        raise problems.meaning(
            f"IN takes a query of {wanted}, not of {len(columns)}", span_of(sub.node), code="sql-in-columns"
        )
    return columns
