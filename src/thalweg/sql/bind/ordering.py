"""Bind ORDER BY: columns of the query's own list, and whatever else its rows have.

A name is a column of the list first, then one of the tables of FROM. What the list does not show is computed
with it, in columns of the engine's own, and left out behind the order.

Not here: the order of rows that are numbered (ranks.py, over.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.errors import SqlError
from thalweg.expr import aggregates
from thalweg.expr.nodes import Aggregate, Column, Expr, Named, walk
from thalweg.plan import build
from thalweg.plan.nodes import Plan, SortKey
from thalweg.sql import problems
from thalweg.sql.bind.calls import function_name
from thalweg.sql.bind.context import Context
from thalweg.sql.bind.expressions import ExpressionBinder, Queries
from thalweg.sql.bind.items import Item
from thalweg.sql.bind.nested import has_query
from thalweg.sql.bind.ranks import sort_key
from thalweg.sql.bind.scope import Relation, Scope, spanned
from thalweg.sql.source import span_of, text_of

_HIDDEN = f"{SYSTEM_PREFIX}order"


@dataclass(frozen=True)
class _WithAliases(Scope):
    """The tables of a SELECT, before whose columns those of its list are looked for."""

    items: Mapping[str, Expr] = field(default_factory=dict)

    def own(self, parts: Sequence[exp.Identifier]) -> Expr:
        """The expression that a name means."""
        found = self.items.get(parts[0].name)
        if found is None or (len(parts) > 1 and self.has_relation(parts[0].name)):
            return super().own(parts)
        return self._fields(found, parts[:1], parts[1:])


def hidden_items(
    select: exp.Expr, items: Sequence[Item], scope: Scope, binder: ExpressionBinder
) -> list[Item]:
    """What ORDER BY of a SELECT computes from more than the columns of the list."""
    order = select.args.get("order")
    names = {i.name for i in items}
    found: list[Item] = []
    for number, ordered in enumerate(order.expressions if order is not None else ()):
        node = ordered.this
        if not _is_number(node) and not _reads_only(node, names):
            expr = None if isinstance(node, exp.Window) else _over_rows(node, items, scope, binder)
            found.append(Item(f"{_HIDDEN}{number}", True, node, expr))
    return found


def _over_rows(node: exp.Expr, items: Sequence[Item], scope: Scope, binder: ExpressionBinder) -> Expr:
    """An expression over the rows of the SELECT, in which aliases stand for their expressions."""
    aliases = {i.name: i.expr for i in items if i.expr is not None}
    tables = {f: getattr(scope, f) for f in scope.__dataclass_fields__}
    made = _bound(_WithAliases(**tables, items=aliases), node, binder)
    if any(isinstance(e, Aggregate) and any(map(build.contains_aggregate, e.children)) for e in walk(made)):
        # inside an aggregate the name of one is that of a column
        made = _bound(scope, node, binder)
    return spanned(made, span_of(node))


def _bound(scope: Scope, node: exp.Expr, binder: ExpressionBinder) -> Expr:
    queries: Queries | None = binder.queries
    return ExpressionBinder(scope, binder.catalog, "ORDER BY", queries).bind(node)


def repeated(select: exp.Expr, hidden: Sequence[Item], items: Sequence[Item]) -> list[Named]:
    """For SELECT DISTINCT what the order computes, as columns of the list: rows have no others then."""
    found: list[Named] = []
    for each in hidden:
        same = next((i.name for i in items if i.expr is not None and i.expr == each.expr), None)
        if same is None:
            raise SqlError(
                "rows of SELECT DISTINCT can only be ordered by what its list shows",
                code="sql-order-distinct",
                where=span_of(each.node),
                found=text_of(each.node),
                choices=[i.name for i in items],
            )
        found.append(Named(each.name, Column(same)))
    return found


def _is_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and not node.args["is_string"]


def _reads_only(node: exp.Expr, names: set[str]) -> bool:
    """Whether an expression can be computed from columns of the list alone."""
    calls = [function_name(c).lower() for c in node.find_all(exp.Anonymous)]
    if has_query(node) or isinstance(node, exp.Window) or any(map(aggregates.has, calls)):
        return False
    return all(c.name in names for c in node.find_all(exp.Column))


def with_sort_keys(plan: Plan, order: exp.Expr, context: Context) -> tuple[Plan, list[SortKey], list[str]]:
    """The rows with a column for everything that ORDER BY names, the order, and the columns to leave."""
    names = [n for n in plan.schema.names if not n.startswith(_HIDDEN)]
    binder = ExpressionBinder(Scope(plan, (Relation.of(plan, None),)), context.catalog, "ORDER BY")
    keys: list[SortKey] = []
    added: list[Named] = []
    for number, ordered in enumerate(order.expressions):
        hidden = f"{_HIDDEN}{number}"
        expr = Column(hidden) if hidden in plan.schema else _sort_expression(ordered.this, plan, binder)
        if not isinstance(expr, Column):
            added.append(Named(f"{SYSTEM_PREFIX}sort{len(added)}", expr))
        keys.append(sort_key(expr.name if isinstance(expr, Column) else added[-1].name, ordered))
    return build.with_columns(plan, added) if added else plan, keys, names


def _sort_expression(node: exp.Expr, plan: Plan, binder: ExpressionBinder) -> Expr:
    """What to order by: a column by name or number, or an expression over columns."""
    if not _is_number(node):
        return binder.bind(node)
    number = int(node.this) if node.this.isdigit() else 0
    names = list(_shown(plan))
    if not 1 <= number <= len(names):
        message = f"ORDER BY {node.this}: the query has {len(names)} columns"
        raise problems.meaning(message, span_of(node), code="sql-order-position")
    return Column(names[number - 1], span=span_of(node))


def _shown(plan: Plan) -> Iterator[str]:
    return (n for n in plan.schema.names if not n.startswith(SYSTEM_PREFIX))


__all__ = ["hidden_items", "repeated", "with_sort_keys"]
