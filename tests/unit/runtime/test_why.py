"""Every task says what it waits for: the rows, the time and what holds it back, the sink."""

from __future__ import annotations

import polars as pl
import pytest

from tests.unit.runtime.live import Clock, LiveSource, Watched, counted, watched
from thalweg.connectors.memory import frame_source
from thalweg.connectors.sinks import CallbackSink
from thalweg.physical.planner import plan_job
from thalweg.plan.nodes import Scan, Write
from thalweg.runtime.inline import run_inline
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.runtime.why import explain_waits


def said(job: Watched) -> dict[str, str]:
    """What each task waits for."""
    return dict(job.run.why())


def test_the_split_that_holds_a_window_open_is_named_with_its_source_and_the_time() -> None:
    clock = Clock()
    fast = LiveSource({"f": [(0.0, [0, 15, 30])]}, clock, "fast")
    slow = LiveSource({"0": [(0.0, [12, 14])], "1": [(0.0, [20])]}, clock, "slow")
    job = watched([counted(fast, slow)], clock, RunOptions(), parallelism=1)
    job.until(0.5)
    held = "event time is 1970-01-01 00:00:14, held back by slow, split 0"
    assert said(job) == {
        "sink1[0]": f"waits for input; {held}",
        "group1[0]": f"waits for input, and for event time 1970-01-01 00:00:20; {held}",
        "union1[0]": f"waits for input; {held}",
        "source2[0]": f"waits for rows from slow, split 0, slow, split 1; {held}",
        "source1[0]": "waits for rows from f; event time is 1970-01-01 00:00:30, held back by f",
    }


def test_a_split_without_rows_is_named_before_there_is_event_time() -> None:
    clock = Clock()
    source = LiveSource({"0": [(0.0, [5])], "1": []}, clock)
    job = watched([counted(source)], clock, RunOptions(), parallelism=1)
    job.until(0.2)
    wanted = "waits for input, and for event time 1970-01-01 00:00:10"
    assert said(job)["group1[0]"] == f"{wanted}; no event time yet, held back by live, split 1"


def test_an_idle_source_names_what_the_others_wait_for() -> None:
    clock = Clock()
    fast = LiveSource({"f": [(n / 5, [5 * n]) for n in range(9)]}, clock, "fast")
    job = watched([counted(fast, LiveSource({"s": []}, clock, "slow"))], clock, RunOptions(idle_timeout=0.2))
    job.until(1.5)
    assert said(job)["source2[0]"] == (
        "waits for rows from s; event time is 1970-01-01 00:00:35, held back by f"
    )


def test_a_watched_source_that_has_read_all_it_knows_says_so() -> None:
    clock = Clock()
    job = watched([counted(LiveSource({"a+0": [(0.0, [5])]}, clock, interval=1.0))], clock, RunOptions())
    job.until(0.5)
    wanted = "event time is 1970-01-01 00:00:05, held back by new splits of live"
    assert said(job)["source1[0]"] == f"waits for a split to read; {wanted}"


def test_a_task_that_is_stuck_in_its_sink_names_it() -> None:
    seen: list[str] = []
    runs: list[Run] = []
    sink = CallbackSink(lambda frame: seen.append(dict(explain_waits(runs[0].tasks))["sink1[0]"]))
    scan = Scan(frame_source(pl.DataFrame({"a": [1]})))
    runs.append(Run(plan_job([Write(scan, sink)], name="stuck", parallelism=1)))
    run_inline(runs[0])
    assert seen == [f"waits for the sink {sink.describe()}"]
    assert dict(runs[0].why())["source1[0]"] == "finished"


@pytest.mark.parametrize("names", [1, 3, 5])
def test_many_splits_are_not_all_named(names: int) -> None:
    clock = Clock()
    source = LiveSource({f"s{n}": [] for n in range(names)}, clock)
    job = watched([counted(source)], clock, RunOptions(), parallelism=1)
    job.until(0.1)
    rest = " and 2 more" if names == 5 else ""
    assert said(job)["source1[0]"].endswith(f"s{min(names, 3) - 1}{rest}")
