"""A job under test does what is pushed into it, goes back to its checkpoints, and shows what it holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.testing import JobHarness, check_cuts

NOON = datetime(2026, 1, 1, 12)
CLICKS = "user STRING, ts TIMESTAMP"


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


class Sessions(tw.ProcessFunction):
    count: int = 0

    def on_event(self, row: Any) -> None:
        self.count += 1
        self.set_timer(timedelta(seconds=10))

    def on_timer(self) -> Any:
        yield self.key.user, self.time, self.count


def sessions(rows: tw.Dataset) -> tw.Dataset:
    return rows.key_by("user").process(Sessions(), "user STRING, at TIMESTAMP, n BIGINT")


def test_time_goes_on_when_the_test_says_so(job_harness: JobHarness) -> None:
    clicks = job_harness.source(CLICKS, time="ts", bound="2s")
    job_harness.watch(sessions(clicks.rows))
    clicks.push([("ann", at(0)), {"user": "bob", "ts": at(1)}])
    assert job_harness.take() == []
    assert job_harness.watermark == at(-1)
    clicks.advance_to(at(10.5))
    assert job_harness.watermark == at(10.5)
    assert job_harness.take() == [("ann", at(10), 1)]
    clicks.advance_to(at(60))
    assert job_harness.take() == [("bob", at(11), 1)]


def test_a_crash_goes_back_to_the_last_checkpoint(job_harness: JobHarness) -> None:
    clicks = job_harness.source(CLICKS, time="ts")
    job_harness.watch(sessions(clicks.rows))
    clicks.push([("ann", at(0))])
    job_harness.checkpoint()
    clicks.push([("ann", at(1))])
    clicks.advance_to(at(100))
    assert [row[2] for row in job_harness.take()] == [2, 2]
    job_harness.crash(parallelism=3)
    assert [row[2] for row in job_harness.take()] == [2, 2]
    clicks.end()
    assert job_harness.table().height == 2


def test_without_a_checkpoint_it_begins_anew(job_harness: JobHarness) -> None:
    clicks = job_harness.source(CLICKS)
    job_harness.watch(clicks.rows.group_by("user").agg(n=tw.count()))
    clicks.push([("ann", at(0))])
    assert job_harness.changes() == [(1, ("ann", 1))]
    job_harness.crash()
    clicks.push([("ann", at(0))])
    assert job_harness.table().rows() == [("ann", 2)]


def test_state_and_timers_can_be_looked_at(job_harness: JobHarness) -> None:
    clicks = job_harness.source(CLICKS, time="ts")
    job_harness.watch(sessions(clicks.rows))
    clicks.push([("ann", at(0)), ("ann", at(3)), ("bob", at(5))])
    clicks.advance_to(at(4))
    found = {name.rsplit(" ")[-1]: frame for name, frame in job_harness.state().items()}
    assert found["values"].rows() == [("ann", 2)]
    assert found["rows"]["user"].to_list() == ["bob"]
    assert job_harness.timers().sort("timer").rows() == [("ann", at(10)), ("ann", at(13))]


def test_a_split_that_is_idle_holds_nothing_back(job_harness: JobHarness) -> None:
    clicks = job_harness.source(CLICKS, time="ts", splits=("one", "two"))
    job_harness.watch(sessions(clicks.rows))
    clicks.push([("ann", at(0))], split="one")
    clicks.advance_to(at(60), split="one")
    assert job_harness.take() == []
    clicks.idle(split="two")
    assert job_harness.take() == [("ann", at(10), 1)]
    clicks.push([("bob", at(59))], split="two")
    clicks.end()
    assert job_harness.take() == []
    assert job_harness.table().height == 1


def test_changes_and_late_rows(job_harness: JobHarness) -> None:
    clicks = job_harness.source(CLICKS, time="ts")
    made = sessions(clicks.rows)
    job_harness.watch(clicks.rows.group_by("user").agg(n=tw.count()), "counts")
    job_harness.watch(made, "sessions")
    job_harness.watch(made.late(), "late")
    clicks.push([("ann", at(0))])
    clicks.push([("ann", at(5))])
    assert job_harness.changes("counts") == [(1, ("ann", 1)), (-1, ("ann", 1)), (1, ("ann", 2))]
    clicks.push([("ann", at(4))])
    assert [row[0] for row in job_harness.take("late")] == ["ann"]
    with pytest.raises(AssertionError, match="was taken back"):
        job_harness.take("counts")


def test_processing_time_stands_until_it_is_moved() -> None:
    with JobHarness(start=NOON) as job:
        clicks = job.source("user STRING")
        job.watch(clicks.rows.with_columns(at=tw.proctime()))
        clicks.push([("ann",)])
        job.sleep("1m")
        clicks.push([("ann",)])
        assert [row[1].replace(tzinfo=None) for row in job.take()] == [NOON, at(60)]


class Quiet(tw.ProcessFunction):
    """Says when a key has had nothing for a minute of processing time."""

    last: datetime | None = None

    def on_event(self, row: Any) -> None:
        if self.last is not None:
            self.delete_clock_timer(self.last + timedelta(minutes=1))
        self.last = self.clock
        self.set_clock_timer(timedelta(minutes=1))

    def on_clock(self) -> Any:
        yield self.key.user, self.clock.replace(tzinfo=None)
        self.last = None


@pytest.mark.parametrize("order", ["time", "arrival"])
def test_timers_of_processing_time(order: Any) -> None:
    with JobHarness(start=NOON) as job:
        clicks = job.source(CLICKS, time="ts")
        job.watch(clicks.rows.key_by("user").process(Quiet(), "user STRING, at TIMESTAMP", order=order))
        clicks.push([("ann", at(0)), ("bob", at(0))])
        clicks.advance_to(at(1))
        job.sleep("40s")
        clicks.push([("ann", at(2))])
        clicks.advance_to(at(3))
        assert job.take() == []
        job.sleep("20s")
        assert job.take() == [("bob", at(60))]
        job.checkpoint()
        job.crash(parallelism=2)
        job.sleep("50s")
        assert job.take() == [("ann", at(110))]
        clicks.push([("cid", at(9))])
        clicks.end()
        assert [row[0] for row in job.take()] == ["cid"]


def test_a_job_is_called_by_the_clock_without_any_rows() -> None:
    rows = pl.DataFrame({"user": ["ann"], "ts": [at(0)]})

    class Soon(Quiet):
        def on_event(self, row: Any) -> None:
            self.set_clock_timer(timedelta(milliseconds=30))

    session = tw.Session()
    made = session.from_polars(rows).key_by("user").process(Soon(), "user STRING, at TIMESTAMP", time="ts")
    assert "called at processing times" in made.explain()
    assert made.collect(mode="stream")["user"].to_list() == ["ann"]


def test_nothing_is_watched_and_no_time(job_harness: JobHarness) -> None:
    clicks = job_harness.source(CLICKS)
    with pytest.raises(tw.PlanError, match="nothing is watched"):
        clicks.push([("ann", at(0))])
    with pytest.raises(tw.PlanError, match="no event time"):
        clicks.advance_to(at(0))


class Numbers(tw.ProcessFunction):
    """Keeps what it should not on `self`."""

    def on_event(self, row: Any) -> Any:
        self._seen = getattr(self, "_seen", 0) + 1
        yield row.user, self._seen


def test_what_depends_on_how_the_input_came_is_found() -> None:
    rows = pl.DataFrame({"user": ["ann", "bob", "cid"] * 20, "ts": [at(n) for n in range(60)]})
    assert check_cuts(sessions, rows, time="ts", bound="1s").height == 60
    with pytest.raises(AssertionError, match="depends on how the input came"):
        check_cuts(lambda d: d.key_by("user").process(Numbers(), "user STRING, n BIGINT"), rows, time="ts")
