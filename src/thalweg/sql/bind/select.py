"""Bind one SELECT: FROM, WHERE, GROUP BY, HAVING, the list, DISTINCT, in the order of their meaning.

Not here: expressions (expressions.py), FROM (tables.py), the names of the list (items.py), numbering
of rows and aggregates with OVER (ranks.py, over.py), what may follow a SELECT (queries.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.base.types import BOOLEAN, NULL
from thalweg.errors import PlanError, TypeMismatch
from thalweg.expr.nodes import Column, Expr, Named
from thalweg.plan import build
from thalweg.plan.join import into_joins
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME, Plan
from thalweg.sql import problems
from thalweg.sql.bind import subqueries
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.group_windows import with_group_window
from thalweg.sql.bind.items import Item, is_identity, read_items
from thalweg.sql.bind.over import Sliding, sliding
from thalweg.sql.bind.ranks import Numbering, is_numbering, numbering
from thalweg.sql.bind.scope import Scope
from thalweg.sql.bind.tables import bind_from
from thalweg.sql.source import span_of, text_of

_HAVING = f"{SYSTEM_PREFIX}having"


def bind_select(node: exp.Expr, context: Context) -> Plan:
    """The plan of one SELECT."""
    scope = bind_from(node, context)
    where = node.args.get("where")
    if where is not None:
        scope = _filtered(scope, where, node, context)
    plan = _Select(node, with_group_window(node, scope, context), context).bind()
    distinct = node.args.get("distinct")
    if distinct is None:
        return plan
    columns = [Named(n, Column(n)) for n in plan.schema.names]
    return placed(build.group_by(plan, columns, columns), distinct)


def _filtered(scope: Scope, where: exp.Expr, node: exp.Expr, context: Context) -> Scope:
    """The rows for which WHERE is true: its parts of one row first, then those with a query."""
    plain, queries = subqueries.split(where.this)
    if not queries:
        plain = [where.this]
    binder = ExpressionBinder(scope, context.catalog, "WHERE")
    for part in plain:
        condition = _without_aliases(binder, part, node)
        scope = scope.over(into_joins(placed(build.filter_rows(scope.plan, condition), where)))
    for query in queries:
        scope = scope.over(subqueries.kept(scope, query, context))
    return scope


def _without_aliases(binder: ExpressionBinder, node: exp.Expr, select: exp.Expr) -> Expr:
    """An expression of a clause that cannot see the aliases of the list; says so if one is used."""
    try:
        return binder.bind(node)
    except PlanError as error:
        for item in select.expressions:
            alias = item.args["alias"].name if isinstance(item, exp.Alias) else None
            if error.code == "plan-unknown-column" and f'no column "{alias}"' in error.message:
                error.hint = (
                    f"{binder.clause} cannot see the alias: repeat its expression, {text_of(item.this)}"
                )
        raise


class _Select:
    """The list of one SELECT over its scope, with or without groups."""

    def __init__(self, node: exp.Expr, scope: Scope, context: Context) -> None:
        self._node = node
        self._scope = scope
        self._catalog = context.catalog

    def bind(self) -> Plan:
        """The plan."""
        binder = self._binder("a larger expression")
        items = read_items(self._node.expressions, binder)
        windows = {w.this.name: w for w in self._node.args.get("windows") or ()}
        numberings = {i.name: _numbering(i.node, windows) for i in items if i.expr is None}
        bound = [binder.bind(e) for n in numberings.values() for e in n.expressions]
        if self._is_grouped(items, bound):
            plan, columns = self._grouped(items, bound)
            items = [Item(i.name, i.is_alias, i.node, i.expr and Column(i.name)) for i in items]
        else:
            plan, columns = _with_columns_for(self._scope.plan, bound)
        plan, outputs = _numbered(plan, numberings, iter(columns))
        return self._projected(plan, items, outputs)

    def _binder(self, clause: str) -> ExpressionBinder:
        return ExpressionBinder(self._scope, self._catalog, clause)

    def _projected(self, plan: Plan, items: list[Item], outputs: Mapping[str, str]) -> Plan:
        """Exactly the columns of the list."""
        full = [i if i.expr else Item(i.name, True, i.node, Column(outputs[i.name])) for i in items]
        if is_identity(full, plan.schema.names):
            return plan
        return placed(build.project(plan, [Named(i.name, i.value) for i in full]), self._node)

    # Groups ------------------------------------------------------------------------------------

    def _is_grouped(self, items: Sequence[Item], sorting: Sequence[Expr]) -> bool:
        if self._node.args.get("group") is not None or self._node.args.get("having") is not None:
            return True
        return any(build.contains_aggregate(e) for e in (*(i.expr for i in items if i.expr), *sorting))

    def _grouped(self, items: Sequence[Item], sorting: Sequence[Expr]) -> tuple[Plan, list[str]]:
        """The groups with the columns of the list, and the columns that hold `sorting`."""
        outputs = [Named(i.name, i.value) for i in items if i.expr is not None]
        columns = []
        for expr in sorting:
            known = next((o.name for o in outputs if o.expr == expr), None)
            if known is None:
                known = f"{SYSTEM_PREFIX}sort{len(outputs)}"
                outputs.append(Named(known, expr))
            columns.append(known)
        having = self._node.args.get("having")
        if having is not None:
            condition = _without_aliases(self._binder("HAVING"), having.this, self._node)
            outputs.append(Named(_HAVING, condition))
        plan = build.group_by(self._scope.plan, self._keys(items), outputs)
        plan = placed(plan, self._node.args.get("group") or self._node)
        return (plan if having is None else self._having(plan, having)), columns

    def _having(self, plan: Plan, having: exp.Expr) -> Plan:
        held = plan.schema.type_of(_HAVING)
        if held not in (BOOLEAN, NULL):
            raise TypeMismatch(
                f"HAVING needs a condition, not a value of type {held}",
                code="plan-not-a-condition",
                where=span_of(having.this),
                found=text_of(having.this),
            )
        kept = build.filter_rows(plan, Column(_HAVING, span=span_of(having.this)), clause="HAVING")
        return placed(build.select_names(kept, [n for n in plan.schema.names if n != _HAVING]), having)

    def _keys(self, items: Sequence[Item]) -> list[Named]:
        group = self._node.args.get("group")
        binder = self._binder("GROUP BY")
        keys: list[Named] = []
        for node in group.expressions if group is not None else ():
            if node is self._scope.window:
                keys += [Named(n, Column(n)) for n in (WINDOW_START, WINDOW_END, WINDOW_TIME)]
                continue
            if isinstance(node, exp.Literal) and not node.args["is_string"]:
                raise problems.meaning(
                    "GROUP BY takes no positions",
                    span_of(node),
                    code="sql-group-position",
                    hint="repeat the expression of the column",
                )
            expr = _without_aliases(binder, node, self._node)
            if build.contains_aggregate(expr):
                raise problems.meaning(
                    "an aggregate cannot stand in GROUP BY",
                    span_of(node),
                    code="plan-misplaced-aggregate",
                    hint="a sub-query can aggregate first",
                )
            named = next((i.name for i in items if i.expr == expr), f"{SYSTEM_PREFIX}key{len(keys)}")
            if all(k.expr != expr for k in keys):
                keys.append(Named(named, expr))
        return keys


def _with_columns_for(plan: Plan, exprs: Sequence[Expr]) -> tuple[Plan, list[str]]:
    """The plan with a column for each expression, and their names."""
    names: list[str] = []
    added: dict[Expr, str] = {}
    for expr in exprs:
        if isinstance(expr, Column):
            names.append(expr.name)
        else:
            names.append(added.setdefault(expr, f"{SYSTEM_PREFIX}sort{len(added)}"))
    if added:
        plan = build.with_columns(plan, [Named(n, e) for e, n in added.items()])
    return plan, names


def _numbering(node: exp.Expr, windows: Mapping[str, exp.Expr]) -> Numbering | Sliding:
    """What an OVER asks for: numbers of rows, or an aggregate."""
    return numbering(node, windows) if is_numbering(node) else sliding(node, windows)


def _numbered(
    plan: Plan, numberings: Mapping[str, Numbering | Sliding], columns: Iterator[str]
) -> tuple[Plan, dict[str, str]]:
    """The plan with its rows numbered, and the column of each numbering by its name in the list."""
    outputs: dict[str, str] = {}
    for name, each in numberings.items():
        output = name if name not in plan.schema else f"{SYSTEM_PREFIX}number{len(outputs)}"
        plan = placed(each.apply(plan, columns, output), each.node)
        outputs[name] = output
    return plan, outputs
