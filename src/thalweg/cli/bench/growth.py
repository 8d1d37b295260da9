"""A benchmark of bounded state: does what a query keeps grow with the events that it has seen?

Each query runs over some events, and over four times as many. What it keeps is weighed many times while it
runs; compared is the mean of the second half of each run: rows are forgotten in turns, so that one moment
says little. All tasks share one thread and take small batches: otherwise one task's lead over another, and
with it how far arrays double, is another in every run. Auctions have their `id` as a declared key, so that
q4 and q9 can forget those that have expired.

Reads:    generated events, without files.
Not here: speed (stateful.py).
"""

from __future__ import annotations

from statistics import fmean

from thalweg.cli import nexmark
from thalweg.cli.bench.model import Benchmark, Measured, Options, usage
from thalweg.cli.bench.weights import weighed_all_along
from thalweg.cli.nexmark_texts import QUERIES

_TIMES = 4
_LARGEST_RATIO = 1.1
_SETTINGS = "SET 'execution.runtime' = 'inline'; SET 'execution.batch-rows' = '16384'"
_KEYED = "CREATE VIEW auction_by_id (PRIMARY KEY (id) NOT ENFORCED) AS SELECT * FROM auction"
_TEXTS = {
    "q4": QUERIES["q4"].replace("FROM auction a", "FROM auction_by_id a"),
    "q9": QUERIES["q9"].replace("FROM auction a", "FROM auction_by_id a"),
    "interval join": """
        SELECT a.id, a.itemName, b.bidder, b.price
        FROM auction a
        JOIN bid b ON a.id = b.auction
          AND b.`dateTime` BETWEEN a.`dateTime` AND a.`dateTime` + INTERVAL '2' SECOND""",
    "interval left join": """
        SELECT a.id, a.itemName, b.bidder, b.price
        FROM auction a
        LEFT JOIN bid b ON a.id = b.auction
          AND b.`dateTime` BETWEEN a.`dateTime` AND a.`dateTime` + INTERVAL '2' SECOND""",
    "window join (q8)": QUERIES["q8"],
}


def _held(text: str, events: int, options: Options) -> int:
    """The bytes that a query held in the second half of a run, on average."""
    from thalweg.connectors.sinks import ChecksumSink

    source = nexmark.events(events, rate=options.rate or nexmark.RATE)
    session = nexmark.nexmark_session(source, parallelism=options.parallelism or 1)
    session.execute_sql(_SETTINGS)
    session.execute_sql(_KEYED)
    plan = session.execute_sql(text)[-1].plan
    assert plan is not None, "every text is one query"
    session.write_sink(plan, ChecksumSink())
    with weighed_all_along() as found:
        session.run("growth", mode="stream")
    assert found, "the run is long enough to be weighed"
    return int(fmean(found[len(found) // 2 :]))


def _run(options: Options) -> Measured:
    measured = Measured("times", [])
    with usage() as used:
        for name, text in _TEXTS.items():
            few = _held(text, options.events, options)
            many = _held(text, _TIMES * options.events, options)
            ratio = many / few
            measured.values.append(ratio)
            measured.details[name] = {"bytes": few, "bytes_after_4_times_the_events": many, "ratio": ratio}
            if ratio > _LARGEST_RATIO:
                measured.problems.append(f"{name}: {few} bytes became {many}")
    measured.details |= used.as_details()
    return measured


GROWTH = [
    Benchmark(
        "state-growth",
        "state",
        "Does what joins within time bounds keep grow with the events?",
        "what lies between the watermark and the bounds, however much came before: the same bytes",
        _run,
        target=_LARGEST_RATIO,
    )
]
