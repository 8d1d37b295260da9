"""Bind one SELECT: FROM, WHERE, GROUP BY, HAVING, the list, DISTINCT, in the order of their meaning.

Not here: expressions (expressions.py), FROM (tables.py), the names of the list (items.py), numbering
of rows and aggregates with OVER (ranks.py, over.py), what may follow a SELECT (queries.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.base.types import BOOLEAN, NULL
from thalweg.errors import TypeMismatch
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Column, Expr, Named, columns_of
from thalweg.plan import build
from thalweg.plan.grouping_sets import group_by_sets
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME, Plan
from thalweg.sql import problems
from thalweg.sql.bind import subqueries
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.correlation import correlated
from thalweg.sql.bind.expressions import ExpressionBinder, bind_without_aliases
from thalweg.sql.bind.group_keys import has_sets, key_sets
from thalweg.sql.bind.group_parts import GroupParts, over_nothing
from thalweg.sql.bind.group_windows import with_group_window
from thalweg.sql.bind.items import Item, is_identity, read_items
from thalweg.sql.bind.nested import NestedQueries
from thalweg.sql.bind.ordering import hidden_items, repeated
from thalweg.sql.bind.over import Sliding, sliding
from thalweg.sql.bind.overs import Overs
from thalweg.sql.bind.ranks import Numbering, is_numbering, numbering
from thalweg.sql.bind.scope import Scope
from thalweg.sql.bind.tables import bind_from
from thalweg.sql.source import span_of, text_of

_HAVING = f"{SYSTEM_PREFIX}having"


def bind_select(node: exp.Expr, context: Context) -> Plan:
    """The plan of one SELECT."""
    scope = bind_from(node, context.apart)
    if context.outer is not None and context.outer.is_open:
        scope = correlated(scope, node, context)
    else:
        scope, _ = subqueries.where(replace(scope, outer=context.outer), node, context)
    select = _Select(node, with_group_window(node, scope, context), context)
    plan, distinct = select.bind(), node.args.get("distinct")
    if distinct is None:
        return plan
    columns = [Named(n, Column(n)) for n in plan.schema.names]
    plan = placed(build.group_by(plan, columns, columns), distinct)
    return build.with_columns(plan, select.repeated) if select.repeated else plan


class _Select:
    """The list of one SELECT over its scope, with or without groups, and what ORDER BY computes beside it."""

    def __init__(self, node: exp.Expr, scope: Scope, context: Context) -> None:
        self._node = node
        self._scope = scope
        self._context = context
        self._queries = NestedQueries(scope, context)
        self._overs = Overs()
        self.repeated: list[Named] = []

    def bind(self) -> Plan:
        """The plan."""
        binder = self._binder("a larger expression")
        items = read_items(self._node.expressions, replace(binder, overs=self._overs))
        self._overs.check(i.expr for i in items if i.expr is not None)
        hidden = hidden_items(self._node, items, self._scope, binder)
        if self._node.args.get("distinct") is None:
            items += hidden
        else:
            self.repeated = repeated(self._node, hidden, items)
        shown = len(items)
        items += [Item(name, True, over, None) for name, over in self._overs.nodes.items()]
        windows = {w.this.name: w for w in self._node.args.get("windows") or ()}
        numberings = {i.name: _numbering(i.node, windows) for i in items if i.expr is None}
        inside = self._binder("another one")
        bound = [inside.bind(e) for n in numberings.values() for e in n.expressions]
        if self._is_grouped(items, bound):
            plan, items, bound = self._grouped(items, bound)
        else:
            plan = self._queries.beside(self._scope.plan)
        plan, columns = _with_columns_for(plan, bound)
        plan, outputs = _numbered(plan, numberings, iter(columns), self._scope.by)
        return self._projected(plan, items[:shown], outputs)

    def _binder(self, clause: str) -> ExpressionBinder:
        return ExpressionBinder(self._scope, self._context.catalog, clause, self._queries)

    def _projected(self, plan: Plan, items: list[Item], outputs: Mapping[str, str]) -> Plan:
        """Exactly the columns of the list, and those that rows belong to rows around the query by."""
        full = [i if i.expr else Item(i.name, True, i.node, Column(outputs[i.name])) for i in items]
        if is_identity(full, plan.schema.names):
            return plan
        by = [Named(n, Column(n)) for n in self._scope.by]
        return placed(build.project(plan, [*(Named(i.name, i.value) for i in full), *by]), self._node)

    # Groups ------------------------------------------------------------------------------------

    def _is_grouped(self, items: Sequence[Item], sorting: Sequence[Expr]) -> bool:
        if self._node.args.get("group") is not None or self._node.args.get("having") is not None:
            return True
        return any(build.contains_aggregate(e) for e in (*(i.expr for i in items if i.expr), *sorting))

    def _grouped(self, items: list[Item], sorting: list[Expr]) -> tuple[Plan, list[Item], list[Expr]]:
        """The groups for which HAVING is true, and list and `sorting` over them."""
        queries, having, (keys, sets) = self._queries, self._having(), self._keys(items)
        later = [*queries.schema.names[len(self._scope.known.names) :], *self._overs.nodes]
        parts = GroupParts(keys, later)
        made = [replace(i, expr=i.expr and parts.item(i.name, i.expr)) for i in items]
        sorting = [parts.over(e, "sort") for e in sorting]
        condition = None if having is None else parts.item(_HAVING, having)
        over = [*(i.expr for i in made if i.expr), *sorting, *([] if condition is None else [condition])]
        asked = queries.needed(over)
        for expr in queries.asked_with(asked):
            parts.over(expr)
        before = queries.needed([*(k.expr for k in keys), *(o.expr for o in parts.outputs)])
        by = [Named(n, Column(n)) for n in self._scope.by]
        below = queries.beside(self._scope.plan, before)
        plan = group_by_sets(below, [*by, *keys], [*parts.outputs, *by], sets)
        if by and not keys:
            shown = [i for i in items if not i.name.startswith(SYSTEM_PREFIX)]
            self._note_when_empty(shown, below)
        plan = queries.beside(placed(plan, self._node.args.get("group") or self._node), asked, parts.over)
        return plan if condition is None else self._filtered(plan, condition), made, sorting

    def _note_when_empty(self, items: Sequence[Item], below: Plan) -> None:
        """What the list is where no row belongs to a row around the query."""
        around, having = self._context.around, self._node.args.get("having")
        assert around is not None, "the query names tables around it"
        if having is not None:
            what = "HAVING without GROUP BY, in a query that names the tables around it, is"
            raise problems.not_yet(what, span_of(having))
        by = {p.column: p.outer for p in around.pairs}
        values = [over_nothing(i.expr, below.schema, by) for i in items if i.expr is not None]
        outer = set(around.outer.scope.schema.names)
        if len(values) < len(items) or any(not columns_of(v) <= outer for v in values):
            what = "OVER or a query beside an aggregate, in a query that names the tables around it, is"
            raise problems.not_yet(what, span_of(self._node))
        around.when_empty = tuple(values)

    def _having(self) -> Expr | None:
        """The condition of HAVING."""
        node = self._node.args.get("having")
        if node is None:
            return None
        self._queries.as_condition(node.this)
        return bind_without_aliases(self._binder("HAVING"), node.this, self._node)

    def _filtered(self, plan: Plan, condition: Expr) -> Plan:
        """The groups for which HAVING is true."""
        having = self._node.args["having"]
        held = type_of(condition, plan.schema)
        if held not in (BOOLEAN, NULL):
            raise TypeMismatch(
                f"HAVING needs a condition, not a value of type {held}",
                code="plan-not-a-condition",
                where=span_of(having.this),
                found=text_of(having.this),
            )
        condition = replace(condition, span=span_of(having.this))
        kept = build.filter_rows(plan, condition, clause="HAVING")
        return placed(build.select_names(kept, [n for n in plan.schema.names if n != _HAVING]), having)

    def _keys(self, items: Sequence[Item]) -> tuple[list[Named], list[list[int]] | None]:
        """What to group by, and the sets of keys, as their places, if there are several."""
        group = self._node.args.get("group")
        keys: list[Named] = []
        sets = [[n for node in each for n in self._key(node, keys, items)] for each in key_sets(group)]
        if not has_sets(group):
            return keys, None
        if self._scope.by:
            what = "GROUPING SETS, in a query that names the tables around it, is"
            raise problems.not_yet(what, span_of(group))
        return keys, sets

    def _key(self, node: exp.Expr, keys: list[Named], items: Sequence[Item]) -> list[int]:
        """The places of a key among all keys, where it is put if it is new."""
        if node is self._scope.window:
            made = [Named(n, Column(n)) for n in (WINDOW_START, WINDOW_END, WINDOW_TIME)]
        else:
            expr = self._key_value(node)
            named = next((i.name for i in items if i.expr == expr), f"{SYSTEM_PREFIX}key{len(keys)}")
            made = [Named(named, expr)]
        keys += [m for m in made if all(k.expr != m.expr for k in keys)]
        places = {k.expr: n for n, k in enumerate(keys)}
        return [places[m.expr] for m in made]

    def _key_value(self, node: exp.Expr) -> Expr:
        if isinstance(node, exp.Literal) and not node.args["is_string"]:
            raise problems.meaning(
                "GROUP BY takes no positions",
                span_of(node),
                code="sql-group-position",
                hint="repeat the expression of the column",
            )
        expr = bind_without_aliases(self._binder("GROUP BY"), node, self._node)
        if build.contains_aggregate(expr):
            raise problems.meaning(
                "an aggregate cannot stand in GROUP BY",
                span_of(node),
                code="plan-misplaced-aggregate",
                hint="a sub-query can aggregate first",
            )
        return expr


def _with_columns_for(plan: Plan, exprs: Sequence[Expr]) -> tuple[Plan, list[tuple[str, Expr]]]:
    """The plan with a column for each expression, and their names beside them."""
    names: list[str] = []
    added: dict[Expr, str] = {}
    free = (n for i in count() if (n := f"{SYSTEM_PREFIX}sort{i}") not in plan.schema)
    for expr in exprs:
        if isinstance(expr, Column):
            names.append(expr.name)
        else:
            if expr not in added:
                added[expr] = next(free)
            names.append(added[expr])
    if added:
        plan = build.with_columns(plan, [Named(n, e) for e, n in added.items()])
    return plan, list(zip(names, exprs, strict=True))


def _numbering(node: exp.Expr, windows: Mapping[str, exp.Expr]) -> Numbering | Sliding:
    """What an OVER asks for: numbers of rows, or an aggregate."""
    return numbering(node, windows) if is_numbering(node) else sliding(node, windows)


def _numbered(
    plan: Plan,
    numberings: Mapping[str, Numbering | Sliding],
    columns: Iterator[tuple[str, Expr]],
    by: Sequence[str],
) -> tuple[Plan, dict[str, str]]:
    """The plan with its rows numbered, and the column of each numbering by its name in the list."""
    outputs: dict[str, str] = {}
    for name, each in numberings.items():
        output = name if name not in plan.schema else f"{SYSTEM_PREFIX}number{len(outputs)}"
        plan = placed(each.apply(plan, columns, output, by), each.node)
        outputs[name] = output
    return plan, outputs
