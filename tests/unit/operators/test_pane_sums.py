"""Windows that move on over keys that come and go: each is numbered as long as a window has it."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

import thalweg as tw
from thalweg.api.columns import plan_of
from thalweg.connectors.memory import MemorySink
from thalweg.operators.pane_sums import _DEAD_MAX, PaneSums, Waiting
from thalweg.runtime.options import RunOptions

SECONDS, STAY = 600, 20
SIZE, SLIDE = timedelta(seconds=32), timedelta(seconds=2)
BEGIN = datetime(2026, 1, 1)


def rows() -> pl.DataFrame:
    """Each second a row of a key that stays for some seconds, and one of a key that is always there."""
    seconds = pl.int_range(SECONDS, eager=True)
    passing = pl.DataFrame({"k": 1 + seconds // STAY, "v": seconds % 7, "s": seconds})
    always = passing.with_columns(k=pl.lit(0, pl.Int64))
    both = pl.concat([passing, always]).sort("s", "k")
    return both.select("k", "v", ts=pl.lit(BEGIN) + pl.duration(seconds="s"))


def expected() -> list[tuple[object, ...]]:
    """The groups of each window, one after the other."""
    found = []
    end, there = BEGIN + SLIDE, rows()
    while end < BEGIN + timedelta(seconds=SECONDS) + SIZE:
        begin = end - SIZE
        inside = there.filter((pl.col("ts") >= begin) & (pl.col("ts") < end))
        groups = inside.group_by("k").agg(n=pl.len(), total=pl.sum("v"), most=pl.max("v"))
        found += groups.with_columns(window_start=pl.lit(begin)).rows()
        end += SLIDE
    return sorted(found)


def test_keys_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    numbered = []
    forget = PaneSums._forget

    def noted(sums: PaneSums, *waiting: Waiting) -> None:
        forget(sums, *waiting)
        numbered.append(sums._index.high)

    monkeypatch.setattr(PaneSums, "_forget", noted)
    session = tw.Session(parallelism=1)
    v = tw.col("v")
    windows = session.from_polars(rows()).assign_watermark("ts", "1s").window(tw.hopping(SIZE, every=SLIDE))
    grouped = windows.group_by("k", "window_start", "window_end").agg(
        n=tw.count(), total=v.sum(), most=v.max()
    )
    sink = MemorySink()
    session.write_sink(plan_of(grouped.select("k", "n", "total", "most", "window_start")), sink)
    session.run(mode="stream", options=RunOptions(runtime="inline", rows_max=40))
    assert sorted(sink.table().rows()) == expected()
    # of 31 keys five at most are in a window or in the next one, and so many times as many have a number
    assert max(numbered) <= 5 * _DEAD_MAX
