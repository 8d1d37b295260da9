"""Benchmarks of Nexmark queries that read the clock or ask a table: windows in processing time, look-ups.

The clock stands, so that there is one right answer.

Not here: running and judging them (throughput.py), right answers (answers.py).
"""

from __future__ import annotations

from thalweg.cli.bench.model import Benchmark
from thalweg.cli.bench.throughput import stream

_COSTS = {
    "q12": (
        "What do windows in processing time cost?",
        "a count per (window, bidder), few windows: as fast as two columns are read, 15 M/s on two cores",
    ),
    "q13": (
        "What does a look-up in a table of 10 000 rows cost?",
        "one look-up per bid in a table that fits into the cache, and a text of 4 bytes: 10 M/s per core",
    ),
}
NOW = [
    Benchmark(name, "stream", question, expected, stream(name, "arrow", 2))
    for name, (question, expected) in _COSTS.items()
]
