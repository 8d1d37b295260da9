"""Benchmarks of throughput: Nexmark queries over files, as streams and as batches.

Not here: queries with much state (stateful.py), the files (workload.py), right answers (answers.py), limits
(limits.py).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from thalweg.cli import nexmark
from thalweg.cli.bench.model import Benchmark, Measured, Options, usage
from thalweg.cli.bench.weights import weighed
from thalweg.cli.bench.workload import event_files

if TYPE_CHECKING:
    from thalweg.base.schema import Schema
    from thalweg.connectors.sinks import Checksum
    from thalweg.session.execute import Result

_LIMIT_RUNS = 2


def _once(name: str, files: list[str], mode: str, parallelism: int) -> tuple[Result, Checksum, Schema]:
    from thalweg.connectors.files.source import file_source
    from thalweg.connectors.sinks import ChecksumSink

    # text does not say which of its strings are times
    schema = nexmark.events(None).schema if files[0].endswith(".jsonl") else None
    source = file_source(files, schema=schema)
    session = nexmark.nexmark_session(source, parallelism=parallelism)
    session.run_options = replace(session.run_options, wall=nexmark.standing_clock)
    plan = nexmark.query(session, name)
    sink = ChecksumSink()
    session.write_sink(plan, sink)
    return session.run(name, mode=mode), sink.seen, plan.schema


def stream(name: str, form: str, parallelism: int) -> Callable[[Options], Measured]:
    """What measures a query as a stream over two files of a form, at some parallelism."""

    def run(options: Options) -> Measured:
        rate = options.rate or nexmark.RATE
        files = event_files(options.events, rate, form)
        mode, tasks = options.mode or "stream", options.parallelism or parallelism
        measured = Measured("events/s", [])
        with weighed() as state_bytes:
            _once(name, files, mode, tasks)
        with usage() as used:
            for _ in range(options.runs):
                begun = time.perf_counter()
                result, seen, schema = _once(name, files, mode, tasks)
                measured.values.append(options.events / (time.perf_counter() - begun))
        measured.details = used.as_details() | {
            "cpu_seconds_per_run": round(used.cpu_seconds / options.runs, 2),
            "changes": seen.changes,
            "rows": seen.rows,
            "state_bytes": sum(state_bytes),
            "batch_rows": _histogram(result),
        }
        _judge(name, event_files(options.events, rate), options.events, measured, seen, schema)
        return measured

    return run


def _judge(
    name: str, files: list[str], events: int, measured: Measured, seen: Checksum, schema: Schema
) -> None:
    from thalweg.cli.bench.answers import differences, reference
    from thalweg.cli.bench.limits import LIMITS

    measured.problems = differences(seen, reference(name, files, schema))
    measured.limit_name, limit = LIMITS[name]
    seconds = []
    for _ in range(_LIMIT_RUNS):
        begun = time.perf_counter()
        limit(files, schema)
        seconds.append(time.perf_counter() - begun)
    measured.limit = events / min(seconds)


def _histogram(result: Result) -> dict[str, int]:
    """How many batches had up to so many rows, over all tasks."""
    total: Counter[int] = Counter()
    for task in [] if result.run is None else result.run.tasks:
        total.update(task.batch_rows)
    return {str((1 << bits) - 1): total[bits] for bits in sorted(total)}


def _batch(name: str) -> Callable[[Options], Measured]:
    def run(options: Options) -> Measured:
        from thalweg.cli.bench.answers import differences, reference

        rate = options.rate or nexmark.RATE
        files = event_files(options.events, rate, "parquet")
        measured = Measured("events/s", [])
        _once(name, files, "batch", 2)
        with usage() as used:
            for _ in range(options.runs):
                begun = time.perf_counter()
                _, seen, schema = _once(name, files, "batch", 2)
                measured.values.append(options.events / (time.perf_counter() - begun))
        by_hand = [_by_hand(name, files, schema) for _ in range(_LIMIT_RUNS + 1)]
        measured.limit = options.events / min(by_hand[1:])
        measured.limit_name = "the same query written by hand for Polars, its streaming engine"
        right = reference(name, event_files(options.events, rate), schema)
        measured.problems = differences(seen, right)
        measured.details = used.as_details() | {"rows": seen.rows}
        return measured

    return run


def _by_hand(name: str, files: list[str], schema: Schema) -> float:
    import polars as pl

    from thalweg.cli.bench.answers import QUERIES, checksum

    begun = time.perf_counter()
    query = QUERIES[name](pl.scan_parquet(files))
    checksum(query.collect_batches(engine="streaming", maintain_order=False), schema)
    return time.perf_counter() - begun


_COSTS = {
    "q0": ("How fast do rows pass through?", "reads 70 bytes of text per bid: memory, 15 M/s on two cores"),
    "q1": ("What does exact decimal arithmetic cost?", "as q0, and one multiplication of 128 bits"),
    "q2": ("How fast are rows left out?", "two columns of 8 bytes and a remainder: 60 M/s on two cores"),
    "q5": (
        "What do hopping windows cost?",
        "a count per (pane, auction): 30 M/s per core, then the exchange",
    ),
    "q17": ("What does a running aggregate cost?", "seven numbers per auction: 29 M/s per core, and changes"),
}
_TARGETS = {"q0": 15e6, "q1": 8e6, "q2": 15e6, "q5": 6e6, "q17": 12e6}
"""What the project wants to hold, from Arrow files at parallelism 2."""
_SOURCES = {"": ("arrow", 2), "-p1": ("arrow", 1), "-parquet": ("parquet", 2)}
STREAMS = [
    Benchmark(
        name + tail,
        "stream",
        question,
        expected,
        stream(name, form, tasks),
        target=None if tail else _TARGETS[name],
    )
    for tail, (form, tasks) in _SOURCES.items()
    for name, (question, expected) in _COSTS.items()
]
JSON = Benchmark(
    "q1-json",
    "stream",
    "How fast are events read as JSON?",
    "333 bytes per event through one pass of the decoder: 1 GB/s per core",
    stream("q1", "json", 2),
    target=1e6,
)
BATCHES = [
    Benchmark(
        f"batch-{name}",
        "batch",
        "How close is a batch to a query that was written by hand for Polars?",
        "the same work: the plan is one lazy query",
        _batch(name),
    )
    for name in ("q1", "q5", "q17")
]
