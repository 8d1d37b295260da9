"""Say what a benchmark is, and what measuring it gives.

Not here: the benchmarks (one module per group), running them (worker.py).
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Options:
    """How much is measured.

    Attributes:
        rate: events per second: of event time, or of the clock where latency is measured.
        mode: another mode than the benchmark's own.
        seconds: how long open-loop measurements last.
    """

    events: int = 10_000_000
    rate: int | None = None
    mode: str | None = None
    parallelism: int | None = None
    runs: int = 5
    seconds: float = 60.0


@dataclass
class Measured:
    """What one benchmark gave.

    Attributes:
        unit: of the values.
        values: one per run, after a run that is not counted.
        limit: the same work in a plain loop, in the same unit.
        limit_name: what that loop is.
        problems: why the answer is wrong; a wrong result has no time.
        details: further facts.
    """

    unit: str
    values: list[float]
    limit: float | None = None
    limit_name: str = ""
    problems: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def is_higher_better(self) -> bool:
        """Rates are better when high, times when low."""
        return self.unit.endswith("/s") or self.unit == "ratio"


@dataclass(frozen=True)
class Benchmark:
    """One question that a measurement answers.

    Attributes:
        group: what `--all` runs together, and where results are listed.
        question: in one sentence.
        expected: the cost, from the back of an envelope.
        target: the value that the project wants to hold, in the unit of the result.
    """

    name: str
    group: Literal["stream", "batch", "latency", "start", "sink", "state", "demo"]
    question: str
    expected: str
    run: Callable[[Options], Measured]
    target: float | None = None


@dataclass
class Usage:
    """What a piece of work used."""

    cpu_seconds: float = 0.0
    peak_own_mib: float = 0.0
    """Memory of its own; mapped files are not in it."""
    peak_rss_mib: float = 0.0
    """All resident memory so far in the process, mapped files included."""

    def as_details(self) -> dict[str, float]:
        """Rounded, for a result."""
        return {k: round(v, 2) for k, v in vars(self).items()}


@contextmanager
def usage(interval: float = 0.02) -> Iterator[Usage]:
    """Watch what the work in here uses."""
    used, done = Usage(), threading.Event()

    def look() -> None:
        while True:
            used.peak_own_mib = max(used.peak_own_mib, own_mib())
            if done.wait(interval):
                return

    thread = threading.Thread(target=look, daemon=True)
    before = time.process_time()
    thread.start()
    try:
        yield used
    finally:
        done.set()
        thread.join()
        used.cpu_seconds = time.process_time() - before
        used.peak_rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def own_mib() -> float:
    """Resident memory that is not backed by files."""
    for text in Path(f"/proc/{os.getpid()}/status").read_text().splitlines():
        if text.startswith("RssAnon:"):
            return int(text.split()[1]) / 1024
    return 0.0
