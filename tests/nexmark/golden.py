"""The golden values of the Nexmark queries over one million events, from the definition of the workload.

They were computed with DuckDB over the complete input: every window closed, every change applied. There are
two profiles: S with 10 000 events in a second of event time, W with 500. Times are in milliseconds.

Not here: running the queries (running.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from thalweg.connectors.nexmark import PROFILES

Values = Mapping[str, Any]
BIDS = 920_000
PRICES = 6_678_936_136_085


@dataclass(frozen=True)
class Golden:
    """What is known of the answer of a query.

    Attributes:
        look: the same values of an answer that was computed.
        smoke, windows: the values for the profiles S and W.
    """

    look: Callable[[pl.DataFrame], Values]
    smoke: Values
    windows: Values

    def of(self, profile: str) -> Values:
        """The values for a profile."""
        return self.smoke if profile == "S" else self.windows


def _both(values: Values, **exprs: pl.Expr) -> Golden:
    """Values that do not depend on how fast event time goes."""
    return Golden(_looking(**exprs), values, values)


def _looking(**exprs: pl.Expr) -> Callable[[pl.DataFrame], Values]:
    def look(frame: pl.DataFrame) -> Values:
        named = [expr.alias(name) for name, expr in exprs.items()]
        return {"rows": frame.height} | (frame.select(named).row(0, named=True) if named else {})

    return look


def _sums(*names: str) -> dict[str, pl.Expr]:
    return {n: pl.col(n).sum() for n in names}


def _q1(frame: pl.DataFrame) -> Values:
    # a price has three digits after the point
    return {"rows": frame.height, "price": int(frame["price"].sum() * 1000)}


def _q4(frame: pl.DataFrame) -> Values:
    return dict(frame.sort("id").rows())


def _q6(frame: pl.DataFrame) -> Values:
    # a sum of floats depends on their order in its last digits
    return {"rows": frame.height, "avg_price": float(f"{frame['avg_price'].sum():.9e}")}


def _q12(frame: pl.DataFrame) -> Values:
    ten = pl.duration(seconds=10)
    is_whole = pl.col("starttime").dt.truncate("10s") == pl.col("starttime")
    aligned = frame.filter(is_whole & (pl.col("endtime") - pl.col("starttime") == ten))
    return {"bids": frame["bid_count"].sum(), "aligned": aligned.height == frame.height}


_SESSION = (pl.col("endtime") - pl.col("starttime")).dt.total_milliseconds().sum()
_Q5 = Golden(
    _looking(**_sums("auction", "num")),
    {"rows": 59, "auction": 1_907_800, "num": 48_369},
    {"rows": 1_012, "auction": 31_299_100, "num": 798_109},
)
_Q9 = _looking(**_sums("price", "id"))
_DAY = {
    f"{what}_{of}": pl.col(f"{what}_{of}").sum()
    for of in ("bids", "bidders", "auctions")
    for what in ("total", "rank1", "rank2", "rank3")
}

GOLDEN: dict[str, Golden] = {
    "q0": _both(
        {
            "rows": BIDS,
            "auction": 28_477_042_919,
            "bidder": 10_894_921_610,
            "price": PRICES,
            "extra": 62_096_759,
        },
        **_sums("auction", "bidder", "price"),
        extra=pl.col("extra").str.len_bytes().sum(),
    ),
    "q1": Golden(
        _q1, {"rows": BIDS, "price": 6_064_474_011_565_180}, {"rows": BIDS, "price": 6_064_474_011_565_180}
    ),
    "q2": _both({"rows": 6_899, "price": 49_580_746_967}, **_sums("price")),
    "q3": _both({"rows": 5_957, "id": 191_971_142}, **_sums("id")),
    "q4": Golden(
        _q4,
        {10: 29_113_264, 11: 29_069_535, 12: 29_098_429, 13: 28_826_664, 14: 29_330_076},
        {10: 29_101_247, 11: 29_069_734, 12: 29_047_157, 13: 28_816_088, 14: 29_267_494},
    ),
    "q5": _Q5,
    "q5_rank": _Q5,
    "q6": Golden(
        _q6,
        {"rows": 56_028, "avg_price": float(f"{1_629_233_420_915.934:.9e}")},
        {"rows": 55_824, "avg_price": float(f"{1_621_580_608_171.533:.9e}")},
    ),
    "q7": Golden(
        _looking(**_sums("price", "auction")),
        {"rows": 10, "price": 999_891_980, "auction": 302_447},
        {"rows": 200, "price": 19_934_356_854, "auction": 6_187_914},
    ),
    "q8": Golden(_looking(**_sums("id")), {"rows": 8_496, "id": 90_981_793}, {"rows": 908, "id": 9_288_708}),
    "q9": Golden(
        _Q9,
        {"rows": 56_028, "price": 1_629_732_275_633, "id": 1_738_188_311},
        {"rows": 55_824, "price": 1_622_287_835_451, "id": 1_731_632_066},
    ),
    "q10": Golden(
        _looking(minutes=pl.struct("dt", "hm").n_unique(), **_sums("price")),
        {"rows": BIDS, "minutes": 2, "price": PRICES},
        {"rows": BIDS, "minutes": 34, "price": PRICES},
    ),
    "q11": Golden(
        _looking(**_sums("bid_count"), span=_SESSION, largest=pl.col("bid_count").max()),
        {"rows": 19_925, "bid_count": BIDS, "span": 280_697_421, "largest": 3_546},
        {"rows": 77_789, "bid_count": BIDS, "span": 1_375_497_002, "largest": 3_533},
    ),
    "q12": Golden(_q12, {"bids": BIDS, "aligned": True}, {"bids": BIDS, "aligned": True}),
    "q13": _both(
        {"rows": BIDS, "value": 4_576_402_919, "price": PRICES},
        value=pl.col("value").cast(pl.Int64).sum(),
        **_sums("price"),
    ),
    "q14": _both({"rows": 261_002, "c_counts": 335_545}, **_sums("c_counts")),
    "q15": _both(
        {
            "rows": 1,
            **dict(zip(_DAY, (BIDS, 305_879, 306_852, 307_269), strict=False)),
            **dict(zip(list(_DAY)[4:], (19_925, 19_345, 19_350, 19_346), strict=False)),
            **dict(zip(list(_DAY)[8:], (59_970, 55_420, 55_373, 55_434), strict=False)),
        },
        **_DAY,
    ),
    "q16": _both(
        {"rows": 10_004, "total_bids": BIDS, "total_bidders": 492_092, "total_auctions": 605_244},
        **_sums("total_bids", "total_bidders", "total_auctions"),
    ),
    "q17": _both(
        {
            "rows": 59_970,
            "min_price": 3_928_754_549,
            "max_price": 2_181_478_617_217,
            "avg_price": 435_207_409_504,
            "sum_price": PRICES,
        },
        **_sums("min_price", "max_price", "avg_price", "sum_price"),
    ),
    "q18": _both({"rows": 293_279, "price": 2_121_700_811_528}, **_sums("price")),
    "q19": _both(
        {"rows": 442_094, "price": 3_856_473_191_185, "rank_number": 1_997_289},
        **_sums("price", "rank_number"),
    ),
    "q20": _both({"rows": 172_864, "price": 1_252_221_256_990}, **_sums("price")),
    "q21": _both({"rows": 875_711}),
    "q22": _both(
        {"rows": BIDS, "dir1": 9_287, "dir2": 9_303, "dir3": 3_102_269},
        dir1=pl.col("dir1").n_unique(),
        dir2=pl.col("dir2").n_unique(),
        dir3=pl.col("dir3").str.len_bytes().sum(),
    ),
    "q23": _both({"rows": 1_104_010}),
}
"""By the name of the query's text."""

UNDEFINED = ("interval_join", "interval_left", "over_range", "cep_rise", "cep_vshape", "cep_within")
"""Texts for which the definition has no values, besides the windows `w_*`."""

EVENTS = {name: PROFILES[name].events_num for name in ("S", "W")}
