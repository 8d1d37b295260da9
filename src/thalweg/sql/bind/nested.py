"""Bind queries inside expressions: one value, EXISTS, IN, wherever an expression can stand.

Each becomes an expression over columns that are put beside the rows of the clause: what the query gives for
this row. The columns are made once the clause is bound, so that a grouped query can ask about its groups.

Not here: conditions of WHERE that a join decides (subqueries.py), names of outer tables (correlation.py),
the plans (plan/attach.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.base.types import Float
from thalweg.errors import Span, TypeMismatch
from thalweg.expr import aggregates
from thalweg.expr.infer import resolve
from thalweg.expr.nodes import SINGLE, Call, Column, Expr, Named, columns_of
from thalweg.plan import attach, build
from thalweg.plan.attach import TRUE, Attachment, Pair
from thalweg.plan.nodes import Plan
from thalweg.sql import problems
from thalweg.sql.bind.context import Around, Context, placed
from thalweg.sql.bind.scope import Outer, Scope
from thalweg.sql.grammar.tree import IsSome
from thalweg.sql.source import span_of, text_of


def has_query(node: exp.Expr) -> bool:
    """Whether a query stands somewhere inside an expression."""
    return node.find(exp.Subquery, exp.Exists, IsSome) is not None or any(
        n.args.get("query") is not None for n in node.find_all(exp.In)
    )


@dataclass(frozen=True)
class BoundQuery:
    """A query inside an expression, its columns under names that are taken nowhere else.

    Attributes:
        columns: those of its list.
        names: what the list calls them.
        pairs: by what its rows belong to the rows around it.
        when_empty: the values of the list where no row is aggregated; None if there is no row then.
    """

    plan: Plan
    columns: tuple[str, ...]
    names: tuple[str, ...]
    pairs: tuple[Pair, ...]
    when_empty: tuple[Expr, ...] | None

    @property
    def by(self) -> tuple[str, ...]:
        """The columns that its rows belong to rows around it by."""
        return tuple(p.column for p in self.pairs)

    def only(self, what: str, place: exp.Expr, code: str) -> str:
        """The one column of the list."""
        if len(self.columns) != 1:
            raise problems.meaning(f"{what} of {len(self.columns)}", span_of(place), code=code)
        return self.columns[0]

    def compared(self, value: Expr, known: Schema, place: exp.Expr) -> tuple[Expr, BoundQuery]:
        """A value and the query's only column, both of the type in which they can be compared."""
        item = self.only("IN takes a query of one column, not", place, "sql-in-columns")
        both = Schema((*known.fields, *self.plan.schema.fields))
        other = Column(item, written=self.names[0])
        equality, _ = resolve(Call("=", (value, other), span=span_of(place)), both)
        value, wanted = equality.children
        # converted first: what is equal then is one value
        items = [*(Named(n, Column(n)) for n in self.by), Named(item, wanted)]
        return value, replace(self, plan=build.project(self.plan, items))

    def nulls(self, mark: str, span: Span | None) -> Attachment:
        """Whether a value of the only column is NULL, as a column."""
        (item,) = self.columns
        called = {n: f"{mark}_by{i}" for i, n in enumerate(self.by)}
        kinds = build.project(
            self.plan, [*(Named(new, Column(old)) for old, new in called.items()), Named(item, Column(item))]
        )
        pairs = tuple(replace(p, column=called[p.column]) for p in self.pairs)
        return Attachment(attach.with_nulls(kinds, item, list(called.values()), mark), pairs, span)


def bind_nested(
    scope: Scope, context: Context, node: exp.Expr, *, taken: Iterable[str], plans: Sequence[Plan]
) -> BoundQuery:
    """A query inside an expression.

    Args:
        scope: the tables around it.
        context: for the query.
        node: the query.
        taken: names that its columns do not get.
        plans: where rows of the tables around it can be had.
    """
    around = Around(Outer(scope), tuple(plans))
    plan = placed(context.query(node, replace(context, around=around)), node)
    name = free_name("query", (*taken, *plan.schema.names))
    visible = [n for n in plan.schema.names if not n.startswith(SYSTEM_PREFIX)]
    columns = {n: f"{name}_{i}" if i else name for i, n in enumerate(visible)}
    by = {p.column: f"{name}_by{i}" for i, p in enumerate(around.pairs)}
    renamed = build.project(plan, [Named(new, Column(old)) for old, new in (columns | by).items()])
    pairs = tuple(replace(p, column=by[p.column]) for p in around.pairs)
    return BoundQuery(
        placed(renamed, node), tuple(columns.values()), tuple(columns), pairs, around.when_empty
    )


def free_name(word: str, taken: Iterable[str]) -> str:
    """A name for a column of the engine's own, that no other begins with."""
    known, number = set(taken), 0
    while any(n.startswith(f"{SYSTEM_PREFIX}{word}{number}") for n in known):
        number += 1
    return f"{SYSTEM_PREFIX}{word}{number}"


class NestedQueries:
    """The queries inside the expressions of one clause, or of several that are computed together.

    Args:
        scope: the tables that the expressions are over.
        context: for the queries.
        plans: where rows of the tables can be had; by default the scope's plan.
    """

    def __init__(self, scope: Scope, context: Context, plans: Sequence[Plan] | None = None) -> None:
        self._scope, self._context = scope, context
        self._plans = (scope.plan,) if plans is None else tuple(plans)
        self._made: dict[str, Attachment] = {}
        self._known: dict[tuple[str, str], Expr] = {}
        self._conditions: set[int] = set()

    @property
    def schema(self) -> Schema:
        """The columns of the tables, and those that queries have given so far."""
        made = [a.right.schema for a in self._made.values()]
        return Schema((*self._scope.known.fields, *(f for s in made for f in s.fields)))

    @property
    def names(self) -> frozenset[str]:
        """The columns that queries give."""
        return frozenset(self._made)

    def as_condition(self, node: exp.Expr) -> None:
        """Of this expression only matters where it is true."""
        if isinstance(node, (exp.And, exp.Or)):
            self.as_condition(node.this)
            self.as_condition(node.expression)
        elif isinstance(node, exp.Paren):
            self.as_condition(node.this)
        else:
            self._conditions.add(id(node))

    # What a query stands for -------------------------------------------------------------------

    def value(self, node: exp.Expr) -> Expr:
        """The one value of a query; NULL if it has no row."""
        return self._once("value", node, lambda: self._value(node))

    def _value(self, node: exp.Expr) -> Expr:
        query = self._bound(node.this)
        query.only("a value takes a query of one column, not", node, "sql-value-columns")
        return self._single(query, node)

    def _single(self, query: BoundQuery, node: exp.Expr) -> Expr:
        (name,), span = query.columns, span_of(node)
        plan, mark = query.plan, self._name("rows", query.plan)
        found: Expr = Column(name, span=span, written=text_of(node))
        if not attach.has_one_row_by(plan, query.by):
            plan = attach.first_of(plan, name, query.by, mark)
            found = Call(SINGLE, (found, Column(mark, written="rows")), span=span)
        elif query.when_empty is not None:
            plan = build.with_columns(plan, [Named(mark, TRUE)])
        if query.when_empty is not None:
            found = Call(
                "case", (Call("is_not_null", (Column(mark),)), found, query.when_empty[0]), span=span
            )
        self._made[name] = Attachment(plan, query.pairs, span)
        return found

    def exists(self, node: exp.Expr) -> Expr:
        """Whether a query has rows."""
        return self._once("exists", node, lambda: self._exists(node))

    def _exists(self, node: exp.Expr) -> Expr:
        query = self._bound(without_limit(node.this))
        if query.when_empty is not None:
            # an aggregate of no rows is a row too
            return TRUE
        mark = self._name("found", query.plan)
        right = attach.present(query.plan, query.by, mark)
        self._made[mark] = Attachment(right, query.pairs, span_of(node))
        return Call("is_not_null", (Column(mark, written=text_of(node)),))

    def contains(self, node: exp.Expr, value: Expr) -> Expr:
        """Whether a value is one of those of a query."""
        return self._once("in", node, lambda: self._contains(node, value))

    def _contains(self, node: exp.Expr, value: Expr) -> Expr:
        query, span = self._bound(node.args["query"]), span_of(node)
        value, query = query.compared(value, self.schema, node)
        (item,) = query.columns
        if query.when_empty is not None:
            return Call("=", (value, self._single(query, node)))
        found, nulls = self._name("found", query.plan), self._name("nulls", query.plan)
        right = attach.present(query.plan, (*query.by, item), found)
        self._made[found] = Attachment(right, (*query.pairs, Pair(value, item)), span)
        if id(node) in self._conditions:
            return Call("is_not_null", (Column(found, written=text_of(node)),))
        self._made[nulls] = query.nulls(nulls, span)
        return attach.is_in(value, found, nulls)

    def some(self, node: exp.Expr, value: Expr) -> Expr:
        """Whether a comparison of a value with one of those of a query is true; with ALL, false."""
        return self._once(f"some {node.args['function']}", node, lambda: self._some(node, value))

    def _some(self, node: exp.Expr, value: Expr) -> Expr:
        function, wanted = node.args["function"], node.args.get("wanted")
        query = self._bound(node.args["query"])
        value, query = query.compared(value, self.schema, node)
        held = query.plan.schema.type_of(query.columns[0])
        if aggregates.lookup("min").infer((held,)) is None:
            raise TypeMismatch(
                f"{'ALL' if wanted else 'ANY'} with {wanted or function} does not take values of type {held}",
                code="expr-wrong-type",
                where=span_of(node),
                expected="values that have an order",
                hint="= ANY and <> ALL need no order",
            )
        may_be_nan = isinstance(held, Float)
        if query.when_empty is not None:
            single = self._single(query, node)
            if wanted and may_be_nan:
                return Call("not", (Call(wanted, (value, single)),))
            return Call(function, (value, single))
        extremes = attach.Extremes(self._name("range", query.plan), may_be_nan)
        right = extremes.of(query.plan, query.columns[0], query.by)
        self._made[extremes.rows] = Attachment(right, query.pairs, span_of(node))
        # with NaN, that a comparison is false does not mean that its opposite is true
        is_apart = wanted is not None and function != "<>"
        return extremes.is_some(value, function, or_apart=is_apart)

    def _once(self, kind: str, node: exp.Expr, make: Callable[[], Expr]) -> Expr:
        """What a query stands for; one that is written twice in the same words is asked once."""
        key = (f"{kind} {id(node) in self._conditions}", text_of(node) or str(id(node)))
        if key not in self._known:
            self._known[key] = make()
        return replace(self._known[key], span=span_of(node))

    def _bound(self, node: exp.Expr) -> BoundQuery:
        taken = (*self.schema.names, *self._made)
        return bind_nested(self._scope, self._context, node, taken=taken, plans=self._plans)

    def _name(self, word: str, plan: Plan) -> str:
        return free_name(word, (*self.schema.names, *plan.schema.names, *self._made))

    # Making the columns ------------------------------------------------------------------------

    def needed(self, exprs: Iterable[Expr]) -> list[str]:
        """The queries whose columns some expressions read, those first that others ask with."""
        by_column = {n: name for name, a in self._made.items() for n in a.right.schema.names}
        wanted: set[str] = set()
        waiting = [by_column[n] for e in exprs for n in columns_of(e) if n in by_column]
        while waiting:
            name = waiting.pop()
            if name not in wanted:
                wanted.add(name)
                outer = [p.outer for p in self._made[name].pairs]
                waiting += [by_column[n] for e in outer for n in columns_of(e) if n in by_column]
        return [n for n in self._made if n in wanted]

    def asked_with(self, names: Iterable[str]) -> list[Expr]:
        """The expressions over the tables that decide what queries give."""
        return [p.outer for n in names for p in self._made[n].pairs]

    def beside(
        self, plan: Plan, names: Iterable[str] | None = None, change: Callable[[Expr], Expr] = lambda e: e
    ) -> Plan:
        """The rows with the columns of queries; `change` puts expressions in the plan's terms."""
        for name in self._made if names is None else names:
            plan = self._made[name].beside(plan, change)
        return plan


def without_limit(query: exp.Expr) -> exp.Expr:
    """A query of which it only matters whether it has rows, without what does not change that."""
    limit = query.args.get("limit")
    if limit is None or query.args.get("offset") is not None or int(limit.expression.this) == 0:
        return query
    made = query.copy()
    made.set("limit", None)
    made.set("order", None)
    return made


__all__ = ["BoundQuery", "NestedQueries", "bind_nested", "free_name", "has_query", "without_limit"]
