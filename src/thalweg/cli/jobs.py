"""`thalweg jobs`: list the jobs that run on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from thalweg.cli.counters import number
from thalweg.cli.failures import DONE
from thalweg.cli.figures import in_words, lag

if TYPE_CHECKING:
    from thalweg.session.control import JobInfo

_HEAD = ("JOB", "PID", "STATE", "RUNS FOR", "ROWS", "LATE", "BAD", "EVENT TIME", "LAG", "CHECKPOINT")


@click.command("jobs")
@click.option("--json", "as_json", is_flag=True, help="one JSON object per line")
def command(as_json: bool) -> int:
    """List the jobs that run on this machine, of this user.

    Example: thalweg jobs --json
    """
    from thalweg.session.control import running_jobs

    jobs = running_jobs()
    if as_json:
        for job in jobs:
            click.echo(json.dumps(asdict(job)))
    elif jobs:
        click.echo(listed(jobs))
    else:
        click.echo("no job is running", err=True)
    return DONE


def listed(jobs: list[JobInfo]) -> str:
    """The jobs as lines in columns."""
    rows = [_HEAD, *(_row(job) for job in jobs)]
    widths = [max(len(r[i]) for r in rows) for i in range(len(_HEAD))]
    return "\n".join("  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)).rstrip() for r in rows)


def _row(job: JobInfo) -> tuple[str, ...]:
    time = in_words(None if job.watermark is None else job.watermark / 1e6)
    kept = "" if job.checkpoint is None else f"{job.checkpoint}, {job.checkpoint_age:.0f} s ago"
    state = {"stop": "stopping", "drain": "draining"}.get(job.state, job.state)
    counts = (number(n) for n in (job.rows, job.late_count, job.bad_count))
    return (
        job.name,
        str(job.pid),
        state,
        str(timedelta(seconds=int(job.seconds))),
        *counts,
        time,
        lag(job.lag),
        kept,
    )
