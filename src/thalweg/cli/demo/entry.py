"""`thalweg demo`: ten million events, then ten seconds of a steady trickle; then the answers are checked."""

from __future__ import annotations

import resource
from pathlib import Path

import click

from thalweg.cli.counters import number
from thalweg.cli.demo.checks import flood_problems, small_problems
from thalweg.cli.demo.flood import flood, free_directory
from thalweg.cli.failures import DONE, FAILED
from thalweg.cli.latency import measure
from thalweg.cli.nexmark import RATE

_PACED_RATE = 50_000


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
    directory = free_directory(Path(out))
    written = {"q5": directory / "hot_items", "q17": directory / "auctions"}
    click.echo(f"{number(events)} events, as fast as they go (the first run on a machine compiles first)")
    result = flood(events, RATE, written)
    click.echo(f"{number(_PACED_RATE)} events each second, for {paced_seconds:.0f} s")
    paced = measure("count", rate=_PACED_RATE, seconds=paced_seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo("checking the answers: known ones, and those of a batch run")
    problems = [*small_problems(), *flood_problems(events, RATE, written)]
    click.echo("")
    click.echo(f"flood:   {number(events)} events in {result.seconds:.1f} s: {_rate(events, result.seconds)}")
    click.echo(
        f"paced:   {number(paced.count)} events at {number(_PACED_RATE)} events/s: "
        f"p50 {paced.p50:.1f} ms, p99 {paced.p99:.1f} ms from due to done"
    )
    click.echo(f"memory:  {number(peak)} MiB at most")
    click.echo(f"results: {written['q5']}, {written['q17']}")
    for problem in problems:
        click.echo(f"check: FAILED {problem}")
    if not problems:
        click.echo("check: ok")
    return FAILED if problems else DONE


def _rate(events: int, seconds: float) -> str:
    return f"{number(events / seconds)} events/s"
