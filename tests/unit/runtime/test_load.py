"""What a task's time goes into: work, waiting for room, and the rest."""

from __future__ import annotations

from itertools import count

import polars as pl
import pytest

from thalweg.connectors.memory import MemorySink, frame_source
from thalweg.physical.planner import plan_job
from thalweg.plan.nodes import Scan, Write
from thalweg.protocols import metrics as m
from thalweg.runtime.inline import run_inline
from thalweg.runtime.load import Load
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run


def test_work_and_waiting_for_room_are_told_apart() -> None:
    load = Load()
    assert load.at(9.0) == (0.0, 0.0)
    load.begin(10.0)
    load.end(12.0, is_blocked=False)
    load.begin(15.0)
    load.end(16.0, is_blocked=True)
    load.begin(20.0)
    load.end(20.5, is_blocked=False)
    assert load.at(99.0) == (3.5, 4.0)


@pytest.mark.parametrize(("is_blocked", "then"), [(False, (1.0, 0.0)), (True, (1.0, 6.0))])
def test_what_goes_on_counts_until_now(is_blocked: bool, then: tuple[float, float]) -> None:
    load = Load()
    load.begin(1.0)
    assert load.at(1.5) == (0.5, 0.0)
    load.end(2.0, is_blocked=is_blocked)
    assert load.at(8.0) == then


def test_seconds_never_become_fewer() -> None:
    load = Load()
    load.begin(5.0)
    # somebody took the time before the step began, and looks now
    assert load.at(4.0) == (0.0, 0.0)
    seen = load.at(6.0)
    load.end(6.5, is_blocked=True)
    assert all(now >= before for now, before in zip(load.at(6.2), seen, strict=True))


def ticking(edge_rows_max: int) -> Run:
    """A run of a source and a sink, for which each look at the clock takes a second."""
    ticks = count()
    scan = Scan(frame_source(pl.DataFrame({"a": range(100)})))
    job = plan_job([Write(scan, MemorySink(is_parallel=False))], name="ticking", parallelism=2)
    run = Run(job, RunOptions(rows_max=10, edge_rows_max=edge_rows_max), clock=lambda: float(next(ticks)))
    run_inline(run)
    return run


def test_a_full_edge_is_backpressure_of_the_step_before_it() -> None:
    tight, wide = ticking(1).figures, ticking(1000).figures
    assert tight.total(m.BACKPRESSURED, step="source1") > 0
    assert wide.total(m.BACKPRESSURED) == tight.total(m.BACKPRESSURED, step="sink1") == 0


def test_the_time_of_a_task_adds_up() -> None:
    figures = ticking(1).figures
    uptime = figures.total(m.UPTIME)
    for sample in figures.of(m.BUSY):
        step, task = sample.labels
        parts = [figures.total(x, step=step, task=task) for x in (m.BUSY, m.BACKPRESSURED, m.IDLE_TIME)]
        assert sum(parts) == uptime
        assert parts[0] > 0
