"""Whoever holds a thread's tasks steps them: one thread alone, each its own, and the way between both."""

from __future__ import annotations

import threading

import polars as pl
import pytest

import thalweg as tw
from thalweg.runtime.pace import Pace

ROWS = pl.DataFrame({"k": [i % 7 for i in range(5000)], "v": range(5000)})


def counts(session: tw.Session) -> list[tuple[int, int]]:
    data = session.from_polars(ROWS).group_by("k").agg(n=tw.count())
    return sorted(data.collect(mode="stream").rows())


@pytest.mark.parametrize("parallelism", [1, 2, 4])
def test_every_row_comes_once_whoever_steps(parallelism: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace changes its mind at every other look."""
    turns: list[str] = []

    def restless(self: Pace, *args: float, **named: float) -> None:
        turns.append(threading.current_thread().name)
        self.is_alone = len(turns) % 3 == 0

    monkeypatch.setattr(Pace, "after_round", restless)
    monkeypatch.setattr(Pace, "after_sharing", restless)
    session = tw.Session(parallelism=parallelism)
    expected = sorted(ROWS.group_by("k").len().select("k", pl.col("len").cast(pl.Int64)).rows())
    assert counts(session) == expected
    assert set(turns) == {"thalweg-0"}, "only the first thread decides"


def test_a_task_is_stepped_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from thalweg.runtime.task import Task

    inside: dict[str, str] = {}
    step = Task.step

    def guarded(self: Task) -> object:
        assert self.name not in inside, f"{self.name} is in the hands of {inside[self.name]}"
        inside[self.name] = threading.current_thread().name
        try:
            return step(self)
        finally:
            del inside[self.name]

    monkeypatch.setattr(Task, "step", guarded)
    monkeypatch.setattr("thalweg.runtime.pace.ROUND_MAX", 0.0)
    monkeypatch.setattr("thalweg.runtime.pace._LOOK_EVERY", 0.0)
    session = tw.Session(parallelism=3)
    assert sum(n for _, n in counts(session)) == len(ROWS)


def test_an_error_on_one_thread_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thalweg.runtime.pace.ROUND_MAX", 0.0)

    def fails(v: int) -> int:
        if v == 4999:
            raise ValueError("not this one")
        return v

    session = tw.Session(parallelism=3)
    data = session.from_polars(ROWS).select(w=tw.udf(fails)(tw.col("v")))
    with pytest.raises(tw.ThalwegError, match="not this one"):
        data.collect(mode="stream")
    assert not [t for t in threading.enumerate() if t.name in ("thalweg-0", "thalweg-1", "thalweg-2")]
