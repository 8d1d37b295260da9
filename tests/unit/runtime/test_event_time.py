"""Event time goes on as far as live sources allow, and what it closes is published without more input."""

from __future__ import annotations

from tests.unit.runtime.live import Clock, LiveSource, counted, watched
from thalweg.runtime.options import RunOptions


def test_windows_that_another_task_closes_are_published_at_once() -> None:
    clock = Clock()
    source = LiveSource({"a": [(0.0, [1, 21])], "b": [(0.1, [2, 25])]}, clock)
    job = watched([counted(source)], clock, RunOptions())
    job.until(0.5)
    assert job.table() == {0: 2}


def test_a_window_closed_by_the_end_of_a_split_is_published_at_once() -> None:
    clock = Clock()
    splits = {"a": [(0.0, [1, 21])], "late+0.0": [(0.0, [2]), (0.3, [])]}
    job = watched([counted(LiveSource(splits, clock, interval=0.1))], clock, RunOptions())
    job.until(0.2)
    assert job.table() == {}
    job.until(0.6)
    assert job.table() == {0: 2}
