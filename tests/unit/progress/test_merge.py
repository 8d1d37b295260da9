"""The minimum over a task's inputs."""

from __future__ import annotations

import pytest

from thalweg.progress import IDLE, WatermarkMerge


def test_the_slowest_channel_decides() -> None:
    merge = WatermarkMerge(2)
    assert merge.update(0, 100) == ()
    assert merge.held_by() == (1,)
    assert merge.update(1, 70) == (70,)
    assert merge.update(0, 110) == ()
    assert merge.update(1, 120) == (110,)
    assert merge.held_by() == (0,)


def test_idle_and_ended_channels_hold_nothing_back() -> None:
    merge = WatermarkMerge(3)
    merge.update(0, 10)
    merge.update(1, 20)
    assert merge.update(2, IDLE) == (10,)
    assert merge.end(0) == (20,)
    assert merge.held_by() == (1,)


def test_all_idle_is_a_state_that_is_announced_once_and_not_a_number() -> None:
    merge = WatermarkMerge(2)
    assert merge.update(0, IDLE) == ()
    assert merge.update(1, IDLE) == (IDLE,)
    assert merge.update(1, IDLE) == ()
    assert (merge.is_idle, merge.time, merge.held_by()) == (True, None, ())


def test_a_task_that_wakes_says_so_even_where_its_time_is_old() -> None:
    merge = WatermarkMerge(2)
    merge.update(0, 100)
    merge.update(1, 200)
    assert merge.update(1, IDLE) == ()
    assert merge.update(0, IDLE) == (200, IDLE)
    assert merge.update(0, 150) == (200,)
    assert (merge.is_idle, merge.held_by()) == (False, (0,))
    assert merge.update(0, 210) == (210,)


def test_a_channel_never_goes_back() -> None:
    merge = WatermarkMerge(2)
    merge.update(0, 100)
    merge.update(0, 50)
    assert merge.update(1, 200) == (100,)


def test_when_all_have_ended_the_task_is_ended_and_not_idle() -> None:
    merge = WatermarkMerge(2)
    merge.update(0, 5)
    merge.update(1, IDLE)
    assert not merge.is_ended
    assert merge.end(0) == (IDLE,)
    assert merge.end(1) == ()
    assert (merge.is_ended, merge.is_idle, merge.time) == (True, False, 5)


def test_an_ended_channel_stays_silent() -> None:
    merge = WatermarkMerge(1)
    merge.end(0)
    with pytest.raises(AssertionError, match="input 0 has ended"):
        merge.update(0, 1)
