"""`thalweg checkpoint`: look at the checkpoints of jobs, check them, and delete one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from thalweg.cli.failures import DONE

_LINEAGE = click.option("--lineage", type=click.IntRange(min=1), help="by default the newest")


@click.group("checkpoint")
def command() -> None:
    """Look at the checkpoints of jobs, check them, and delete one.

    Example: thalweg checkpoint list kept
    """


def _part(name: str) -> Callable[[Callable[..., int]], click.Command]:
    return command.command(name)


@_part("list")
@click.argument("directory", type=click.Path(exists=True, file_okay=False))
@click.argument("job", required=False)
@click.option("--json", "as_json", is_flag=True, help="one JSON object per line")
def list_(directory: str, job: str | None, as_json: bool) -> int:
    """List the complete checkpoints of one job, or of all jobs in DIRECTORY."""
    from thalweg.cli.output import write_rows
    from thalweg.session.archive import Checkpoints

    found = Checkpoints(directory).list(job)
    if found.height:
        write_rows(found, "json" if as_json else "table")
    else:
        click.echo("there are no checkpoints", err=True)
    return DONE


@_part("show")
@click.argument("directory", type=click.Path(exists=True, file_okay=False))
@click.argument("job")
@click.argument("number", type=int, required=False)
@_LINEAGE
def show(directory: str, job: str, number: int | None, lineage: int | None) -> int:
    """Show what one checkpoint keeps, and how far it has read; by default the newest."""
    from thalweg.cli.output import write_rows
    from thalweg.session.archive import Checkpoints

    found = Checkpoints(directory).open(job, number, lineage=lineage)
    click.echo(repr(found)[1:-1])
    for frame in (found.states, found.positions):
        write_rows(frame, "table")
    return DONE


@_part("verify")
@click.argument("directory", type=click.Path(exists=True, file_okay=False))
@click.argument("job", required=False)
def verify(directory: str, job: str | None) -> int:
    """Read every file of every checkpoint, and compare it with its hash; 4 if one is damaged."""
    from thalweg.session.archive import Checkpoints

    held = Checkpoints(directory)
    rows: list[dict[str, Any]] = held.list(job).to_dicts()
    for row in rows:
        held.open(row["job"], row["number"], lineage=row["lineage"]).verify()
    click.echo(f"{len(rows)} checkpoints are whole")
    return DONE


@_part("delete")
@click.argument("directory", type=click.Path(exists=True, file_okay=False))
@click.argument("job")
@click.argument("number", type=int)
@_LINEAGE
def delete(directory: str, job: str, number: int, lineage: int | None) -> int:
    """Delete one checkpoint, but not the one that the job would go on from."""
    from thalweg.session.archive import Checkpoints

    Checkpoints(directory).delete(job, number, lineage=lineage)
    return DONE
