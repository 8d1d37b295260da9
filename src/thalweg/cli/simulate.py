"""`thalweg simulate`: say whether the result of a program can change."""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli.choices import execution_options, raise_flags
from thalweg.cli.failures import DONE, WRONG, report
from thalweg.cli.programs import PROGRAMS
from thalweg.session.hooks import HOOKS

if TYPE_CHECKING:
    from thalweg.testing.programs import SimulationReport

_KINDS = ("cuts", "order", "parallelism", "delays", "crashes", "clock")
_TOLD_EVERY = 10


@click.command("simulate")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--seeds", type=click.IntRange(min=1), default=200, show_default=True, help="how many runs")
@click.option("--seed", type=click.IntRange(min=0), help="only this one, as a finding names it")
@click.option(
    "--rows", type=click.IntRange(min=1), default=100, show_default=True, help="rows read of each source"
)
@click.option("--without", multiple=True, type=click.Choice(_KINDS), help="leave out a kind of disturbance")
@click.option("--calls", is_flag=True, help="call the functions that get results, to see what they build")
@execution_options
def command(
    file: str,
    arguments: tuple[str, ...],
    seeds: int,
    seed: int | None,
    rows: int,
    without: tuple[str, ...],
    calls: bool,
    **how: Any,
) -> int:
    """Say whether the result of a program or a SQL file can change, and by what.

    Example: thalweg simulate job.py --seeds 1000

    Its jobs are run on a simulated machine over the beginning of their input, each time disturbed in another
    way: crashes, other cuts of batches, another order, delays, parallelism and time of day. Nothing is
    written. The exit code is 1 if a result differs from that of an undisturbed run.
    """
    if not file.endswith(PROGRAMS):
        raise click.UsageError(f'"{file}" is neither a Python program (.py) nor SQL (.sql)')
    # a row takes no thread longer than it takes to hand it to one
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    raise_flags(**how)
    try:
        found = _simulated(file, arguments, seeds if seed is None else [seed], rows, without, calls)
    except Exception as error:  # noqa: BLE001 - the program is the user's: it may raise anything
        return report(error, file)
    finally:
        HOOKS.reset()
    _tell(found, _again(file, rows, without, calls, how), shlex.join(["--", *arguments]) if arguments else "")
    return DONE if found.is_stable else WRONG


def _simulated(
    file: str,
    arguments: tuple[str, ...],
    seeds: int | list[int],
    rows: int,
    without: tuple[str, ...],
    calls: bool,
) -> SimulationReport:
    # imported here: after it was said how many threads there are
    from thalweg.cli.looking import executed
    from thalweg.testing.programs import simulate

    count = seeds if isinstance(seeds, int) else len(seeds)
    return simulate(
        executed(file, arguments),
        name=Path(file).stem,
        seeds=seeds,
        rows=rows,
        without=without,
        calls=calls,
        tell=partial(_progress, count),
    )


def _progress(seeds: int, done: int) -> None:
    if sys.stderr.isatty() and (done % _TOLD_EVERY == 0 or done == seeds):
        click.echo(f"\r{done} of {seeds} seeds", nl=done == seeds, err=True)


def _tell(found: SimulationReport, again: str, arguments: str) -> None:
    for line in (*found.jobs, *found.notes):
        click.echo(line)
    if found.finding is not None:
        for line in found.finding.lines(f"{again} --seed {found.finding.seed} {arguments}".rstrip()):
            click.echo(line)
    click.echo(found.verdict())


def _again(file: str, rows: int, without: tuple[str, ...], calls: bool, how: dict[str, Any]) -> str:
    """The command, but for its seeds."""
    parts = ["thalweg", "simulate", file]
    parts += ["--rows", str(rows)] if rows != 100 else []
    parts += [part for kind in without for part in ("--without", kind)]
    parts += ["--calls"] if calls else []
    for name, value in how.items():
        flag = "--set" if name == "settings" else f"--{name.replace('_', '-')}"
        values = value if isinstance(value, tuple) else [value]
        parts += [part for v in values if v is not None for part in (flag, str(v))]
    return shlex.join(parts)
