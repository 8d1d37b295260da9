"""Bind queries: WITH, UNION and the like, VALUES, ORDER BY and LIMIT around SELECTs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal as Choice

from sqlglot import exp

from thalweg.base.types import DataType
from thalweg.expr.casts import common_type
from thalweg.expr.nodes import Literal
from thalweg.plan import build
from thalweg.plan.nodes import Plan, Project
from thalweg.plan.sets import distinct, first_rows, intersect_or_except, limited
from thalweg.plan.sort import sort
from thalweg.sql import problems
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.ordering import with_sort_keys
from thalweg.sql.bind.rows import bind_values
from thalweg.sql.bind.select import bind_select
from thalweg.sql.bind.tables import renamed
from thalweg.sql.source import span_of


def bind_query(node: exp.Expr, context: Context) -> Plan:
    """The plan of a query."""
    is_whole, context = context.is_whole, replace(context, is_whole=False)
    with_ = node.args.get("with_")
    seen: set[str] = set()
    for cte in with_.expressions if with_ is not None else ():
        alias = cte.args["alias"]
        if alias.name in seen:
            message = f'WITH names two queries "{alias.name}"'
            raise problems.meaning(message, span_of(alias), code="sql-alias-taken")
        seen.add(alias.name)
        context = context.naming(alias.name, renamed(bind_query(cte.this, context.apart), alias))
    reader = _READERS.get(type(node))
    if reader is None:
        raise problems.not_yet("this kind of query is", span_of(node))
    if isinstance(node, exp.Subquery) and not any(node.args.get(k) for k in ("order", "limit")):
        context = replace(context, is_whole=is_whole)
    plan = reader(node, context if isinstance(node, (exp.Select, exp.Subquery)) else context.apart)
    return _limited(plan, node, replace(context, is_whole=is_whole))


def _limited(plan: Plan, node: exp.Expr, context: Context) -> Plan:
    order, limit, offset = (node.args.get(k) for k in ("order", "limit", "offset"))
    if limit is None and offset is not None:
        raise problems.not_yet("OFFSET without LIMIT is", span_of(offset))
    if limit is None:
        return plan if order is None else _sorted(plan, order, context)
    skipped = 0 if offset is None else int(offset.expression.this)
    count = int(limit.expression.this)
    around = context.around
    if around is not None and (skipped or not count):
        around.when_empty = None
    if order is None:
        if around is not None and around.pairs:
            what = "LIMIT without ORDER BY, in a query that names the tables around it, is"
            raise problems.not_yet(what, span_of(limit))
        return placed(limited(plan, count, skipped), limit)
    by = [] if around is None else [p.column for p in around.pairs]
    wide, keys, names = with_sort_keys(plan, order, context)
    found = placed(first_rows(wide, keys, count, skipped, by=by, where=span_of(order)), order)
    return found if found.schema.names == tuple(names) else build.select_names(found, names)


def _sorted(plan: Plan, order: exp.Expr, context: Context) -> Plan:
    """All rows in an order, which they keep if nothing stands around the query."""
    wide, keys, names = with_sort_keys(plan, order, context)
    found = sort(wide, keys, where=span_of(order)) if context.is_whole else wide
    return found if found.schema.names == tuple(names) else build.select_names(found, names)


def _union(node: exp.Expr, context: Context) -> Plan:
    parts = [bind_query(p, context) for p in _parts(node)]
    plan = placed(build.union_all(_with_typed_nulls(parts), where=span_of(node.expression)), node)
    return distinct(plan) if node.args["distinct"] else plan


def _intersect_or_except(node: exp.Expr, context: Context) -> Plan:
    parts = _with_typed_nulls([bind_query(p, context) for p in (node.this, node.expression)])
    kind: Choice["intersect", "except"] = "intersect" if isinstance(node, exp.Intersect) else "except"
    copies = not node.args["distinct"]
    made = intersect_or_except(kind, *parts, copies=copies, where=span_of(node.expression))
    return placed(made, node)


def _parts(node: exp.Expr) -> list[exp.Expr]:
    """The parts of a chain of UNION ALL, so that it becomes one step."""
    left = node.this
    is_chain = type(left) is exp.Union and not left.args["distinct"] and not node.args["distinct"]
    return [*(_parts(left) if is_chain else [left]), node.expression]


def _with_typed_nulls(parts: list[Plan]) -> list[Plan]:
    """The parts, where a bare NULL takes the type that the other parts give its column."""
    if len({len(p.schema) for p in parts}) > 1:
        return parts
    found = [[f.type for f in p.schema] for p in parts]
    for i in range(len(parts[0].schema)):
        typed = [t[i] for p, t in zip(parts, found, strict=True) if not _is_null(p, i)]
        wanted = common_type(typed) if typed else None
        if wanted is not None:
            parts = [_retyped(p, i, wanted) if _is_null(p, i) else p for p in parts]
    return parts


def _is_null(plan: Plan, index: int) -> bool:
    expr = plan.items[index].expr if isinstance(plan, Project) else None
    return isinstance(expr, Literal) and expr.value is None


def _retyped(plan: Plan, index: int, wanted: DataType) -> Plan:
    assert isinstance(plan, Project), "only a projection has a bare NULL"
    items = list(plan.items)
    null = items[index].expr
    items[index] = replace(items[index], expr=Literal(None, wanted, span=null.span))
    return replace(plan, items=tuple(items))


def _wrapped(node: exp.Expr, context: Context) -> Plan:
    return bind_query(node.this, context)


_READERS: dict[type[exp.Expr], Callable[[exp.Expr, Context], Plan]] = {
    exp.Select: bind_select,
    exp.Union: _union,
    exp.Intersect: _intersect_or_except,
    exp.Except: _intersect_or_except,
    exp.Subquery: _wrapped,
    exp.Values: bind_values,
}
