"""`thalweg run`: run a program or a SQL file as a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from thalweg.cli.choices import execution_options, raise_flags
from thalweg.cli.failures import DONE, report
from thalweg.cli.programs import PROGRAMS, run_sql, sql_session
from thalweg.cli.progress import Progress
from thalweg.session.hooks import HOOKS
from thalweg.session.interrupts import INTERRUPTED, Interrupts
from thalweg.session.programs import run_program

_BEGINNING = ("from_checkpoint", "fresh", "upgrade", "drop_state")


@click.command("run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@execution_options
@click.option("--drain", is_flag=True, help="when stopped: close open windows, as if the input had ended")
@click.option("--from-checkpoint", metavar="PATH|NUMBER", help="go on from this checkpoint, in a new lineage")
@click.option("--fresh", is_flag=True, help="start without state, in a new lineage; deletes nothing")
@click.option("--upgrade", is_flag=True, help="take over the checkpoint of a program with other steps")
@click.option("--drop-state", multiple=True, metavar="STEP", help="lose the state of this step of it")
@click.option("--metrics-port", type=click.IntRange(0, 65_535), help="serve Prometheus metrics on 127.0.0.1")
@click.option("--no-progress", is_flag=True, help="say nothing while a stream runs")
def command(
    file: str,
    arguments: tuple[str, ...],
    drain: bool,
    no_progress: bool,
    metrics_port: int | None,
    **how: Any,
) -> int:
    """Run a program or a SQL file as a job.

    Example: thalweg run job.py --parallelism 4

    A program makes a session, writes somewhere, and ends in session.run(). What follows FILE (after --)
    reaches it as arguments.
    """
    if not file.endswith(PROGRAMS):
        raise click.UsageError(f'"{file}" is neither a Python program (.py) nor SQL (.sql)')
    begin = _beginning(**{name: how.pop(name) for name in _BEGINNING})
    if metrics_port is not None:
        how["settings"] = (*how["settings"], f"metrics.reporter.prom.port={metrics_port}")
    raise_flags(**how)
    interrupts = Interrupts(drain=drain)
    with watched(interrupts, no_progress=no_progress, name=Path(file).stem, has_table=True):
        HOOKS.start, HOOKS.dropping = begin
        code = run_file(file, arguments)
    return INTERRUPTED if interrupts.came else code


def _beginning(
    *, from_checkpoint: str | None, fresh: bool, upgrade: bool, drop_state: tuple[str, ...]
) -> tuple[str | None, frozenset[str] | None]:
    """The checkpoint that jobs begin at, and which steps of a changed program may lose their state."""
    if fresh and from_checkpoint is not None:
        raise click.UsageError("--fresh and --from-checkpoint exclude each other")
    start = "fresh" if fresh else from_checkpoint
    return start, frozenset(drop_state) if upgrade or drop_state else None


@contextmanager
def watched(
    interrupts: Interrupts,
    *,
    no_progress: bool,
    name: str,
    has_names: bool = True,
    has_table: bool = False,
) -> Iterator[None]:
    """Signals stop the jobs in here, and progress is shown, with the names of the jobs or without."""
    HOOKS.job_name = name
    HOOKS.watchers.append(interrupts.watch)
    HOOKS.handles_signals = True
    progress = Progress(has_names=has_names, has_table=has_table)
    HOOKS.say = partial(click.echo, err=True) if no_progress else progress.say
    if not no_progress:
        HOOKS.watchers.append(progress.watch)
        HOOKS.listeners.append(progress.tell)
    try:
        with interrupts.caught(), nullcontext() if no_progress else progress.beside():
            yield
    finally:
        HOOKS.reset()


def run_file(file: str, arguments: tuple[str, ...] = ()) -> int:
    """Execute a program or a SQL file; the exit code."""
    try:
        if file.endswith(".sql"):
            _run_sql_file(file)
        else:
            run_program(file, arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else _said(stop.code)
    except Exception as error:  # noqa: BLE001 - the program is the user's: it may raise anything
        return report(error, file)
    return DONE


def _said(message: object) -> int:
    if message is None:
        return DONE
    click.echo(str(message), err=True)
    return 1


def _run_sql_file(file: str) -> None:
    from thalweg.cli.sql import shower

    session = sql_session()
    run_sql(session, Path(file).read_text(encoding="utf-8"), shower(session, "table"))
