"""Execute a program with its jobs looked at instead of run: nothing is read, nothing is written.

What a program collects meanwhile is an empty table with the right columns.

Not here: what is said about the jobs (explain.py, check.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thalweg.cli.programs import run_program, run_sql, sql_session
from thalweg.session.hooks import HOOKS

if TYPE_CHECKING:
    import polars as pl

    from thalweg.plan.nodes import Plan
    from thalweg.session.execute import Execution, Result


@dataclass(frozen=True)
class Look:
    """One job that a program would have run."""

    roots: tuple[Plan, ...]
    how: Execution


def look_at_file(file: str) -> list[Look]:
    """The jobs of a Python program or a SQL file."""
    if file.endswith(".sql"):
        return look_at_sql(Path(file).read_text(encoding="utf-8"), Path(file).stem)
    seen: list[Look] = []
    HOOKS.stand_in = _note(seen)
    HOOKS.job_name = Path(file).stem
    try:
        run_program(file)
    finally:
        HOOKS.reset()
    return seen


def look_at_sql(text: str, name: str | None = None) -> list[Look]:
    """The jobs of a SQL text, called `name` where it does not say: its INSERTs together, and each query."""
    seen: list[Look] = []
    HOOKS.stand_in = _note(seen)
    HOOKS.job_name = name
    try:
        session = sql_session()

        def show(result: Plan | pl.DataFrame | str) -> None:
            from thalweg.connectors.memory import MemorySink
            from thalweg.plan.nodes import Plan

            if isinstance(result, Plan):
                session.write_sink(result, MemorySink())
                session.run()

        run_sql(session, text, show, is_quiet=True)
    finally:
        HOOKS.reset()
    return seen


def _note(seen: list[Look]):  # type: ignore[no-untyped-def]  # a stand-in of hooks.py
    def stand_in(roots: Sequence[Plan], how: Execution) -> Result:
        from thalweg.connectors.memory import MemorySink
        from thalweg.plan.nodes import Write
        from thalweg.session.execute import Result, choose_mode

        seen.append(Look(tuple(roots), how))
        for root in roots:
            if isinstance(root, Write) and isinstance(root.sink, MemorySink):
                root.sink.open(root.input.schema, 0)
        return Result(how.name, choose_mode(roots, how.mode), 0, 0.0, is_complete=True)

    return stand_in
