"""The watermark owner, with the scenarios in which publishing at several places went wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from thalweg.errors import InternalError
from thalweg.progress import (
    Decision,
    SplitClock,
    SplitState,
    WatermarkMerge,
    WatermarkOwner,
    WindowSpec,
    late_rows,
)


def _opened(*names: str) -> WatermarkOwner:
    owner = WatermarkOwner()
    for name in names:
        owner.add_split(name)
    for name in names:
        owner.open(name)
    return owner


def _late(start: int | None, *times: int) -> list[bool]:
    """Which of a split's next rows are late (bound 0), from the start value that the owner gave."""
    clock, rows = SplitClock(), np.array(times)
    clock.start_at(start)
    moved = clock.advance(rows, rows)
    return (
        [False] * len(times) if moved.before is None else late_rows(rows, moved.before, moved.known).tolist()
    )


# The failing examples of the first draft ------------------------------------------------------------


def test_race_a_waking_split_finds_the_windows_of_its_rows_open() -> None:
    # A is idle and wakes at 100; before its first row arrives anywhere, B sends 110; A's row is at 105.
    owner = _opened("A", "B")
    owner.report("A", 90)
    owner.report("B", 100)
    owner.idle("A")
    assert owner.published == 100
    start = owner.wake("A")
    owner.report("B", 110)
    assert start == 100
    assert _late(start, 105) == [False]
    assert owner.published == 100
    assert WindowSpec.tumbling(10).closed_end(owner.published) < 110
    owner.report("A", 105)
    assert owner.published == 105


def test_a_file_that_appears_later_starts_at_what_was_published() -> None:
    # A split that started with nothing would never be late by its own rule, though its windows are closed.
    owner = _opened("first")
    owner.report("first", 200)
    owner.add_split("second")
    owner.report("first", 300)
    assert owner.published == 200
    assert owner.held_by() == ("second",)
    start = owner.open("second")
    assert start == 200
    assert _late(start, 150, 200, 250) == [True, False, False]
    owner.report("second", 250)
    assert owner.published == 250


def test_queue_of_unordered_files_holds_day_one_open_until_the_last_file_is_opened() -> None:
    # Four files, two readers; file 4 holds a few rows of day 1.
    owner = WatermarkOwner()
    for name in "1234":
        owner.add_split(name)
    owner.open("1")
    owner.open("2")
    owner.report("1", 1000)
    owner.report("2", 2000)
    assert owner.published is None
    assert owner.held_by() == ("3", "4")
    owner.finish("1")
    owner.finish("2")
    assert (owner.open("3"), owner.open("4")) == (None, None)
    assert _late(None, 7) == [False]
    owner.report("3", 3000)
    owner.report("4", 7)
    assert owner.published == 7


def test_queue_of_ordered_files_closes_windows_on_the_way() -> None:
    owner = WatermarkOwner(ordered=True)
    for name in "1234":
        owner.add_split(name)
    owner.all_known()
    for name, end in (("1", 1000), ("2", 2000), ("3", 3000)):
        assert owner.openable() == (name,)
        owner.open(name)
        assert owner.openable() == ()
        owner.report(name, end)
        assert owner.published == end
        owner.finish(name)
        assert owner.published == end
    start = owner.open("4")
    assert start == 3000
    assert _late(start, 7, 3001) == [True, False]
    owner.report("4", 4000)
    owner.finish("4")
    assert (owner.published, owner.is_ended) == (4000, True)


@pytest.mark.parametrize("task_of", [lambda split: 0, lambda split: split % 2, lambda split: split])
def test_the_published_value_does_not_depend_on_which_task_reads_a_split(
    task_of: Callable[[int], int],
) -> None:
    # Each task forwards only what the owner published; a restart moves all splits to other tasks half-way.
    owner = _opened(*"0123")
    merge = WatermarkMerge(4)
    seen: list[int | None] = []
    events = [(0, 10), (1, 30), (2, 20), (3, 40), (0, 50), (2, 25), (1, 60), (2, 70)]
    for at, (split, mark) in enumerate(events):
        if at == 5:
            owner = WatermarkOwner.from_data(owner.to_data())
            assert owner.open("3") == 40
        owner.report(str(split), mark)
        for task in {task_of(s) for s in range(4)}:
            if owner.published is not None:
                merge.update(task, owner.published)
        for task in set(range(4)) - {task_of(s) for s in range(4)}:
            if not merge._ended[task]:
                merge.end(task)
        seen.append(owner.published)
        assert merge.time == owner.published
    assert seen == [None, None, None, 10, 20, 25, 25, 40]


# Idle ---------------------------------------------------------------------------------------------


def test_the_published_value_does_not_depend_on_the_order_in_which_splits_fall_silent() -> None:
    for order in ("AB", "BA"):
        owner = _opened("A", "B")
        owner.report("A", 100)
        owner.report("B", 200)
        for name in order:
            assert not owner.is_idle
            owner.idle(name)
        assert (owner.is_idle, owner.published, owner.held_by()) == (True, 200, ())


def test_the_published_value_does_not_depend_on_the_order_in_which_splits_end() -> None:
    for order in ("AB", "BA"):
        owner = _opened("A", "B")
        owner.report("A", 100)
        owner.report("B", 200)
        for name in order:
            owner.finish(name)
        assert owner.published == 200


def test_a_woken_split_keeps_its_own_watermark_where_that_is_later() -> None:
    owner = _opened("A", "B")
    owner.report("A", 100)
    owner.report("B", 200)
    owner.idle("B")
    assert owner.wake("B") == 200
    assert owner.published == 100


def test_a_source_is_idle_only_if_no_split_may_bring_rows() -> None:
    owner = _opened("A")
    owner.idle("A")
    assert owner.is_idle
    owner.add_split("B")
    assert not owner.is_idle
    owner.open("B")
    owner.idle("B")
    assert owner.is_idle
    owner.wake("A")
    assert not owner.is_idle


def test_a_source_that_may_still_find_splits_is_idle_once_it_looked_in_vain() -> None:
    owner = _opened("A")
    owner.report("A", 5)
    owner.finish("A")
    assert (owner.is_idle, owner.is_ended) == (False, False)
    owner.idle_discovery()
    assert owner.is_idle
    owner.add_split("B")
    assert not owner.is_idle
    assert owner.open("B") == 5
    owner.finish("B")
    assert not owner.is_idle
    owner.idle_discovery()
    owner.all_known()
    assert (owner.is_idle, owner.is_ended) == (False, True)


def test_a_silent_first_file_makes_an_ordered_source_idle_and_the_next_one_wakes_it() -> None:
    owner = WatermarkOwner(ordered=True)
    owner.add_split("1")
    owner.add_split("2")
    owner.open("1")
    owner.report("1", 10)
    owner.idle("1")
    assert owner.is_idle
    owner.finish("1")
    assert not owner.is_idle
    assert owner.held_by() == ("2",)
    assert owner.open("2") == 10


# Falling behind -----------------------------------------------------------------------------------


def test_splits_too_far_ahead_of_the_slowest_are_paused() -> None:
    owner = _opened("A", "B", "C", "D")
    owner.report("A", 100)
    owner.report("B", 150)
    owner.report("C", 151)
    assert owner.paused(50) == {"C"}
    assert owner.all_but_slowest() == {"A", "B", "C"}
    owner.idle("D")
    assert owner.all_but_slowest() == {"B", "C"}
    owner.report("A", 120)
    assert owner.paused(50) == set()


def test_idle_and_unopened_splits_pause_nobody() -> None:
    owner = _opened("A", "B")
    owner.report("A", 100)
    owner.report("B", 900)
    owner.idle("A")
    owner.add_split("C")
    assert owner.paused(0) == set()
    assert WatermarkOwner().all_but_slowest() == set()


# Records ------------------------------------------------------------------------------------------


def test_decisions_are_recorded_with_the_value_that_they_give() -> None:
    owner = _opened("A", "B")
    owner.report("A", 100)
    owner.report("B", 200)
    owner.idle("A", offset=7)
    owner.wake("A", offset=7)
    owner.add_split("C")
    owner.open("C")
    assert owner.take_decisions() == (
        Decision("idle", "A", 100, 7),
        Decision("woken", "A", 200, 7),
        Decision("found", "C", 200),
        Decision("opened", "C", 200),
    )
    assert owner.decisions == ()


def test_a_restored_owner_repeats_the_decisions() -> None:
    owner = _opened("A", "B")
    owner.report("A", 100)
    owner.report("B", 200)
    owner.idle("A")
    owner.wake("A", offset=3)
    restored = WatermarkOwner.from_data(owner.to_data())
    assert restored.to_data() == owner.to_data()
    assert restored.decisions == owner.decisions
    # Asked again, a split that was woken or opened keeps the value that was decided.
    restored.report("B", 300)
    assert restored.open("A") == restored.wake("A") == restored.watermark_of("A") == 200
    assert restored.state_of("A") is SplitState.ACTIVE


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda o: o.add_split("A"), "known already"),
        (lambda o: (o.all_known(), o.add_split("C")), "all splits are known"),
        (lambda o: o.report("B", 1), "while it was known"),
        (lambda o: o.idle("B"), "before it was opened"),
        (lambda o: o.wake("B"), "before it was opened"),
        (lambda o: (o.idle("A"), o.report("A", 1)), "while it was idle"),
        (lambda o: (o.finish("A"), o.report("A", 1)), "has finished"),
        (lambda o: o.open("X"), "never added"),
    ],
)
def test_what_does_not_fit_a_split_is_our_defect(act: Callable[[WatermarkOwner], object], words: str) -> None:
    owner = WatermarkOwner()
    owner.add_split("A")
    owner.add_split("B")
    owner.open("A")
    with pytest.raises(InternalError, match=words):
        act(owner)


def test_an_ordered_split_is_not_opened_before_its_turn() -> None:
    owner = WatermarkOwner(ordered=True)
    owner.add_split("1")
    owner.add_split("2")
    with pytest.raises(InternalError, match='before "1"'):
        owner.open("2")
