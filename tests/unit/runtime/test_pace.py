"""One thread goes alone while rounds are short, and calls the others in when they are not."""

from __future__ import annotations

from thalweg.runtime.pace import ROUND_MAX, Pace


def long_rounds(pace: Pace, count: int) -> None:
    for _ in range(count):
        pace.after_round(2 * ROUND_MAX)


def test_it_begins_alone_and_stays_so_while_rounds_are_short() -> None:
    pace = Pace(now=0.0)
    for _ in range(1000):
        pace.after_round(ROUND_MAX / 2)
    assert pace.is_alone


def test_one_long_round_changes_nothing() -> None:
    pace = Pace(now=0.0)
    for _ in range(10):
        pace.after_round(2 * ROUND_MAX)
        pace.after_round(ROUND_MAX / 2)
    assert pace.is_alone


def test_two_long_rounds_let_the_others_in() -> None:
    pace = Pace(now=0.0)
    long_rounds(pace, 2)
    assert not pace.is_alone


def test_a_single_thread_has_nobody_to_let_in() -> None:
    pace = Pace(now=0.0, threads=1)
    long_rounds(pace, 10)
    assert pace.is_alone


def test_it_goes_alone_again_when_less_than_half_a_core_is_used() -> None:
    pace = Pace(now=0.0)
    long_rounds(pace, 2)
    pace.after_sharing(now=1.0, busy=0.9)
    assert not pace.is_alone, "nine tenths of a core"
    pace.after_sharing(now=2.0, busy=1.3)
    assert pace.is_alone, "four tenths of a core"


def test_it_looks_at_a_stretch_of_time_not_at_a_moment() -> None:
    pace = Pace(now=0.0)
    long_rounds(pace, 2)
    pace.after_sharing(now=0.001, busy=0.0)
    assert not pace.is_alone
