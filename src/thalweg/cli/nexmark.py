"""The Nexmark queries that the demo and the benchmarks run, over any source of its events.

Not here: the events (connectors/nexmark), right answers (bench/answers.py, demo/checks.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thalweg.connectors.nexmark_source import NexmarkSource
    from thalweg.plan.nodes import Plan
    from thalweg.protocols.source import Source
    from thalweg.session.session import Session

RATE = 100_000
"""Events per second of event time, unless something else is said."""

QUERIES = {
    "q0": "SELECT auction, bidder, price, `dateTime`, extra FROM bid",
    "q1": "SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
    "q5": """
        SELECT auction, num FROM (
          SELECT auction, num, RANK() OVER (PARTITION BY window_start, window_end ORDER BY num DESC) AS place
          FROM (
            SELECT auction, COUNT(*) AS num, window_start, window_end
            FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
            GROUP BY auction, window_start, window_end))
        WHERE place = 1""",
    "q17": """
        SELECT auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, COUNT(*) AS total_bids,
          COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
          COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
          COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
          MIN(price) AS min_price, MAX(price) AS max_price, AVG(price) AS avg_price, SUM(price) AS sum_price
        FROM bid GROUP BY auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')""",
    "filter": "SELECT auction, price, `dateTime` FROM bid WHERE price >= 100",
    "count": "SELECT auction, COUNT(*) AS num, MAX(`dateTime`) AS latest FROM bid GROUP BY auction",
}


def events(
    count: int | None, *, rate: int = RATE, splits: int = 2, seed: int = 1, paced: float | None = None
) -> NexmarkSource:
    """Generated events; `paced`: when the first one is due on the monotonic clock, at `rate` from there."""
    from thalweg.connectors.nexmark import NexmarkConfig
    from thalweg.connectors.nexmark_source import NexmarkSource

    config = NexmarkConfig(events_num=count, first_event_rate=rate, seed=seed)
    limit = None if paced is None else float(rate)
    return NexmarkSource(config, limit, splits, paced)


def nexmark_session(source: Source, *, parallelism: int = 2) -> Session:
    """A session that knows the views `person`, `auction` and `bid` over a source."""
    from thalweg.session.nexmark import KINDS, envelope_plan, kind_plan
    from thalweg.session.session import Session

    session = Session(parallelism=parallelism)
    whole = envelope_plan(source)
    for kind in KINDS:
        session.catalog.add_view(kind, kind_plan(whole, kind))
    return session


def query(session: Session, name: str) -> Plan:
    """The plan of one of `QUERIES`."""
    plan = session.execute_sql(QUERIES[name])[-1].plan
    assert plan is not None, "every text is one query"
    return plan
