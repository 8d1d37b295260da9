"""Benchmark the demo: what its closing lines say, kept as a result."""

from __future__ import annotations

import tempfile
from pathlib import Path

from thalweg.cli.bench.model import Benchmark, Measured, Options

_SECONDS = 10.0


def _run(options: Options) -> Measured:
    from thalweg.cli.demo.play import PACED_RATE, play

    with tempfile.TemporaryDirectory() as out:
        played = play(options.events, min(options.seconds, _SECONDS), Path(out), lambda part: None)
    measured = Measured("MiB", [played.peak_mib], problems=list(played.problems))
    measured.details = {
        "events_per_second": round(options.events / played.seconds),
        "paced_rate": PACED_RATE,
        **{k: round(v, 3) for k, v in vars(played.paced).items()},
    }
    return measured


DEMOS = [
    Benchmark(
        "demo-memory",
        "demo",
        "How much memory does the demo take at most, its compiled kernels and generated events included?",
        "600 000 groups of 150 bytes, twice while they grow, and 200 MiB of libraries",
        _run,
        target=1024.0,
    )
]
