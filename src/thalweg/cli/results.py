"""Show the rows of a query: all of them if its input ends, changes as they come if it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from thalweg.cli.output import as_lines, check_binary, write_rows
from thalweg.errors import PlanError

if TYPE_CHECKING:
    import polars as pl

    from thalweg.plan.nodes import Plan
    from thalweg.session.session import Session


def show_query(session: Session, plan: Plan, form: str) -> None:
    """Run a query and write its rows to the standard output."""
    from thalweg.plan.properties import properties

    check_binary(form)
    if properties(plan).is_bounded:
        write_rows(session.collect(plan), form)
        return
    if form in ("parquet", "arrow"):
        raise PlanError(
            f"the rows of a query that never ends do not fit into one {form} file",
            code="sql-endless-output",
            hint="--format json or csv shows changes as they come; INSERT INTO a table writes files",
        )
    _show_changes(session, plan, form)


def _show_changes(session: Session, plan: Plan, form: str) -> None:
    """Changes as they come, until somebody stops the job."""
    from thalweg.connectors.sinks import CallbackSink, PrintSink
    from thalweg.physical.results import row_key
    from thalweg.plan.nodes import Write
    from thalweg.plan.properties import properties
    from thalweg.protocols.sink import Sink

    key = row_key(plan)
    sink: Sink = PrintSink(key=key)
    if form != "table":
        sink = CallbackSink(Lines(form), has_ops=properties(plan).is_updating, key=key)
    session.add_sink(Write(plan, sink))
    session.run()


class Lines:
    """Writes frames one below the other; CSV with the names once.

    Args:
        form: csv or json.
    """

    def __init__(self, form: str) -> None:
        self._form, self._is_first = form, True

    def __call__(self, frame: pl.DataFrame) -> None:
        text = as_lines(frame, self._form, has_header=self._is_first)
        self._is_first = False
        click.echo(text, nl=False)
