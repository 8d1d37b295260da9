"""Bind UNNEST in FROM: each row of the tables before it with every item of one of its lists or maps.

Not here: the plans (plan/unnest.py), other joins (joins.py).
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.base.types import STRING, DataType, List, Map, Struct
from thalweg.errors import Span
from thalweg.expr.nodes import ITEM, ORDINALITY, Call, Column, Expr, Literal, Named
from thalweg.plan import build
from thalweg.plan.unnest import unnest
from thalweg.sql import problems
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.joins import check_aliases
from thalweg.sql.bind.scope import Relation, Scope
from thalweg.sql.source import SourceText, bounds, span_of

_POSSIBLE = "CROSS JOIN UNNEST(list) or [LEFT] JOIN UNNEST(list) ON TRUE takes lists apart"


def with_items(scope: Scope, join: exp.Expr, context: Context) -> Scope:
    """The rows, each with every item of a list."""
    other = join.this
    keeps_empty, condition = _kind(join)
    binder = ExpressionBinder(scope, context.catalog, "UNNEST")
    item = f"{SYSTEM_PREFIX}item{len(scope.relations)}"
    added = build.with_columns(scope.plan, [Named(item, binder.bind(other.expressions[0]))])
    held = added.schema.type_of(item)
    if not isinstance(held, (List, Map)):
        raise problems.meaning(
            f"UNNEST takes a list or a map, not a value of type {held}",
            span_of(other),
            code="sql-unnest-type",
        )
    is_numbered = bool(other.args.get("offset"))
    plan = unnest(added, item, keeps_empty=keeps_empty, is_numbered=is_numbered, where=span_of(other))
    relation = _relation(other, item, plan.schema.type_of(item), is_numbered=is_numbered)
    check_aliases(scope.relations, relation, other)
    made = replace(scope, plan=plan, relations=(*scope.relations, relation))
    if condition is None:
        return made
    kept = ExpressionBinder(made, context.catalog, "ON").bind(condition)
    return made.over(placed(build.filter_rows(plan, kept, clause="ON"), join))


def _kind(join: exp.Expr) -> tuple[bool, exp.Expr | None]:
    """Whether rows without items stay, and the condition on pairs if there is one."""
    side, kind, on = join.args.get("side") or "", join.args.get("kind") or "", join.args.get("on")
    is_true = on is None or (isinstance(on, exp.Boolean) and bool(on.this))
    if side == "LEFT" and on is not None and is_true:
        return True, None
    is_inner = not side and kind in ("", "CROSS", "INNER") and (on is not None or kind != "INNER")
    if not is_inner or join.args.get("using") or join.args.get("method"):
        raise problems.not_yet("UNNEST in such a join is", _head(join), hint=_POSSIBLE)
    return False, None if is_true else on


def _head(join: exp.Expr) -> Span | None:
    """The place of a join up to its table, its condition left out."""
    whole, table = bounds(join), bounds(join.this)
    if whole is None or table is None:
        return span_of(join)
    source: SourceText = join.meta["source"]
    return source.span(whole[0], table[1])


def _relation(node: exp.Expr, item: str, held: DataType, *, is_numbered: bool) -> Relation:
    """What the items are called: the fields of rows, or one column; behind them their numbers."""
    alias = node.args.get("alias")
    names = [c.name for c in alias.args.get("columns") or ()] if alias is not None else []
    whole: Expr = Column(item)
    numbers: list[tuple[str, Expr]] = []
    if is_numbered:
        assert isinstance(held, Struct), "an item and its number"
        numbers = [("ORDINALITY", _field(whole, ORDINALITY))]
        whole, held = _field(whole, ITEM), held.fields[0].type
    values = [("EXPR$0", whole)]
    if isinstance(held, Struct):
        values = [(f.name, _field(whole, f.name)) for f in held.fields]
    values += numbers
    if names and len(names) != len(values):
        raise problems.meaning(
            f"UNNEST is given {len(names)} column names for {len(values)} columns",
            span_of(node),
            code="sql-alias-columns",
        )
    called = names or [n for n, _ in values]
    columns = {n: v for n, (_, v) in zip(called, values, strict=True)}
    return Relation(alias.name if alias is not None else None, columns)


def _field(row: Expr, name: str) -> Expr:
    return Call("field", (row, Literal(name, STRING)))
