"""Bind conditions with a query: `[NOT] IN (SELECT …)` and `[NOT] EXISTS (SELECT …)`.

Each keeps or drops rows by whether they have a partner among the rows of the query, which may speak of the
outer tables in its WHERE.

Not here: queries in FROM (tables.py), queries as values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from thalweg.base.types import INT32
from thalweg.errors import PlanError, SqlError
from thalweg.expr.nodes import Call, Expr, Literal, columns_of, conjunction
from thalweg.plan import build
from thalweg.plan.join import join
from thalweg.plan.nodes import Join, Plan
from thalweg.sql import problems
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.joins import beside
from thalweg.sql.bind.scope import Relation, Scope
from thalweg.sql.bind.tables import bind_from
from thalweg.sql.source import span_of


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


def split(condition: exp.Expr) -> tuple[list[exp.Expr], list[SubQuery]]:
    """The parts of a condition that must all be true: those of one row, and those with a query."""
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
        return SubQuery(node, node.this, None, negated)
    if isinstance(node, exp.In) and node.args.get("query") is not None:
        return SubQuery(node, node.args["query"], node.this, negated)
    return None


def kept(scope: Scope, sub: SubQuery, context: Context) -> Plan:
    """The rows of the scope for which a condition with a query is true."""
    inner = _bound(scope, sub, context)
    if sub.value is None:
        condition = _all(inner.conditions)
        made = join(scope.plan, inner.plan, "anti" if sub.negated else "semi", condition, clause="EXISTS")
        return placed(made, sub.node)
    value = ExpressionBinder(scope, context.catalog, "IN").bind(sub.value)
    assert inner.item is not None, "IN reads a column"
    found = _all([Call("=", (value, inner.item), span=span_of(sub.node)), *inner.conditions])
    if not sub.negated:
        return placed(join(scope.plan, inner.plan, "semi", found, clause="IN"), sub.node)
    plan = join(scope.plan, inner.plan, "anti", found, clause="NOT IN")
    for a, b in ((value, inner.item), (inner.item, value)):
        # NOT IN is true only if no NULL is on either side: a row is dropped if one side is NULL and there
        # is any row on the other. As keys, 0 and NULL say this without looking at every pair.
        one = Call("=", (_zero_if_null(a), _zero(b)))
        plan = join(plan, inner.plan, "anti", _all([one, *inner.conditions]), clause="NOT IN")
    return placed(plan, sub.node)


def _zero_if_null(value: Expr) -> Expr:
    return Call("case", (Call("is_null", (value,)), Literal(0, INT32), Literal(None, INT32)))


def _zero(value: Expr) -> Expr:
    return Call("case", (Call("is_null", (value,)), Literal(0, INT32), Literal(0, INT32)))


def _all(parts: Sequence[Expr]) -> Expr | None:
    return conjunction(parts) if parts else None


@dataclass(frozen=True)
class _Inner:
    """The rows of a query, the conditions that also speak of the outer tables, and the column of IN."""

    plan: Plan
    conditions: list[Expr]
    item: Expr | None


def _bound(scope: Scope, sub: SubQuery, context: Context) -> _Inner:
    query = sub.query
    if isinstance(query, exp.Subquery):
        query = query.this
    if _is_simple(query):
        found = _correlated(scope, query, sub, context)
        if found is not None:
            return found
    plan = context.query(query, context)
    inner = beside(scope, Scope(plan, (Relation.of(plan, None),)))
    columns = [e for _, e in inner.visible()]
    return _Inner(inner.plan, [], None if sub.value is None else _only(columns, sub))


def _is_simple(query: exp.Expr) -> bool:
    """Whether a query keeps or drops single rows: only such a one may speak of the outer tables."""
    parts = ("with_", "group", "having", "windows", "limit", "offset", "order")
    return isinstance(query, exp.Select) and not any(query.args.get(p) for p in parts)


def _correlated(scope: Scope, query: exp.Expr, sub: SubQuery, context: Context) -> _Inner | None:
    """A query whose WHERE may speak of the outer tables; None if its list groups its rows."""
    inner = beside(scope, bind_from(query, context))
    both = _Nested(Join(scope.plan, inner.plan, "inner"), inner.relations, inner.merged, outer=scope)
    binder = ExpressionBinder(both, context.catalog, "a query inside a condition")
    items = _items(query, sub, binder, inner)
    if items is None or any(build.contains_aggregate(i) for i in items):
        return None
    where = query.args.get("where")
    plain, queries = split(where.this) if where is not None else ([], [])
    conditions: list[Expr] = []
    for part in plain:
        bound = binder.bind(part)
        if columns_of(bound) <= set(inner.plan.schema.names):
            inner = inner.over(placed(build.filter_rows(inner.plan, bound), part))
        else:
            conditions.append(bound)
    for nested in queries:
        inner = inner.over(kept(inner, nested, context))
    return _Inner(inner.plan, conditions, None if sub.value is None else _only(items, sub))


def _items(query: exp.Expr, sub: SubQuery, binder: ExpressionBinder, inner: Scope) -> list[Expr] | None:
    """The columns of the list; None if it holds what is more than a value of a row."""
    found: list[Expr] = []
    for node in query.expressions:
        node = node.this if isinstance(node, exp.Alias) else node
        if isinstance(node, exp.Window):
            return None
        if isinstance(node, exp.Star):
            found += [e for _, e in inner.visible()]
        elif isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
            if sub.value is not None:
                return None
        else:
            found.append(binder.bind(node))
    return found


def _only(columns: Sequence[Expr], sub: SubQuery) -> Expr:
    if len(columns) != 1:
        raise problems.meaning(
            f"IN takes a query of one column, not of {len(columns)}", span_of(sub.node), code="sql-in-columns"
        )
    return columns[0]


@dataclass(frozen=True)
class _Nested(Scope):
    """The tables of a query inside a condition; a name that they do not have is one of the outer tables."""

    outer: Scope | None = None

    def resolve(self, parts: Sequence[exp.Identifier]) -> Expr:
        assert self.outer is not None, "a query inside a condition has tables around it"
        try:
            return super().resolve(parts)
        except (PlanError, SqlError) as error:
            if error.code not in ("plan-unknown-column", "sql-unknown-name"):
                raise
            try:
                return self.outer.resolve(parts)
            except (PlanError, SqlError) as other:
                is_outer = other.code == "sql-ambiguous" or self.outer.has_relation(parts[0].name)
                raise (other if is_outer else error) from None
