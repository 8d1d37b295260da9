"""List all benchmarks; a new one needs a line here."""

from __future__ import annotations

from thalweg.cli.bench.model import Benchmark
from thalweg.cli.bench.throughput import BATCHES, JSON, STREAMS

BENCHMARKS: tuple[Benchmark, ...] = (*STREAMS, JSON, *BATCHES)
BY_NAME = {b.name: b for b in BENCHMARKS}
