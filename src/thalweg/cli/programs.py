"""Execute a text of SQL statements that a user wrote.

All INSERTs are one job, which runs after the last of them; queries show their rows where they stand.

Not here: Python programs (session/programs.py), flags and signals (run.py), how rows are shown (output.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import polars as pl

    from thalweg.plan.nodes import Plan
    from thalweg.session.session import Session

PROGRAMS = (".py", ".sql")
"""How the files of programs end."""
Show = Callable[["Plan | pl.DataFrame | str"], None]


def sql_session() -> Session:
    """A session for SQL from the command line; `warn` says which options it ignored."""
    from thalweg.session.hooks import HOOKS
    from thalweg.session.session import Session

    HOOKS.has_own_warnings = True
    return Session()


def run_sql(session: Session, text: str, show: Show, *, is_quiet: bool = False) -> None:
    """Carry out the statements of a text; rows and explanations are handed to `show`."""
    from thalweg.session.statements import carry_out
    from thalweg.sql import statements as st
    from thalweg.sql.parse import parse

    statements = parse(text)
    writing = [i for i, s in enumerate(statements) if isinstance(s, (st.InsertInto, st.CreateTable))]
    last = max(writing, default=-1)
    try:
        for i, statement in enumerate(statements):
            outcome = carry_out(session, statement)
            if outcome.plan is not None:
                show(outcome.plan)
            elif isinstance(statement, (st.Explain, st.ShowCreate)):
                show(outcome.text)
            elif outcome.frame is not None:
                show(outcome.frame)
            elif not is_quiet:
                click.echo(outcome.text, err=True)
            if i == last and session.sinks:
                session.run()
    finally:
        warn(session)


def run_script(text: str, run: Callable[[str], None], dot: Callable[[str], None]) -> None:
    """Carry out a text that may have commands of the shell between its statements, in order."""
    from thalweg.cli.shell.dots import Leave
    from thalweg.cli.shell.scan import segments

    with suppress(Leave):
        for part, is_dot in segments(text):
            (dot if is_dot else run)(part)


def warn(session: Session) -> None:
    """Say what was ignored since this was last said."""
    for text in dict.fromkeys([*session.settings.warnings, *session.catalog.warnings]):
        click.echo(f"warning: {text}", err=True)
    session.settings.warnings.clear()
    session.catalog.warnings.clear()
