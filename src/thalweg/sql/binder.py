"""Give statements their meaning: from syntax trees to checked plans.

The binder is where SQL ends: what it returns was built by the same functions as the fluent API uses,
so both give the same plans and the same messages.

Reads:    the catalog it was given.
Changes:  nothing.
Not here: keeping tables and settings, connectors, running plans (session/).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from sqlglot import exp

from thalweg.base.schema import Schema
from thalweg.errors import Span, ThalwegError
from thalweg.expr.nodes import Column, Expr, Named
from thalweg.plan import build
from thalweg.plan.keys import declare_key
from thalweg.plan.nodes import Plan
from thalweg.sql import problems
from thalweg.sql.bind.context import Context
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.insert import fitted
from thalweg.sql.bind.queries import bind_query
from thalweg.sql.bind.scope import Relation, Scope
from thalweg.sql.catalog import Catalog
from thalweg.sql.source import span_of
from thalweg.sql.statements import ComputedColumn, CreateTable, CreateView, InsertInto

T = TypeVar("T")


class Binder:
    """Binds queries and definitions against a catalog.

    Example:
        >>> from thalweg.sql.parse import parse
        >>> class Nothing:
        ...     settings = {}
        ...     def function(self, name): return None
        >>> statement = parse("SELECT 1 AS a, 'x' AS b")[0]
        >>> str(Binder(Nothing()).bind_query(statement.query).schema)
        'a INT, b STRING'
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._context = Context(catalog, bind_query, {})

    def bind_query(self, query: exp.Expr) -> Plan:
        """The plan of a query.

        Raises:
            UserError: with the place, for a name, a type or a clause that has no meaning here.
        """
        whole = replace(self._context, is_whole=True)
        return _guarded(lambda: bind_query(query, whole), span_of(query))

    def bind_view(self, view: CreateView) -> Plan:
        """The plan of a view, its columns called as the view says."""
        query = _guarded(lambda: bind_query(view.query, self._context), span_of(view.query))
        plan = self._with_names(view, query)
        if not view.primary_key:
            return plan
        return _guarded(lambda: declare_key(plan, view.primary_key, where=view.key_span), view.key_span)

    def _with_names(self, view: CreateView, plan: Plan) -> Plan:
        if view.columns is None:
            return plan
        if len(view.columns) != len(plan.schema):
            raise problems.meaning(
                f'the view "{view.name}" names {len(view.columns)} columns for {len(plan.schema)}',
                view.span,
                code="sql-alias-columns",
            )
        names = zip(view.columns, plan.schema.names, strict=True)
        return _guarded(lambda: build.project(plan, [Named(v, Column(n)) for v, n in names]), view.span)

    def bind_insert(self, insert: InsertInto, target: Schema, never_null: Collection[str] = ()) -> Plan:
        """The plan of the rows to write, with exactly the columns of the target; see `insert.fitted`."""
        plan = self.bind_query(insert.query)
        return _guarded(lambda: fitted(plan, insert, target, never_null), span_of(insert.query))

    def bind_table(self, table: CreateTable, scan: Plan) -> Plan:
        """The plan of a table: what the connector reads, computed columns and the watermark added.

        Args:
            table: the definition.
            scan: a plan with the physical columns.
        """

        def bind() -> Plan:
            plan = scan
            for column in table.columns:
                if isinstance(column, ComputedColumn):
                    value = self.bind_expression(column.expression, plan, "a computed column")
                    plan = build.with_columns(plan, [Named(column.name, value)])
            names = [c.name for c in table.columns]
            if names and list(plan.schema.names) != names:
                plan = build.select_names(plan, names)
            if table.watermark is None:
                return plan
            mark = table.watermark
            value = self.bind_expression(mark.expression, plan, "a watermark")
            return build.assign_watermark(plan, mark.column, value, key=table.primary_key)

        return _guarded(bind, table.span)

    def bind_expression(self, node: exp.Expr, plan: Plan, clause: str = "this place") -> Expr:
        """An expression over the columns of a plan; `clause` names its place in messages."""
        scope = Scope(plan, (Relation.of(plan, None),))
        return _guarded(lambda: ExpressionBinder(scope, self._catalog, clause).bind(node), span_of(node))


def _guarded(bind: Callable[[], T], place: Span | None) -> T:
    """The result, with a place in every error, and an error instead of an overflow of the stack."""
    try:
        return bind()
    except ThalwegError as error:
        raise (error if place is None else error.located(place)) from None
    except RecursionError:
        hint = "sub-queries can be given names with WITH or CREATE VIEW"
        raise problems.meaning("this is nested too deeply", place, code="sql-too-deep", hint=hint) from None
