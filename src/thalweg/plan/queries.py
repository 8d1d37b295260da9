"""Build steps over expressions that hold queries: what a query gives is a column beside every row.

Not here: SQL's queries, which may name the tables around them (sql/bind/nested.py), the columns (attach.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.errors import PlanError
from thalweg.expr.infer import resolve
from thalweg.expr.nodes import (
    SINGLE,
    Aggregate,
    Call,
    Column,
    Expr,
    Named,
    QueryCall,
    conjunction,
    conjuncts,
    transform,
    walk,
)
from thalweg.plan import attach, build
from thalweg.plan.attach import Attachment, Pair
from thalweg.plan.grouping_sets import Sets, group_by_sets
from thalweg.plan.join import join
from thalweg.plan.nodes import Plan


def filter_rows(plan: Plan, condition: Expr, *, clause: str = "WHERE") -> Plan:
    """Keep the rows for which the condition is true; see `build.filter_rows`.

    Raises:
        PlanError: `plan-query-columns`.
    """
    kept: list[Expr] = []
    names = plan.schema.names
    for part in conjuncts(condition):
        if isinstance(part, QueryCall) and part.kind == "in" and not _queries(part.args):
            plan = _with_partners(plan, part)
        else:
            kept.append(part)
    if not kept:
        return plan
    wide, (made,) = _asked(plan, [Named(clause, conjunction(kept))])
    found = build.filter_rows(wide, made.expr, clause=clause)
    return found if found.schema.names == names else build.select_names(found, names)


def project(plan: Plan, items: Sequence[Named]) -> Plan:
    """Compute columns; see `build.project`."""
    return build.project(*_asked(plan, items))


def with_columns(plan: Plan, items: Sequence[Named]) -> Plan:
    """Add columns, or replace those of the same name."""
    made = {i.name: i for i in items}
    kept = [made.pop(n) if n in made else Named(n, Column(n)) for n in plan.schema.names]
    return project(plan, [*kept, *made.values()])


def group_by(plan: Plan, keys: Sequence[Named], outputs: Sequence[Named], sets: Sets | None = None) -> Plan:
    """Group rows; see `group_by_sets`. Queries stand in keys and inside aggregates."""
    inside = [Named("", a) for o in outputs for a in walk(o.expr) if isinstance(a, Aggregate)]
    if not _queries([i.expr for i in (*keys, *inside)]):
        return group_by_sets(plan, keys, outputs, sets)
    columns = _Columns(plan)
    grouped = [Named(k.name, columns.over(k.expr)) for k in keys]
    by_key = dict(zip((k.expr for k in keys), (k.expr for k in grouped), strict=True))

    def change(e: Expr) -> Expr:
        return columns.over(e) if isinstance(e, Aggregate) else by_key.get(e, e)

    made = [Named(o.name, by_key.get(o.expr) or transform(o.expr, change)) for o in outputs]
    return group_by_sets(columns.plan, grouped, made, sets)


def _queries(exprs: Sequence[Expr]) -> list[QueryCall]:
    return [e for expr in exprs for e in walk(expr) if isinstance(e, QueryCall)]


def _asked(plan: Plan, items: Sequence[Named]) -> tuple[Plan, list[Named]]:
    """The plan with what queries give, and the items over its columns."""
    columns = _Columns(plan)
    made = [Named(i.name, columns.over(i.expr)) for i in items]
    return columns.plan, made


def _with_partners(plan: Plan, part: QueryCall) -> Plan:
    """The rows whose value is among those of a query."""
    name = _free(plan, part.query, "item")
    right = build.project(part.query, [Named(name, Column(_only(part)))])
    equality = Call("=", (part.args[0], Column(name, written=_only(part))), span=part.span)
    return join(plan, right, "semi", equality, clause="is_in")


class _Columns:
    """A plan that gets a column for each query, once for equal ones."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._known: dict[QueryCall, Expr] = {}

    def over(self, expr: Expr) -> Expr:
        """The expression over the plan's columns."""
        return transform(expr, lambda e: self._column(e) if isinstance(e, QueryCall) else e)

    def _column(self, call: QueryCall) -> Expr:
        if call not in self._known:
            make = {"value": self._value, "exists": self._exists, "in": self._contains}[call.kind]
            self._known[call] = make(call)
        return self._known[call]

    def _value(self, call: QueryCall) -> Expr:
        name, mark = (_free(self.plan, call.query, word) for word in ("value", "rows"))
        right = build.project(call.query, [Named(name, Column(_only(call)))])
        found: Expr = Column(name, span=call.span, written=str(call))
        if not attach.has_one_row_by(right, ()):
            right = attach.first_of(right, name, (), mark)
            found = Call(SINGLE, (found, Column(mark, written="rows")), span=call.span)
        self._add(right)
        return found

    def _exists(self, call: QueryCall) -> Expr:
        mark = _free(self.plan, call.query, "found")
        self._add(attach.present(call.query, (), mark))
        return Call("is_not_null", (Column(mark, written=str(call)),))

    def _contains(self, call: QueryCall) -> Expr:
        found, nulls, item = (_free(self.plan, call.query, word) for word in ("found", "nulls", "item"))
        right = build.project(call.query, [Named(item, Column(_only(call)))])
        both = Schema((*self.plan.schema.fields, *right.schema.fields))
        other = Column(item, written=_only(call))
        equality, _ = resolve(Call("=", (call.args[0], other), span=call.span), both)
        value, wanted = equality.children
        right = build.project(right, [Named(item, wanted)])
        self._add(attach.with_nulls(right, item, (), nulls))
        self._add(attach.present(right, (item,), found), Pair(value, item))
        return attach.is_in(value, found, nulls)

    def _add(self, right: Plan, *pairs: Pair) -> None:
        self.plan = Attachment(right, pairs).beside(self.plan, lambda e: e)


def _only(call: QueryCall) -> str:
    """The one column of a query."""
    held: Schema = call.query.schema
    names = [n for n in held.names if not n.startswith(SYSTEM_PREFIX)]
    if len(names) != 1:
        raise PlanError(
            f"a query inside an expression has one column, not {len(names)}",
            code="plan-query-columns",
            where=call.span,
            found=", ".join(names),
            hint='select("column") keeps one',
        )
    return names[0]


def _free(plan: Plan, query: Plan, word: str) -> str:
    """A name for a column that neither has."""
    number = 0
    while any(n.startswith(f"{SYSTEM_PREFIX}{word}{number}") for p in (plan, query) for n in p.schema.names):
        number += 1
    return f"{SYSTEM_PREFIX}{word}{number}"


__all__ = ["filter_rows", "group_by", "project", "with_columns"]
