"""Functions of whole windows keep state of the window and of the key, and give rows to side outputs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.testing import check_cuts

w = tw.windowing


def at(second: float) -> datetime:
    return datetime(2026, 1, 1) + timedelta(seconds=second)


# before rows 2, 4 and 6 the watermark is at 18, 20 and 25 seconds
SECONDS = [1, 18, 3, 20, 4, 25, 15]
ROWS = pl.DataFrame({"k": ["a"] * 7, "n": range(7), "ts": [at(s) for s in SECONDS]})
RESULT = "start INT, ids STRING, fired BIGINT, seen BIGINT"
CLOSED = "start INT, fired BIGINT, open_after BIGINT"


def keyed(rows: pl.DataFrame = ROWS, lateness: str = "10s") -> tw.KeyedDataset:
    session = tw.Session(parallelism=1)
    return session.from_polars(rows).assign_watermark("ts", lateness_max=lateness).key_by("k")


class Counting(w.WindowFunction):
    """How often each window has given something, and how many windows are kept."""

    fired: int = 0
    seen: w.OfKey[int] = 0
    kept: w.OfKey[set[int]]

    def on_window(self, window: Any, rows: Any) -> Iterable[Any]:
        self.fired += 1
        self.seen += 1
        self.kept.add(window.start.second)
        yield window.start.second, " ".join(str(r.n) for r in rows), self.fired, self.seen

    def on_close(self, window: Any) -> None:
        self.kept.discard(window.start.second)
        self.emit("closed", (window.start.second, self.fired, len(self.kept)))


def counted(windows: Any) -> tw.Dataset:
    made: tw.Dataset = windows.process(Counting(), RESULT, sides={"closed": CLOSED})
    return made


def test_state_of_a_window_is_kept_over_its_results_and_goes_with_it() -> None:
    made = counted(keyed().window(w.Fixed("10s")))
    found = made.collect(mode="stream").rows()
    assert sorted(found) == [
        (0, "0", 1, 1),
        (0, "0 2", 2, 2),
        (10, "1", 1, 3),
        (10, "6 1", 2, 4),
        (20, "3 5", 1, 5),
    ]
    # of windows that have something to do at one time the earlier one comes first
    closed = made.side("closed").collect(mode="stream").rows()
    assert closed == [(0, 2, 0), (10, 2, 0), (20, 1, 0)]


def test_results_that_are_taken_back_leave_state_and_side_outputs_as_they_are() -> None:
    made = counted(keyed().window(w.Fixed("10s"), results="retracting"))
    found = made.collect(mode="stream").rows()
    assert sorted(found) == [(0, "0 2", 2, 2), (10, "6 1", 2, 4), (20, "3 5", 1, 5)]
    assert made.side("closed").collect(mode="stream").rows() == [(0, 2, 0), (10, 2, 0), (20, 1, 0)]


class Times(w.WindowFunction):
    """How often a window has given something."""

    fired: int = 0

    def on_window(self, window: Any, rows: Any) -> Iterable[Any]:
        self.fired += 1
        yield (self.fired,)

    def on_close(self, window: Any) -> None:
        self.emit("closed", (self.fired,))


@pytest.mark.parametrize(
    "windows",
    [
        {"assigner": w.Global(), "trigger": w.Count(2)},
        {"assigner": w.Global(), "trigger": w.Purging(w.Count(2, keeps=True))},
        {"assigner": w.Global(), "trigger": w.Count(2), "results": "discarding"},
        {"assigner": w.Counts(2)},
    ],
)
def test_rows_that_are_forgotten_leave_state_as_it_is(windows: Any) -> None:
    made = keyed().window(**windows).process(Times(), "fired INT", sides={"closed": "fired INT"})
    assert sorted(made.collect()["fired"]) == [1, 2, 3]
    # a window that never ends is never closed
    assert made.side("closed").collect().height == 0


def test_what_was_given_again_does_not_depend_on_how_rows_came() -> None:
    rows = pl.DataFrame(
        {
            "k": ["a", "b"] * 6,
            "n": range(12),
            "ts": [at(s) for s in (0, 1, 4, 5, 9, 11, 12, 20, 21, 22, 40, 41)],
        }
    )

    def step(given: tw.Dataset) -> tw.Dataset:
        windows = given.key_by("k").window(w.Fixed("8s", every="4s"), trigger=w.Early("2s"))
        return windows.process(Counting(), RESULT, sides={"closed": CLOSED})

    table = check_cuts(step, rows, time="ts", bound="3s", ways=4)
    assert table["fired"].max() > 1  # type: ignore[operator]  # a number


class Longest(w.WindowFunction):
    """Sessions, with what was shown of each."""

    shown: list[int]

    def on_window(self, window: Any, rows: Any) -> Iterable[Any]:
        self.shown.append(len(rows))
        yield window.start.second, str(self.shown), len(self.shown), 0

    def on_merge(self, other: Any) -> None:
        self.shown += other.shown


def test_sessions_that_become_one_have_one_state() -> None:
    seconds = [0, 6, 30, 3]
    rows = pl.DataFrame({"k": ["a"] * 4, "n": range(4), "ts": [at(s) for s in seconds]})
    windows = keyed(rows, "1m").window(w.Sessions("4s"))
    found = windows.process(Longest(), RESULT).collect(mode="stream").rows()
    # row 3 comes late and is between the first two
    assert sorted(found) == [(0, "[1, 1, 3]", 3, 0), (0, "[1]", 1, 0), (6, "[1]", 1, 0), (30, "[1]", 1, 0)]


class Frames(w.WindowFunction):
    """A function by column."""

    total: w.OfKey[float] = 0

    def on_window(self, window: Any, rows: Any) -> pl.DataFrame:
        self.total += rows["n"].sum()
        self.emit("seen", {"n": rows.height})
        return rows.select("k", total=pl.lit(self.total)).unique()


def test_functions_by_column_keep_state_too() -> None:
    rows = pl.DataFrame({"k": ["a"] * 7, "n": range(7), "ts": [at(s) for s in range(7)]})
    windows = keyed(rows).window(w.Counts(3))
    made = windows.process(Frames(), "k STRING, total DOUBLE", by="column", sides={"seen": "n BIGINT"})
    assert made.collect().rows() == [("a", 3.0), ("a", 15.0)]
    assert made.side("seen").collect()["n"].to_list() == [3, 3]


class Early(w.WindowFunction):
    """With a setting that cannot be copied."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock

    def on_window(self, window: Any, rows: Any) -> Iterable[Any]:
        with self.lock:
            is_early = self.now < window.end
        yield window.start.second, str(is_early), (self.now - at(0)).seconds, self.clock.year > 2000


def test_a_function_knows_how_far_event_time_is() -> None:
    windows = keyed().window(w.Fixed("10s"), trigger=w.Early("5s"))
    found = windows.process(Early(Lock()), "start INT, early STRING, now BIGINT, is_clock BOOLEAN")
    assert sorted(found.collect(mode="stream").rows()) == [
        (0, "False", 10, True),
        (0, "False", 18, True),
        (0, "True", 5, True),
        (10, "False", 20, True),
        (10, "False", 25, True),
        (20, "False", 30, True),
        (20, "True", 25, True),
    ]


class Reads(w.WindowFunction):
    best: w.OfKey[int] = tw.keep(0, ttl="30s")

    def on_window(self, window: Any, rows: Any) -> Iterable[Any]:
        self.best = max(self.best, *(r.n for r in rows), 0)
        yield window.start.second, "", self.best, 0


def test_state_of_the_key_may_have_a_time_to_live() -> None:
    rows = pl.DataFrame({"k": ["a"] * 3, "n": [9, 1, 2], "ts": [at(0), at(5), at(50)]})
    found = keyed(rows, "0s").window(w.Fixed("5s")).process(Reads(), RESULT).collect().rows()
    assert sorted(row[:3:2] for row in found) == [(0, 9), (5, 9), (50, 2)]


class Fails(w.WindowFunction):
    fired: int = 0
    numbers: list[int]
    seen: w.OfKey[int] = 0

    def on_window(self, window: Any, rows: Any) -> Iterable[Any]:
        self.fired += 1
        self.seen += 1
        self.numbers.append(rows[-1].n)
        self.emit("seen", (str(self.seen),))
        if rows[-1].n == 1:
            raise ValueError("one")
        yield (f"{self.numbers} {self.fired} {self.seen}",)


def test_a_row_that_the_function_fails_on_leaves_state_as_it_was() -> None:
    rows = pl.DataFrame({"k": ["a"] * 3, "n": range(3), "ts": [at(s) for s in range(3)]})
    windows = keyed(rows).window(w.Global(), trigger=w.Count(1, keeps=True))
    made = windows.process(Fails(), "text STRING", sides={"seen": "text STRING"})
    both = made.union(made.failed().select(text="code"), made.side("seen"))
    assert sorted(both.collect()["text"]) == ["1", "2", "[0, 2] 2 2", "[0] 1 1", "data-python-function"]


@pytest.mark.parametrize(
    ("value", "expected"), [(1 << 70, "an int of 64 bits"), ("x", "an int of 64 bits"), (1.5, "an int")]
)
def test_values_that_do_not_fit_are_told(value: Any, expected: str) -> None:
    class Wrong(w.WindowFunction):
        fired: int = 0

        def on_window(self, window: Any, rows: Any) -> None:
            self.fired = value

    with pytest.raises(tw.DataError, match='the state "fired" of Wrong was given a value') as caught:
        keyed().window(w.Fixed("10s")).process(Wrong(), RESULT).collect()
    assert caught.value.code == "data-python-state"
    assert expected in str(caught.value)
