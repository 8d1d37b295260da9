"""Bind FROM and WHERE of a query that may name the tables around it.

What the query gives depends on the row around it; here its rows get columns that say to which rows around
they belong, and every later step works for each value of these columns by itself. Where WHERE says that
expressions of both are equal, the query's own expressions are these columns. Anything else needs the values
that there are around: their different combinations are joined with the rows of the query.

Not here: the later steps (select.py, queries.py), putting the results beside the rows around (nested.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.errors import PlanError, SqlError
from thalweg.expr.nodes import Column, Expr, Named, columns_of, conjunction, substitute
from thalweg.plan import build
from thalweg.plan.attach import Pair, can_be_null_safe
from thalweg.plan.join import KeyFinder, checked, join
from thalweg.plan.nodes import Plan
from thalweg.plan.sets import distinct
from thalweg.sql import problems
from thalweg.sql.bind import subqueries
from thalweg.sql.bind.context import Around, Context
from thalweg.sql.bind.joins import beside
from thalweg.sql.bind.scope import Scope
from thalweg.sql.source import span_of

_BY = f"{SYSTEM_PREFIX}by"
_CLAUSES = ("expressions", "group", "having", "windows", "order")


def correlated(scope: Scope, node: exp.Expr, context: Context) -> Scope:
    """The rows of a SELECT's FROM for which WHERE is true, with what they belong by."""
    around = context.around
    assert around is not None, "there are tables around the query"
    inner = replace(beside(around.outer.scope, scope), outer=around.outer)
    inner, conditions = subqueries.where(inner, node, context)
    elsewhere = list(_outer_names(inner, node)) if around.outer.is_open else []
    if not conditions and not elsewhere:
        return inner
    both = Schema((*inner.schema.fields, *around.outer.scope.schema.fields))
    conditions = [checked(c, both, "WHERE") for c in conditions]
    keyed = None if elsewhere else _by_equalities(inner, conditions, around)
    return keyed if keyed is not None else _by_values(inner, conditions, elsewhere, node, around)


def _by_equalities(inner: Scope, conditions: Sequence[Expr], around: Around) -> Scope | None:
    """The rows by their own expressions; None if some condition is no equality of one with one around."""
    # an equality of floats is one of keys, but for NaN, which belongs to nothing: it is left to the join
    finder = KeyFinder(around.outer.scope.plan, inner.plan)
    sides = [finder.sides(c) for c in conditions]
    found = [s for s in sides if s is not None]
    if len(found) < len(sides):
        return None
    names = [f"{_BY}{i}" for i in range(len(found))]
    plan = build.with_columns(inner.plan, [Named(n, s[1]) for n, s in zip(names, found, strict=True)])
    around.pairs += [Pair(s[0], n) for n, s in zip(names, found, strict=True)]
    return replace(inner, plan=plan, by=tuple(names))


def _by_values(
    inner: Scope, conditions: Sequence[Expr], elsewhere: Sequence[Expr], node: exp.Expr, around: Around
) -> Scope:
    """The rows, for each combination of values of the outer columns that are used those that belong to it."""
    outer = around.outer.scope.schema
    used = {n for e in (*conditions, *elsewhere) for n in columns_of(e) if n in outer}
    plan = _plan_with(used, around, node)
    names = [n for n in plan.schema.names if n in used]
    for name in names:
        held = outer.type_of(name)
        if not can_be_null_safe(held):
            what = f'a query that depends on "{name}", of type {held}, other than by = is'
            raise problems.not_yet(what, span_of(node))
    called = {n: f"{_BY}{i}" for i, n in enumerate(names)}
    values = distinct(build.project(plan, [Named(new, Column(old)) for old, new in called.items()]))
    columns: dict[str, Expr] = {old: Column(new) for old, new in called.items()}
    parts = [substitute(c, columns) for c in conditions]
    made = join(values, inner.plan, "inner", conjunction(parts) if parts else None, clause="WHERE")
    around.pairs += [Pair(Column(old), new, is_null_safe=True) for old, new in called.items()]
    scope = replace(around.outer, columns=columns)
    return replace(inner, plan=made, by=tuple(called.values()), outer=scope)


def _plan_with(used: set[str], around: Around, node: exp.Expr) -> Plan:
    """Rows around the query with some columns."""
    for plan in around.plans:
        if used <= set(plan.schema.names):
            return plan
    what = "a query that depends on the tables of both sides of a join, other than by =, is"
    raise problems.not_yet(what, span_of(node), hint="in WHERE it can")


def _outer_names(inner: Scope, node: exp.Expr) -> Iterator[Expr]:
    """What clauses other than FROM and WHERE name of the tables around, as expressions over these."""
    outer = inner.outer
    assert outer is not None, "there are tables around the query"
    for clause in _CLAUSES:
        held = node.args.get(clause)
        for part in held if isinstance(held, list) else [held] if held is not None else []:
            for parts in _names(part):
                found = None if _meaning(inner, parts) is not None else _meaning(outer.scope, parts)
                if found is not None:
                    yield found


def _meaning(scope: Scope, parts: Sequence[exp.Identifier]) -> Expr | None:
    """What a name means; None where the clause itself is to say what is wrong with it."""
    try:
        return scope.own(parts)
    except (PlanError, SqlError):
        return None


def _names(node: exp.Expr) -> Iterator[list[exp.Identifier]]:
    """Every name with its dots, but those of queries inside."""
    for found in node.walk(prune=lambda n: isinstance(n, (exp.Subquery, exp.Exists, exp.Select))):
        if isinstance(found, exp.Column) and isinstance(found.this, exp.Identifier):
            parts = [found.this]
            at: exp.Expr = found
            while isinstance(at.parent, exp.Dot) and at.parent.this is at:
                at = at.parent
                parts.append(at.expression)
            yield parts


__all__ = ["correlated"]
