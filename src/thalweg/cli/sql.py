"""`thalweg sql`: run SQL and write the rows to the standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli.choices import execution_options, raise_flags
from thalweg.cli.failures import DONE
from thalweg.cli.output import FORMATS, SHELL_FORMATS, write_rows
from thalweg.cli.programs import Show, run_script, run_sql, sql_session
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
    """Run SQL and write the rows to the standard output; without any, start the shell.

    Example: thalweg sql "SELECT user, count(*) FROM 'clicks/*.parquet' GROUP BY user"

    A quoted path is a table. The SQL is TEXT, a file, or what is piped in. On a terminal without any of
    these the shell starts, where statements are typed.
    """
    with collector_paused():
        import thalweg.session.session  # noqa: F401 - loaded in here, with all that it needs
        from thalweg.cli.run import watched

    statements = given_text(text, file)
    raise_flags(**how)
    if statements is None:
        return _shell(form, no_progress=no_progress)
    interrupts = Interrupts()
    with watched(interrupts, no_progress=no_progress, name="sql"):
        session = sql_session()
        _run_text(session, statements, form)
    return INTERRUPTED if interrupts.came else DONE


def _shell(form: str, *, no_progress: bool) -> int:
    from thalweg.cli.shell.loop import run_shell

    if form not in SHELL_FORMATS:
        raise click.UsageError(f"the shell shows rows as {', '.join(SHELL_FORMATS)}, not {form}")
    return run_shell(sql_session(), form, no_progress=no_progress)


def _run_text(session: Session, text: str, form: str) -> None:
    """Carry out a text whose statements may have commands of the shell between them."""
    from thalweg.cli.shell.dots import run_dot
    from thalweg.cli.shell.statements import Shell

    shell = Shell(session, form)
    run_script(
        text,
        lambda sql: run_sql(session, sql, shower(session, shell.form)),
        lambda line: run_dot(shell, line),
    )


def given_text(text: str | None, file: str | None) -> str | None:
    """The SQL, from wherever it was given; None if it is going to be typed."""
    if text is not None and file is not None:
        raise click.UsageError("give the SQL as TEXT or as a file, not both")
    if file is not None:
        return Path(file).read_text(encoding="utf-8")
    if text is not None:
        return text
    if sys.stdin.isatty():
        return None
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
