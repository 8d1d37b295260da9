"""Groupings by different windows of one stream show the stage that they share, or that they share none."""

from __future__ import annotations

import polars as pl
import pytest

import thalweg as tw
from tests.sql.test_flink_answers import DATA, nexmark
from thalweg.base.types import INT64

TUMBLE = "TABLE(TUMBLE(TABLE b, DESCRIPTOR(t), INTERVAL '10' SECOND))"
HOP = "TABLE(HOP(TABLE b, DESCRIPTOR(t), INTERVAL '5' SECOND, INTERVAL '20' SECOND))"
CUMULATE = "TABLE(CUMULATE(TABLE b, DESCRIPTOR(t), INTERVAL '5' SECOND, INTERVAL '20' SECOND))"

SHARED = """\
stage source1  parallelism 2
  read frame [auction, price, t]
  watermark for t as (t - 0:00:04)
  panes 5s on t for tumbling 10s, hopping 20s every 5s
  partial sums by auction
stage group1  parallelism 2
  from source1 by hash(auction)
  panes of tumbling 10s from common panes
  group by auction per window: n = count(*) from partials
  project window_end, n
stage group2  parallelism 2
  from source1 by hash(auction)
  panes of hopping 20s every 5s from common panes
  group by auction per window: total = sum(price) from partials
  project window_end, total AS n
stage union1  parallelism 2
  from group1 by forward
  from group2 by forward
stage sink1  parallelism 1
  from union1 by gather
  pass
  write memory  (at_least_once)"""


def session() -> tw.Session:
    """A session with a view of bids."""
    s = tw.Session()
    held = {"auction": pl.Int64, "bidder": pl.Int64, "price": pl.Int64, "t": pl.Datetime("us")}
    s.create_view("b", s.from_polars(pl.DataFrame(schema=held)).assign_watermark("t", "4s"))
    return s


def job_of(*queries: str) -> str:
    """The job of some queries one below the other, as it is explained."""
    return session().sql(" UNION ALL ".join(queries)).explain().split("== job ==\n")[1].strip()


def by_window(call: str, table: str, key: str = "auction") -> str:
    """A query by key and window."""
    return f"SELECT window_end, {call} FROM {table} GROUP BY {key}, window_start, window_end"


def test_two_windows_share_panes() -> None:
    assert job_of(by_window("COUNT(*) AS n", TUMBLE), by_window("SUM(price) AS total", HOP)) == SHARED


def test_three_windows_share_panes() -> None:
    counts = [by_window("COUNT(*) AS n", table) for table in (TUMBLE, HOP, CUMULATE)]
    made = job_of(*counts)
    assert "  panes 5s on t for tumbling 10s, hopping 20s every 5s, cumulating 20s by 5s\n" in made
    assert made.count("from source1 by hash(auction)") == 3


def test_two_groupings_of_the_same_windows_share_panes() -> None:
    made = job_of(by_window("COUNT(*) AS n", HOP), by_window("SUM(price) AS n", HOP))
    assert "  panes 5s on t for hopping 20s every 5s\n" in made


def test_conditions_and_computed_keys_are_common() -> None:
    queries = []
    for call, columns in (("COUNT(*) AS n", "t"), ("SUM(price) AS n", "price, t")):
        rows = f"(SELECT auction % 10 AS k, {columns} FROM b WHERE price > 5)"
        queries.append(by_window(call, TUMBLE.replace("TABLE b", rows), "k"))
    made = job_of(*queries)
    assert made.count("filter (price > 5)") == 1
    assert "  partial sums by k\n" in made
    assert made.count("panes of tumbling 10s from common panes") == 2


def test_statements_of_one_job_share_panes() -> None:
    s = session()
    queries = [
        s.sql(by_window(call, of)) for call, of in (("COUNT(*) AS n", TUMBLE), ("MAX(price) AS n", HOP))
    ]
    made = s.explain_plans([q.plan for q in queries])
    assert made.count("panes 5s on t for tumbling 10s, hopping 20s every 5s") == 1


def test_values_that_differ_with_every_call_are_not_shared() -> None:
    @tw.udf(returns=INT64, volatile=True)
    def some(price: int) -> int:
        return price

    s = session()
    s.create_function(some)
    made = s.sql(f"{by_window('SUM(some(price)) AS n', TUMBLE)} UNION ALL {by_window('COUNT(*) AS n', HOP)}")
    assert "from common panes" not in made.explain()


def test_members_of_rows_are_picked_once_for_all() -> None:
    """Each reader of Nexmark's bids picks other members of the events, before the same condition."""
    tumble, hop = (t.replace("TABLE b", "TABLE bid").replace("(t)", "(dateTime)") for t in (TUMBLE, HOP))
    counts, sums = by_window("COUNT(*) AS n", tumble), by_window("SUM(price) AS n", hop)
    made = nexmark(DATA / "events.parquet", 2).sql(f"{counts} UNION ALL {sums}").explain()
    assert made.count("filter (event_type = 2)") == 1
    assert "panes 5s on dateTime for tumbling 10s, hopping 20s every 5s" in made


OTHER = {
    "another key": by_window("SUM(price) AS n", HOP, "bidder"),
    "panes far finer than the windows": by_window("COUNT(*) AS n", TUMBLE.replace("10", "11")),
    "different values": by_window("COUNT(DISTINCT price) AS n", HOP),
    "another condition": by_window("COUNT(*) AS n", f"{HOP} WHERE price > 5"),
}


@pytest.mark.parametrize("what", OTHER)
def test_panes_are_not_shared(what: str) -> None:
    made = job_of(by_window("COUNT(*) AS n", TUMBLE), OTHER[what])
    assert "from common panes" not in made
    assert "  panes of tumbling 10s on t\n" in made
