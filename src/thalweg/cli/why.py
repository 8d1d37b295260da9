"""`thalweg why`: say what each task of a running job waits for."""

from __future__ import annotations

import click

from thalweg.cli.failures import DONE
from thalweg.cli.figures import how_far


@click.command("why")
@click.argument("job")
def command(job: str) -> int:
    """Say what each task of a running job waits for, sinks first, and how far behind the job is.

    Example: thalweg why hot_items
    """
    from thalweg.protocols.metrics import Metrics
    from thalweg.session.control import ask

    answer = ask(job, "why")
    waits = answer["why"]
    width = max((len(name) for name, _ in waits), default=0)
    for name, text in waits:
        click.echo(f"{name:<{width}}  {text}")
    for line in how_far(Metrics.from_data(answer)):
        click.echo(line)
    return DONE
