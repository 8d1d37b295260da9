"""Bind queries: WITH, UNION, VALUES, LIMIT around SELECTs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from thalweg.base.types import DataType
from thalweg.expr.casts import common_type
from thalweg.expr.nodes import Column, Literal, Named
from thalweg.plan import build
from thalweg.plan.nodes import Plan, Project
from thalweg.sql import problems
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.rows import bind_values
from thalweg.sql.bind.select import bind_select
from thalweg.sql.bind.tables import renamed
from thalweg.sql.source import span_of

_TOP = "LIMIT keeps the first rows by position; within windows ROW_NUMBER() OVER (… ORDER BY …) ranks rows"


def bind_query(node: exp.Expr, context: Context) -> Plan:
    """The plan of a query."""
    with_ = node.args.get("with_")
    seen: set[str] = set()
    for cte in with_.expressions if with_ is not None else ():
        alias = cte.args["alias"]
        if alias.name in seen:
            message = f'WITH names two queries "{alias.name}"'
            raise problems.meaning(message, span_of(alias), code="sql-alias-taken")
        seen.add(alias.name)
        context = context.naming(alias.name, renamed(bind_query(cte.this, context), alias))
    reader = _READERS.get(type(node))
    if reader is None:
        raise problems.not_yet("this kind of query is", span_of(node))
    return _limited(reader(node, context), node)


def _limited(plan: Plan, node: exp.Expr) -> Plan:
    order, limit, offset = (node.args.get(k) for k in ("order", "limit", "offset"))
    if order is not None:
        raise problems.not_yet("ORDER BY outside OVER is", span_of(order), hint=_TOP)
    if limit is None and offset is None:
        return plan
    if limit is None:
        raise problems.not_yet("OFFSET without LIMIT is", span_of(offset))
    skipped = 0 if offset is None else int(offset.expression.this)
    return placed(build.limit(plan, int(limit.expression.this), skipped), limit)


def _union(node: exp.Expr, context: Context) -> Plan:
    parts = [bind_query(p, context) for p in _parts(node)]
    plan = placed(build.union_all(_with_typed_nulls(parts), where=span_of(node.expression)), node)
    if not node.args["distinct"]:
        return plan
    columns = [Named(n, Column(n)) for n in plan.schema.names]
    return build.group_by(plan, columns, columns)


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
    exp.Subquery: _wrapped,
    exp.Values: bind_values,
}
