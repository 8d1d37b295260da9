"""Benchmarks of asynchronous calls: a service that is quick mostly, and slow now and then."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from thalweg.cli.bench.model import Benchmark, Measured, Options, usage

if TYPE_CHECKING:
    # loads the engine
    from thalweg.api.dataset import Dataset
    from thalweg.session.session import Session

_ROWS = 20_000
_AT_ONCE = 200
_QUICK, _SLOW, _EVERY = 0.005, 0.1, 100
"""Seconds that the service takes, and how often it takes longer."""
_RATE = 1_000
_LEAD = 0.5
_GIVEN = "id BIGINT, twice BIGINT"


async def _service(row: Any) -> tuple[int, int]:
    await asyncio.sleep(_QUICK if row.id % _EVERY else _SLOW)
    return row.id, row.id * 2


def _answers(rows: Dataset, *, ordered: bool) -> Dataset:
    return rows.map_async(_service, _GIVEN, at_once=_AT_ONCE, ordered=ordered)


def _calls(options: Options) -> Measured:
    import polars as pl

    from thalweg.session.session import Session

    session = Session(parallelism=options.parallelism or 1)
    rows = session.from_polars(pl.DataFrame({"id": range(_ROWS)}))
    measured = Measured("rows/s", [], _plain(), "the same calls by as many workers in a plain loop")
    with usage() as used:
        for ordered in (True, False):
            rates = [_rate(session, _answers(rows, ordered=ordered)) for _ in range(options.runs + 1)][1:]
            if ordered:
                measured.values = rates
            else:
                measured.details["unordered_rows_per_second"] = round(sorted(rates)[len(rates) // 2])
    mean = _QUICK + (_SLOW - _QUICK) / _EVERY
    measured.details |= used.as_details() | {"at_once_by_mean_latency": round(_AT_ONCE / mean)}
    return measured


def _rate(session: Session, answers: Dataset) -> float:
    begun = time.perf_counter()
    found = session.collect(answers.plan, mode="stream")
    seconds = time.perf_counter() - begun
    assert found.get_column("twice").sum() == _ROWS * (_ROWS - 1), "every row is answered once"
    return _ROWS / seconds


def _plain() -> float:
    """Rows per second without an engine."""
    from collections import namedtuple

    row = namedtuple("row", ["id"])

    async def main() -> None:
        rows = iter([row(i) for i in range(_ROWS)])

        async def work() -> None:
            for given in rows:
                await _service(given)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))

    asyncio.run(main())
    begun = time.perf_counter()
    asyncio.run(main())
    return _ROWS / (time.perf_counter() - begun)


def _latency(options: Options) -> Measured:
    rate = options.rate or _RATE
    _measured(rate, 1.0)
    with usage() as used:
        found = _measured(rate, options.seconds)
    measured = Measured("ms", [found.p50])
    measured.details = used.as_details() | {k: round(v, 3) for k, v in vars(found).items()}
    return measured


def _measured(rate: int, seconds: float) -> Any:
    from thalweg.cli.bench.ticks import Arrivals, Ticks, latencies
    from thalweg.connectors.sinks import CallbackSink
    from thalweg.session.session import Session

    origin, count = time.monotonic() + _LEAD, int(rate * seconds)
    session, arrivals = Session(parallelism=1), Arrivals("id")
    answers = _answers(session.from_source(Ticks(count, rate, origin)), ordered=False)
    session.write_sink(answers.plan, CallbackSink(arrivals, has_ops=False, key=()), None)
    session.run("latency", mode="stream")
    return latencies(arrivals.first(count), origin, rate, skip=min(rate, count // 2))


ASKING = [
    Benchmark(
        "async-calls",
        "stream",
        "How many rows a second are answered by a service that takes 5 ms, and for 1 % of them 100 ms?",
        "200 at once by a mean of 6 ms: 33 600 rows/s, if the loop of Python keeps up; it makes some 25 000",
        _calls,
    ),
    Benchmark(
        "latency-async",
        "latency",
        "How long does a row take through such a service to a callback, at 1000 rows/s, as answers come?",
        "the 5 ms of the service, up to 2 ms in which answers are gathered, and a cut: 8 ms",
        _latency,
    ),
]
