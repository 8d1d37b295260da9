"""`thalweg demo`: ten million events, then ten seconds of a steady trickle; then the answers are checked."""

from __future__ import annotations

from pathlib import Path

import click

from thalweg.cli.counters import number
from thalweg.cli.demo.play import PACED_RATE, play
from thalweg.cli.failures import DONE, FAILED


@click.command("demo")
@click.option("--events", type=click.IntRange(min=1000), default=10_000_000, show_default=True)
@click.option("--paced-seconds", type=click.FloatRange(min=0.5), default=10.0, show_default=True)
@click.option("--out", type=click.Path(file_okay=False), default="out", show_default=True)
def command(events: int, paced_seconds: float, out: str) -> int:
    """See it work, in about a minute.

    Example: thalweg demo --events 1000000

    An auction site: people, auctions, and bids, made as the job runs. Two questions are kept
    answered: which items are hot (most bids in 10 s, every 2 s), and every auction's statistics.
    """
    parts = {
        "flood": f"{number(events)} events, as fast as they go (the first run on a machine compiles first)",
        "paced": f"{number(PACED_RATE)} events each second, for {paced_seconds:.0f} s",
        "check": "checking the answers: known ones, and those of a batch run",
    }
    played = play(events, paced_seconds, Path(out), lambda part: click.echo(parts[part]))
    paced = played.paced
    click.echo("")
    click.echo(f"flood:   {number(events)} events in {played.seconds:.1f} s: {_rate(events, played.seconds)}")
    click.echo(
        f"paced:   {number(paced.count)} events at {number(PACED_RATE)} events/s: "
        f"p50 {paced.p50:.1f} ms, p99 {paced.p99:.1f} ms from due to done"
    )
    click.echo(f"memory:  {number(played.peak_mib)} MiB at most")
    click.echo(f"results: {', '.join(map(str, played.results))}")
    for problem in played.problems:
        click.echo(f"check: FAILED {problem}")
    if not played.problems:
        click.echo("check: ok")
    return FAILED if played.problems else DONE


def _rate(events: int, seconds: float) -> str:
    return f"{number(events / seconds)} events/s"
