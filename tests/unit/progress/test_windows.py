"""Fixed windows: panes, ends, and which windows a row comes too late for."""

from __future__ import annotations

import numpy as np
import pytest

from thalweg.errors import DataError, PlanError
from thalweg.progress import WindowSpec

LOWEST, HIGHEST = -(2**63), 2**63 - 1


def test_tumbling_windows_lie_back_to_back_and_before_1970_too() -> None:
    spec = WindowSpec.tumbling(10)
    times = np.array([-11, -10, -1, 0, 9, 10])
    assert spec.pane_start(times).tolist() == [-20, -10, -10, 0, 0, 10]
    assert spec.first_end(times).tolist() == spec.last_end(times).tolist() == [-10, 0, 0, 10, 10, 20]


def test_panes_of_hopping_windows_are_their_greatest_common_divisor() -> None:
    spec = WindowSpec.hopping(10, 4, offset_us=1)
    assert spec.pane_us == 2
    assert list(spec.ends(4)) == [7, 11]
    assert list(spec.panes(7)) == [-3, -1, 1, 3, 5]
    assert spec.window_count(4) == 2


def test_cumulating_windows_start_together_and_grow() -> None:
    spec = WindowSpec.cumulating(30, 10)
    assert [(spec.window_start(e), e) for e in spec.ends(12)] == [(0, 20), (0, 30)]
    assert [(spec.window_start(e), e) for e in spec.ends(-1)] == [(-30, 0)]
    assert list(spec.panes(30)) == [0, 10, 20]


def test_a_window_closes_when_the_watermark_reaches_its_end() -> None:
    spec = WindowSpec.tumbling(10)
    assert [spec.closed_end(w) for w in (-1, 9, 10, 19)] == [-10, 0, 10, 10]


def test_a_row_late_for_some_windows_counts_for_the_others() -> None:
    spec = WindowSpec.hopping(10, 5)
    times, before = np.array([7, 7, 7, 7]), np.array([9, 10, 14, 15])
    verdict = spec.judge(times, before)
    assert verdict.first_open.tolist() == [10, 15, 15, 20]
    assert verdict.is_late.tolist() == [False, False, False, True]
    assert (verdict.missed.tolist(), verdict.missed_count) == ([0, 1, 1, 2], 4)
    rows, ends = spec.missed_pairs(times, verdict)
    assert list(zip(rows.tolist(), ends.tolist(), strict=True)) == [(1, 10), (2, 10), (3, 10), (3, 15)]


def test_a_row_behind_the_watermark_is_not_late_while_its_window_is_open() -> None:
    verdict = WindowSpec.tumbling(10).judge(np.array([1]), np.array([9]))
    assert not verdict.is_late[0]


def test_rows_without_a_watermark_before_them_are_late_for_nothing() -> None:
    verdict = WindowSpec.tumbling(10).judge(
        np.array([1, 1]), np.array([99, 99]), known=np.array([False, True])
    )
    assert verdict.is_late.tolist() == [False, True]


def test_slack_keeps_windows_open_for_longer() -> None:
    spec, times, before = WindowSpec.tumbling(10), np.array([1]), np.array([12])
    assert [bool(spec.judge(times, before, slack_us=d).is_late[0]) for d in (0, 2, 3)] == [True, True, False]
    assert not spec.judge(np.array([3]), np.array([5]), slack_us=-4).is_late[0]
    assert spec.judge(np.array([3]), np.array([6]), slack_us=-4).is_late[0]


def test_watermarks_at_the_ends_of_int64_do_not_wrap_around() -> None:
    spec, times = WindowSpec.hopping(10, 5), np.array([3, 3])
    verdict = spec.judge(times, np.array([LOWEST, HIGHEST]), slack_us=7)
    assert verdict.missed.tolist() == [0, 2]


def test_no_rows_give_no_pairs() -> None:
    spec, none = WindowSpec.tumbling(10), np.array([], np.int64)
    verdict = spec.judge(none, none)
    assert verdict.missed_count == 0
    assert [len(part) for part in spec.missed_pairs(none, verdict)] == [0, 0]
    spec.check_times(none)


@pytest.mark.parametrize("bad", [LOWEST, LOWEST + 19, HIGHEST - 19, HIGHEST])
def test_times_whose_windows_would_wrap_around_are_refused(bad: int) -> None:
    spec = WindowSpec.tumbling(10)
    spec.check_times(np.array([LOWEST + 20, 0, HIGHEST - 20]))
    with pytest.raises(DataError, match="too far from 1970") as raised:
        spec.check_times(np.array([0, bad]))
    assert raised.value.found is not None
    assert "row 1" in raised.value.found


@pytest.mark.parametrize("offset", [0, 3, -1009])
def test_times_just_within_the_range_do_not_wrap_around(offset: int) -> None:
    spec = WindowSpec.hopping(10, 3, offset)
    margin = 2 * (10 + abs(offset))
    times = [LOWEST + margin, HIGHEST - margin]
    rows = np.array(times)
    spec.check_times(rows)
    assert spec.pane_start(rows).tolist() == [spec.pane_start(t) for t in times]
    assert spec.first_end(rows).tolist() == [spec.first_end(t) for t in times]
    verdict = spec.judge(rows, np.array([HIGHEST, HIGHEST]))
    assert verdict.first_open.tolist() == [spec.last_end(t) + 3 for t in times]


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda: WindowSpec.tumbling(0), "plan-window-size"),
        (lambda: WindowSpec.hopping(10, -1), "plan-window-size"),
        (lambda: WindowSpec.hopping(10, 11), "plan-window-slide"),
        (lambda: WindowSpec("tumbling", 10, 5), "plan-window-slide"),
        (lambda: WindowSpec.cumulating(10, 4), "plan-window-step"),
    ],
)
def test_windows_that_do_not_fit_their_kind_are_refused(build: object, code: str) -> None:
    assert callable(build)
    with pytest.raises(PlanError) as raised:
        build()
    assert raised.value.code == code
