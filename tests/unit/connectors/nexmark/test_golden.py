"""The stream of the smoke profile has the golden values of the definition.

Queries are written in plain Polars: what is tested is the stream, not our operators.
"""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

import polars as pl
import pytest

from thalweg.connectors.nexmark import PROFILES, NexmarkGenerator
from thalweg.connectors.nexmark.kernels import draw
from thalweg.connectors.nexmark.pools import family_key, pools_of

T0 = datetime(2026, 1, 1)
EVENTS = 1_000_000
NAMES = {"person": 0, "auction": 1, "bid": 2}
RANKS = (pl.lit(True), pl.col("price") < 10_000, pl.col("price").is_between(10_000, 999_999))
WINDOW = pl.col("dateTime").dt.truncate("10s")
Tables = dict[str, pl.DataFrame]


def tables_of(profile: str, fields: dict[str, tuple[str, ...]] | None = None) -> Tables:
    frame = NexmarkGenerator(PROFILES[profile], 0).batch(0, EVENTS, fields=fields)
    kinds = {n: frame.filter(pl.col("event_type") == k) for n, k in NAMES.items()}
    return {name: part[name].struct.unnest() for name, part in kinds.items()}


@pytest.fixture(scope="module")
def smoke() -> Tables:
    return tables_of("S")


@pytest.fixture(scope="module")
def windows() -> Tables:
    fields = {"bid": ("auction", "bidder", "price", "dateTime"), "person": ("id", "name", "dateTime")}
    return tables_of("W", fields | {"auction": ("id", "category", "seller", "dateTime", "expires")})


@pytest.fixture(scope="module")
def both(smoke: Tables, windows: Tables) -> dict[str, Tables]:
    return {"S": smoke, "W": windows}


def text_size(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].str.len_bytes().sum())


def test_keys_and_draws() -> None:
    assert family_key(1, 0) == 0x5692161D100B05E5
    assert draw(family_key(1, 0), 2, 0) == 0x63D26180AA3C1A89


def test_pools() -> None:
    pools = pools_of(1)
    sums = [zlib.crc32(pool.tobytes()) for pool in (pools.extra, pools.spaced, pools.underscored)]
    assert sums == [0xC4B94215, 0x120D7339, 0x34664EAB]
    assert pools.extra[:40].tobytes() == b"jybufuqgegpydutjzuU_R]OKfdnojiR^OSUNlgci"


def test_first_auctions(smoke: Tables) -> None:
    first = smoke["auction"].head(3).with_columns(pl.col("extra").str.len_bytes()).drop("description")
    assert first.rows() == [
        (1001, "enakzirrhjo z ekx", 339, 55644824, at(0), at(270), 1000, 12, 401),
        (1002, "wxz nh", 12582969, 30916647, at(0), at(57), 1000, 12, 418),
        (1003, "bxwnzcdh", 35430, 36667, at(5), at(193), 1000, 10, 472),
    ]


def test_first_bids(smoke: Tables) -> None:
    first = smoke["bid"].head(3).with_columns(pl.col("extra").str.len_bytes())
    site, query = "https://www.nexmark.com", "item.htm?query=1"
    urls = [
        f"{site}/qrk/tbby/mwk/{query}&channel_id=1056964608",
        f"{site}/q_he/pay/mvah/{query}&channel_id=335020032",
        f"{site}/zcli/elc/xob/{query}",
    ]
    assert first.rows() == [
        (1000, 2001, 3420, "channel-131", urls[0], at(0), 79),
        (1000, 2001, 16949, "channel-4151", urls[1], at(0), 73),
        (1000, 2001, 77181, "Google", urls[2], at(0), 67),
    ]


def test_first_person(smoke: Tables) -> None:
    first = smoke["person"].head(1).with_columns(pl.col("extra").str.len_bytes())
    name, card = "Saul Shultz", "6858 7013 9422 8898"
    assert first.rows() == [(1001, name, "bxpia@eb t.com", card, "San Francisco", "OR", at(4), 158)]


def at(ms: int) -> datetime:
    return T0 + timedelta(milliseconds=ms)


def test_counts_and_ranges(smoke: Tables) -> None:
    person, auction, bid = (smoke[name] for name in NAMES)
    assert [part.height for part in (person, auction, bid)] == [20_000, 60_000, 920_000]
    assert span(person["id"]) == (1001, 21_000, 20_000)
    assert span(auction["id"]) == (1001, 61_000, 60_000)
    assert auction["seller"].n_unique() == 10_560
    assert span(bid["auction"]) == (1000, 61_007, 59_970)
    assert span(bid["bidder"]) == (2000, 21_999, 19_925)
    assert (bid["channel"].n_unique(), bid["url"].n_unique()) == (10_004, 10_004)
    prices = bid.select(low=pl.min("price"), high=pl.max("price"), middle=pl.median("price").floor())
    assert prices.row(0) == (100, 99_996_906, 101_238)


def span(ids: pl.Series) -> tuple[object, object, int]:
    return ids.min(), ids.max(), ids.n_unique()


@pytest.mark.parametrize(
    ("table", "column", "mean", "digits"),
    [
        *[("bid", "extra", 67.50, 2), ("bid", "url", 62.95, 2), ("bid", "channel", 8.95, 2)],
        *[
            ("auction", "extra", 390.2, 1),
            ("auction", "itemName", 10.86, 2),
            ("auction", "description", 50.84, 2),
        ],
        *[("person", "extra", 138.6, 1), ("person", "name", 11.5, 1), ("person", "emailAddress", 12.7, 1)],
    ],
)
def test_mean_lengths(smoke: Tables, table: str, column: str, mean: float, digits: int) -> None:
    frame = smoke[table]
    assert round(text_size(frame, column) / frame.height, digits) == mean


def test_stateless_queries(smoke: Tables) -> None:
    bid = smoke["bid"]
    sums = bid.select("auction", "bidder", "price").sum()
    assert sums.row(0) == (28_477_042_919, 10_894_921_610, 6_678_936_136_085)
    assert text_size(bid, "extra") == 62_096_759
    assert bid.select(pl.col("price") * 908).sum().item() == 6_064_474_011_565_180
    q2 = bid.filter(pl.col("auction") % 123 == 0)
    assert (q2.height, q2["price"].sum()) == (6_899, 49_580_746_967)
    assert (bid["auction"] % 10_000).sum() == 4_576_402_919


def test_q14_counts_a_letter(smoke: Tables) -> None:
    kept = smoke["bid"].filter(pl.col("price").is_between(1_101_322, 55_066_079))
    assert kept.height == 261_002
    assert kept["extra"].str.count_matches("c", literal=True).sum() == 335_545


def test_q15_daily_statistics(smoke: Tables) -> None:
    ranks = (*RANKS, pl.col("price") >= 1_000_000)
    bid = smoke["bid"]
    assert [bid.filter(rank).height for rank in ranks] == [920_000, 305_879, 306_852, 307_269]
    assert [bid.filter(r)["bidder"].n_unique() for r in ranks] == [19_925, 19_345, 19_350, 19_346]
    assert [bid.filter(r)["auction"].n_unique() for r in ranks] == [59_970, 55_420, 55_373, 55_434]


def test_q16_channel_statistics(smoke: Tables) -> None:
    bid = smoke["bid"]
    assert bid.select("channel", "bidder").unique().height == 492_092
    assert bid.select("channel", "auction").unique().height == 605_244


def test_q17_auction_statistics(smoke: Tables) -> None:
    price = pl.col("price")
    q17 = (
        smoke["bid"]
        .group_by("auction")
        .agg(price.min().alias("min"), price.max().alias("max"), price.sum(), pl.len())
    )
    assert q17.height == 59_970
    assert (q17["min"].sum(), q17["max"].sum()) == (3_928_754_549, 2_181_478_617_217)
    assert (q17["price"] // q17["len"].cast(pl.Int64)).sum() == 435_207_409_504


def test_q18_and_q19_last_and_highest_bids(smoke: Tables) -> None:
    bid = smoke["bid"].select("auction", "bidder", "price")
    last = bid.unique(["bidder", "auction"], keep="last")
    assert (last.height, last["price"].sum()) == (293_279, 2_121_700_811_528)
    ranked = bid.with_columns(pl.col("price").rank("ordinal", descending=True).over("auction").alias("rank"))
    top = ranked.filter(pl.col("rank") <= 10)
    assert (top.height, top["price"].sum(), top["rank"].sum()) == (442_094, 3_856_473_191_185, 1_997_289)


def test_joins(smoke: Tables) -> None:
    person, auction, bid = (smoke[name] for name in NAMES)
    chosen = auction.filter(pl.col("category") == 10).select("id", "seller")
    local = person.filter(pl.col("state").is_in(["OR", "ID", "CA"])).select("id")
    q3 = chosen.join(local, left_on="seller", right_on="id")
    assert (q3.height, q3["id"].sum()) == (5_957, 191_971_142)
    q20 = bid.select("auction", "price").join(chosen, left_on="auction", right_on="id")
    assert (q20.height, q20["price"].sum()) == (172_864, 1_252_221_256_990)
    assert (
        bid.select("auction").join(auction.select("id"), left_on="auction", right_on="id").height == 919_261
    )


def test_q23_three_way_join(smoke: Tables) -> None:
    person, auction, bid = (smoke[name] for name in NAMES)
    sold = auction.group_by("seller").agg(pl.len()).join(person, left_on="seller", right_on="id")
    bids = bid.group_by("bidder").agg(pl.len().alias("bids"))
    both = bids.join(sold, left_on="bidder", right_on="seller")
    assert (both["bids"].cast(pl.Int64) * both["len"].cast(pl.Int64)).sum() == 1_104_010


@pytest.mark.slow
def test_q21_and_q22_urls(smoke: Tables) -> None:
    bid = smoke["bid"]
    hot = pl.col("channel").str.to_lowercase().is_in(["apple", "google", "facebook", "baidu"])
    assert bid.filter(hot | pl.col("url").str.contains("(&|^)channel_id=([^&]*)")).height == 875_711
    parts = bid.select(pl.col("url").str.splitn("/", 7).struct.unnest())
    assert (parts["field_3"].n_unique(), parts["field_4"].n_unique()) == (9_287, 9_303)
    assert text_size(parts, "field_5") == 3_102_269


@pytest.mark.parametrize(
    ("profile", "rows", "averages"),
    [
        ("S", 665_348, [29113264, 29069535, 29098429, 28826664, 29330076]),
        ("W", 662_663, [29101247, 29069734, 29047157, 28816088, 29267494]),
    ],
)
def test_q4_bids_within_the_life_of_their_auction(
    both: dict[str, Tables], profile: str, rows: int, averages: list[int]
) -> None:
    auction = both[profile]["auction"].select("id", "category", "expires", opened="dateTime")
    joined = both[profile]["bid"].join(auction, left_on="auction", right_on="id")
    valid = joined.filter(pl.col("dateTime").is_between("opened", "expires"))
    highest = valid.group_by("auction", "category").agg(pl.col("price").max())
    by_category = (
        highest.group_by("category").agg(pl.col("price").sum(), pl.len().cast(pl.Int64)).sort("category")
    )
    assert valid.height == rows
    assert (by_category["price"] // by_category["len"]).to_list() == averages


@pytest.mark.parametrize(
    ("profile", "rows", "price", "auction"),
    [("S", 10, 999_891_980, 302_447), ("W", 200, 19_934_356_854, 6_187_914)],
)
def test_q7_highest_bids(both: dict[str, Tables], profile: str, rows: int, price: int, auction: int) -> None:
    # No bid on a window's boundary equals the window's maximum here, so windows can be half open.
    bid = both[profile]["bid"].with_columns(WINDOW.alias("window"))
    best = bid.filter(pl.col("price") == pl.col("price").max().over("window"))
    assert (best.height, best["price"].sum(), best["auction"].sum()) == (rows, price, auction)


@pytest.mark.parametrize(("profile", "rows", "total"), [("S", 8_496, 90_981_793), ("W", 908, 9_288_708)])
def test_q8_new_users(both: dict[str, Tables], profile: str, rows: int, total: int) -> None:
    people = both[profile]["person"].select("id", WINDOW).unique()
    sellers = both[profile]["auction"].select(WINDOW, id="seller").unique()
    joined = people.join(sellers, on=["id", "dateTime"])
    assert (joined.height, joined["id"].sum()) == (rows, total)


@pytest.mark.parametrize(
    ("profile", "sessions", "span_ms"), [("S", 19_925, 280_697_421), ("W", 77_789, 1_375_497_002)]
)
def test_q11_sessions(both: dict[str, Tables], profile: str, sessions: int, span_ms: int) -> None:
    gap = pl.duration(seconds=10)
    bid = both[profile]["bid"].select("bidder", "dateTime").sort("bidder", "dateTime")
    step = pl.col("dateTime").diff().over("bidder")
    # A session is as long as its steps, each at most the gap, and the gap after its last bid.
    inside = bid.with_columns(step.alias("step")).filter(pl.col("step") <= gap)
    count = bid.height - inside.height
    assert count == sessions
    assert inside["step"].dt.total_milliseconds().sum() + count * 10_000 == span_ms


@pytest.mark.parametrize(("profile", "groups"), [("S", 27_435), ("W", 137_373)])
def test_q12_in_event_time(both: dict[str, Tables], profile: str, groups: int) -> None:
    assert both[profile]["bid"].select("bidder", WINDOW).unique().height == groups


@pytest.mark.parametrize(("profile", "minutes"), [("S", 2), ("W", 34)])
def test_q10_minutes(both: dict[str, Tables], profile: str, minutes: int) -> None:
    assert both[profile]["bid"]["dateTime"].dt.truncate("1m").n_unique() == minutes


def test_the_last_smoke_auction_opens_an_eleventh_window(smoke: Tables) -> None:
    assert smoke["auction"]["dateTime"].max() == at(100_000)
    assert smoke["bid"]["dateTime"].max() == at(99_999)
