"""Run a stream of generated events through two queries, as fast as it goes.

Not here: what is shown meanwhile (screen.py), whether it is right (checks.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from thalweg.cli import nexmark
from thalweg.cli.demo.screen import Screen

if TYPE_CHECKING:
    from thalweg.session.execute import Result


def free_directory(parent: Path) -> Path:
    """`demo-<n>` with the first number that is not taken."""
    number = 1
    while (parent / f"demo-{number}").exists():
        number += 1
    return parent / f"demo-{number}"


def flood(events: int, rate: int, written: dict[str, Path]) -> Result:
    """Write the final answers of the queries to directories of Parquet files, and show the hot items."""
    from thalweg.connectors.sinks import CallbackSink
    from thalweg.session.hooks import HOOKS

    session = nexmark.nexmark_session(nexmark.events(events, rate=rate))
    screen = Screen(events)
    for name, path in written.items():
        plan = nexmark.query(session, name)
        session.write(plan, str(path), "parquet", "fold")
        if name == "q5":
            session.write_sink(plan, CallbackSink(screen.hot))
    HOOKS.watchers.append(screen.watch)
    try:
        return session.run("demo", mode="stream")
    finally:
        HOOKS.watchers.remove(screen.watch)
