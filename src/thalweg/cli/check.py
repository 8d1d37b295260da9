"""`thalweg check`: look at a program without running its job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli.choices import execution_options, raise_flags
from thalweg.cli.failures import DONE, report
from thalweg.cli.looking import Look, look_at_file
from thalweg.errors import ThalwegError

if TYPE_CHECKING:
    from thalweg.plan.nodes import Scan, Write

_REPLAY = {
    "exact": "exact: rows can be read again",
    "ack": "ack: unacknowledged rows come again",
    "none": "none",
}


@click.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@execution_options
@click.option("--against", metavar="CHECKPOINT", help="say what the program takes over from a checkpoint")
@click.option("--drop-state", multiple=True, metavar="STEP", help="with --against: lose the state of a step")
def command(file: str, against: str | None, drop_state: tuple[str, ...], **how: Any) -> int:
    """Look at a program or a SQL file without running its job: nothing is read or written.

    Example: thalweg check job.py

    Executes the program up to session.run(), plans the job, and lists what it reads and writes.
    """
    raise_flags(**how)
    try:
        looks = look_at_file(file)
        lines = [text for look in looks for text in told(look)]
    except Exception as error:  # noqa: BLE001 - the program is the user's: it may raise anything
        return report(error, file)
    for text in lines:
        click.echo(text)
    if against is not None:
        try:
            for look in looks:
                # line by line: what is refused is seen too
                for text in compared(look, against, drop_state):
                    click.echo(text)
        except ThalwegError as error:
            return report(error, file)
    click.echo("ok" if looks else "ok, but nothing is run")
    return DONE


def told(look: Look) -> Iterator[str]:
    """A job's mode, sources and sinks, once it has been planned without error."""
    from thalweg.optimizer.optimize import optimize
    from thalweg.physical.guarantee import scans_of
    from thalweg.physical.planner import plan_job
    from thalweg.physical.results import check_sink
    from thalweg.plan.nodes import Write
    from thalweg.session.execute import choose_mode

    plans, _ = optimize(look.roots, look.how.rules)
    mode = choose_mode(plans, look.how.mode)
    writes = [p for p in plans if isinstance(p, Write)]
    for write in writes:
        check_sink(write, batch=mode == "batch")
    if mode == "stream":
        plan_job(plans, name=look.how.name, parallelism=look.how.parallelism)
    yield f'job "{look.how.name}": {mode}, parallelism {look.how.parallelism}'
    scans = {id(s.source): s for w in writes for s in scans_of(w)}
    for scan in scans.values():
        yield _source_line(scan)
    for write in writes:
        yield from _sink_lines(write, has_checkpoints=look.how.checkpoints is not None)


def compared(look: Look, path: str, dropping: Sequence[str]) -> Iterator[str]:
    """What becomes of each part of a checkpoint if the job goes on from it.

    Raises:
        CheckpointError: there is no checkpoint, or `thalweg run --upgrade` would refuse it.
    """
    from thalweg.checkpoint.savepoint import opened
    from thalweg.job.shape import program_of
    from thalweg.optimizer.optimize import optimize
    from thalweg.physical.planner import plan_job
    from thalweg.session.upgrades import planned, taken_over

    history, manifest = opened(path)
    plans, _ = optimize(look.roots, look.how.rules)
    program = program_of(plan_job(plans, name=look.how.name, parallelism=look.how.parallelism))
    yield f"checkpoint {manifest.number} of the job {manifest.job}, of {manifest.at}"
    if manifest.program == program.fingerprint and not dropping:
        yield "  the same program: it goes on as it is"
        return
    yield from (f"  {line}" for line in planned(manifest, program, dropping, path).lines())
    taken_over(manifest, program, frozenset(dropping), history.where())


def _source_line(scan: Scan) -> str:
    source = scan.source
    ends = "ends" if source.is_bounded else "never ends"
    kept = ", which keeps a journal" if scan.has_journal and source.replay != "exact" else ""
    return f"  source {source.describe()}{kept}: {ends}, replay {_REPLAY[source.replay]}"


def _sink_lines(write: Write, *, has_checkpoints: bool) -> Iterator[str]:
    from thalweg.physical.guarantee import promised
    from thalweg.plan.properties import properties

    kind = "updating" if properties(write.input).is_updating else "append-only"
    name = f'"{write.name}" ' if write.name else ""
    promise = promised(write, has_checkpoints=has_checkpoints)
    yield f"  sink {name}{write.sink.describe()}: {kind} rows, {promise}"
    yield f"    {write.input.schema}"
