"""The Nexmark queries that the demo and the benchmarks run, over any source of its events.

Not here: their texts (nexmark_texts.py), the events (connectors/nexmark), right answers (bench/answers.py,
demo/checks.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thalweg.cli.nexmark_texts import QUERIES

if TYPE_CHECKING:
    import polars as pl

    from thalweg.connectors.nexmark_source import NexmarkSource
    from thalweg.plan.nodes import Plan
    from thalweg.protocols.source import Source
    from thalweg.session.session import Session

RATE = 100_000
"""Events per second of event time, unless something else is said."""


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


def side_input() -> pl.DataFrame:
    """The table that q13 looks bids up in: keys and their texts."""
    import polars as pl

    keys = pl.int_range(10_000, eager=True).alias("key")
    return pl.DataFrame([keys, keys.cast(pl.String).alias("value")])


def standing_clock() -> int:
    """Processing time of benchmarks: one moment, so that there is one right answer."""
    return 0


def query(session: Session, name: str) -> Plan:
    """The plan of one of `QUERIES`."""
    if "bid_now" in QUERIES[name]:
        session.create_view("bid_now", session.sql("SELECT *, PROCTIME() AS p_time FROM bid"))
        session.create_view("side_input", session.from_polars(side_input(), name="side_input"))
    plan = session.execute_sql(QUERIES[name])[-1].plan
    assert plan is not None, "every text is one query"
    return plan
