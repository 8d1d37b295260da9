"""Execute a Python program as `python job.py` would, and look at the jobs that it would run.

Reads, changes:  whatever the program does; `HOOKS` for as long as its jobs are looked at.
Not here: flags and signals (cli/), what is said about the jobs.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thalweg.session.hooks import HOOKS

if TYPE_CHECKING:
    from thalweg.plan.nodes import Plan
    from thalweg.session.execute import Execution, Result


@dataclass(frozen=True)
class Look:
    """One job that a program would have run."""

    roots: tuple[Plan, ...]
    how: Execution


def run_program(path: str, arguments: Sequence[str] = ()) -> None:
    """Run a Python file in a namespace of its own, as the main program."""
    with _as_main(path, arguments):
        runpy.run_path(path, run_name="__main__")


@contextmanager
def _as_main(path: str, arguments: Sequence[str]) -> Iterator[None]:
    before = sys.argv, list(sys.path)
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = before


def looked_at(program: Callable[[], object], name: str | None = None) -> list[Look]:
    """The jobs that a program would run: nothing is read or written, and what it collects is empty.

    Args:
        program: executes it.
        name: what a job is called that nobody named.
    """
    seen: list[Look] = []
    before = HOOKS.stand_in, HOOKS.job_name
    HOOKS.stand_in, HOOKS.job_name = _noting(seen), name
    try:
        program()
    finally:
        HOOKS.stand_in, HOOKS.job_name = before
    return seen


def _noting(seen: list[Look]):  # type: ignore[no-untyped-def]  # a stand-in of hooks.py
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
