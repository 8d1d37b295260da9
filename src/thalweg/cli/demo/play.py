"""Play the demo once: the flood, the trickle, and whether the answers are right.

Not here: what is said about it (entry.py; cli/bench/demos.py).
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thalweg.cli.demo.checks import flood_problems, small_problems
from thalweg.cli.demo.flood import flood, free_directory
from thalweg.cli.latency import Latencies, measure
from thalweg.cli.nexmark import RATE

PACED_RATE = 50_000


@dataclass(frozen=True)
class Played:
    """How the demo went.

    Attributes:
        seconds: how long the flood took.
        paced: the latencies of the trickle.
        peak_mib: the most memory that was resident, up to the end of the trickle.
        results: where the final answers are.
        problems: what is wrong with them.
    """

    seconds: float
    paced: Latencies
    peak_mib: float
    results: tuple[Path, ...]
    problems: tuple[str, ...]


def play(events: int, paced_seconds: float, parent: Path, say: Callable[[str], object]) -> Played:
    """Run both parts, then check the answers; `say` is told what begins."""
    directory = free_directory(parent)
    written = {"q5": directory / "hot_items", "q17": directory / "auctions"}
    say("flood")
    result = flood(events, RATE, written)
    say("paced")
    paced = measure("count", rate=PACED_RATE, seconds=paced_seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say("check")
    problems = (*small_problems(), *flood_problems(events, RATE, written))
    return Played(result.seconds, paced, peak, tuple(written.values()), problems)
