"""Whoever holds a thread's tasks steps them: one thread alone, each its own, and the way between both."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict

import polars as pl
import pytest

import thalweg as tw
from tests.restless import restless
from thalweg.runtime import threads
from thalweg.runtime.pace import Pace
from thalweg.runtime.task import Task

ROWS = pl.DataFrame({"k": [i % 7 for i in range(5000)], "v": range(5000)})


def counts(session: tw.Session) -> list[tuple[int, int]]:
    data = session.from_polars(ROWS).group_by("k").agg(n=tw.count())
    return sorted(data.collect(mode="stream").rows())


@pytest.mark.parametrize("parallelism", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_every_row_comes_once_whoever_steps(parallelism: int, seed: int) -> None:
    expected = sorted(ROWS.group_by("k").len().select("k", pl.col("len").cast(pl.Int64)).rows())
    with restless(seed) as decided:
        assert counts(tw.Session(parallelism=parallelism)) == expected
    assert decided


def test_a_task_is_stepped_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: dict[str, str] = {}
    steppers: dict[str, set[str]] = defaultdict(set)
    step = Task.step

    def guarded(self: Task) -> object:
        assert self.name not in inside, f"{self.name} is in the hands of {inside[self.name]}"
        inside[self.name] = threading.current_thread().name
        steppers[self.name].add(inside[self.name])
        try:
            return step(self)
        finally:
            del inside[self.name]

    monkeypatch.setattr(Task, "step", guarded)
    for seed in range(10):
        with restless(seed):
            assert sum(n for _, n in counts(tw.Session(parallelism=3))) == len(ROWS)
    handed_over = [name for name, threads in steppers.items() if len(threads) > 1]
    assert handed_over, "no task ever went from one thread to another"
    assert set().union(*steppers.values()) == {"thalweg-0", "thalweg-1", "thalweg-2"}


class Sharing(Pace):
    """Each thread steps its own tasks from the beginning."""

    def __init__(self, *, now: float, threads: int = 2) -> None:
        super().__init__(now=now, threads=threads)
        self.is_alone = False

    def after_sharing(self, **looks: float) -> None:
        """Nothing changes that."""


def test_a_long_step_of_one_thread_does_not_starve_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, enough, in_time = 0, threading.Event(), list[bool]()

    def slowly(part: pl.DataFrame) -> pl.DataFrame:
        nonlocal seen
        if threading.current_thread().name == "thalweg-0":
            # the thread that reads the source
            in_time.append(enough.wait(0 if False in in_time else 20))
        else:
            seen += part.height
            if seen > 10_000:
                enough.set()
        return part.select("k")

    class Slow(tw.ColumnFunction):
        def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
            return slowly(rows)

    monkeypatch.setattr(threads, "Pace", Sharing)
    session = tw.Session(parallelism=2)
    session.settings.set("execution.batch-rows", "5000")
    rows = session.from_polars(pl.DataFrame({"k": range(100_000)})).key_by("k")
    assert rows.process(Slow(), "k BIGINT", order="arrival").collect(mode="stream").height == 100_000
    assert in_time
    assert all(in_time), "too few rows came to the other thread in time"


@pytest.mark.parametrize("is_shared", [False, True])
def test_threads_that_share_hand_over_the_lock_as_seldom_as_python(
    monkeypatch: pytest.MonkeyPatch, *, is_shared: bool
) -> None:
    before, found = sys.getswitchinterval(), set()

    def noted(v: int) -> int:
        found.add(round(sys.getswitchinterval(), 6))
        return v

    if is_shared:
        monkeypatch.setattr(threads, "Pace", Sharing)
    data = tw.Session(parallelism=2).from_polars(ROWS.head(10)).select(w=tw.udf(noted)(tw.col("v")))
    assert data.collect(mode="stream").height == 10
    assert found == {round(before, 6) if is_shared else 0.0005}
    assert sys.getswitchinterval() == before


def test_an_error_on_one_thread_ends_all() -> None:
    def fails(v: int) -> int:
        if v == len(ROWS) - 1:
            raise ValueError("not this one")
        return v

    data = tw.Session(parallelism=3).from_polars(ROWS).select(w=tw.udf(fails)(tw.col("v")))
    with restless(), pytest.raises(tw.ThalwegError, match="not this one"):
        data.collect(mode="stream")
    assert not [t for t in threading.enumerate() if t.name in ("thalweg-0", "thalweg-1", "thalweg-2")]
