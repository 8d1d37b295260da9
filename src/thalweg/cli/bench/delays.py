"""Benchmarks of latency: from when an event is due to when its result has reached a callback.

Not here: how latency is measured (cli/latency.py).
"""

from __future__ import annotations

from collections.abc import Callable

from thalweg.cli.bench.model import Benchmark, Measured, Options, usage

_RATE = 10_000


def _delay(name: str) -> Callable[[Options], Measured]:
    def run(options: Options) -> Measured:
        from thalweg.cli.latency import measure

        rate, parallelism = options.rate or _RATE, options.parallelism or 2
        measure(name, rate=rate, seconds=1.0, parallelism=parallelism)
        with usage() as used:
            found = measure(name, rate=rate, seconds=options.seconds, parallelism=parallelism)
        expected = int(rate * options.seconds)
        measured = Measured("ms", [found.p50])
        measured.details = used.as_details() | {k: round(v, 2) for k, v in vars(found).items()}
        # the first second is left out, and what is no bid at the very end has no result
        if found.count < 0.95 * (expected - rate):
            measured.problems = [f"only {found.count} of {expected} events had a result"]
        return measured

    return run


DELAYS = [
    Benchmark(
        "latency-filter",
        "latency",
        "How long does an event take through a filter to a callback, at 10 000 events/s?",
        "one poll, one small batch, one cut: a few milliseconds",
        _delay("filter"),
    ),
    Benchmark(
        "latency-count",
        "latency",
        "How long does an event take through a count per key on two tasks, at 10 000 events/s?",
        "as the filter, and an exchange with its barrier: about 10 ms",
        _delay("count"),
    ),
]
