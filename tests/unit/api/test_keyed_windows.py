"""Windows that are said in Python: kinds, triggers, evictors; how the rows came does not matter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.api.windowing import FIRE, GO_ON, Bounds, Facts, Fired, KeyedWindows
from thalweg.testing import check_cuts

w = tw.windowing
RESULT = "k STRING, start TIMESTAMP, n BIGINT, sum BIGINT"


def at(second: float) -> datetime:
    return datetime(2026, 1, 1) + timedelta(seconds=second)


SECONDS = [0, 1, 2, 7, 8, 12, 13, 29, 30, 31, 60]
ROWS = pl.DataFrame({"k": ["a", "b", "a"] * 3 + ["a", "b"], "v": range(11), "ts": [at(s) for s in SECONDS]})


def total(key: Any, window: Bounds, rows: Any) -> Iterable[Any]:
    yield key.k, window.start, len(rows), sum(r.v for r in rows)


def made(rows: tw.Dataset, **what: Any) -> KeyedWindows:
    return rows.key_by("k").window(what.pop("assigner"), **what)


def found(**what: Any) -> list[Any]:
    """The result, which is the same however the rows came, and in a batch."""
    table = check_cuts(lambda d: made(d, **what).process(total, RESULT), ROWS, time="ts", bound="3s", ways=4)
    rows = tw.Session().from_polars(ROWS).assign_watermark("ts", "3s")
    for mode in ("batch", "stream"):
        again = made(rows, **what).process(total, RESULT).collect(mode=mode)  # type: ignore[arg-type]
        assert sorted(again.rows(), key=repr) == sorted(table.rows(), key=repr)
    return sorted(table.rows(), key=repr)


def expected(spec: Any) -> list[Any]:
    """What the windows of a query say."""
    rows = tw.Session().from_polars(ROWS).assign_watermark("ts", "3s")
    counts = rows.window(spec).group_by("k").agg(n=tw.count(), sum=tw.sum("v"))
    return sorted(counts.select("k", "window_start", "n", "sum").collect().rows(), key=repr)


def test_kinds_that_queries_have() -> None:
    assert found(assigner=w.Fixed("10s")) == expected(tw.tumbling("10s"))
    assert found(assigner=w.Fixed("10s", every="5s")) == expected(tw.hopping("10s", every="5s"))
    assert found(assigner=w.Fixed("1m", offset="7s")) == expected(tw.tumbling("1m", offset="7s"))
    assert found(assigner=w.Sessions("6s")) == expected(tw.sessions("6s", by="k"))


def test_sessions_whose_gap_depends_on_the_row() -> None:
    gap = w.Sessions(lambda row: timedelta(seconds=30 if row.v == 0 else 1))
    ends = [r[1:] for r in found(assigner=gap) if r[0] == "a"]
    # the first row holds everything within half a minute together, and the last of it a second more
    assert ends[0] == (at(0), 7, 0 + 2 + 3 + 5 + 6 + 8 + 9)


@pytest.mark.parametrize(
    ("unit", "starts"),
    [
        ("day", [datetime(2025, 12, 31, 23)]),
        ("week", [datetime(2025, 12, 28, 23)]),
        ("month", [datetime(2025, 12, 31, 23)]),
        ("year", [datetime(2025, 12, 31, 23)]),
    ],
)
def test_calendars(unit: str, starts: list[datetime]) -> None:
    assert {r[1] for r in found(assigner=w.Calendar(unit, "Europe/Berlin"))} == set(starts)


def test_a_calendar_has_no_such_unit() -> None:
    with pytest.raises(tw.PlanError, match='no "fortnight"'):
        w.Calendar("fortnight")


def test_counts() -> None:
    pairs = found(assigner=w.Global(), trigger=w.Count(2))
    assert [r[2] for r in pairs] == [2] * 5
    assert sum(r[3] for r in pairs) == sum(range(11)) - 9
    growing = found(assigner=w.Global(), trigger=w.Count(2, keeps=True))
    assert sorted(r[2] for r in growing) == [2, 2, 4, 4, 6]
    last = found(assigner=w.Global(), trigger=w.Count(1, keeps=True), evictor=w.LastRows(3))
    assert max(r[2] for r in last) == 3
    assert len(last) == 11


def test_early_results() -> None:
    every = found(assigner=w.Fixed("1m"), trigger=w.Early("10s"))
    first = [r[2] for r in every if r[0] == "a" and r[1] == at(0)]
    # at 10, 20, … 50 s, and at the end
    assert sorted(first) == [3, 5, 5, 7, 7, 7]
    by_rows = found(assigner=w.Fixed("1m"), trigger=w.Early(rows=2))
    assert sorted(r[2] for r in by_rows if r[0] == "a" and r[1] == at(0)) == [2, 4, 6, 7]


def test_deltas_and_stretches_of_time() -> None:
    far = found(assigner=w.Global(), trigger=w.Delta(lambda row: row.v, 4), evictor=w.LastSpan("6s"))
    assert [(r[0], r[2], r[3]) for r in far] == [("a", 2, 8), ("b", 1, 7)]


class Weekend:
    """An assigner of a user's own: two windows for some rows."""

    merges = False

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        yield Bounds(at(0), at(90))
        if row.v % 2:
            yield Bounds(at(-100), at(100))


class Loud:
    """A trigger of a user's own, with a memory and a time of its own."""

    def on_row(self, row: Any, window: Facts) -> Fired:
        window.memory["most"] = max(window.memory.get("most", 0), row.v)
        window.wake(window.time + timedelta(seconds=2))
        return GO_ON

    def on_time(self, window: Facts) -> Fired:
        return FIRE if window.memory["most"] >= 5 else GO_ON


def test_classes_of_a_user() -> None:
    rows = [r for r in found(assigner=Weekend(), trigger=Loud()) if r[0] == "b"]
    assert {r[1] for r in rows} == {at(0), at(-100)}
    assert all(r[3] >= 5 for r in rows)


class Nowhere:
    merges = False

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        return []


def test_an_assigner_that_gives_nothing_is_told() -> None:
    rows = tw.Session(parallelism=1).from_polars(ROWS).assign_watermark("ts", "3s")
    with pytest.raises(tw.PlanError, match="at least one window") as caught:
        made(rows, assigner=Nowhere()).process(total, RESULT).collect()
    assert caught.value.code == "plan-window-assigner"


def test_rows_are_reduced() -> None:
    rows = tw.Session().from_polars(ROWS).assign_watermark("ts", "3s")
    reduced = made(rows, assigner=w.Fixed("1m")).reduce(lambda a, b: {"k": a.k, "v": a.v + b.v, "ts": b.ts})
    assert sorted(reduced.collect().rows()) == [("a", 33, at(31)), ("b", 10, at(60)), ("b", 12, at(29))]


NESTED = pl.DataFrame(
    {
        "k": ["a", "a"],
        "m": [[{"x": 1, "d": at(0)}], None],
        "s": [{"p": "q", "at": at(1)}, None],
        "ts": [at(0), at(1)],
    }
)


def test_rows_of_every_type_are_kept() -> None:
    def show(key: Any, window: Bounds, rows: Any) -> Iterable[Any]:
        yield key.k, str([tuple(r) for r in rows])

    def steps(rows: tw.Dataset) -> tw.Dataset:
        return rows.key_by("k").window(w.Fixed("1h")).process(show, "k STRING, what STRING")

    assert check_cuts(steps, NESTED, time="ts", ways=6).height == 1
