"""`thalweg sql`: run SQL and write the rows to the standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli.choices import execution_options, raise_flags
from thalweg.cli.failures import DONE
from thalweg.cli.output import FORMATS, write_rows
from thalweg.cli.programs import Show, run_sql
from thalweg.cli.results import show_query
from thalweg.cli.startup import collector_paused
from thalweg.session.interrupts import INTERRUPTED, Interrupts

if TYPE_CHECKING:
    import polars as pl

    from thalweg.plan.nodes import Plan
    from thalweg.session.session import Session


@click.command("sql")
@click.argument("text", required=False)
@click.option("-f", "--file", type=click.Path(exists=True, dir_okay=False), help="read the SQL from a file")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--no-progress", is_flag=True, help="say nothing while a stream runs")
@execution_options
def command(text: str | None, file: str | None, form: str, no_progress: bool, **how: Any) -> int:
    """Run SQL and write the rows to the standard output.

    Example: thalweg sql "SELECT user, count(*) FROM 'clicks/*.parquet' GROUP BY user"

    A quoted path is a table. The SQL is TEXT, a file, or what is piped in.
    """
    with collector_paused():
        from thalweg.cli.run import watched
        from thalweg.session.session import Session

    statements = given_text(text, file)
    raise_flags(**how)
    interrupts = Interrupts()
    with watched(interrupts, no_progress=no_progress, name="sql"):
        session = Session()
        run_sql(session, statements, shower(session, form))
    return INTERRUPTED if interrupts.came else DONE


def given_text(text: str | None, file: str | None) -> str:
    """The SQL, from wherever it was given."""
    if text is not None and file is not None:
        raise click.UsageError("give the SQL as TEXT or as a file, not both")
    if file is not None:
        return Path(file).read_text(encoding="utf-8")
    if text is not None:
        return text
    if sys.stdin.isatty():
        raise click.UsageError("give the SQL as TEXT, with -f FILE, or pipe it in; there is no shell yet")
    return sys.stdin.read()


def shower(session: Session, form: str) -> Show:
    """What writes the results of statements."""

    def show(result: Plan | pl.DataFrame | str) -> None:
        from thalweg.plan.nodes import Plan

        if isinstance(result, str):
            click.echo(result)
        elif isinstance(result, Plan):
            show_query(session, result, form)
        else:
            write_rows(result, form)

    return show
