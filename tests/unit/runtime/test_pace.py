"""One thread goes alone while that is little work, and calls the others in when they can help."""

from __future__ import annotations

import pytest

from thalweg.runtime.pace import ROUND_MAX, ROWS_MANY, Pace

LONG, SHORT = 2 * ROUND_MAX, ROUND_MAX / 2


def rounds(pace: Pace, count: int, seconds: float = LONG, rows: int = ROWS_MANY, share: float = 1.0) -> None:
    for _ in range(count):
        pace.after_round(seconds=seconds, worked=seconds * share, rows=rows)


def shared() -> Pace:
    pace = Pace(now=0.0)
    rounds(pace, 2)
    assert not pace.is_alone
    return pace


def test_it_begins_alone_and_stays_so_while_rounds_are_short() -> None:
    pace = Pace(now=0.0)
    rounds(pace, 1000, SHORT)
    assert pace.is_alone


def test_one_long_round_changes_nothing() -> None:
    pace = Pace(now=0.0)
    for _ in range(10):
        rounds(pace, 1, LONG)
        rounds(pace, 1, SHORT)
    assert pace.is_alone


def test_long_rounds_of_few_rows_are_no_work_to_share() -> None:
    pace = Pace(now=0.0)
    rounds(pace, 100, rows=ROWS_MANY - 1)
    assert pace.is_alone


def test_rounds_that_wait_for_the_outside_let_the_others_in() -> None:
    pace = Pace(now=0.0)
    rounds(pace, 2, rows=1, share=0.1)
    assert not pace.is_alone


def test_a_single_thread_has_nobody_to_let_in() -> None:
    pace = Pace(now=0.0, threads=1)
    rounds(pace, 10)
    assert pace.is_alone


@pytest.mark.parametrize(("busy", "is_alone"), [(0.9, False), (0.4, True)])
def test_it_goes_alone_again_when_less_than_half_a_core_is_used(busy: float, is_alone: bool) -> None:
    pace = shared()
    pace.after_sharing(now=1.0, busy=busy, rows=10**6, rounds=10, longest=0.0)
    assert pace.is_alone == is_alone


@pytest.mark.parametrize(("rows", "is_alone"), [(100_000, False), (1000, True), (0, False)])
def test_it_goes_alone_again_when_batches_are_small(rows: int, is_alone: bool) -> None:
    pace = shared()
    pace.after_sharing(now=1.0, busy=1.9, rows=rows, rounds=50, longest=0.0)
    assert pace.is_alone == is_alone


def test_each_look_is_at_what_came_since_the_last_one() -> None:
    pace = shared()
    pace.after_sharing(now=1.0, busy=1.5, rows=10**6, rounds=10, longest=0.0)
    pace.after_sharing(now=2.0, busy=3.0, rows=10**6 + 1000, rounds=60, longest=0.0)
    assert pace.is_alone


def test_it_looks_at_a_stretch_of_time_not_at_a_moment() -> None:
    pace = shared()
    pace.after_sharing(now=0.001, busy=0.0, rows=1, rounds=1, longest=0.0)
    assert not pace.is_alone


def test_a_round_that_another_thread_is_at_is_no_idleness() -> None:
    """What it does is counted when it is over, and may take longer than a look: such as reads of a disk."""
    pace = shared()
    pace.after_sharing(now=1.0, busy=0.01, rows=100, rounds=50, longest=0.3)
    assert not pace.is_alone
    pace.after_sharing(now=1.2, busy=1.0, rows=65_636, rounds=51, longest=0.0)
    assert not pace.is_alone
    pace.after_sharing(now=2.2, busy=1.1, rows=65_736, rounds=70, longest=0.0)
    assert pace.is_alone
