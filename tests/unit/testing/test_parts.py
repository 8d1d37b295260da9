"""The parts of simulating a program: what is read, compared, called, and what time it is."""

from __future__ import annotations

import datetime
import time
from functools import partial
from random import Random

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import frame_source
from thalweg.protocols.source import BadRow, Split
from thalweg.testing import check_source
from thalweg.testing.programs.clocks import user_time
from thalweg.testing.programs.collected import Delivered, Deliveries
from thalweg.testing.programs.compare import differing
from thalweg.testing.programs.disturbances import KINDS, Extent, calm, drawn, kinds_of
from thalweg.testing.programs.effects import effect_of
from thalweg.testing.programs.recorded import Pace, RecordedSource, RecordedSplit, recorded

NOON = datetime.datetime(2026, 5, 4, 12, tzinfo=datetime.UTC).timestamp()


# Sources -----------------------------------------------------------------------------------------


def test_what_was_recorded_keeps_the_contract_of_sources() -> None:
    frames = [pl.DataFrame({"a": range(9)}), pl.DataFrame({"a": range(4)})]
    check_source(lambda: recorded(frame_source(frames), 10))


def test_each_split_has_its_share() -> None:
    frames = [pl.DataFrame({"a": range(9)}), pl.DataFrame({"a": [1]}), pl.DataFrame({"a": range(9)})]
    found = recorded(frame_source(frames), 9)
    assert [s.frame.height for s in found.recorded] == [3, 1, 5]
    assert found.is_cut_off


def test_splits_in_order_are_read_in_order() -> None:
    frames = [pl.DataFrame({"a": range(9)}), pl.DataFrame({"a": range(9)})]
    found = recorded(frame_source(frames, is_ordered=True), 10)
    assert [s.frame.height for s in found.recorded] == [9, 1]


def test_bad_rows_come_where_they_stood() -> None:
    frame = pl.DataFrame({"a": [1, 2, 3]})
    bad = (BadRow(1, "wrong", "x"), BadRow(4, "wrong", "y"))
    split = RecordedSplit(Split("0"), frame, pl.Series([0, 2, 3]), bad)
    source = RecordedSource(frame_source(frame), (split,), is_cut_off=False)
    reader = source.open(Split("0"), {"next": 1}, None)
    chunks = [reader.read(2), reader.read(9), reader.read(1)]
    assert [[b.sample for b in c.bad] for c in chunks] == [["x"], ["y"], []]
    assert [None if c.frame is None else c.frame["a"].to_list() for c in chunks] == [[2], [3], None]
    assert [c.offsets_of(c.frame).to_list() for c in chunks if c.frame is not None] == [[2], [3]]
    assert chunks[-1].ended


def test_a_pace_cuts_and_is_silent_now_and_then() -> None:
    held = recorded(frame_source(pl.DataFrame({"a": range(50)})), 50)
    source = RecordedSource(held.source, held.recorded, False, Pace(Random(1), True, 0.4))
    reader = source.open(Split("0"), {}, None)
    chunks = []
    while not chunks or not chunks[-1].ended:
        chunks.append(reader.read(9))
    sizes = [None if c.frame is None else c.frame.height for c in chunks]
    assert sum(n or 0 for n in sizes) == 50
    assert None in sizes[:-1]
    assert len({*sizes}) > 3


# Disturbances ------------------------------------------------------------------------------------


def test_without_one_kind_the_others_stay_as_they_are() -> None:
    extent = Extent(100, 50)
    both, one = (drawn(7, frozenset(kinds), extent) for kinds in (["cuts", "crashes"], ["crashes"]))
    assert both.conditions.faults == one.conditions.faults
    assert both.conditions.rows_max != one.conditions.rows_max


def test_every_kind_changes_something_in_some_seed() -> None:
    extent = Extent(100, 50)
    plain = calm(extent)
    for kind in KINDS:
        made = [drawn(seed, frozenset([kind]), extent) for seed in range(20)]
        as_plain = [d for d in made if _what(d) == _what(plain)]
        assert not as_plain, kind


def _what(disturbance: object) -> str:
    text = repr(disturbance)
    return text[text.index("faults=") :]


def test_each_kind_is_enabled_by_many_seeds_and_missing_in_many() -> None:
    seeds = [kinds_of(seed, KINDS) for seed in range(100)]
    assert all(25 < sum(kind in kinds for kinds in seeds) < 90 for kind in KINDS)


# Comparing ---------------------------------------------------------------------------------------


def test_sums_that_are_rounded_in_another_way_are_equal() -> None:
    a = pl.DataFrame({"k": [1, 2], "x": [0.1 + 0.2, 5.0], "l": [[1.0], [2.0]]})
    b = pl.DataFrame({"k": [2, 1], "x": [5.0, 0.3], "l": [[2.0], [1.0]]})
    assert differing(a, b) == ([], [])
    lost, more = differing(a, b.with_columns(pl.col("x") + 1e-6))
    assert (len(lost), len(more)) == (2, 2)


def test_rows_count_as_often_as_they_are_there() -> None:
    one, two = pl.DataFrame({"a": [None]}), pl.DataFrame({"a": [None, None]})
    assert differing(one, two) == ([], [{"a": None}])
    nan = pl.DataFrame({"a": [float("nan")]})
    assert differing(nan, nan) == ([], [])


# Calls -------------------------------------------------------------------------------------------


def test_calls_that_a_later_process_repeats_are_told_apart() -> None:
    batch = (Batch(pl.DataFrame({"a": [1]})),)
    calls = [Delivered(1, 2, batch), Delivered(1, 3, batch), Delivered(2, 3, batch), Delivered(2, 4, batch)]
    found = Deliveries(calls, {1: 0, 2: 2}, Schema(()))
    assert found.again == [calls[1]]
    assert found.once == [calls[0], calls[2], calls[3]]


class Held:
    """Something with state."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def add(self, n: int) -> None:
        self.seen.append(n)

    def __call__(self, n: int) -> None:
        self.seen.append(n)


TOTAL = {"n": 0}


def _adds(n: int) -> None:
    TOTAL["n"] += n


def _adds_by_another(n: int) -> None:
    _adds(n)


def test_the_effect_of_a_function_is_seen_wherever_it_is() -> None:
    around: dict[str, int] = {}

    def closing(n: int) -> None:
        around[str(n)] = n

    held = Held()
    for function in (closing, held.add, Held(), held.seen.append, partial(_adds), _adds_by_another):
        before = effect_of(function)
        assert effect_of(function) == before
        function(1)  # type: ignore[operator]  # all of them can be called
        assert effect_of(function) != before, function


def test_what_refers_to_itself_is_seen_too() -> None:
    knot: list[object] = [1]
    knot.append(knot)
    before = effect_of(knot.append)
    knot.append(2)
    assert effect_of(knot.append) != before


# Clocks ------------------------------------------------------------------------------------------


def test_the_users_code_has_another_time() -> None:
    with user_time(lambda: NOON):
        import time as clock
        from datetime import datetime as held

        assert time.time() == NOON
        assert clock.time_ns() == int(NOON * 1e9)
        assert clock.gmtime().tm_hour == 12
        assert held.now(datetime.UTC).hour == 12
        assert datetime.date.today() == datetime.datetime.fromtimestamp(NOON).date()
        assert time.strftime("%Y") == "2026"
    assert abs(time.time() - NOON) > 60
    assert time.__spec__ is not None


def test_the_engine_and_types_stay_as_they_are() -> None:
    from thalweg.api.types import data_type
    from thalweg.runtime.options import wall_clock

    with user_time(lambda: NOON):
        made = datetime.datetime(2026, 1, 2)
        assert type(made).__module__ == "datetime"
        assert isinstance(made, datetime.datetime)
        assert isinstance(made, datetime.date)
        assert str(data_type(datetime.datetime)) == "TIMESTAMP(3)"
        assert abs(wall_clock() / 1e6 - NOON) > 60
        assert pl.Series([made]).dtype == pl.Datetime


@pytest.mark.parametrize("wrong", [ZeroDivisionError, KeyboardInterrupt])
def test_the_clock_is_back_after_an_error(wrong: type[BaseException]) -> None:
    def raises() -> None:
        with user_time(lambda: NOON):
            assert time.time() == NOON
            raise wrong

    with pytest.raises(wrong):
        raises()
    assert abs(time.time() - NOON) > 60
    assert datetime.datetime.__class__ is type
