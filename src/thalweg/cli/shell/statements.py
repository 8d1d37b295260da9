"""Hold what a shell knows, and carry out one statement: show its rows, or run its job.

Each statement is carried out by itself, an INSERT as a job. Only a file that is read (`.read`) runs its
INSERTs together, as `thalweg run` does.

Not here: lines and prompts (loop.py), signals and errors (loop.py), commands with a dot (dots.py).
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thalweg.cli.counters import number
from thalweg.cli.output import write_rows
from thalweg.cli.programs import run_script, run_sql, warn
from thalweg.cli.results import Lines
from thalweg.cli.shell.tables import fitted
from thalweg.errors import ConfigError
from thalweg.session.hooks import HOOKS

if TYPE_CHECKING:
    import polars as pl

    from thalweg.cli.shell.live import LiveTable
    from thalweg.plan.nodes import Plan
    from thalweg.session.handle import JobHandle
    from thalweg.session.session import Session

_ROWS = 40


class Shell:
    """A session, and how its results are shown.

    Attributes:
        form: table, csv or json.
        rows_max: how many rows of a table are shown.
        has_timer: whether the time is told.
    """

    def __init__(self, session: Session, form: str = "table") -> None:
        self.session, self.form = session, form
        self.rows_max, self.has_timer = _ROWS, True
        self._views: dict[str, str] = {}

    def carry_out(self, text: str) -> None:
        """Carry out a statement, or several that wait for nothing between them."""
        from thalweg.session.statements import carry_out
        from thalweg.sql import statements as st
        from thalweg.sql.parse import parse

        for statement in parse(text):
            begun = time.monotonic()
            self.session.catalog.forget_reads()
            outcome = carry_out(self.session, statement)
            if isinstance(statement, st.CreateView):
                self._views[statement.name] = statement.text
            if self.session.sinks:
                self._run_job(begun)
            elif isinstance(statement, (st.Explain, st.ShowCreate)):
                self.show(outcome.text)
            elif outcome.plan is not None or outcome.frame is not None:
                self.show(outcome.frame if outcome.plan is None else outcome.plan)
            else:
                click.echo(outcome.text, err=True)
            warn(self.session)

    def read_file(self, path: str) -> None:
        """Carry out a file of statements and commands."""
        from thalweg.cli.shell.dots import run_dot

        try:
            text = Path(path).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f'"{path}" cannot be read', code="shell-file", found=str(error)) from None
        self.session.catalog.forget_reads()
        run_script(text, lambda sql: run_sql(self.session, sql, self.show), lambda line: run_dot(self, line))

    def definition(self, name: str) -> str:
        """The statement that defined a table or view."""
        table = self.session.catalog.tables.get(name)
        text = self._views.get(name) if table is None else table.text
        if text is None:
            held = self.session.catalog.table(name).schema
            text = f"-- {name}: " + ", ".join(f"{f.name} {f.type}" for f in held)
        return text if text.startswith("--") else f"{text};"

    def clear(self) -> None:
        """Forget what an interrupted statement left behind."""
        self.session.sinks.clear()

    def show(self, result: Plan | pl.DataFrame | str | None) -> None:
        """Show rows, the rows of a query, or a text."""
        from thalweg.plan.nodes import Plan
        from thalweg.plan.properties import properties

        begun = time.monotonic()
        if isinstance(result, str):
            click.echo(result)
        elif not isinstance(result, Plan):
            assert result is not None, "a statement without a plan gave rows"
            self._show_frame(result, result.height, begun)
        elif properties(result).is_bounded:
            self._show_bounded(result, begun)
        else:
            self._show_changes(result)

    def _show_bounded(self, plan: Plan, begun: float) -> None:
        if self.form != "table" or self.session.settings.get("execution.runtime-mode") == "streaming":
            frame = self.session.collect(plan)
            self._show_frame(frame, frame.height, begun)
            return
        first = _First(plan.schema.polars.to_frame(), self.rows_max)
        self.session.write_callback(plan, first.add, changes=False)
        self.session.run()
        self._show_frame(first.frame, first.height, begun)

    def _show_frame(self, frame: pl.DataFrame, height: int, begun: float) -> None:
        seconds = time.monotonic() - begun
        if self.form == "table":
            width = shutil.get_terminal_size((160, 50)).columns
            click.echo(fitted(frame, rows=self.rows_max, height=height, width=width))
        else:
            write_rows(frame, self.form)
        self._tell(f"{number(height)} row{'' if height == 1 else 's'}", seconds)

    def _show_changes(self, plan: Plan) -> None:
        from thalweg.plan.properties import properties

        if sys.stdout.isatty():
            click.echo(
                "the input never ends; rows come as they are made, and Ctrl-C stops the query", err=True
            )
        is_updating = properties(plan).is_updating
        if self.form != "table":
            self.session.write_callback(plan, Lines(self.form), is_updating)
            self.session.run()
            return
        # imported here: a query that ends needs no rich
        from thalweg.cli.shell.live import LiveTable

        table = LiveTable(shutil.get_terminal_size((160, 50)).columns)
        self.session.write_callback(plan, lambda f: _write(table.add(f, time.monotonic())), is_updating)
        with _closed(table):
            self.session.run()

    def _run_job(self, begun: float) -> None:
        result = self.session.run()
        if result.mode == "batch":
            self._tell("done", time.monotonic() - begun)

    def _tell(self, text: str, seconds: float) -> None:
        click.echo(f"{text}, {seconds:.3f} s" if self.has_timer else text, err=True)


class _First:
    """Keeps the first rows and counts all, so that a large result needs no memory."""

    def __init__(self, empty: pl.DataFrame, rows: int) -> None:
        self.frame, self.height, self._rows = empty, 0, rows

    def add(self, frame: pl.DataFrame) -> None:
        self.height += frame.height
        if self.frame.height < self._rows:
            self.frame = self.frame.vstack(frame.head(self._rows - self.frame.height))


@contextmanager
def _closed(table: LiveTable) -> Iterator[None]:
    """The table is closed when the run in here ends, before anything is said about the run."""

    @contextmanager
    def watch(run: JobHandle) -> Iterator[None]:
        try:
            yield
        finally:
            _write(table.end())

    # watchers are entered in order and left in the opposite one
    HOOKS.watchers.append(watch)
    try:
        yield
    finally:
        HOOKS.watchers.remove(watch)


def _write(text: str) -> None:
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()
