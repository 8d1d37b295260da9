"""`thalweg checkpoint`: look at the checkpoints of jobs, check them, keep one, and delete one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli.failures import DONE
from thalweg.cli.places import PLACE

if TYPE_CHECKING:
    from thalweg.session.archive import Checkpoint

_LINEAGE = click.option("--lineage", type=click.IntRange(min=1), help="by default the newest")


@click.group("checkpoint")
def command() -> None:
    """Look at the checkpoints of jobs, check them, keep one as a savepoint, and delete one.

    Example: thalweg checkpoint list kept
    """


def _part(name: str) -> Callable[[Callable[..., int]], click.Command]:
    return command.command(name)


@_part("list")
@click.argument("directory", type=PLACE)
@click.argument("job", required=False)
@click.option("--json", "as_json", is_flag=True, help="one JSON object per line")
def list_(directory: str, job: str | None, as_json: bool) -> int:
    """List the complete checkpoints and the savepoints of one job, or of all jobs in DIRECTORY."""
    from thalweg.cli.output import write_rows
    from thalweg.session.archive import Checkpoints

    found = Checkpoints(directory).list(job)
    if found.height:
        write_rows(found, "json" if as_json else "table")
    else:
        click.echo("there are no checkpoints", err=True)
    return DONE


@_part("show")
@click.argument("directory", type=PLACE)
@click.argument("job", required=False)
@click.argument("number", type=int, required=False)
@_LINEAGE
def show(directory: str, job: str | None, number: int | None, lineage: int | None) -> int:
    """Show what one checkpoint keeps, and how far it has read; by default the newest.

    Without JOB, DIRECTORY is that of a savepoint.
    """
    from thalweg.cli.output import write_rows
    from thalweg.session.archive import Checkpoint, Checkpoints

    if job is None:
        found = Checkpoint.at(directory)
    else:
        found = Checkpoints(directory).open(job, number, lineage=lineage)
    click.echo(repr(found)[1:-1])
    for frame in (found.states, found.positions):
        write_rows(frame, "table")
    return DONE


@_part("verify")
@click.argument("directory", type=PLACE)
@click.argument("job", required=False)
def verify(directory: str, job: str | None) -> int:
    """Read every file of every checkpoint, and compare it with its hash; 4 if one is damaged.

    DIRECTORY may be that of a savepoint, too.
    """
    from thalweg.checkpoint.savepoint import is_savepoint
    from thalweg.session.archive import Checkpoint, Checkpoints

    if job is None and is_savepoint(directory):
        Checkpoint.at(directory).verify()
        click.echo("the savepoint is whole")
        return DONE
    held = Checkpoints(directory)
    rows: list[dict[str, Any]] = held.list(job).to_dicts()
    for row in rows:
        if row["savepoint"] is None:
            held.open(row["job"], row["number"], lineage=row["lineage"]).verify()
        else:
            Checkpoint.at(row["savepoint"]).verify()
    click.echo(f"{len(rows)} checkpoints are whole")
    return DONE


@_part("save")
@click.argument("job")
@click.option("--to", metavar="DIRECTORY", help="where; by default beside the checkpoints of the job")
@click.option(
    "--number", type=int, help="which checkpoint; by default of a running job the next, else the newest"
)
@_LINEAGE
@click.option("--checkpoint-dir", help="where the checkpoints are of a job that does not run")
@click.option("--wait", type=float, default=60.0, show_default=True, help="seconds to wait for a running job")
def save(
    job: str, to: str | None, number: int | None, lineage: int | None, checkpoint_dir: str | None, wait: float
) -> int:
    """Keep the state of a job as a savepoint, and print its path; one that runs goes on running.

    Example: thalweg checkpoint save hot_items --to backups
    """
    from thalweg.checkpoint.places import absolute
    from thalweg.session.archive import Checkpoints
    from thalweg.session.control import ask, running_jobs
    from thalweg.session.settings import Settings

    target = None if to is None else absolute(to)
    if number is None and checkpoint_dir is None and any(r.name == job for r in running_jobs()):
        click.echo(ask(job, "save", timeout=wait, to=target)["path"])
        return DONE
    directory = checkpoint_dir or Settings().get("execution.checkpointing.dir")
    if directory is None:
        raise click.UsageError(f'no job "{job}" is running; of one that does not, --checkpoint-dir is needed')
    click.echo(Checkpoints(directory).open(job, number, lineage=lineage).save(target))
    return DONE


@_part("diff")
@click.argument("checkpoints", nargs=-1, metavar="A B | DIRECTORY JOB A B")
@click.option("--rows", type=click.IntRange(min=0), default=5, show_default=True, help="rows to show of each")
def diff(checkpoints: tuple[str, ...], rows: int) -> int:
    """Compare the states of two checkpoints: keys that only one has, and keys with other values.

    A and B are paths of savepoints or checkpoints, or numbers of checkpoints of JOB in DIRECTORY.

    Example: thalweg checkpoint diff kept hot_items 41 42
    """
    from thalweg.cli.output import write_rows

    if len(checkpoints) not in (2, 4):
        raise click.UsageError("two paths are expected; or a directory, a job and two numbers")
    place = checkpoints[:-2]
    found = _opened(checkpoints[-2], place).diff(_opened(checkpoints[-1], place))
    write_rows(found.summary, "table")
    for state in found.states:
        parts = {
            f"only in {checkpoints[-2]}": state.only_here,
            f"only in {checkpoints[-1]}": state.only_there,
        }
        parts["changed"] = state.changed
        for name, frame in parts.items():
            if frame.height and rows:
                click.echo(f"\n{state.operator} {state.state}, {name} ({frame.height}):")
                write_rows(frame.head(rows), "table")
    return DONE


def _opened(which: str, place: tuple[str, ...]) -> Checkpoint:
    """A checkpoint by its path, or by its number in a directory and a job."""
    from thalweg.session.archive import Checkpoint, Checkpoints

    if place and which.isdecimal():
        return Checkpoints(place[0]).open(place[1], int(which))
    return Checkpoint.at(which)


@_part("delete")
@click.argument("directory", type=PLACE)
@click.argument("job", required=False)
@click.argument("number", type=int, required=False)
@_LINEAGE
def delete(directory: str, job: str | None, number: int | None, lineage: int | None) -> int:
    """Delete one checkpoint, but not the one that the job would go on from.

    Without JOB, DIRECTORY is that of a savepoint.
    """
    from thalweg.checkpoint.savepoint import remove
    from thalweg.session.archive import Checkpoints

    if job is None:
        remove(directory)
    elif number is None:
        raise click.UsageError("the NUMBER of the checkpoint is missing; thalweg checkpoint list shows them")
    else:
        Checkpoints(directory).delete(job, number, lineage=lineage)
    return DONE
