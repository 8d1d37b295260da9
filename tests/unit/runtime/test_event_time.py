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


def test_a_silent_source_follows_the_others_and_wakes_where_they_are() -> None:
    clock = Clock()
    fast = LiveSource({"f": [(n / 5, [10 * n, 10 * n + 5]) for n in range(10)]}, clock, "fast")
    slow = LiveSource({"s": [(0.0, [1]), (1.05, [2, 39, 75])]}, clock, "slow")
    job = watched([counted(fast, slow)], clock, RunOptions(idle_timeout=0.3))
    job.until(1.0)
    # the slow source had a row at 1, and has been silent since; the fast one is at 45
    assert job.table() == {0: 3, 10: 2, 20: 2, 30: 2}
    job.until(3.0)
    # of the rows that woke it, the windows of the first two had been closed in its name
    assert job.table() == {n: 2 + (n == 0) + (n == 70) for n in range(0, 90, 10)}
    assert job.run.tally.late_count == 2


def test_without_a_time_out_a_silent_source_holds_event_time_back() -> None:
    clock = Clock()
    fast = LiveSource({"f": [(0.0, [0, 15]), (0.2, [30])]}, clock, "fast")
    job = watched([counted(fast, LiveSource({"0": []}, clock, "slow"))], clock, RunOptions())
    job.until(2.0)
    assert job.table() == {}
    assert dict(job.run.why())["sink1[0]"].endswith("held back by slow, split 0")


def test_a_source_without_splits_is_silent_too_and_a_new_split_starts_where_the_others_are() -> None:
    clock = Clock()
    fast = LiveSource({"f": [(n / 5, [10 * n]) for n in range(10)]}, clock, "fast")
    folder = LiveSource({"n+1.05": [(1.1, [2, 80])]}, clock, "folder", interval=0.1)
    job = watched([counted(fast, folder)], clock, RunOptions(idle_timeout=0.3))
    job.until(1.0)
    assert job.table() == {0: 1, 10: 1, 20: 1, 30: 1}
    job.until(3.0)
    assert job.table() == dict.fromkeys(range(0, 90, 10), 1) | {80: 2}
    assert job.run.tally.late_count == 1


def test_a_source_that_ends_holds_nobody_back() -> None:
    clock = Clock()
    fast = LiveSource({"f": [(n / 5, [10 * n]) for n in range(10)]}, clock, "fast")
    ended = LiveSource({"e+0": [(0.0, [1])]}, clock, "ended")
    job = watched([counted(fast, ended)], clock, RunOptions())
    job.until(3.0)
    assert job.table() == {0: 2} | dict.fromkeys(range(10, 90, 10), 1)


def test_a_restored_job_does_not_go_back_behind_what_was_announced() -> None:
    clock = Clock()
    fast = LiveSource({"f": [(n / 5, [10 * n]) for n in range(10)]}, clock, "fast")
    slow = LiveSource({"s": [(0.0, [1]), (1.25, [2, 95])]}, clock, "slow")
    job = watched([counted(fast, slow)], clock, RunOptions(idle_timeout=0.3))
    job.until(0.9)
    job.run.request_checkpoint()
    job.until(1.0)
    before = job.table()
    again = watched([counted(fast, slow)], clock, RunOptions(idle_timeout=0.3), 1, job.run.last_snapshot)
    again.until(3.0)
    assert not before.keys() & again.table().keys()
    assert again.run.tally.late_count == 1
