"""Benchmarks of keyed functions of the user: by row and by column, in both orders, and their timers.

Not here: running and judging them (keyed.py), functions whose state is in RocksDB (rocksdb.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import polars as pl

import thalweg as tw
from thalweg.cli.bench.generated import SPARSER, EventsSource
from thalweg.cli.bench.kernels import count_alerts
from thalweg.cli.bench.keyed import Keyed
from thalweg.cli.bench.model import Benchmark, Options

ROWS_PER_KEY = 100
_TIMERS_PER_KEY = 10
EVERY = 100
_RATE = 100_000
_ALERT = "k BIGINT, n BIGINT, at TIMESTAMP"
_FIRED = "k BIGINT, at TIMESTAMP"


class RowAlerts(tw.ProcessFunction):
    """Counts the rows of each key, and tells of every hundredth."""

    count: int = 0

    def on_event(self, row: Any) -> Iterator[tuple[Any, ...]]:
        """One more."""
        self.count += 1
        if self.count % EVERY == 0:
            yield row.k, self.count, row.ts


class ColumnAlerts(tw.ColumnFunction):
    """The same, by column."""

    count: int = 0

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """One more of each."""
        counts: Any = self.count + 1
        self.count = counts
        is_told = counts % EVERY == 0
        if not is_told.any():
            return None
        told = pl.Series(is_told)
        at = rows["ts"].filter(told).alias("at")
        return pl.DataFrame([rows["k"].filter(told), pl.Series("n", counts[is_told]), at])


class ColumnTimers(tw.ColumnFunction):
    """Sets a timer for each row that has a number, and tells when it is due."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def on_events(self, rows: pl.DataFrame) -> None:
        """Set them."""
        is_wanted = rows["v"] >= 0
        if is_wanted.any():
            self.set_timers(self.ahead, is_wanted)

    def on_timers(self) -> pl.DataFrame:
        """They are due."""
        return pl.DataFrame([self.keys["k"], self.times.alias("at")])


def alerts(rows: tw.Dataset) -> tw.Dataset:
    """Every hundredth row of each key, by row."""
    return rows.key_by("k").process(RowAlerts(), _ALERT, order="arrival")


def _alerts(source: EventsSource) -> pl.DataFrame:
    """Every hundredth row of each key, with its number."""
    numbered = source.frame().with_columns(n=pl.int_range(1, pl.len() + 1).over("k"))
    return numbered.filter(pl.col("n") % EVERY == 0).select("k", "n", at="ts")


def _rows_limit(source: EventsSource) -> int:
    """A dict of counts, row by row."""
    counts: dict[int, int] = {}
    alerts = 0
    for frame in source.frames():
        for k, _, _ in zip(*(frame[name].to_list() for name in ("k", "v", "ts")), strict=True):
            counts[k] = count = counts.get(k, 0) + 1
            alerts += count % EVERY == 0
    return alerts


def _columns_limit(source: EventsSource) -> int:
    """An array of counts for each half of the events, which are then added up."""

    def half(turn: int) -> int:
        counts = np.zeros(source.keys, np.int64)
        return sum(count_alerts(f["k"].to_numpy(), counts) for f in source.frames(turn, 2))

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(half, range(2)))


def _timers_limit(source: EventsSource) -> int:
    """Sort the timers as they are set, and gather their keys."""
    frame = source.frame().filter(pl.col("v") >= 0)
    order = np.lexsort([frame["k"].to_numpy(), frame["ts"].to_numpy()])
    return len(frame["k"].to_numpy()[order])


def _counting(by: Literal["row", "column"], order: Literal["time", "arrival"]) -> Keyed:
    """Counts per key, and tells of every hundredth row."""

    def source(options: Options) -> EventsSource:
        return EventsSource(options.events, options.events // ROWS_PER_KEY, options.rate or _RATE)

    def program(rows: tw.Dataset, _: EventsSource) -> tw.Dataset:
        function = RowAlerts() if by == "row" else ColumnAlerts()
        return rows.key_by("k").process(function, _ALERT, order=order)

    limits = {
        "row": (_rows_limit, "a dict of counts in a plain loop of Python, one thread"),
        "column": (_columns_limit, "the same work by hand in numba, one thread for each half"),
    }
    limit, name = limits[by]
    undefined = ("at",) if order == "arrival" else ()
    return Keyed(source, program, _alerts, limit, name, undefined=undefined)


_ONE = replace(_counting("row", "arrival"), parallelism=1)
_PROCESSES = replace(_counting("row", "arrival"), runtime="processes")


def _timing() -> Keyed:
    """Every event sets a timer; none is due before all are set."""

    def source(options: Options) -> EventsSource:
        events = options.events
        return EventsSource(events, events // _TIMERS_PER_KEY, options.rate or _RATE, events // SPARSER)

    def ahead(source: EventsSource) -> timedelta:
        return timedelta(microseconds=source.events * source.step_us)

    def program(rows: tw.Dataset, source: EventsSource) -> tw.Dataset:
        return rows.key_by("k").process(ColumnTimers(ahead(source)), _FIRED, order="arrival")

    def right(source: EventsSource) -> pl.DataFrame:
        own = source.frame().filter(pl.col("v") >= 0)
        return own.select("k", at=pl.col("ts") + ahead(source))

    return Keyed(source, program, right, _timers_limit, "their times sorted, one thread", "timers/s")


_ORDERS: tuple[tuple[str, Literal["arrival", "time"], str], ...] = (
    ("", "arrival", " as they arrive"),
    ("-time", "time", " in the order of event time"),
)
_COSTS: dict[str, tuple[Literal["row", "column"], str, float]] = {
    "function-rows": (
        "row",
        "a call, a generator and an attribute that is read and written: 2 microseconds for each row",
        5e5,
    ),
    "function-columns": (
        "column",
        "rows are sorted by key, and their counts looked up and put back: 100 ns for each row and core",
        1e7,
    ),
}
FUNCTIONS = [
    *(
        Benchmark(
            name + tail,
            "stream",
            f"How fast are rows counted per key {by} by {by}{how}?",
            expected,
            _counting(by, order).measured,
            target=target,
        )
        for name, (by, expected, target) in _COSTS.items()
        for tail, order, how in _ORDERS
    ),
    Benchmark(
        "function-rows-p1",
        "stream",
        "How fast are rows counted per key row by row in one task?",
        "as function-rows: Python's lock makes two threads as fast as one",
        _ONE.measured,
        target=5e5,
    ),
    Benchmark(
        "function-rows-processes",
        "stream",
        "How fast, in two worker processes?",
        "a row of 24 bytes is copied four times, 20 ns; two cores do what one did: 900 000 a second",
        _PROCESSES.measured,
        target=9e5,
    ),
    Benchmark(
        "timers",
        "stream",
        "How many timers per second are set and fired, when ten million are pending?",
        "an entry in a table of 400 MiB that is set, found by its time and given back: 300 ns each and core",
        _timing().measured,
        target=2e6,
    ),
]
