"""Carry out SQL statements: definitions at once, INSERTs as sinks of the next run, queries as data.

Not here: reading (sql/parse.py) and binding (sql/binder.py) them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from thalweg.errors import SqlError
from thalweg.expr import aggregates, registry
from thalweg.plan.nodes import BadRows, Late, Plan, Scan, Window, Write
from thalweg.plan.properties import properties
from thalweg.sql import statements as st
from thalweg.sql.binder import Binder
from thalweg.sql.parse import parse

if TYPE_CHECKING:
    from thalweg.errors import Span
    from thalweg.session.session import Session


@dataclass(frozen=True)
class Outcome:
    """What one statement gave: rows to show, a plan that can be run, or only a line to say."""

    text: str
    plan: Plan | None = None
    frame: pl.DataFrame | None = None


def run_text(session: Session, text: str) -> list[Outcome]:
    """Carry out all statements of a text, in order."""
    return [carry_out(session, statement) for statement in parse(text)]


def carry_out(session: Session, statement: st.Statement) -> Outcome:
    """Carry out one statement."""
    catalog, binder = session.catalog, Binder(session.catalog)
    if isinstance(statement, st.CreateTable):
        return _create_table(session, statement)
    if isinstance(statement, st.CreateView):
        if not (statement.if_not_exists and statement.name in catalog.names()):
            plan = binder.bind_view(statement)
            catalog.add_view(statement.name, plan, span=statement.span, replace=statement.or_replace)
        return Outcome(f'view "{statement.name}" created')
    if isinstance(statement, st.Drop):
        catalog.drop(statement.name, if_exists=statement.if_exists, span=statement.span)
        return Outcome(f'{statement.kind} "{statement.name}" dropped')
    if isinstance(statement, st.InsertInto):
        for write in insert(session, statement):
            session.add_sink(write)
        return Outcome(f'INSERT INTO "{statement.target}" waits for the run')
    if isinstance(statement, st.Query):
        return Outcome("", plan=binder.bind_query(statement.query))
    if isinstance(statement, st.Explain):
        return Outcome(_explain(session, statement))
    return _about(session, statement)


def _create_table(session: Session, statement: st.CreateTable) -> Outcome:
    catalog = session.catalog
    taken = statement.if_not_exists and statement.name in catalog.names()
    catalog.add_table(statement)
    if statement.query is not None and not taken:
        plan = Binder(catalog).bind_query(statement.query)
        for write in _writes(session, plan, statement.name):
            session.add_sink(write)
        return Outcome(f'table "{statement.name}" created; its query waits for the run')
    return Outcome(f'table "{statement.name}" created')


def insert(session: Session, statement: st.InsertInto) -> list[Write]:
    """The sinks of an INSERT: the target, and the table for late rows if one is set."""
    catalog, binder = session.catalog, Binder(session.catalog)
    target = catalog.sink_schema(statement.target, statement.target_span)
    plan = binder.bind_query(statement.query) if target is None else binder.bind_insert(statement, target)
    return _writes(session, plan, statement.target, statement.target_span)


def _writes(session: Session, plan: Plan, target: str, span: Span | None = None) -> list[Write]:
    made = [replace(_write(session, plan, target), span=span)]
    late = session.settings.get("pipeline.late-rows.sink")
    if late is not None:
        made += _sides(session, [(Late(w), late) for w in _found(plan, Window)])
    sinks = session.catalog.error_sinks
    made += _sides(session, [(BadRows(s), sinks[s]) for s in _found(plan, Scan) if s in sinks])
    return made


def _sides(session: Session, wanted: list[tuple[Plan, str]]) -> list[Write]:
    """The sinks of late and bad rows; a table gets those of one step once, however many INSERTs read it."""
    there = {(w.input, w.name) for w in session.sinks}
    return [_write(session, *side) for side in dict.fromkeys(wanted) if side not in there]


def _write(session: Session, plan: Plan, target: str) -> Write:
    bounded = properties(plan).is_bounded
    sink, changelog = session.catalog.sink(target, plan.schema, is_bounded=bounded)
    return Write(plan, sink, changelog, name=target)  # type: ignore[arg-type]  # one of the kinds


def _found(plan: Plan, kind: type[Plan]) -> list[Plan]:
    found = [plan] if isinstance(plan, kind) else []
    return [*found, *(w for below in plan.inputs for w in _found(below, kind))]


def _explain(session: Session, statement: st.Explain) -> str:
    inner = statement.statement
    if isinstance(inner, st.Query):
        return session.explain_plans([Binder(session.catalog).bind_query(inner.query)])
    return session.explain_plans(list(insert(session, inner)))


def _about(session: Session, statement: st.Statement) -> Outcome:
    """Statements that tell or change something about the session."""
    if isinstance(statement, st.Describe):
        schema = session.catalog.table(statement.name, statement.name_span).schema
        rows = {"name": list(schema.names), "type": [str(f.type) for f in schema]}
        return Outcome("", frame=pl.DataFrame(rows))
    if isinstance(statement, st.ShowTables):
        return _listed("table name", session.catalog.names())
    if isinstance(statement, st.ShowViews):
        return _listed("view name", sorted(session.catalog.views))
    if isinstance(statement, st.ShowFunctions):
        own = sorted(session.catalog.functions)
        built_in = [] if statement.only_user else [*registry.names(), *aggregates.names()]
        return _listed("function name", sorted({*own, *built_in}))
    if isinstance(statement, st.Set):
        return _set(session, statement)
    if isinstance(statement, st.Reset):
        session.settings.reset(statement.key)
        return Outcome("session option reset")
    raise SqlError("this statement is not possible yet", code="sql-not-yet", where=statement.span)


def _set(session: Session, statement: st.Set) -> Outcome:
    if statement.key is None or statement.value is None:
        rows = list(session.settings.listed())
        return Outcome("", frame=pl.DataFrame(rows, schema=["key", "value", "origin"], orient="row"))
    session.settings.set(statement.key, statement.value, where=statement.span)
    return Outcome(f"{statement.key} = {statement.value}")


def _listed(column: str, names: list[str]) -> Outcome:
    return Outcome("", frame=pl.DataFrame({column: names}, schema={column: pl.String}))
