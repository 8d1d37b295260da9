"""Whoever holds a thread's tasks steps them: one thread alone, each its own, and the way between both."""

from __future__ import annotations

import threading
from collections import defaultdict

import polars as pl
import pytest

import thalweg as tw
from tests.restless import restless
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


def test_an_error_on_one_thread_ends_all() -> None:
    def fails(v: int) -> int:
        if v == len(ROWS) - 1:
            raise ValueError("not this one")
        return v

    data = tw.Session(parallelism=3).from_polars(ROWS).select(w=tw.udf(fails)(tw.col("v")))
    with restless(), pytest.raises(tw.ThalwegError, match="not this one"):
        data.collect(mode="stream")
    assert not [t for t in threading.enumerate() if t.name in ("thalweg-0", "thalweg-1", "thalweg-2")]
