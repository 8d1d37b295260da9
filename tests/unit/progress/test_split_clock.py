"""One split's watermark: row by row, across batches, with rows too far ahead."""

from __future__ import annotations

import numpy as np
import pytest

from thalweg.progress import AHEAD_MAX_US, SplitClock, late_rows, minus

LOWEST, HIGHEST = -(2**63), 2**63 - 1


def test_rows_are_judged_by_the_watermark_before_them() -> None:
    clock, times = SplitClock(), np.array([0, 100, 50, 101])
    moved = clock.advance(minus(times, 10), times)
    assert not moved.punctual
    assert moved.before is not None
    assert moved.before[1:].tolist() == [-10, 90, 90]
    assert moved.none_count == 1
    assert moved.known is not None
    assert moved.known.tolist() == [False, True, True, True]
    assert moved.after == clock.current == 91
    assert late_rows(times, moved.before, moved.known).tolist() == [False, False, True, False]


def test_the_watermark_goes_on_in_the_next_batch() -> None:
    clock = SplitClock()
    clock.advance(np.array([90]), np.array([100]))
    moved = clock.advance(np.array([40, 95]), np.array([50, 105]))
    assert moved.before is not None
    assert (moved.before.tolist(), moved.none_count, moved.known) == ([90, 90], 0, None)
    assert moved.after == 95


def test_ascending_times_are_punctual_even_where_the_batch_is_wider_than_the_bound() -> None:
    clock, times = SplitClock(), np.arange(0, 1000, 10)
    moved = clock.advance(minus(times, 4), times)
    assert moved.punctual
    assert moved.before is None
    assert moved.known is None
    assert moved.after == 986


def test_an_empty_batch_changes_nothing() -> None:
    clock, none = SplitClock(), np.array([], np.int64)
    moved = clock.advance(none, none, arrival=5)
    assert (moved.punctual, moved.after, moved.ahead_count) == (True, None, 0)


def test_the_first_row_of_a_split_is_never_late_but_one_that_starts_late_has_late_rows() -> None:
    times = np.array([5, 7])
    fresh, started = SplitClock(), SplitClock()
    started.start_at(7)
    assert fresh.advance(times, times).punctual
    moved = started.advance(times, times)
    assert moved.before is not None
    assert late_rows(times, moved.before, moved.known).tolist() == [True, False]


def test_a_start_value_never_takes_the_watermark_back() -> None:
    clock = SplitClock()
    for value, current in ((None, None), (7, 7), (3, 7), (None, 7), (8, 8)):
        clock.start_at(value)
        assert clock.current == current


def test_a_live_row_too_far_ahead_moves_nothing_and_is_counted() -> None:
    clock = SplitClock(ahead_max_us=10)
    times = np.array([100, 111, 90, 110, 100])
    moved = clock.advance(times, times, arrival=100)
    assert moved.before is not None
    assert moved.before[1:].tolist() == [100, 100, 100, 110]
    assert (moved.after, moved.ahead_count, clock.ahead_count, moved.none_count) == (110, 1, 1, 1)


def test_rows_ahead_at_the_start_leave_the_split_without_a_watermark() -> None:
    clock = SplitClock(ahead_max_us=10)
    times = np.array([200, 300])
    moved = clock.advance(times, times, arrival=100)
    assert (moved.punctual, moved.after, moved.ahead_count) == (True, None, 2)
    times = np.array([200, 105, 101])
    moved = clock.advance(times, times, arrival=100)
    assert moved.before is not None
    assert (moved.none_count, moved.before[2], clock.ahead_count) == (2, 105, 3)


def test_each_row_may_have_its_own_arrival() -> None:
    clock = SplitClock(ahead_max_us=10)
    times = np.array([111, 111])
    moved = clock.advance(times, times, arrival=np.array([100, 101]))
    assert (moved.after, moved.ahead_count) == (111, 1)


def test_files_have_no_rows_ahead() -> None:
    clock, times = SplitClock(), np.array([10 * AHEAD_MAX_US])
    assert clock.advance(times, times).after == 10 * AHEAD_MAX_US


def test_a_bound_saturates_instead_of_wrapping_around() -> None:
    times = np.array([LOWEST, LOWEST + 3, 0, HIGHEST])
    assert minus(times, 4).tolist() == [LOWEST, LOWEST, -4, HIGHEST - 4]
    assert minus(times, -4).tolist() == [LOWEST + 4, LOWEST + 7, 4, HIGHEST]
    assert minus(times, 0).tolist() == times.tolist()


@pytest.mark.parametrize("arrival", [HIGHEST - 1, np.array([HIGHEST - 1, HIGHEST])])
def test_an_arrival_near_the_end_of_time_does_not_wrap_around(arrival: int) -> None:
    clock, times = SplitClock(), np.array([1, HIGHEST])
    assert clock.advance(times, times, arrival=arrival).ahead_count == 0


def test_the_clock_round_trips_through_plain_data() -> None:
    clock = SplitClock(ahead_max_us=10)
    clock.advance(np.array([1, 99]), np.array([1, 99]), arrival=0)
    data = clock.to_data()
    assert data == {"current": 1, "ahead_count": 1, "ahead_max_us": 10}
    assert SplitClock.from_data(data).to_data() == data


def test_late_rows_take_the_slack_of_their_column_into_account() -> None:
    before = np.array([100, 100, LOWEST])
    assert late_rows(np.array([89, 90, LOWEST]), before, slack_us=10).tolist() == [True, False, False]
