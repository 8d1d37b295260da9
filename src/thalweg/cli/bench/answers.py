"""Compute the answers of the benchmarks' queries independently, with Polars written by hand.

These are also what the batch benchmarks are compared with.

Not here: plain loops as limits for streams (limits.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import polars as pl

from thalweg.connectors.sinks import Checksum, ChecksumSink

if TYPE_CHECKING:
    from thalweg.base.schema import Schema

_PANE_US = 2_000_000
_PANES_PER_WINDOW = 5


def bids(events: pl.LazyFrame, *names: str) -> pl.LazyFrame:
    """The bids among the events, with some of their members."""
    members = [pl.col("bid").struct.field(n) for n in names]
    return events.select("event_type", *members).filter(pl.col("event_type") == 2).drop("event_type")


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


QUERIES: dict[str, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
    "q0": q0,
    "q1": q1,
    "q2": q2,
    "q5": q5,
    "q17": q17,
}


def reference(name: str, files: list[str], schema: Schema) -> Checksum:
    """The sums over the right answer."""
    if name in ("q5", "q17"):
        frames: Iterable[pl.DataFrame] = [QUERIES[name](pl.scan_ipc(files)).collect(engine="streaming")]
    else:
        frames = QUERIES[name](pl.scan_ipc(files)).collect_batches(engine="streaming", maintain_order=False)
    return checksum(frames, schema)


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
