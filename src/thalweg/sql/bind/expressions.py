"""Turn syntax trees of expressions into expressions of the engine.

Names are resolved, operators and words become calls of registered functions, and every node gets
the place it was written at. Types are checked later, where the expression enters a plan.

Not here: calls by name (calls.py), literals (literals.py), window functions (ranks.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from sqlglot import exp

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN, NULL
from thalweg.errors import PlanError
from thalweg.expr.nodes import Call, Cast, Expr, Literal
from thalweg.expr.subscript import FROM_1
from thalweg.sql import problems
from thalweg.sql.bind import calls, literals
from thalweg.sql.bind.overs import Overs
from thalweg.sql.bind.scope import Scope
from thalweg.sql.catalog import Catalog
from thalweg.sql.grammar.tree import IntervalLiteral, IsSome, Quantified, TimeLiteral, Truth, TypeName
from thalweg.sql.source import span_of, text_of

_BINARY: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.DPipe: "||",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.And: "and",
    exp.Or: "or",
    exp.SimilarTo: "similar",
    exp.NullSafeNEQ: "is_distinct_from",
    exp.NullSafeEQ: "is_not_distinct_from",
}
"""Operators by the names that their functions are registered under."""

_PLACES = "queries inside expressions stand in VALUES and in all clauses of a SELECT but FROM and LIMIT"


class Queries(Protocol):
    """What the queries inside an expression stand for, as expressions over columns yet to be made."""

    @property
    def schema(self) -> Schema:
        """The columns that expressions can be over, those yet to be made included."""
        ...

    def value(self, node: exp.Expr) -> Expr:
        """The one value of a query."""
        ...

    def exists(self, node: exp.Expr) -> Expr:
        """Whether a query has rows."""
        ...

    def contains(self, node: exp.Expr, value: Expr) -> Expr:
        """Whether a value is one of those of a query."""
        ...

    def some(self, node: exp.Expr, value: Expr) -> Expr:
        """Whether a comparison of a value with one of those of a query is true."""
        ...


@dataclass(frozen=True)
class ExpressionBinder:
    """Binds expressions over one scope.

    Attributes:
        clause: the clause that the expression stands in, for messages.
        queries: binds queries inside the expression; None where there can be none.
        overs: takes the OVERs inside the expression; None where there can be none.
    """

    scope: Scope
    catalog: Catalog
    clause: str = "this place"
    queries: Queries | None = None
    overs: Overs | None = None

    def bind(self, node: exp.Expr) -> Expr:
        """The expression that the tree means.

        Raises:
            PlanError: for an unknown column.
            SqlError: for what has no meaning, or is not supported yet.
        """
        kind = _BINARY.get(type(node))
        if kind is not None:
            return self.call(kind, node, self.bind(node.this), self.bind(node.expression))
        reader = _READERS.get(type(node))
        if reader is None:
            raise problems.not_yet(f"this expression ({type(node).__name__}) is", span_of(node))
        return reader(self, node)

    def call(self, name: str, node: exp.Expr, *args: Expr) -> Expr:
        """A call of a registered function at the place of the node."""
        return Call(name, args, span=span_of(node))

    def negated(self, negate: object, node: exp.Expr, found: Expr) -> Expr:
        """NOT around an expression, if asked for."""
        return self.call("not", node, found) if negate else found

    # Names -------------------------------------------------------------------------------------

    def _column(self, node: exp.Expr) -> Expr:
        if isinstance(node.this, exp.Star):
            return self._star(node)
        return self.scope.resolve([node.this])

    def _dot(self, node: exp.Expr) -> Expr:
        parts: list[exp.Identifier] = []
        at: exp.Expr = node
        while isinstance(at, exp.Dot):
            parts.insert(0, at.expression)
            at = at.this
        if isinstance(at, exp.Column) and isinstance(at.this, exp.Identifier):
            return self.scope.resolve([at.this, *parts])
        schema = None if self.queries is None else self.queries.schema
        return self.scope.field(self.bind(node.this), node.expression, span_of(node), schema)

    def _star(self, node: exp.Expr) -> Expr:
        raise problems.meaning(
            f"* cannot stand in {self.clause}", span_of(node), hint="SELECT * and COUNT(*) take it"
        )

    # Literals ----------------------------------------------------------------------------------

    def _literal(self, node: exp.Expr) -> Expr:
        if node.args["is_string"]:
            return calls.text_literal(node.this, node)
        return literals.number(node.this, node)

    def _negative(self, node: exp.Expr) -> Expr:
        inner = node.this
        if isinstance(inner, exp.Literal) and not inner.args["is_string"]:
            # the sign belongs to the number: 9223372036854775808 alone would be no BIGINT
            return literals.number("-" + inner.this, node)
        return self.call("neg", node, self.bind(inner))

    def _null(self, node: exp.Expr) -> Expr:
        return Literal(None, NULL, span=span_of(node))

    def _boolean(self, node: exp.Expr) -> Expr:
        return Literal(bool(node.this), BOOLEAN, span=span_of(node))

    def _time(self, node: exp.Expr) -> Expr:
        assert isinstance(node, TimeLiteral), "by the table of readers"
        return literals.time_literal(node)

    def _interval(self, node: exp.Expr) -> Expr:
        assert isinstance(node, IntervalLiteral), "by the table of readers"
        return literals.interval(node)

    # Operators ---------------------------------------------------------------------------------

    def _paren(self, node: exp.Expr) -> Expr:
        return replace(self.bind(node.this), span=span_of(node))

    def _not(self, node: exp.Expr) -> Expr:
        return self.call("not", node, self.bind(node.this))

    def _truth(self, node: exp.Expr) -> Expr:
        name = f"is_{'not_' if node.args.get('negate') else ''}{node.args['kind'].lower()}"
        return self.call(name, node, self.bind(node.this))

    def _between(self, node: exp.Expr) -> Expr:
        value, low, high = (self.bind(node.args[k]) for k in ("this", "low", "high"))

        def inside(a: Expr, b: Expr) -> Expr:
            return self.call("and", node, self.call(">=", node, value, a), self.call("<=", node, value, b))

        found = inside(low, high)
        return self.call("or", node, found, inside(high, low)) if node.args.get("symmetric") else found

    def _in(self, node: exp.Expr) -> Expr:
        if node.args.get("query") is not None:
            return self._nested("IN with a query", node).contains(node, self.bind(node.this))
        items = [self.bind(e) for e in node.expressions]
        return self.call("in", node, self.bind(node.this), *items)

    def _like(self, node: exp.Expr) -> Expr:
        found = self.call("like", node, self.bind(node.this), self.bind(node.expression))
        return self.negated(node.args.get("negate"), node, found)

    def _escape(self, node: exp.Expr) -> Expr:
        like = node.this
        if not isinstance(like, exp.Like):
            raise problems.not_yet("ESCAPE here is", span_of(node))
        args = (self.bind(like.this), self.bind(like.expression), self.bind(node.expression))
        return self.negated(like.args.get("negate"), node, self.call("like", node, *args))

    def _case(self, node: exp.Expr) -> Expr:
        args: list[Expr] = []
        for branch in node.args["ifs"]:
            when = self.bind(branch.this)
            if node.this is not None:
                when = Call("=", (self.bind(node.this), when), span=span_of(branch.this))
            args += [when, self.bind(branch.args["true"])]
        default = node.args.get("default")
        args.append(Literal(None, NULL, span=span_of(node)) if default is None else self.bind(default))
        return self.call("case", node, *args)

    def _cast(self, node: exp.Expr) -> Expr:
        to = node.args["to"]
        assert isinstance(to, TypeName), "the grammar reads types itself"
        return Cast(self.bind(node.this), to.this, isinstance(node, exp.TryCast), span=span_of(node))

    def _element(self, node: exp.Expr) -> Expr:
        return self.call(FROM_1, node, self.bind(node.this), self.bind(node.expressions[0]))

    # Calls -------------------------------------------------------------------------------------

    def _named_call(self, node: exp.Expr) -> Expr:
        return calls.bind_call(self, node, None)

    def _filtered(self, node: exp.Expr) -> Expr:
        return calls.bind_call(self, node.this, node.expression)

    # Queries -----------------------------------------------------------------------------------

    def _sub_query(self, node: exp.Expr) -> Expr:
        return self._nested("a query as a value", node).value(node)

    def _exists(self, node: exp.Expr) -> Expr:
        return self._nested("EXISTS", node).exists(node)

    def _some(self, node: exp.Expr) -> Expr:
        value = self.bind(node.this)
        return self._nested("ANY or ALL with a query", node).some(node, value)

    def _quantified(self, node: exp.Expr) -> Expr:
        raise problems.meaning(
            f"{node.this} with a query stands behind a comparison: =, <>, <, <=, > or >=",
            span_of(node),
            expected=f"value = {node.this} (SELECT …)",
        )

    def _nested(self, what: str, node: exp.Expr) -> Queries:
        if self.queries is None:
            raise problems.not_yet(f"{what} in {self.clause} is", span_of(node), hint=_PLACES)
        return self.queries

    # Refused, or computed elsewhere ------------------------------------------------------------

    def _window(self, node: exp.Expr) -> Expr:
        if self.overs is not None:
            return self.overs.column(node)
        raise problems.meaning(
            f"a window function (OVER) cannot stand in {self.clause}",
            span_of(node),
            code="sql-misplaced-window",
            hint="compute it in a sub-query and use its column outside",
        )

    def _tuple(self, node: exp.Expr) -> Expr:
        shown = text_of(node)[:40]
        raise problems.not_yet(
            "a list of values in parentheses is", span_of(node), hint=f"ROW{shown} makes a row"
        )

    def _at_zone(self, node: exp.Expr) -> Expr:
        raise problems.not_yet("AT TIME ZONE is", span_of(node))


def bind_without_aliases(binder: ExpressionBinder, node: exp.Expr, select: exp.Expr) -> Expr:
    """An expression of a clause that cannot see the aliases of the list; says so if one is used."""
    try:
        return binder.bind(node)
    except PlanError as error:
        for item in select.expressions:
            alias = item.args["alias"].name if isinstance(item, exp.Alias) else None
            if error.code == "plan-unknown-column" and f'no column "{alias}"' in error.message:
                error.hint = f"{binder.clause} cannot see the alias: " + (
                    "compute it in a sub-query and use its column outside"
                    if item.find(exp.Window) is not None
                    else f"repeat its expression, {text_of(item.this)}"
                )
        raise


_READERS: dict[type[exp.Expr], Callable[[ExpressionBinder, exp.Expr], Expr]] = {
    exp.Column: ExpressionBinder._column,
    exp.Dot: ExpressionBinder._dot,
    exp.Star: ExpressionBinder._star,
    exp.Literal: ExpressionBinder._literal,
    exp.Neg: ExpressionBinder._negative,
    exp.Null: ExpressionBinder._null,
    exp.Boolean: ExpressionBinder._boolean,
    TimeLiteral: ExpressionBinder._time,
    IntervalLiteral: ExpressionBinder._interval,
    exp.Paren: ExpressionBinder._paren,
    exp.Not: ExpressionBinder._not,
    Truth: ExpressionBinder._truth,
    exp.Between: ExpressionBinder._between,
    exp.In: ExpressionBinder._in,
    exp.Like: ExpressionBinder._like,
    exp.Escape: ExpressionBinder._escape,
    exp.Case: ExpressionBinder._case,
    exp.Cast: ExpressionBinder._cast,
    exp.TryCast: ExpressionBinder._cast,
    exp.Bracket: ExpressionBinder._element,
    exp.Anonymous: ExpressionBinder._named_call,
    exp.Filter: ExpressionBinder._filtered,
    exp.Window: ExpressionBinder._window,
    exp.Subquery: ExpressionBinder._sub_query,
    exp.Exists: ExpressionBinder._exists,
    IsSome: ExpressionBinder._some,
    Quantified: ExpressionBinder._quantified,
    exp.Tuple: ExpressionBinder._tuple,
    exp.AtTimeZone: ExpressionBinder._at_zone,
}
