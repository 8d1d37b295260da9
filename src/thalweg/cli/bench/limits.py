"""Do the work of a stream benchmark in a plain loop over the same files: what the machine allows.

One thread per file, batches of 65 536 rows, the same columns read, the same sums over the answer. No
event time, no changes, no exchange, and free use of what is known about the ids.

Not here: the right answers (answers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.cli.bench.answers import QUERIES
from thalweg.columnar.batch import Batch
from thalweg.connectors.sinks import ChecksumSink

_ROWS = 65_536
_FIRST_AUCTION = 1000
_PANE_US, _PANES = 2_000_000, 5


def slices(file: str) -> Iterator[pl.DataFrame]:
    """The events of a mapped file, batch by batch."""
    yield from pl.read_ipc(file).iter_slices(_ROWS)


def stateless(name: str) -> Callable[[list[str], Schema], None]:
    """The same expressions, batch by batch, into the same sums."""

    def one(file: str, sink: ChecksumSink, schema: Schema) -> None:
        writer = sink.open(schema, 0)
        query = QUERIES[name]
        for frame in slices(file):
            writer.write(Batch(query(frame.lazy()).collect().cast(dict(schema.polars))))  # type: ignore[arg-type]

    def run(files: list[str], schema: Schema) -> None:
        sink = ChecksumSink()
        with ThreadPoolExecutor(len(files)) as pool:
            list(pool.map(lambda f: one(f, sink, schema), files))

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
    for frame in slices(file):
        bid = frame.get_column("bid").struct
        columns = [bid.field(n).to_physical() for n in names]
        kept = pl.DataFrame(columns).filter(frame.get_column("event_type") == 2)
        yield [c.rechunk().to_numpy() for c in kept.iter_columns()]


def _per_file(files: list[str], work: Callable[[str], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(files)) as pool:
        return list(pool.map(work, files))


LIMITS: dict[str, tuple[str, Callable[[list[str], Schema], None]]] = {
    "q0": ("Polars, batch by batch, one thread per file", stateless("q0")),
    "q1": ("Polars, batch by batch, one thread per file", stateless("q1")),
    "q2": ("Polars, batch by batch, one thread per file", stateless("q2")),
    "q5": ("numba, an array of panes, one thread per file", q5),
    "q17": ("numba, an array by auction, one thread per file", q17),
}
