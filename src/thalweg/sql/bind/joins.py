"""Bind joins in FROM: which columns there are afterwards, and what ON or USING says.

Not here: UNNEST (tables.py), IN and EXISTS with a query (subqueries.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlglot import exp

from thalweg.base.schema import unknown_column
from thalweg.errors import SqlError
from thalweg.expr.nodes import Call, Column, Expr, columns_of, substitute
from thalweg.plan.join import apart, equal, join
from thalweg.plan.nodes import Join, JoinKind, Plan
from thalweg.sql import problems
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.nested import NestedQueries
from thalweg.sql.bind.scope import Merged, Relation, Scope
from thalweg.sql.source import span_of, text_of

_SIDES: dict[str, JoinKind] = {"LEFT": "left", "RIGHT": "right", "FULL": "full"}


def joined(scope: Scope, other: Scope, node: exp.Expr, context: Context) -> Scope:
    """The tables on both sides of a join, over their pairs of rows."""
    kind = kind_of(node)
    for relation in other.relations:
        check_aliases(scope.relations, relation, node.this)
    other = beside(scope, other)
    relations = (*scope.relations, *other.relations)
    merged = _both_merged(scope, other, node)
    both = Scope(Join(scope.plan, other.plan, "inner"), relations, merged)
    condition: Expr | None = None
    if node.args.get("on") is not None:
        condition, sides = _condition(node.args["on"], both, (scope.plan, other.plan), kind, context)
        scope, other = scope.over(sides[0]), other.over(sides[1])
    elif node.args.get("using"):
        both, condition = using(scope, other, node, kind)
        both = replace(both, merged={**merged, **both.merged})
    elif not _is_cross(node):
        raise problems.meaning(
            "a join needs a condition",
            span_of(node),
            hint="… JOIN t ON a.x = t.x, or CROSS JOIN for all pairs",
        )
    plan = join(scope.plan, other.plan, kind, condition, may_broadcast=context.may_broadcast)
    plan = placed(plan, node)
    return replace(both, plan=plan, relations=relations)


def _condition(
    node: exp.Expr, both: Scope, sides: tuple[Plan, Plan], kind: JoinKind, context: Context
) -> tuple[Expr, list[Plan]]:
    """What ON says, and both sides with the columns that queries in it give."""
    queries = NestedQueries(both, context, sides)
    queries.as_condition(node)
    condition = ExpressionBinder(both, context.catalog, "ON", queries).bind(node)
    found = list(sides)
    for name in queries.needed([condition]):
        used = {n for e in queries.asked_with([name]) for n in columns_of(e)}
        # any side can have what is the same for all rows; best one that the other is looked up in anyway
        order = (0, 1) if kind == "right" else (1, 0)
        side = next((i for i in order if used <= set(found[i].schema.names)), None)
        if side is None:
            what = "a query that depends on both sides of a join is"
            raise problems.not_yet(f"{what}, in ON,", span_of(node), hint="in WHERE it can")
        found[side] = queries.beside(found[side], [name])
    return condition, found


def kind_of(node: exp.Expr) -> JoinKind:
    """Which rows a join keeps."""
    method, side = node.args.get("method"), node.args.get("side") or ""
    kind = node.args.get("kind") or ""
    if method or kind not in ("", "INNER", "OUTER", "CROSS"):
        raise problems.not_yet(f"{method or kind} JOIN is", span_of(node), hint="USING (…) names the columns")
    return _SIDES.get(side, "inner")


def _is_cross(node: exp.Expr) -> bool:
    return node.args.get("kind") == "CROSS" or is_comma(node)


def is_comma(node: exp.Expr) -> bool:
    """Whether a join was written as a comma."""
    return text_of(node).startswith(",")


def beside(scope: Scope, other: Scope) -> Scope:
    """The other tables over columns whose names the scope's plan does not have."""
    owner = next((r.alias for r in other.relations if r.alias is not None), None)
    plan, called = apart(scope.plan, other.plan, lambda name: f"{owner or 'right'}.{name}")
    names: dict[str, Expr] = {old: Column(new) for old, new in called.items() if old != new}
    moved = [
        Relation(r.alias, {n: substitute(e, names) for n, e in r.columns.items()}) for r in other.relations
    ]
    merged = {n: replace(m, value=substitute(m.value, names)) for n, m in other.merged.items()}
    return Scope(plan, tuple(moved), merged)


def _both_merged(scope: Scope, other: Scope, node: exp.Expr) -> dict[str, Merged]:
    """The shared columns of both sides."""
    named = {n.name for n in node.args.get("using") or ()}
    twice = sorted((scope.merged.keys() & other.merged.keys()) - named)
    if twice:
        what = f'a join of two joins that share "{twice[0]}" by USING, each for itself, is'
        raise problems.not_yet(what, span_of(node), hint="join one of them by ON")
    first = len(scope.relations)
    return {**scope.merged, **{n: m.behind(first) for n, m in other.merged.items()}}


def check_aliases(relations: Iterable[Relation], added: Relation, node: exp.Expr) -> None:
    """Refuse a second table of one name."""
    if added.alias is not None and any(r.alias == added.alias for r in relations):
        raise problems.meaning(
            f'two tables are called "{added.alias}"', span_of(node), code="sql-alias-taken"
        )


def using(scope: Scope, other: Scope, node: exp.Expr, kind: JoinKind) -> tuple[Scope, Expr]:
    """The scope in which the named columns are one, and the condition that they are equal."""
    merged = dict(scope.merged)
    pairs: list[tuple[Expr, Expr]] = []
    first = len(scope.relations)
    for name in node.args["using"]:
        mine, others = _named(scope, name), _named(other, name)
        pairs.append((mine, others))
        value = others if kind == "right" else mine
        if kind == "full":
            value = Call("coalesce", (mine, others), span=span_of(name))
        owners = (*scope.owners(name.name), *(first + i for i in other.owners(name.name)))
        merged[name.name] = Merged(value, owners)
    return Scope(scope.plan, (), merged), equal(pairs, span_of(node.args["using"][0]))


def _named(scope: Scope, name: exp.Expr) -> Expr:
    """A column that USING names, on one side."""
    columns = dict(scope.visible())
    if name.name not in columns:
        owners = [r.alias for r in scope.relations if r.alias is not None]
        table = owners[0] if len(owners) == 1 else None
        raise unknown_column(name.name, columns, table=table, where=span_of(name))
    assert isinstance(name, exp.Identifier), "USING names columns"
    found = scope.resolve([name])
    if sum(n == name.name for n, _ in scope.visible()) > 1:
        raise SqlError(
            f'column "{name.name}" is in several tables', code="sql-ambiguous", where=span_of(name)
        )
    return found
