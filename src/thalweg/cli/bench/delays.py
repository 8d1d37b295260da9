"""Benchmarks of latency: from when an event is due to when its result has reached a callback.

Not here: the schedule, and how latency is counted (ticks.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thalweg.cli.bench.model import Benchmark, Measured, Options, usage

if TYPE_CHECKING:
    # loads the engine
    from thalweg.cli.bench.ticks import Arrivals

_RATE = 10_000
_LEAD = 0.3
"""Seconds from the call to the first event, so that the start of the job is not measured."""


@dataclass(frozen=True)
class _Query:
    """What is measured: the column that names the event, and which share of the events has a result."""

    text: str
    column: str
    share: float
    key: tuple[str, ...] = ()


_QUERIES = {
    "filter": _Query("SELECT id, key, v * 2 AS twice, ts FROM ticks WHERE v >= 100", "id", 0.9),
    "count": _Query(
        "SELECT key, COUNT(*) AS num, MAX(id) AS id FROM ticks GROUP BY key", "id", 1.0, ("key",)
    ),
}


def _delay(name: str) -> Callable[[Options], Measured]:
    def run(options: Options) -> Measured:
        from thalweg.cli.bench.ticks import latencies

        query, rate = _QUERIES[name], options.rate or _RATE
        parallelism = options.parallelism or 2
        _measure(query, rate, 1.0, parallelism)
        with usage() as used:
            origin, arrivals = _measure(query, rate, options.seconds, parallelism)
        events = int(rate * options.seconds)
        found = latencies(arrivals.first(events), origin, rate, skip=rate)
        measured = Measured("ms", [found.p50])
        measured.details = used.as_details() | {k: round(v, 3) for k, v in vars(found).items()}
        expected = round((events - rate) * query.share)
        if found.count != expected:
            measured.problems = [f"{found.count} events had a result, not {expected}"]
        return measured

    return run


def _measure(query: _Query, rate: int, seconds: float, parallelism: int) -> tuple[float, Arrivals]:
    """Run a query on a schedule: when it began, and what came when."""
    from thalweg.cli.bench.ticks import Arrivals, Ticks
    from thalweg.connectors.sinks import CallbackSink
    from thalweg.session.session import Session

    origin = time.monotonic() + _LEAD
    session = Session(parallelism=parallelism)
    session.create_view("ticks", session.from_source(Ticks(int(rate * seconds), rate, origin)))
    plan = session.execute_sql(query.text)[-1].plan
    assert plan is not None, "every text is one query"
    arrivals = Arrivals(query.column)
    session.write_sink(plan, CallbackSink(arrivals, has_ops=bool(query.key), key=query.key))
    session.run("latency", mode="stream")
    return origin, arrivals


DELAYS = [
    Benchmark(
        "latency-filter",
        "latency",
        "How long does an event take through a filter and a projection to a callback, at 10 000 events/s?",
        "one poll, one small batch, one cut: half a millisecond",
        _delay("filter"),
        target=0.7,
    ),
    Benchmark(
        "latency-count",
        "latency",
        "How long does an event take through a count of 10 000 keys on two tasks, at 10 000 events/s?",
        "as the filter, and an exchange with its barrier: less than a millisecond",
        _delay("count"),
        target=0.7,
    ),
]
