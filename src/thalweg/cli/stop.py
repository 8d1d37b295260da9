"""`thalweg stop`: stop a running job."""

from __future__ import annotations

import time

import click

from thalweg.cli.failures import DONE, FAILED

_LOOK_EVERY = 0.05


@click.command("stop")
@click.argument("job")
@click.option("--drain", is_flag=True, help="close open windows, as if the input had ended")
@click.option(
    "--savepoint",
    metavar="[DIRECTORY]",
    is_flag=False,
    flag_value="",
    help="keep the last checkpoint as a savepoint, in DIRECTORY or beside the job's checkpoints",
)
@click.option("--wait", type=float, default=10.0, show_default=True, help="seconds to wait for its end")
def command(job: str, drain: bool, savepoint: str | None, wait: float) -> int:
    """Stop a running job: what it has read is processed and published first.

    Example: thalweg stop hot_items --drain
    """
    from thalweg.checkpoint.places import absolute
    from thalweg.session.control import ask
    from thalweg.session.control.client import ask_socket
    from thalweg.session.control.place import socket_path

    if drain and savepoint is not None:
        raise click.UsageError("--drain and --savepoint exclude each other: a drained job has no state left")
    until = time.monotonic() + wait
    if savepoint is None:
        ask(job, "drain" if drain else "stop")
    else:
        to = absolute(savepoint) if savepoint else None
        click.echo(ask(job, "stop", timeout=wait, savepoint=True, to=to)["path"])
    while time.monotonic() < until:
        if ask_socket(socket_path(job), "status") is None:
            click.echo(f'the job "{job}" has stopped', err=True)
            return DONE
        time.sleep(_LOOK_EVERY)
    click.echo(f'the job "{job}" was asked to stop and is still running; thalweg why {job}', err=True)
    return FAILED
