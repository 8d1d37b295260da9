"""Take expressions over groups apart where they hold queries: what comes with the groups, and what after.

    SUM(x) > (SELECT MAX(y) FROM t)

is the sum, made with the group, and a comparison behind the step that adds what the query gives.

Not here: the queries (nested.py), the step that groups (plan/build.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.expr import aggregates
from thalweg.expr.infer import resolve, type_of
from thalweg.expr.nodes import Aggregate, Column, Expr, Literal, Named, substitute, transform
from thalweg.sql import problems


class GroupParts:
    """The outputs of one step that groups.

    Args:
        keys: what it groups by.
        asked: the columns that queries and OVER give, behind the groups.
    """

    def __init__(self, keys: Sequence[Named], asked: Iterable[str]) -> None:
        self._keys, self._asked = frozenset(k.expr for k in keys), frozenset(asked)
        self.outputs: list[Named] = []

    def item(self, name: str, expr: Expr) -> Expr:
        """An expression over the groups, in a column of that name if it can come with them."""
        if self._asks(expr):
            return self.over(expr)
        self.outputs.append(Named(name, expr))
        return Column(name, span=expr.span)

    def over(self, expr: Expr, word: str = "part") -> Expr:
        """An expression in terms of the groups' columns and of what queries give."""
        if isinstance(expr, Literal):
            return expr
        if self._asks(expr):
            return expr.with_children(tuple(self.over(c) for c in expr.children)) if expr.children else expr
        known = next((o.name for o in self.outputs if o.expr == expr), None)
        if known is None:
            known = f"{SYSTEM_PREFIX}{word}{len(self.outputs)}"
            self.outputs.append(Named(known, expr))
        return Column(known, span=expr.span, written=None if isinstance(expr, Column) else str(expr))

    def _asks(self, expr: Expr) -> bool:
        """Whether it reads what queries give for a group; a key or an aggregate reads it before."""
        if isinstance(expr, Aggregate) or expr in self._keys:
            return False
        if isinstance(expr, Column):
            return expr.name in self._asked
        return any(map(self._asks, expr.children))


def over_nothing(expr: Expr, schema: Schema, by: Mapping[str, Expr]) -> Expr:
    """An expression over the group of no rows; `by` says what its columns are then."""

    def change(e: Expr) -> Expr:
        return _of_none(e, schema) if isinstance(e, Aggregate) else e

    return substitute(transform(expr, change), dict(by))


def _of_none(call: Aggregate, schema: Schema) -> Expr:
    resolved, result = resolve(call, schema)
    assert isinstance(resolved, Aggregate), "an aggregate resolves to an aggregate"
    held = type_of(resolved.args[0], schema) if resolved.args else result
    value = aggregates.value_of_none(resolved, held)
    if value is not None and not isinstance(value, int):
        what = f"{call.function.upper()} in a query that depends on the tables around it is"
        raise problems.not_yet(what, call.span)
    return Literal(value, result, span=call.span)


__all__ = ["GroupParts", "over_nothing"]
