"""Write the calls that an operator gets: the same input, cut and joined and delayed in many ways.

A place in the input is counted in rows and watermarks, so that the same place is found however rows are cut.

Reads:    the input that the kit was given.
Not here: making the calls (stand.py), what must be the same (operators.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from random import Random

import polars as pl

from thalweg.columnar.batch import Batch, consolidate, join_batches
from thalweg.protocols.messages import Watermark

Place = tuple[int, int]
"""How many rows, and how many watermarks, came before."""


@dataclass(frozen=True)
class Rows:
    """Rows for a port."""

    batch: Batch
    port: int = 0


@dataclass(frozen=True)
class Cut:
    """A cut; `place` says behind what."""

    place: Place


Input = Rows | Watermark
Event = Rows | Watermark | Cut
Given = Rows | Watermark | Batch | pl.DataFrame
"""What the author of a test may write down as input."""

ALL_CUTTINGS_MAX = 5
"""Input with so many rows is cut in all ways; longer input in some."""


def feed_of(given: Sequence[Given]) -> list[Input]:
    """The input, with frames and batches as rows for port 0."""
    return [_input(g) for g in given]


def _input(given: Given) -> Input:
    if isinstance(given, pl.DataFrame):
        return Rows(Batch(given))
    return Rows(given) if isinstance(given, Batch) else given


def size_of(events: Sequence[Event]) -> int:
    """The rows of the largest batch, at least 1."""
    return max((len(e.batch) for e in events if isinstance(e, Rows)), default=1) or 1


def joined(feed: Sequence[Input]) -> list[Input]:
    """Neighbouring batches of one port as one."""
    made: list[Input] = []
    for item in feed:
        last = made[-1] if made else None
        if isinstance(item, Rows) and isinstance(last, Rows) and last.port == item.port:
            made[-1] = Rows(join_batches([last.batch, item.batch]), item.port)
        else:
            made.append(item)
    return made


def cuttings(feed: Sequence[Input], r: Random) -> Iterator[tuple[str, list[Input]]]:
    """The input cut in many ways, watermarks where they were; each with a few words."""
    whole = joined(feed)
    sizes = [len(i.batch) for i in whole if isinstance(i, Rows)]
    yield "all rows between watermarks in one batch", whole
    yield "every row by itself", finest(feed)
    if sum(sizes) <= ALL_CUTTINGS_MAX:
        for number, choice in enumerate(product(*(_all_ways(n) for n in sizes))):
            yield f"cutting number {number}", _cut(whole, choice)
        return
    for number in range(4):
        yield f"random cutting number {number}", _cut(whole, [_random_way(n, r) for n in sizes])


def finest(feed: Sequence[Input]) -> list[Input]:
    """Every row by itself; a batch without rows stays what it is."""
    return _cut(feed, [[1] * len(i.batch) or [0] for i in feed if isinstance(i, Rows)])


def _all_ways(count: int) -> list[list[int]]:
    """Every way to write a number as a sum."""
    if count == 0:
        return [[0]]
    ways = [[first, *rest] for first in range(1, count) for rest in _all_ways(count - first)]
    return [*ways, [count]]


def _random_way(count: int, r: Random) -> list[int]:
    most = r.choice([2, 5, max(1, count)])
    sizes: list[int] = []
    while sum(sizes) < count:
        sizes.append(r.randint(1, min(most, count - sum(sizes))))
    return sizes or [0]


def _cut(whole: Sequence[Input], sizes: Sequence[Sequence[int]]) -> list[Input]:
    ways = iter(sizes)
    made: list[Input] = []
    for item in whole:
        if not isinstance(item, Rows):
            made.append(item)
            continue
        start = 0
        for size in next(ways):
            made.append(Rows(slice_batch(item.batch, start, size), item.port))
            start += size
    return made


def slice_batch(batch: Batch, start: int, count: int) -> Batch:
    """Some rows of a batch."""
    weight = None if batch.weight is None else batch.weight.slice(start, count)
    return Batch(batch.frame.slice(start, count), weight)


def delays(feed: Sequence[Input], r: Random, *, tells_last: bool) -> Iterator[tuple[str, list[Input]]]:
    """The input with watermarks held back behind rows that follow them; `tells_last`: not behind the end."""
    marks = [i for i in feed if isinstance(i, Watermark)]
    if not marks:
        return
    last: list[Input] = [marks[-1]] if tells_last else []
    rows: list[Input] = [i for i in feed if isinstance(i, Rows)]
    yield "all watermarks held back to the end", [*rows, *last]
    yield "all watermarks held back to the end, rows joined", [*joined(rows), *last]
    for number in range(4):
        yield f"random delay number {number}", [*_delayed(feed, r), *last]
    yield "random delay, rows joined", [*joined(_delayed(feed, r)), *last]


def _delayed(feed: Sequence[Input], r: Random) -> list[Input]:
    made: list[Input] = []
    kept: Watermark | None = None
    for item in feed:
        if isinstance(item, Watermark):
            # a watermark that overtakes one that waits takes its place
            kept = item
            continue
        if kept is not None and r.random() < 0.5:
            made.append(kept)
            kept = None
        made.append(item)
    return made


def with_cuts(feed: Sequence[Input], every: int = 1) -> list[Event]:
    """The input with a cut after every so many of its items."""
    events: list[Event] = []
    rows = marks = 0
    for number, item in enumerate(feed):
        events.append(item)
        rows += len(item.batch) if isinstance(item, Rows) else 0
        marks += isinstance(item, Watermark)
        if number % every == every - 1:
            events.append(Cut((rows, marks)))
    return events


# Weights -----------------------------------------------------------------------------------------


def reweighted(feed: Sequence[Input]) -> Iterator[tuple[str, list[Input]]]:
    """The same changes with other weights."""
    yield "rows of weight n as n rows", _each(feed, _units)
    yield "equal rows of a batch added up", _each(joined(feed), consolidate)
    yield "a row and its removal in each batch", _each(feed, _with_nothing)
    yield "a row and its removal one after the other", list(_come_and_gone(feed))


def _each(feed: Sequence[Input], change: Callable[[Batch], Batch]) -> list[Input]:
    return [replace(i, batch=change(i.batch)) if isinstance(i, Rows) else i for i in feed]


def _units(batch: Batch) -> Batch:
    weights = batch.weights()
    rows = [i for i, w in enumerate(weights.to_list()) for _ in range(abs(w))]
    return Batch(batch.frame[rows], weights[rows].sign().cast(pl.Int64))


def _with_nothing(batch: Batch) -> Batch:
    if not len(batch):
        return batch
    pair = Batch(batch.frame[[0, 0]], pl.Series([1, -1], dtype=pl.Int64))
    return join_batches([batch, pair])


def _come_and_gone(feed: Sequence[Input]) -> Iterator[Input]:
    for item in feed:
        yield item
        if isinstance(item, Rows) and len(item.batch):
            last = item.batch.frame[-1:]
            yield Rows(Batch(last), item.port)
            yield Rows(Batch(last, pl.Series([-1], dtype=pl.Int64)), item.port)
