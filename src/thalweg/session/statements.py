"""Carry out SQL statements: definitions at once, INSERTs as sinks of the next run, queries as data.

Not here: reading (sql/parse.py) and binding (sql/binder.py) them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from thalweg.connectors.connector import Results
from thalweg.errors import PlanError, SqlError, ThalwegError
from thalweg.expr import aggregates, registry
from thalweg.expr.nodes import Column, Named
from thalweg.physical.results import row_key
from thalweg.plan import build
from thalweg.plan.nodes import BadRows, Join, Late, Plan, Scan, SessionWindow, Window, Write
from thalweg.plan.properties import late_of_join, properties
from thalweg.session.catalog import never_null
from thalweg.sql import statements as st
from thalweg.sql.binder import Binder
from thalweg.sql.parse import parse
from thalweg.sql.show import shown

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
        if statement.if_not_exists and statement.name in catalog.names():
            return _there_already(statement.name)
        plan = binder.bind_view(statement)
        catalog.add_view(statement.name, plan, definition=statement, replace=statement.or_replace)
        return Outcome(f'view "{statement.name}" created')
    if isinstance(statement, st.Drop):
        return _drop(session, statement)
    if isinstance(statement, st.InsertInto):
        _queue(session, insert(session, statement))
        return Outcome(f'INSERT INTO "{statement.target}" waits for the run')
    if isinstance(statement, st.Query):
        return Outcome("", plan=binder.bind_query(statement.query))
    if isinstance(statement, st.Explain):
        return Outcome(_explain(session, statement))
    return _about(session, statement)


def _create_table(session: Session, statement: st.CreateTable) -> Outcome:
    catalog = session.catalog
    if statement.if_not_exists and statement.name in catalog.names():
        return _there_already(statement.name)
    if statement.query is None:
        catalog.add_table(statement)
        return Outcome(f'table "{statement.name}" created')
    # before the table is there: its query may read the table that it replaces, never itself
    plan = Binder(catalog).bind_query(statement.query)
    with catalog.kept_on_error():
        catalog.add_table(statement)
        _queue(session, _writes(session, plan, statement.name, statement.span))
    return Outcome(f'table "{statement.name}" created; its query waits for the run')


def _there_already(name: str) -> Outcome:
    return Outcome(f'"{name}" is there already; nothing was created')


def _drop(session: Session, statement: st.Drop) -> Outcome:
    catalog, kind, name = session.catalog, statement.kind, statement.name
    was_there = name in catalog.names()
    catalog.drop(kind, name, if_exists=statement.if_exists, span=statement.span)
    return Outcome(
        f'{kind} "{name}" dropped' if was_there else f'there is no {kind} "{name}"; nothing was dropped'
    )


def _queue(session: Session, writes: list[Write]) -> None:
    """Add the sinks of one statement to the next job: all of them, or none."""
    before = list(session.sinks)
    try:
        for write in writes:
            session.add_sink(write)
    except ThalwegError:
        session.sinks = before
        raise


def insert(session: Session, statement: st.InsertInto) -> list[Write]:
    """The sinks of an INSERT: the target, and the table for late rows if one is set."""
    catalog, binder = session.catalog, Binder(session.catalog)
    if statement.target in catalog.views:
        raise PlanError(
            f'"{statement.target}" is a view, and rows are written to tables',
            code="plan-wrong-kind",
            where=statement.target_span,
            hint="CREATE TABLE makes one of a view's rows: CREATE TABLE … AS SELECT …",
        )
    table = catalog.definition("table", statement.target, statement.target_span)
    assert isinstance(table, st.CreateTable), "that was asked for"
    target = catalog.sink_schema(statement.target, statement.target_span)
    if target is None:
        plan = binder.bind_query(statement.query)
    else:
        plan = binder.bind_insert(statement, target, never_null(table))
    return _writes(session, plan, statement.target, statement.target_span)


def _writes(session: Session, plan: Plan, target: str, span: Span | None = None) -> list[Write]:
    made = [replace(_write(session, plan, target, span), span=span)]
    late = session.settings.get("pipeline.late-rows.sink")
    if late is not None:
        where = session.settings.place("pipeline.late-rows.sink")
        made += _sides(session, dict.fromkeys([(rows, late) for rows in _late_rows(plan, where)], where))
    sinks = session.catalog.error_sinks
    scans = {s: replace(s, stamp=None) for s in _found(plan, Scan) if isinstance(s, Scan)}
    tables = {s: sinks[table] for s, table in scans.items() if table in sinks}
    return [*made, *_sides(session, {(BadRows(s), name): where for s, (name, where) in tables.items()})]


def _late_rows(plan: Plan, where: Span | str | None) -> list[Plan]:
    """The late rows of windows and joins in a plan, all of the same columns.

    Raises:
        PlanError: `plan-late-columns`.
    """
    found: list[Plan] = [Late(w) for w in [*_found(plan, Window), *_found(plan, SessionWindow)]]
    for step in _found(plan, Join):
        assert isinstance(step, Join), "that was asked for"
        sides = [late_of_join(step, port) for port in (0, 1)]
        found += [_called_as_written(rows) for rows in sides if rows is not None]
    kinds = list(dict.fromkeys(tuple(rows.schema.names) for rows in found))
    if len(kinds) > 1:
        raise PlanError(
            "the late rows of this statement have different columns, and one table cannot take them all",
            code="plan-late-columns",
            where=where,
            found="; ".join(", ".join(names) for names in kinds),
            hint="late() of a join or of windows in Python gives the rows of one step",
        )
    return found


def _called_as_written(rows: Plan) -> Plan:
    """The rows with the names of their own table, where those of a join tell two tables apart."""
    names = {n: n.partition(".")[2] or n for n in rows.schema.names}
    if len(set(names.values())) < len(names) or names == {n: n for n in names}:
        return rows
    return build.project(rows, [Named(new, Column(n)) for n, new in names.items()])


def _sides(session: Session, wanted: dict[tuple[Plan, str], Span | str | None]) -> list[Write]:
    """The sinks of late and bad rows; a table gets those of one step once, however many INSERTs read it."""
    there = {(w.input, w.name) for w in session.sinks}
    return [_write(session, *side, where) for side, where in wanted.items() if side not in there]


def _write(session: Session, plan: Plan, target: str, where: Span | str | None) -> Write:
    rows = Results(plan.schema, properties(plan).is_bounded, row_key(plan))
    sink, changelog = session.catalog.sink(target, rows, where=where)
    return Write(plan, sink, changelog, name=target)  # type: ignore[arg-type]  # one of the kinds


def _found(plan: Plan, kind: type[Plan]) -> list[Plan]:
    found = [plan] if isinstance(plan, kind) else []
    return [*found, *(w for below in plan.inputs for w in _found(below, kind))]


def _explain(session: Session, statement: st.Explain) -> str:
    inner, details = statement.statement, statement.details
    if "ESTIMATED_COST" in details:
        session.catalog.warnings.append("EXPLAIN ESTIMATED_COST: there is no estimate of what a step costs")
    if isinstance(inner, st.Query):
        return session.explain_plans([Binder(session.catalog).bind_query(inner.query)], details)
    return session.explain_plans(list(insert(session, inner)), details)


def _about(session: Session, statement: st.Statement) -> Outcome:
    """Statements that tell or change something about the session."""
    if isinstance(statement, st.Describe):
        return _describe(session, statement)
    if isinstance(statement, st.ShowCreate):
        text = shown(session.catalog.definition(statement.kind, statement.name, statement.name_span))
        return Outcome(text, frame=pl.DataFrame({"result": [text]}))
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


def _describe(session: Session, statement: st.Describe) -> Outcome:
    catalog = session.catalog
    look = catalog.path_table if statement.is_path else catalog.table
    schema = look(statement.name, statement.name_span).schema
    rows = {"name": list(schema.names), "type": [str(f.type) for f in schema]}
    return Outcome("", frame=pl.DataFrame(rows))


def _set(session: Session, statement: st.Set) -> Outcome:
    if statement.key is None or statement.value is None:
        rows = list(session.settings.listed())
        return Outcome("", frame=pl.DataFrame(rows, schema=["key", "value", "origin"], orient="row"))
    session.settings.set(statement.key, statement.value, where=statement.span)
    return Outcome(f"{statement.key} = {statement.value}")


def _listed(column: str, names: list[str]) -> Outcome:
    return Outcome("", frame=pl.DataFrame({column: names}, schema={column: pl.String}))
