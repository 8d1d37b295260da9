"""Do the work of a stream benchmark in a plain loop over the same files: what the machine allows.

One thread per file, batches of 65 536 rows, the same columns read, the same sums over the answer. No
event time, no changes, no exchange, and free use of what is known about the ids. Queries with much state are
compared with the same query written by hand for Polars.

Not here: the right answers (answers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.cli.bench.answers_stateful import STATEFUL
from thalweg.cli.bench.workload import BATCH_ROWS
from thalweg.columnar.batch import Batch
from thalweg.connectors.files.source import file_source
from thalweg.connectors.sinks import ChecksumSink

_FIRST_AUCTION = 1000
_PANE_US, _PANES = 2_000_000, 5


def batches(file: str, *names: str) -> Iterator[pl.DataFrame]:
    """Some members of the bids of a file, batch by batch; other columns are not read."""
    source = file_source(file)
    reader = source.open(source.splits()[0], {}, (("event_type", None), ("bid", names)))
    while (frame := reader.read(BATCH_ROWS).frame) is not None:
        bid = frame.get_column("bid").struct
        # members first: to filter a column of rows costs far more than to filter its members
        columns = pl.DataFrame([bid.field(n) for n in names])
        yield columns.filter(frame.get_column("event_type") == 2)
    reader.close()


def stateless(
    work: Callable[[pl.DataFrame], pl.DataFrame], *names: str
) -> Callable[[list[str], Schema], None]:
    """The same expressions, batch by batch, into the same sums."""

    def one(file: str, sink: ChecksumSink, schema: Schema) -> None:
        writer = sink.open(schema, 0)
        for frame in batches(file, *names):
            writer.write(Batch(work(frame)))

    def run(files: list[str], schema: Schema) -> None:
        sink = ChecksumSink()
        _per_file(files, lambda f: one(f, sink, schema))

    return run


def q5(files: list[str], schema: Schema) -> None:
    """Counts per pane and auction in an array, then a sliding sum."""
    from thalweg.cli.bench.kernels import count_panes, sum_of_tops

    parts = _per_file(files, lambda f: _panes(f, count_panes))
    height, width = (max(p.shape[axis] for p in parts) for axis in (0, 1))
    whole = np.zeros((height, width), np.int32)
    for part in parts:
        whole[: part.shape[0], : part.shape[1]] += part
    sum_of_tops(whole, _PANES)


def _panes(file: str, count: Callable[..., None]) -> Any:
    from thalweg.connectors.nexmark.config import BASE_TIME_MS

    counts = np.zeros((1, 1), np.int32)
    for auction, time in _columns(file, "auction", "dateTime"):
        if not len(auction):
            continue
        panes = (int(time.max()) - BASE_TIME_MS * 1000) // _PANE_US + 1
        width = int(auction.max()) - _FIRST_AUCTION + 1
        counts = _grown(counts, panes, width)
        count(auction, time, _FIRST_AUCTION, BASE_TIME_MS * 1000, _PANE_US, counts)
    return counts


def _grown(counts: Any, height: int, width: int) -> Any:
    if counts.shape[0] >= height and counts.shape[1] >= width:
        return counts
    made = np.zeros((max(height, counts.shape[0]), max(width * 3 // 2, counts.shape[1])), np.int32)
    made[: counts.shape[0], : counts.shape[1]] = counts
    return made


def q17(files: list[str], schema: Schema) -> None:
    """One row of an array per auction."""
    from thalweg.cli.bench.kernels import price_statistics

    _per_file(files, lambda f: _statistics(f, price_statistics))


def _statistics(file: str, add: Callable[..., None]) -> Any:
    held = np.zeros((0, 7), np.int64)
    for auction, price in _columns(file, "auction", "price"):
        width = int(auction.max()) - _FIRST_AUCTION + 1 if len(auction) else 0
        if width > len(held):
            more = np.zeros((width * 3 // 2 - len(held), 7), np.int64)
            more[:, 4] = 1 << 62
            held = np.concatenate([held, more])
        add(auction, price, _FIRST_AUCTION, held)
    return held


def _columns(file: str, *names: str) -> Iterator[list[np.ndarray[Any, Any]]]:
    for frame in batches(file, *names):
        yield [c.to_physical().rechunk().to_numpy() for c in frame.iter_columns()]


def _per_file(files: list[str], work: Callable[[str], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(files)) as pool:
        return list(pool.map(work, files))


def by_hand(name: str) -> Callable[[list[str], Schema], None]:
    """The query written by hand for Polars, which sees the whole input at once, and the same sums."""

    def run(files: list[str], schema: Schema) -> None:
        from thalweg.cli.bench.answers import reference

        reference(name, files, schema)

    return run


_POLARS = "Polars, batch by batch, one thread per file"
_NUMBA = "numba, one row of an array per key, one thread per file"
_BY_HAND = "the same query written by hand for Polars, as a batch, its streaming engine"
_BID = ("auction", "bidder", "price", "dateTime", "extra")
_RATE = pl.lit(Decimal("0.908"))
LIMITS: dict[str, tuple[str, Callable[[list[str], Schema], None]]] = {
    "q0": (_POLARS, stateless(lambda f: f, *_BID)),
    "q1": (
        _POLARS,
        stateless(lambda f: f.with_columns(pl.col("price").cast(pl.Decimal(20, 0)) * _RATE), *_BID),
    ),
    "q2": (_POLARS, stateless(lambda f: f.filter(pl.col("auction") % 123 == 0), "auction", "price")),
    "q5": (_NUMBA, q5),
    "q12": (_BY_HAND, by_hand("q12")),
    "q13": (
        _POLARS,
        stateless(
            lambda f: f.with_columns((pl.col("auction") % 10_000).cast(pl.String).alias("value")), *_BID[:4]
        ),
    ),
    "q17": (_NUMBA, q17),
    **{q.__name__: (_BY_HAND, by_hand(q.__name__)) for q in STATEFUL},
}
