"""Find the jobs of a file or a text, without running them: nothing is read, nothing is written.

What a program collects meanwhile is an empty table with the right columns.

Not here: what is said about the jobs (explain.py, check.py), how they are noted (session/programs.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from thalweg.cli.programs import run_sql, sql_session
from thalweg.session.hooks import HOOKS
from thalweg.session.programs import Look as Look
from thalweg.session.programs import looked_at, run_program

if TYPE_CHECKING:
    import polars as pl

    from thalweg.plan.nodes import Plan


def look_at_file(file: str) -> list[Look]:
    """The jobs of a Python program or a SQL file."""
    return _looked_at(executed(file), Path(file).stem)


def look_at_sql(text: str, name: str | None = None) -> list[Look]:
    """The jobs of a SQL text, called `name` where it does not say: its INSERTs together, and each query."""
    return _looked_at(partial(_carry_out, text), name)


def executed(file: str, arguments: tuple[str, ...] = ()) -> Callable[[], None]:
    """What executes a Python program or a SQL file, each time that it is called."""
    if file.endswith(".sql"):
        return partial(_carry_out, Path(file).read_text(encoding="utf-8"))
    return partial(run_program, file, arguments)


def _looked_at(program: Callable[[], None], name: str | None) -> list[Look]:
    try:
        return looked_at(program, name)
    finally:
        HOOKS.reset()


def _carry_out(text: str) -> None:
    """The statements, with a job for each query."""
    session = sql_session()

    def show(result: Plan | pl.DataFrame | str) -> None:
        from thalweg.connectors.memory import MemorySink
        from thalweg.plan.nodes import Plan

        if isinstance(result, Plan):
            session.write_sink(result, MemorySink())
            session.run()

    run_sql(session, text, show, is_quiet=True)
