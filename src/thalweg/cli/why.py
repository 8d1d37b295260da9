"""`thalweg why`: say what each task of a running job waits for."""

from __future__ import annotations

import click

from thalweg.cli.failures import DONE


@click.command("why")
@click.argument("job")
def command(job: str) -> int:
    """Say what each task of a running job waits for, sinks first.

    Example: thalweg why hot_items
    """
    from thalweg.session.control import ask

    waits = ask(job, "why")["why"]
    width = max((len(name) for name, _ in waits), default=0)
    for name, text in waits:
        click.echo(f"{name:<{width}}  {text}")
    return DONE
