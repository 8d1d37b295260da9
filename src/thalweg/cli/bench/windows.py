"""Benchmarks of windows with many panes, and of sessions of many keys.

Not here: running and judging them (keyed.py), windows of Nexmark's queries (stateful.py).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

import thalweg as tw
from thalweg.cli.bench.generated import EventsSource
from thalweg.cli.bench.kernels import add_panes, count_sessions
from thalweg.cli.bench.keyed import Keyed
from thalweg.cli.bench.model import Benchmark, Options

_Array = np.ndarray[Any, Any]
_MORE = 10
"""Windows are measured over ten times the events that are asked for: 100 million, if nothing is said."""
_KEYS, _RATE = 1000, 100_000
_SIZE = timedelta(minutes=10)
_SESSION_RATE, _ROWS_PER_KEY, _GAP = 20_000, 100, timedelta(seconds=10)
_MICROSECOND = timedelta(microseconds=1)


def _panes(source: EventsSource, slide_us: int) -> _Array:
    """Count, sum and greatest number by pane and key, panes as long as windows are apart."""
    panes = (source.events - 1) * source.step_us // slide_us + 1

    def half(turn: int) -> _Array:
        made = np.zeros((3, panes, source.keys), np.int64)
        made[2] = -1
        for frame in source.frames(turn, 2):
            k, v, ts = (column.to_physical().to_numpy() for column in frame)
            add_panes(k, v, ts, slide_us, made)
        return made

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(half, range(2))
    one[:2] += two[:2]
    np.maximum(one[2], two[2], out=one[2])
    return one


def _slid(source: EventsSource, slide: timedelta) -> pl.DataFrame:
    """Every window from its panes."""
    counts, sums, tops = _panes(source, slide // _MICROSECOND)
    width, panes = _SIZE // slide, counts.shape[0]
    found = []
    for end in range(1, panes + width):
        inside = slice(max(0, end - width), min(end, panes))
        n = counts[inside].sum(axis=0)
        some = np.flatnonzero(n)
        found.append(
            pl.DataFrame(
                {
                    "k": some,
                    "until": np.full(len(some), end * (slide // _MICROSECOND)),
                    "n": n[some],
                    "total": sums[inside].sum(axis=0)[some],
                    "top": tops[inside].max(axis=0)[some],
                }
            )
        )
    return pl.concat(found).with_columns(pl.col("until").cast(pl.Datetime("us")))


def _hopping(slide: timedelta) -> Keyed:
    """Count, sum and greatest number of windows of ten minutes, by key."""

    def source(options: Options) -> EventsSource:
        return EventsSource(_MORE * options.events, _KEYS, options.rate or _RATE)

    def program(rows: tw.Dataset, _: EventsSource) -> tw.Dataset:
        grouped = rows.window(tw.hopping(_SIZE, every=slide)).group_by("k", "window_start", "window_end")
        v = tw.col("v")
        made = grouped.agg(n=tw.count(), total=v.sum(), top=v.max())
        return made.select("k", tw.col("window_end").alias("until"), "n", "total", "top")

    return Keyed(
        source,
        program,
        lambda source: _slid(source, slide),
        lambda source: _panes(source, slide // _MICROSECOND),
        "panes by hand in numba, one thread for each half; no windows",
    )


def _merged(source: EventsSource) -> pl.DataFrame:
    """Sessions by sorting each key's rows and cutting where nothing happens."""
    rows = source.frame().sort("k", "ts")
    is_new = (pl.col("k") != pl.col("k").shift()) | (pl.col("ts") - pl.col("ts").shift() > _GAP)
    numbered = rows.with_columns(is_new.fill_null(value=True).cum_sum().alias("session"))
    return (
        numbered.group_by("session")
        .agg(pl.col("k").first(), pl.col("ts").max(), n=pl.len().cast(pl.Int64), total=pl.col("v").sum())
        .select("k", (pl.col("ts") + _GAP).alias("until"), "n", "total")
    )


def _sessions_limit(source: EventsSource) -> int:
    """A row of an array for each key: when it was last seen, and what its session has."""
    held = np.zeros((source.keys, 3), np.int64)
    found = 0
    for frame in source.frames():
        k, v, ts = (column.to_physical().to_numpy() for column in frame)
        found += count_sessions(k, v, ts, _GAP // _MICROSECOND, held)
    return found


def _sessions() -> Keyed:
    """Count and sum of sessions by key."""

    def source(options: Options) -> EventsSource:
        return EventsSource(options.events, options.events // _ROWS_PER_KEY, options.rate or _SESSION_RATE)

    def program(rows: tw.Dataset, _: EventsSource) -> tw.Dataset:
        grouped = rows.window(tw.sessions(_GAP, by="k")).group_by("k", "window_start", "window_end")
        made = grouped.agg(n=tw.count(), total=tw.col("v").sum())
        return made.select("k", tw.col("window_end").alias("until"), "n", "total")

    limit_name = "an array by key in numba, one thread"
    return Keyed(source, program, _merged, _sessions_limit, limit_name)


_SLIDES = {
    "hop-1s": (
        timedelta(seconds=1),
        "a pane of a second is as cheap as one of a minute, and a window as a pane: "
        "100 ns per row and core, and 1.6 million rows",
    ),
    "hop-1m": (timedelta(minutes=1), "rows are added up by pane and key: 100 ns per row and core"),
}
WINDOWS = [
    *(
        Benchmark(
            name,
            "stream",
            f"What do windows of ten minutes cost, one every {'second' if name == 'hop-1s' else 'minute'}?",
            expected,
            _hopping(slide).measured,
            target=5e6,
        )
        for name, (slide, expected) in _SLIDES.items()
    ),
    Benchmark(
        "sessions",
        "stream",
        "What do short sessions of many keys cost?",
        "a look-up before the exchange and one behind it, and a row for every seventh event: 200 ns and core",
        _sessions().measured,
        target=5e6,
    ),
]
