"""Compute the answers of queries with much state independently, with Polars written by hand.

These are joins, sessions, distinct counts, ranks and OVER.

Not here: queries that pass rows on or add them up (answers.py), what is measured (stateful.py).
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from thalweg.cli.bench.members import bids, members

Query = Callable[[pl.LazyFrame], pl.LazyFrame]
_WINDOW_US = 10_000_000
_SLIDE_US, _PANES = 5_000_000, 4
_GAP_US = {"q11": 10_000_000, "w_session": 2_000_000}
_TIME = "dateTime"
_BID = ("auction", "bidder", "price", "channel", "url", _TIME, "extra")
_ITEM = ("itemName", "description", "initialBid", "reserve", _TIME, "expires", "seller", "category", "extra")
_PERSON = ("id", "name", "emailAddress", "creditCard", "city", "state", "extra")
_ITEM_NAMES = {_TIME: "auction_dateTime", "extra": "auction_extra"}


def q3(events: pl.LazyFrame) -> pl.LazyFrame:
    """Sellers of some states, with what they sell."""
    auctions = members(events, "auction", "id", "seller", "category").filter(pl.col("category") == 10)
    persons = members(events, "person", "id", "name", "city", "state")
    wanted = persons.filter(pl.col("state").is_in(["OR", "ID", "CA"])).rename({"id": "seller"})
    return auctions.join(wanted, on="seller").select("name", "city", "state", "id")


def q4(events: pl.LazyFrame) -> pl.LazyFrame:
    """The average of the winning prices, per category."""
    auctions = members(events, "auction", "id", _TIME, "expires", "category")
    opened = auctions.rename({"id": "auction", _TIME: "opened"})
    time = pl.col(_TIME)
    offers = bids(events, "auction", "price", _TIME).join(opened, on="auction")
    final = (
        offers.filter(time.is_between(pl.col("opened"), pl.col("expires")))
        .group_by("auction", "category")
        .agg(pl.col("price").max())
    )
    average = pl.col("price").sum() // pl.len().cast(pl.Int64)
    return final.group_by(pl.col("category").alias("id")).agg(average.alias("final"))


def q9(events: pl.LazyFrame) -> pl.LazyFrame:
    """Each auction with its winning bid; of several equal ones, any."""
    auctions = members(events, "auction", "id", *_ITEM)
    time, bid_time = pl.col(_TIME), pl.col("bid_dateTime")
    offers = bids(events, "auction", "bidder", "price", _TIME, "extra")
    offers = offers.rename({_TIME: "bid_dateTime", "extra": "bid_extra"})
    valid = auctions.join(offers, left_on="id", right_on="auction", coalesce=False).filter(
        bid_time.is_between(time, pl.col("expires"))
    )
    ordered = valid.sort("price", bid_time, descending=[True, False])
    return ordered.unique("id", keep="first", maintain_order=True)


def q7(events: pl.LazyFrame) -> pl.LazyFrame:
    """The highest bids of each 10 seconds."""
    offers = bids(events, "auction", "bidder", "price", _TIME, "extra")
    time = pl.col(_TIME).to_physical()
    tops = (
        bids(events, "price", _TIME).group_by((time // _WINDOW_US).alias("pane")).agg(pl.col("price").max())
    )
    begin = pl.col("pane") * _WINDOW_US
    return offers.join(tops, on="price").filter(time.is_between(begin, begin + _WINDOW_US)).drop("pane")


def q8(events: pl.LazyFrame) -> pl.LazyFrame:
    """Who came and sold something in the same 10 seconds."""
    begin = (pl.col(_TIME).to_physical() // _WINDOW_US * _WINDOW_US).cast(pl.Datetime("us")).alias("stime")
    persons = members(events, "person", "id", "name", _TIME).select("id", "name", begin).unique()
    sellers = members(events, "auction", "seller", _TIME).select(pl.col("seller").alias("id"), begin)
    return persons.join(sellers.unique(), on=["id", "stime"], how="semi")


def _sessions(events: pl.LazyFrame, key: str, gap_us: int, names: tuple[str, str, str]) -> pl.LazyFrame:
    """How often a key occurs in each of its sessions, with the first moment and the end."""
    time, count = pl.col(_TIME), pl.len().cast(pl.Int64)
    ordered = bids(events, key, _TIME).sort(key, _TIME)
    is_first = (pl.col(key).diff() != 0) | (time.diff().dt.total_microseconds() > gap_us)
    numbered = ordered.with_columns(is_first.fill_null(value=True).cum_sum().alias("session"))
    bounds = time.min().alias(names[1]), (time.max() + pl.duration(microseconds=gap_us)).alias(names[2])
    return numbered.group_by(key, "session").agg(count.alias(names[0]), *bounds).drop("session")


def q11(events: pl.LazyFrame) -> pl.LazyFrame:
    """Bids per bidder and session of 10 s."""
    return _sessions(events, "bidder", _GAP_US["q11"], ("bid_count", "starttime", "endtime"))


def w_session(events: pl.LazyFrame) -> pl.LazyFrame:
    """Bids per auction and session of 2 s."""
    return _sessions(events, "auction", _GAP_US["w_session"], ("n", "window_start", "window_end"))


def _distinct() -> list[pl.Expr]:
    """Bids, bidders and auctions: of all bids, and of those of three classes of prices."""
    price, many = pl.col("price"), 1_000_000
    classes = {"rank1": price < 10_000, "rank2": (price >= 10_000) & (price < many), "rank3": price >= many}
    counts = [pl.len().alias("total_bids"), *(c.sum().alias(f"{n}_bids") for n, c in classes.items())]
    for name in ("bidder", "auction"):
        counts.append(pl.col(name).n_unique().alias(f"total_{name}s"))
        counts += [pl.col(name).filter(c).n_unique().alias(f"{n}_{name}s") for n, c in classes.items()]
    return counts


def q15(events: pl.LazyFrame) -> pl.LazyFrame:
    """Distinct bidders and auctions per day."""
    day = pl.col(_TIME).dt.to_string("%Y-%m-%d").alias("day")
    return bids(events, "auction", "bidder", "price", _TIME).group_by(day).agg(_distinct())


def q16(events: pl.LazyFrame) -> pl.LazyFrame:
    """Distinct bidders and auctions per channel and day, with the last minute."""
    day, minute = (
        pl.col(_TIME).dt.to_string(f).alias(n) for n, f in (("day", "%Y-%m-%d"), ("minute", "%H:%M"))
    )
    offers = bids(events, "auction", "bidder", "price", "channel", _TIME)
    return offers.group_by("channel", day).agg(minute.max(), *_distinct())


def q18(events: pl.LazyFrame) -> pl.LazyFrame:
    """The last bid of each bidder for each auction; of several at one moment, any."""
    return bids(events, *_BID).sort(_TIME).unique(["bidder", "auction"], keep="last")


def q19(events: pl.LazyFrame) -> pl.LazyFrame:
    """The ten highest bids for each auction; among equal prices, in any order."""
    place = pl.col("price").rank("ordinal", descending=True).over("auction").cast(pl.Int64)
    return bids(events, *_BID).with_columns(place.alias("rank_number")).filter(pl.col("rank_number") <= 10)


def q20(events: pl.LazyFrame) -> pl.LazyFrame:
    """Bids for auctions of one category, with everything about both."""
    auctions = members(events, "auction", "id", *_ITEM).filter(pl.col("category") == 10).rename(_ITEM_NAMES)
    offers = bids(events, *_BID).rename({_TIME: "bid_dateTime", "extra": "bid_extra"})
    return offers.join(auctions, left_on="auction", right_on="id")


def q22(events: pl.LazyFrame) -> pl.LazyFrame:
    """Every bid with three parts of its address."""
    parts = pl.col("url").str.split("/")
    found = [parts.list.get(n, null_on_oob=True).alias(f"dir{n - 2}") for n in (3, 4, 5)]
    offers = bids(events, "auction", "bidder", "price", "channel", "url")
    return offers.with_columns(found).drop("url")


def w_hop(events: pl.LazyFrame) -> pl.LazyFrame:
    """Bids per bidder in each window of 20 s, one every 5 s."""
    pane = (pl.col(_TIME).to_physical() // _SLIDE_US).alias("pane")
    panes = bids(events, "bidder", _TIME).group_by("bidder", pane).agg(pl.len().alias("n"))
    shifted = [panes.with_columns(pl.col("pane") + i) for i in range(1, _PANES + 1)]
    counts = pl.concat(shifted).group_by("bidder", "pane").agg(pl.col("n").sum().cast(pl.Int64))
    end = pl.col("pane") * _SLIDE_US
    bounds = {"window_start": end - _PANES * _SLIDE_US, "window_end": end}
    return counts.with_columns(e.cast(pl.Datetime("us")).alias(n) for n, e in bounds.items()).drop("pane")


def q23(events: pl.LazyFrame) -> pl.LazyFrame:
    """Bids by people who sell, with everything about the bid, the person and what they sell."""
    offers = bids(events, "bidder", "price", "channel", "url", "extra").rename({"extra": "bid_extra"})
    persons = members(events, "person", *_PERSON).rename({"extra": "person_extra"})
    auctions = members(events, "auction", *_ITEM).rename(_ITEM_NAMES)
    who = persons.with_columns(pl.col("id").alias("person_id"))
    return offers.join(who, left_on="bidder", right_on="id").join(
        auctions, left_on="bidder", right_on="seller", coalesce=False
    )


def over_range(events: pl.LazyFrame) -> pl.LazyFrame:
    """Each bid with sum and number of its bidder's bids in the 10 seconds up to it."""
    offers = bids(events, "auction", "bidder", "price", _TIME).sort("bidder", _TIME)
    ones = offers.with_columns(pl.lit(1, pl.Int64).alias("one"))
    sums = [
        pl.col(c).rolling_sum_by(_TIME, "10s", closed="both").over("bidder").alias(n)
        for c, n in (("price", "s"), ("one", "n"))
    ]
    return ones.with_columns(sums).drop("one")


STATEFUL: tuple[Query, ...] = (
    *(q3, q4, q7, q8, q9, q11, q15, q16),
    *(q18, q19, q20, q22, q23, w_hop, w_session, over_range),
)
