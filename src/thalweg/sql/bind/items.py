"""Read the list of a SELECT: stars written out, and a name for every column.

A column without an alias is called after the column or field it shows, else `EXPR$i`, as in Flink;
two such columns of one name get numbers (`extra`, `extra0`). Aliases are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from thalweg.base.types import Struct
from thalweg.errors import SqlError
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Column, Expr
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.rows import derived_name
from thalweg.sql.bind.scope import Scope, spanned
from thalweg.sql.source import span_of


@dataclass(frozen=True)
class Item:
    """One column of the list.

    Attributes:
        name: what it is called.
        is_alias: whether the name was given with AS.
        node: the value as it was written.
        expr: the value; None for a numbering of rows (OVER), which is no expression of one row.
    """

    name: str
    is_alias: bool
    node: exp.Expr
    expr: Expr | None

    @property
    def value(self) -> Expr:
        """The value of an item that is no numbering."""
        assert self.expr is not None, "a numbering is bound elsewhere"
        return self.expr


def read_items(nodes: list[exp.Expr], binder: ExpressionBinder) -> list[Item]:
    """The columns of the list, with names that are unique unless two aliases are the same."""
    found: list[Item] = []
    for node in nodes:
        found += _expanded(node, len(found), binder)
    return _with_unique_names(found)


def _expanded(node: exp.Expr, index: int, binder: ExpressionBinder) -> Iterator[Item]:
    if isinstance(node, exp.Star):
        yield from _star(node, binder.scope, None)
    elif isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
        yield from _qualified_star(node, binder)
    elif isinstance(node, exp.Alias):
        yield Item(node.args["alias"].name, True, node.this, _value(node.this, binder))
    else:
        yield Item(_own_name(node) or derived_name(index), False, node, _value(node, binder))


def _value(node: exp.Expr, binder: ExpressionBinder) -> Expr | None:
    return None if isinstance(node, exp.Window) else binder.bind(node)


def _own_name(node: exp.Expr) -> str | None:
    """The last part of a name with dots."""
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
        return node.this.name
    return node.expression.name if isinstance(node, exp.Dot) else None


def _star(node: exp.Expr, scope: Scope, alias: str | None) -> Iterator[Item]:
    columns = list(scope.visible(alias))
    if not columns:
        raise SqlError("* needs a table in FROM", code="sql-meaning", where=span_of(node))
    for name, expr in columns:
        yield Item(name, False, node, spanned(expr, span_of(node)))


def _qualified_star(node: exp.Expr, binder: ExpressionBinder) -> Iterator[Item]:
    owner = node.args["table"]
    name = owner.this.name if isinstance(owner, exp.Column) else ""
    if binder.scope.has_relation(name):
        yield from _star(node, binder.scope, name)
        return
    if isinstance(owner, exp.Column) and not any(n == name for n, _ in binder.scope.visible()):
        raise binder.scope.unknown_owner(owner.this)
    row = binder.bind(owner)
    held = type_of(row, binder.scope.schema)
    if not isinstance(held, Struct):
        raise SqlError(
            f"{row}.* needs a table or a row, not a value of type {held}",
            code="sql-no-fields",
            where=span_of(node),
        )
    for field in held.fields:
        identifier = exp.Identifier(this=field.name)
        value = binder.scope.field(row, identifier, span_of(node))
        yield Item(field.name, False, node, value)


def _with_unique_names(items: list[Item]) -> list[Item]:
    taken = {i.name for i in items if i.is_alias}
    found: list[Item] = []
    for item in items:
        name, number = item.name, 0
        while not item.is_alias and name in taken:
            name, number = f"{item.name}{number}", number + 1
        taken.add(name)
        found.append(replace(item, name=name))
    return found


def is_identity(items: list[Item], names: tuple[str, ...]) -> bool:
    """Whether the list shows exactly these columns, unchanged and in order."""
    return tuple(i.name for i in items) == names and all(
        isinstance(i.expr, Column) and i.expr.name == i.name for i in items
    )
