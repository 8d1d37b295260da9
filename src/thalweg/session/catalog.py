"""Keep the tables, views and functions of a session, and make plans of them.

A table is a connector with options and columns; it becomes a source when it is read and a sink
when it is written to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from thalweg.base.schema import Schema
from thalweg.base.types import STRING, Field
from thalweg.connectors import registry
from thalweg.connectors.connector import Results
from thalweg.connectors.files.partitioned_source import source_of_files
from thalweg.connectors.required import required
from thalweg.errors import ConfigError, PlanError, Span, ThalwegError, did_you_mean
from thalweg.expr.nodes import PythonFunction
from thalweg.plan.build import allow_lateness
from thalweg.plan.nodes import Plan, Scan
from thalweg.protocols.sink import Sink
from thalweg.protocols.source import Source
from thalweg.session.letters import LetterBox, letter_sink
from thalweg.session.settings import Settings
from thalweg.sql.binder import Binder
from thalweg.sql.statements import CreateTable, CreateView, PhysicalColumn

Kind = Literal["table", "view"]


@dataclass
class SessionCatalog:
    """What a session knows by name."""

    options: Settings
    tables: dict[str, CreateTable] = field(default_factory=dict)
    views: dict[str, Plan] = field(default_factory=dict)
    functions: dict[str, PythonFunction] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    error_sinks: dict[Plan, tuple[str, Span | None]] = field(default_factory=dict)
    """For tolerant scans the table that takes their bad rows, and where that was written."""
    _view_definitions: dict[str, CreateView] = field(default_factory=dict)
    _read: dict[str, Plan] = field(default_factory=dict)
    _written: dict[str, Schema] = field(default_factory=dict)
    """For tables that name no columns, what was written to them: they may hold no rows to learn that from."""

    @property
    def settings(self) -> Mapping[str, str]:
        """The session's options."""
        return self.options.as_text()

    def names(self) -> list[str]:
        """Every table and view, sorted."""
        return sorted({*self.tables, *self.views})

    def table(self, name: str, span: Span | None = None) -> Plan:
        """The plan of a table or view; asked twice, the plan is the same one."""
        lateness_us = round(self.options.get("table.exec.emit.allow-lateness") * 1_000_000)
        if name in self.views:
            return allow_lateness(self.views[name], lateness_us)
        if name not in self._read:
            self._read[name] = self._source_plan(self._definition(name, span))
        return allow_lateness(self._read[name], lateness_us)

    def forget_reads(self) -> None:
        """Look at files anew from now on: between two statements of a long session they may have changed."""
        self._read.clear()

    def path_table(self, path: str, span: Span | None = None) -> Plan:
        """The plan that reads a file, a pattern or a directory."""
        key = f"'{path}'"
        if key not in self._read:
            try:
                self._read[key] = self.scan(source_of_files(path))
            except ThalwegError as error:
                raise (error if span is None else error.located(span)) from error.__cause__
        return self._read[key]

    def scan(
        self,
        source: Source,
        name: str | None = None,
        dead_letter: LetterBox | None = None,
        *,
        journal: bool = False,
    ) -> Scan:
        """The rows of a source; those that cannot be read go where it is said, or where the session says."""
        box = self._letter_box() if dead_letter is None else dead_letter
        letters = None if box is None else letter_sink(box, source)
        is_tolerant = letters is not None
        return Scan(source, name=name, is_tolerant=is_tolerant, letters=letters, has_journal=journal)

    def _letter_box(self) -> str | None:
        """The directory of dead letters of sources that say nothing of them."""
        found: str | None = self.options.get("pipeline.dead-letter")
        return found

    def function(self, name: str) -> PythonFunction | None:
        """The user's function of that name; names of functions are not case-sensitive."""
        return self.functions.get(name.lower())

    def add_table(self, table: CreateTable) -> None:
        """Define a table; its connector and options are looked at now."""
        if not table.or_replace:
            self._refuse_taken(table.name, table.span)
        self.warnings += registry.check(table.options, table.option_spans, table.span, table.partitioned_by)
        self._forget(table.name)
        self.tables[table.name] = table

    def add_view(
        self, name: str, plan: Plan, *, definition: CreateView | None = None, replace: bool = False
    ) -> None:
        """Name a plan; `definition` is the statement that did it, if one did."""
        if not replace:
            self._refuse_taken(name, None if definition is None else definition.span)
        self._forget(name)
        self.views[name] = plan
        if definition is not None:
            self._view_definitions[name] = definition

    def drop(self, kind: Kind, name: str, *, if_exists: bool, span: Span | None) -> None:
        """Forget a table or view."""
        self._refuse_other_kind(kind, name, span)
        if name not in self.names() and not if_exists:
            raise self._unknown(name, span)
        self._forget(name)

    def _forget(self, name: str) -> None:
        for kept in (self.tables, self.views, self._view_definitions, self._read, self._written):
            kept.pop(name, None)

    def definition(self, kind: Kind, name: str, span: Span | None) -> CreateTable | CreateView:
        """The statement that defined a table or view."""
        self._refuse_other_kind(kind, name, span)
        if kind == "table":
            return self._definition(name, span)
        if name not in self.views:
            raise self._unknown(name, span)
        if name not in self._view_definitions:
            raise PlanError(
                f'the view "{name}" was made by the program, not by a statement',
                code="plan-view-without-sql",
                where=span,
                hint=f"DESCRIBE {name} shows its columns",
            )
        return self._view_definitions[name]

    @contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """What is defined inside the block is taken back if the block goes wrong."""
        before = [dict(kept) for kept in (self.tables, self.views, self._view_definitions, self._read)]
        try:
            yield
        except ThalwegError:
            self.tables, self.views, self._view_definitions, self._read = before  # type: ignore[assignment]
            raise

    def sink(self, name: str, rows: Results, *, where: Span | str | None = None) -> tuple[Sink, str | None]:
        """The sink of a table, and how updating results reach it."""
        table = self._definition(name, where)
        # a key may name computed columns, which are not written
        has_key = all(name in rows.schema for name in table.primary_key)
        made = registry.create_sink(
            table.options,
            rows.schema,
            is_bounded=rows.is_bounded,
            key=rows.key or (table.primary_key if has_key else ()),
            partition_by=table.partitioned_by,
            spans=table.option_spans,
            where=table.span,
        )
        ops = (Field("op", STRING),) if made.changelog == "ops" else ()
        self._written[name] = Schema((*ops, *rows.schema.fields))
        return made.sink, made.changelog

    def sink_schema(self, name: str, span: Span | None = None) -> Schema | None:
        """The columns that a table takes; None if it names none and takes any."""
        return _declared(self._definition(name, span))

    def _source_plan(self, table: CreateTable) -> Plan:
        made = self._source(table, _declared(table))
        source = required(made.source, never_null(table))
        box = made.dead_letter or (self._letter_box() if made.says_nothing else None)
        is_tolerant = made.tolerance == "quarantine" or box is not None
        letters = None if box is None else letter_sink(box, source)
        scan = Scan(source, is_tolerant=is_tolerant, letters=letters, has_journal=made.has_journal)
        if made.error_sink is not None:
            self.error_sinks[scan] = made.error_sink, table.option_spans.get("errors.sink")
        return Binder(self).bind_table(table, scan)

    def _source(self, table: CreateTable, declared: Schema | None) -> registry.MadeSource:
        try:
            return registry.create_source(
                table.options,
                declared,
                spans=table.option_spans,
                where=table.span,
                partition_by=table.partitioned_by,
            )
        except ConfigError as error:
            if error.code != "source-no-schema" or declared is not None or table.name not in self._written:
                raise
        return self._source(table, self._written[table.name])

    def _definition(self, name: str, where: Span | str | None) -> CreateTable:
        found = self.tables.get(name)
        if found is None:
            raise self._unknown(name, where)
        return found

    def _unknown(self, name: str, where: Span | str | None) -> PlanError:
        return PlanError(
            f'there is no table "{name}"',
            code="plan-unknown-table",
            where=where,
            choices=self.names(),
            hint=did_you_mean(name, self.names()),
        )

    def _refuse_other_kind(self, kind: Kind, name: str, span: Span | None) -> None:
        found: Kind = "view" if name in self.views else "table"
        if found != kind and name in self.names():
            raise PlanError(
                f'"{name}" is a {found}, not a {kind}',
                code="plan-wrong-kind",
                where=span,
                hint=f"write {found.upper()} in the place of {kind.upper()}",
            )

    def _refuse_taken(self, name: str, span: Span | None) -> None:
        if name in self.names():
            raise PlanError(
                f'there is a table or view "{name}" already',
                code="plan-table-exists",
                where=span,
                hint="CREATE OR REPLACE, IF NOT EXISTS, or another name",
            )


def _declared(table: CreateTable) -> Schema | None:
    """The physical columns, if the definition names any."""
    fields = tuple(Field(c.name, c.type) for c in table.columns if isinstance(c, PhysicalColumn))
    return Schema(fields) if fields else None


def never_null(table: CreateTable) -> list[str]:
    """The columns that were declared NOT NULL."""
    return [c.name for c in table.columns if isinstance(c, PhysicalColumn) and not c.is_nullable]
