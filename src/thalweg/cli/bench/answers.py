"""Compute the answers of the benchmarks' queries independently, with Polars written by hand.

These are also what the batch benchmarks are compared with.

Not here: joins and other queries with much state (answers_stateful.py), limits of streams (limits.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl

from thalweg.cli.bench.answers_stateful import STATEFUL, Query
from thalweg.cli.bench.members import bids
from thalweg.connectors.sinks import Checksum, ChecksumSink

if TYPE_CHECKING:
    from thalweg.base.schema import Schema

_PANE_US = 2_000_000
_PANES_PER_WINDOW = 5


def q0(events: pl.LazyFrame) -> pl.LazyFrame:
    """Every bid."""
    return bids(events, "auction", "bidder", "price", "dateTime", "extra")


def q1(events: pl.LazyFrame) -> pl.LazyFrame:
    """Every bid with its price in another currency."""
    # exact: thousandths as whole numbers, put behind the point by the cast that follows
    cents = (pl.col("price") * 908).cast(pl.Decimal(23, 0)).cast(pl.Decimal(26, 3)) / 1000
    return q0(events).with_columns(cents.alias("price"))


def q2(events: pl.LazyFrame) -> pl.LazyFrame:
    """Bids for some auctions."""
    return bids(events, "auction", "price").filter(pl.col("auction") % 123 == 0)


def q5(events: pl.LazyFrame) -> pl.LazyFrame:
    """The auctions with most bids in each window of 10 s, one every 2 s."""
    pane = (pl.col("dateTime").to_physical() // _PANE_US).alias("pane")
    panes = bids(events, "auction", "dateTime").group_by("auction", pane).agg(pl.len().alias("num"))
    shifted = [panes.with_columns(pl.col("pane") + i) for i in range(_PANES_PER_WINDOW)]
    windows = pl.concat(shifted).group_by("auction", "pane").agg(pl.col("num").sum())
    top = windows.group_by("pane").agg(pl.col("num").max().alias("top"))
    best = windows.join(top, on="pane").filter(pl.col("num") == pl.col("top"))
    return best.select("auction", pl.col("num").cast(pl.Int64))


def q17(events: pl.LazyFrame) -> pl.LazyFrame:
    """Each auction's statistics per day."""
    price = pl.col("price")
    day = pl.col("dateTime").dt.to_string("%Y-%m-%d").alias("day")
    return (
        bids(events, "auction", "price", "dateTime")
        .group_by("auction", day)
        .agg(
            pl.len().cast(pl.Int64).alias("total_bids"),
            (price < 10_000).sum().cast(pl.Int64).alias("rank1_bids"),
            ((price >= 10_000) & (price < 1_000_000)).sum().cast(pl.Int64).alias("rank2_bids"),
            (price >= 1_000_000).sum().cast(pl.Int64).alias("rank3_bids"),
            price.min().alias("min_price"),
            price.max().alias("max_price"),
            (price.sum() // pl.len().cast(pl.Int64)).alias("avg_price"),
            price.sum().alias("sum_price"),
        )
    )


def q12(events: pl.LazyFrame) -> pl.LazyFrame:
    """Bids per bidder in ten seconds of a clock that stands."""
    counts = bids(events, "bidder").group_by("bidder").agg(pl.len().cast(pl.Int64).alias("bid_count"))
    start, end = (pl.lit(s * 1_000_000).cast(pl.Datetime("us")) for s in (0, 10))
    return counts.with_columns(start.alias("starttime"), end.alias("endtime"))


def q13(events: pl.LazyFrame) -> pl.LazyFrame:
    """Every bid with the value of its auction in the side table."""
    value = (pl.col("auction") % 10_000).cast(pl.String).alias("value")
    return bids(events, "auction", "bidder", "price", "dateTime").with_columns(value)


QUERIES: dict[str, Query] = {q.__name__: q for q in (q0, q1, q2, q5, q12, q13, q17, *STATEFUL)}
_WIDE = ("q0", "q1", "q2", "q13", "q18", "q20", "q22", "q23", "over_range")
"""Too many rows to hold them all at once."""
UNDEFINED = {
    "q9": ("bidder", "bid_extra"),
    "q18": ("price", "channel", "url", "extra"),
    "q19": ("bidder", "channel", "url", "dateTime", "extra"),
}
"""Columns whose values depend on which of several equal rows was taken."""


def reference(name: str, files: list[str], schema: Schema) -> Checksum:
    """The sums over the right answer, as far as it is defined."""
    query = QUERIES[name](pl.scan_ipc(files))
    if name in _WIDE:
        found = checksum(query.collect_batches(engine="streaming", maintain_order=False), schema)
    else:
        found = checksum([query.collect(engine="streaming")], schema)
    for column in UNDEFINED.get(name, ()):
        del found.sums[column], found.nulls[column]
    return found


def checksum(frames: Iterable[pl.DataFrame], schema: Schema) -> Checksum:
    """The sums over frames, in the types of the result."""
    from thalweg.columnar.batch import Batch

    sink = ChecksumSink()
    writer = sink.open(schema, 0)
    for frame in frames:
        writer.write(Batch(frame.select(schema.names).cast(dict(schema.polars))))  # type: ignore[arg-type]
    return sink.seen


def differences(found: Checksum, right: Checksum) -> list[str]:
    """What differs between two checksums, in words."""
    pairs = {"rows": (found.rows, right.rows)}
    pairs |= {f"sum of {n}": (found.sums.get(n, 0), v) for n, v in right.sums.items()}
    pairs |= {f"NULLs in {n}": (found.nulls.get(n, 0), v) for n, v in right.nulls.items()}
    return [f"{what} is {a}, not {b}" for what, (a, b) in pairs.items() if a != b]
