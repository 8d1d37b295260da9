"""Nexmark q6, which Flink cannot run, gives what its definition says, computed here row by row.

For each seller, the average of the winning prices of an auction and of the ten before it, in the order of the
times of their winning bids.
"""

from __future__ import annotations

from collections import defaultdict

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.sql.test_flink_answers import DATA, WAYS, answer, query
from thalweg.session.session import Session

EVENTS = DATA / "events.parquet"


def winners(events: pl.DataFrame) -> dict[int, list[tuple[object, int, int]]]:
    """For each seller (time, auction, price) of the best bids, in the order of time."""
    auctions = {a["id"]: (a, e) for a, e in _rows(events, "auction")}
    best: dict[int, tuple[int, object]] = {}
    for bid, time in _rows(events, "bid"):
        found = auctions.get(bid["auction"])
        if found is None or not found[1] <= time <= found[0]["expires"]:
            continue
        known = best.get(bid["auction"])
        # rows come in the order of time: of equal prices the first one stays
        if known is None or bid["price"] > known[0]:
            best[bid["auction"]] = bid["price"], time
    sellers = defaultdict(list)
    for number, (price, time) in best.items():
        sellers[auctions[number][0]["seller"]].append((time, number, price))
    return {seller: sorted(rows) for seller, rows in sellers.items()}


def _rows(events: pl.DataFrame, kind: str) -> list[tuple[dict[str, int], object]]:
    some = events.filter(pl.col(kind).is_not_null()).get_column(kind).to_list()
    return [(row, row["dateTime"]) for row in some if row["dateTime"] is not None]


def expected(events: pl.DataFrame) -> pl.DataFrame:
    made = []
    for seller, rows in winners(events).items():
        prices = [price for _, _, price in rows]
        for at in range(len(prices)):
            last = prices[max(0, at - 10) : at + 1]
            made.append((seller, sum(last) / len(last)))
    return pl.DataFrame(made, {"seller": pl.Int64, "avg_price": pl.Float64}, orient="row")


@pytest.mark.parametrize(("mode", "rows", "parallelism"), WAYS)
def test_answers(mode: str, rows: int, parallelism: int) -> None:
    found = answer("q6", mode, rows, parallelism, EVENTS)
    found.columns = ["seller", "avg_price"]
    wanted = expected(pl.read_parquet(EVENTS))
    assert found.height > 1000
    assert_frame_equal(found.sort(pl.all()), wanted.sort(pl.all()), rel_tol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "count", "total"),
    [(10_000, 56_028, 1_629_233_420_915.934), (500, 55_824, 1_621_580_608_171.533)],
)
def test_golden_values(rate: int, count: int, total: float) -> None:
    session = Session(parallelism=2)
    tables = session.read_nexmark(1_000_000, rate=rate)
    session.create_view("auction", tables.auction)
    session.create_view("bid", tables.bid)
    found = session.sql(query("q6")).to_polars()
    assert found.height == count
    assert found.to_series(1).sum() == pytest.approx(total, rel=1e-9)
