"""Assigners, triggers, evictors and aggregators that misbehave are told, with what is expected of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

import thalweg as tw

w = tw.windowing
START = datetime(2026, 1, 1)
ROWS = pl.DataFrame({"k": ["a"] * 3, "v": range(3), "ts": [START + timedelta(seconds=s) for s in range(3)]})


def first(key: Any, window: Any, rows: Any) -> Iterable[Any]:
    del window, rows
    yield (key.k,)


def keyed() -> tw.KeyedDataset:
    return tw.Session(parallelism=1).from_polars(ROWS).assign_watermark("ts", "1s").key_by("k")


def run(assigner: Any = None, **what: Any) -> pl.DataFrame:
    return keyed().window(assigner or w.Fixed("1h"), **what).process(first, "k STRING").collect()


class Assigns:
    merges = False

    def __init__(self, *windows: Any, merges: bool = False) -> None:
        self.windows, self.merges = windows, merges

    def assign(self, time: datetime, row: Any) -> Any:
        del time, row
        return self.windows


@pytest.mark.parametrize(
    ("assigner", "message"),
    [
        (Assigns(), "at least one window"),
        (Assigns((START, START)), "an assigner gives windows"),
        (Assigns(w.Bounds(START, None)), "has a start and an end"),
        (Assigns(w.Bounds(), merges=True), "has a start and an end"),
        (Assigns(w.Bounds(START, START)), "ends after its start"),
        (Assigns(w.Bounds(START - timedelta(days=2), START - timedelta(days=1))), "after its rows"),
        (w.Sessions(lambda row: timedelta(0)), "ends after its start"),
    ],
)
def test_windows_that_are_none(assigner: Any, message: str) -> None:
    with pytest.raises(tw.PlanError, match=message) as caught:
        run(assigner)
    assert caught.value.code == "plan-window-assigner"


class Says:
    def __init__(self, says: Any = w.GO_ON, does: Callable[[Any], None] = lambda window: None) -> None:
        self.says, self.does = says, does

    def on_row(self, row: Any, window: Any) -> Any:
        del row
        self.does(window)
        return self.says

    def on_time(self, window: Any) -> Any:
        del window
        return w.GO_ON


def _remembers_text(window: Any) -> None:
    window.memory["what"] = "text"


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        (Says(None), "does not say whether"),
        (Says(says=True), "does not say whether"),
        (Says(does=lambda window: window.wake(START - timedelta(days=1))), "a time that has passed"),
        (Says(does=_remembers_text), "keeps what is no number"),
    ],
)
def test_triggers_that_say_what_they_cannot(trigger: Any, message: str) -> None:
    with pytest.raises(tw.PlanError, match=f"Says .*{message}") as caught:
        run(trigger=trigger)
    assert caught.value.code == "plan-window-trigger"


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"assigner": object()}, "plan-window-assigner"),
        ({"assigner": w.Global}, "plan-window-assigner"),
        ({"trigger": w.AtEnd}, "plan-window-trigger"),
        ({"trigger": w.LastRows(1)}, "plan-window-trigger"),
        ({"evictor": w.AtEnd()}, "plan-window-evictor"),
        ({"results": "retracted"}, "plan-window"),
    ],
)
def test_parts_that_are_none(what: dict[str, Any], code: str) -> None:
    with pytest.raises(tw.PlanError) as caught:
        run(**what)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "make",
    [
        lambda: w.Cumulating("10s", every="3s"),
        lambda: w.Fixed("1s", every="2s"),
        lambda: w.Counts(2, every=3),
        lambda: w.Counts(0),
        lambda: w.Count(0),
        lambda: w.Early(rows=-1),
        lambda: w.Clock("0s"),
    ],
)
def test_sizes_that_make_no_windows(make: Callable[[], Any]) -> None:
    with pytest.raises(tw.PlanError) as caught:
        make()
    assert caught.value.code == "plan-window"


class KeepsAll:
    def keep(self, rows: Any) -> Any:
        return iter(rows)


def test_an_evictor_gives_rows() -> None:
    with pytest.raises(tw.PlanError, match="says which rows count"):
        run(evictor=KeepsAll())


class Nameless:
    def create(self):  # type: ignore[no-untyped-def]  # what is to be told
        return 0

    def add(self, held: int, row: Any) -> int | None:
        return held + 1 if row.v < 2 else None

    def result(self, key: Any, window: Any, held: int) -> Any:
        del key, window
        return [(held,)]


class Named(Nameless):
    def create(self) -> int:
        return 0


class OfAnything(Nameless):
    def create(self) -> object:
        return 0


@pytest.mark.parametrize("aggregator", [Nameless(), OfAnything(), Named, object()])
def test_aggregators_say_what_they_keep(aggregator: Any) -> None:
    with pytest.raises(tw.PlanError) as caught:
        keyed().window(w.Fixed("1h")).aggregate(aggregator, "n BIGINT")
    assert caught.value.code == "plan-window-function"


def test_an_aggregator_that_gives_nothing_is_told() -> None:
    with pytest.raises(tw.DataError, match="gives None, and not the value"):
        keyed().window(w.Fixed("1h")).aggregate(Named(), "n BIGINT").collect()


def test_rows_come_one_of_two_ways() -> None:
    with pytest.raises(tw.PlanError, match="one of two ways"):
        keyed().window(w.Fixed("1h")).process(first, "k STRING", by="frame")  # type: ignore[arg-type]


def test_the_result_has_the_declared_columns() -> None:
    def wrong(key: Any, window: Any, rows: pl.DataFrame) -> pl.DataFrame:
        del key, window
        return rows.select(other="k")

    with pytest.raises(tw.DataError) as caught:
        keyed().window(w.Fixed("1h")).process(wrong, "k STRING", by="column").collect()
    assert caught.value.code == "data-python-result"


def test_a_row_that_the_function_fails_on_leaves_its_windows_as_they_were() -> None:
    def gap(row: Any) -> timedelta:
        if row.v == 1:
            raise ValueError("no gap")
        return timedelta(seconds=5)

    def ids(key: Any, window: Any, rows: Any) -> Any:
        del key, window
        yield (" ".join(str(r.v) for r in rows),)

    made = keyed().window(w.Sessions(gap)).process(ids, "ids STRING")
    assert made.failed().select("position").collect().rows() == [(1,)]
    both = made.union(made.failed().select(ids="row")).collect()
    assert sorted(both["ids"].to_list())[0] == "0 2"
