"""`thalweg metrics`: show the figures of a running job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from thalweg.cli.failures import DONE

if TYPE_CHECKING:
    from thalweg.protocols.metrics import Metrics


@click.command("metrics")
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="one JSON object per line and figure")
@click.option("--prometheus", is_flag=True, help="as Prometheus reads them")
def command(job: str, as_json: bool, prometheus: bool) -> int:
    """Show the figures of a running job, of all steps and checkpoints.

    Example: thalweg metrics hot_items --prometheus
    """
    from thalweg.protocols.metrics import Metrics
    from thalweg.session.control import ask

    if as_json and prometheus:
        raise click.UsageError("--json and --prometheus exclude each other")
    found = Metrics.from_data(ask(job, "metrics"))
    if as_json:
        for line in json_lines(found):
            click.echo(line)
    elif prometheus:
        from thalweg.session.metrics.prometheus import exposition

        click.echo(exposition([found]), nl=False)
    else:
        from thalweg.cli.figures import as_text

        click.echo(as_text(found))
    return DONE


def json_lines(figures: Metrics) -> list[str]:
    """Each figure as an object: the job, the metric, its labels, the value."""
    return [
        json.dumps(
            {
                "job": figures.job,
                "metric": s.metric.name,
                **dict(zip(s.metric.labels, s.labels, strict=True)),
                "value": s.value,
            }
        )
        for s in figures.samples
    ]
