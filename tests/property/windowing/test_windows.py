"""Windows in Python give what a plain model of them says, however rows come and wherever state lies."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from tests.property.harness import Way, interrupted, judged_batch, random_way, stream
from tests.property.laws import check
from tests.property.noticing import assert_noticed
from tests.property.plans import Case, scan
from tests.property.recording import Table
from tests.property.test_engine_laws import UNHURRIED
from tests.property.windowing import cases
from tests.property.windowing.cases import EPOCH, FORMS, KINDS, TRIGGERS, Windows, random_windows, seconds
from tests.property.windowing.model import Model
from tests.property.worlds import World, random_world
from tests.sampling import drawn
from thalweg.api.windowing import contents, functions, wrappers
from thalweg.api.windowing.calls import WindowCalls
from thalweg.operators.waiting_rows import WaitingRows


def random_rows(r: Random) -> World:
    """Rows of which some are late, for a while or for good."""
    sizes = [r.choice([5, 12, 30, 50]) for _ in range(r.choice([1, 2, 3]))]
    world = random_world(r, is_punctual=False, sizes=sizes, stray_share=0.4)
    late = timedelta(seconds=r.choice([0, 3, 6, 12]))
    frames = tuple(frame.filter(pl.col("t").is_not_null()) for frame in world.frames)
    return replace(world, frames=frames, is_ordered=False, is_tolerant=False, lateness=late)


def cased(windows: Windows, world: World) -> Case:
    """The windows over the rows, and the rows that come too late for them."""
    rows = tw.Dataset(scan(world), tw.Session())
    # a row without a time is turned away by the source, and not by windows
    made = windows.over(rows)
    late = made.late().select("id", "window_start", "window_end")
    sides = (made.side("closed").plan,) if windows.form == "state" else ()
    return Case((world,), (made.plan, late.plan, *sides))


def expected(windows: Windows, world: World) -> list[Table]:
    """What the windows give, the rows that they miss, and what functions with state say in the end."""
    known: dict[Any, list[Any]] = {}
    bound, lateness = int(world.bound.total_seconds()), int(world.lateness.total_seconds())
    for split, frame in enumerate(world.frames):
        front: int | None = None
        for place, row in enumerate(frame.iter_rows(named=True)):
            time = seconds(row["t"])
            assert time is not None, "every row has one"
            moment = time if front is None else max(time, front - bound)
            known.setdefault(row["k"], []).append((moment, split, place, time, row["id"]))
            front = time if front is None else max(front, time)
    given: Table = Counter()
    missed: Table = Counter()
    closed: Table = Counter()
    for key, rows in known.items():
        model = Model(
            KINDS[windows.kind][1],
            windows.rule,
            windows.results,
            lateness,
            windows.keep,
            lambda span, ids, fired, seen, key=key: windows.made(key, span, ids, fired, seen),
        )
        model.run([(moment, time, number) for moment, _, _, time, number in sorted(rows)])
        given.update(model.given)
        for number, span in model.missed:
            missed[(number, *(EPOCH + timedelta(seconds=at or 0) for at in span))] += 1
        for span, fired, seen in model.closed:
            bounds = (EPOCH + timedelta(seconds=at or 0) for at in span)
            closed[key, *bounds, fired, seen] += 1
    return [given, missed, *([closed] if windows.form == "state" else [])]


def placed(r: Random, way: Way) -> Way:
    """The same with its state in memory, in files, or in RocksDB."""
    where = r.choice(["memory", "files", "rocksdb"])
    return replace(way, is_mapped=where == "files", is_rocks=where == "rocksdb")


def a_stream_gives_what_the_model_says(r: Random, windows: Windows | None = None) -> None:
    """However the rows are cut, paced, and shared out over tasks."""
    world, windows = random_rows(r), windows or random_windows(r)
    case = cased(windows, world)
    way = placed(r, random_way(r, case.rows))
    check(case, stream(case, way).tables(), expected(windows, world), f"{windows}, {way}")


def late_rows_join_state(r: Random) -> None:
    """The same of functions with state, which two windows bring along."""
    late_rows_join_windows(r, "state")


def functions_keep_state(r: Random) -> None:
    """State of windows and of keys, with many results of each window."""
    world = random_rows(r)
    windows = replace(random_windows(r), form="state", evictor="none")
    case = cased(windows, world)
    way = placed(r, random_way(r, case.rows))
    check(case, stream(case, way).tables(), expected(windows, world), f"{windows}, {way}")
    ways = [placed(r, replace(random_way(r, case.rows), parallelism=n, rows_max=7)) for n in (2, 1, 3)]
    logs, _ = interrupted(case, ways, r)
    check(case, [log.table() for log in logs], expected(windows, world), f"{windows}, restored, {ways}")


def a_batch_that_judges_gives_it_too(r: Random) -> None:
    """A batch judges rows as a stream does, if it is to."""
    world, windows = random_rows(r), random_windows(r)
    case = cased(windows, world)
    way = random_way(r, case.rows)
    check(case, judged_batch(case, way), expected(windows, world), f"{windows}, batch, {way}")


def restarts_change_nothing(r: Random) -> None:
    """From any checkpoint, with other numbers of tasks, and state that lies elsewhere."""
    world, windows = random_rows(r), random_windows(r)
    case = cased(windows, world)
    ways = [placed(r, replace(random_way(r, case.rows), parallelism=n, rows_max=7)) for n in (1, 3, 2)]
    logs, _ = interrupted(case, ways, r)
    tables = [log.table() for log in logs]
    check(case, tables, expected(windows, world), f"{windows}, restored, {ways}")


def late_rows_join_windows(r: Random, form: str | None = None) -> None:
    """One key with many late rows, which make one session of two, and change results in several steps."""
    world = random_rows(r)
    frames = tuple(frame.with_columns(k=pl.lit(r.choice([0, 1]), pl.Int64)) for frame in world.frames)
    world = replace(world, frames=frames, lateness=timedelta(seconds=r.choice([6, 12, 20])))
    kind = r.choice(["session", "session", "session by row", "tumbling"])
    trigger = r.choice(["parts", "parts", "count", "early by rows", "at end"])
    windows = replace(random_windows(r), kind=kind, trigger=trigger, evictor="none")
    windows = replace(windows, form=form or windows.form)
    case = cased(windows, world)
    way = random_way(r, case.rows)
    check(case, stream(case, way).tables(), expected(windows, world), f"{windows}, {way}")


def the_clock_changes_no_last_result(r: Random) -> None:
    """Results that are taken back: whenever the clock has some shown, the last one is the same."""
    world = random_rows(r)
    windows = replace(random_windows(r), results="retracting", trigger="at end", evictor="none")
    if windows.kind == "global" or windows.kind.startswith("counts"):
        windows = replace(windows, kind="tumbling")
    if windows.form == "state":
        # it tells how often the clock had something shown
        windows = replace(windows, form="row")
    clock = w.AtEnd(early=w.Clock(r.choice(["1ms", "1h"])), late=w.Clock("1ms"))
    with mock.patch.dict(TRIGGERS, {"at end": (clock, TRIGGERS["at end"][1])}):
        case = cased(windows, world)
    way = placed(r, random_way(r, case.rows))
    check(case, stream(case, way).tables(), expected(windows, world), f"{windows}, {way}")


w = tw.windowing
LAWS = (
    a_stream_gives_what_the_model_says,
    late_rows_join_windows,
    late_rows_join_state,
    functions_keep_state,
    a_batch_that_judges_gives_it_too,
    restarts_change_nothing,
    the_clock_changes_no_last_result,
)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@settings(max_examples=drawn(10, 60), suppress_health_check=UNHURRIED, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_law(law: Any, seed: int) -> None:
    law(Random(seed))


@pytest.mark.slow
@pytest.mark.sampled(24)
@pytest.mark.parametrize("results", ["accumulating", "discarding", "retracting"])
@pytest.mark.parametrize(("kind", "trigger"), cases.PAIRS)
def test_every_kind_with_every_trigger_and_every_result(kind: str, trigger: str, results: str) -> None:
    r = Random(f"{kind} {trigger} {results}")
    windows = Windows(kind, trigger, r.choice([*cases.EVICTORS]), results, r.choice(FORMS))
    for _ in range(2):
        a_stream_gives_what_the_model_says(r, windows)


def _by_time_alone(self: Any, batch: Any, names: Any, time: str) -> Any:
    kept, self._slack_us = self._slack_us, None
    try:
        return TURNS(self, batch, names, time)
    finally:
        self._slack_us = kept


def _never_late(self: Any, start: Any, end: Any) -> Any:
    made = self._pane(start, end)
    self.panes.append(made)
    self._wait(end)
    return made


def _twice(self: Any, pane: Any, facts: Any) -> Any:
    pane.given = []
    return FIRE(self, pane, facts)


def _unasked(trigger: Any, window: Any) -> Any:
    del trigger, window
    return w.GO_ON


def _nothing(*given: Any) -> None:
    del given


def _all_alike(number: int) -> Any:
    return lambda row: number


def _forgetful(name: str, whole: Any) -> Any:
    del name, whole
    return {}


def _unchecked(self: Any, pane: Any) -> bool:
    del self, pane
    return False


def _of_all_windows(self: Any, owner: Any, pane: Any, now: Any) -> None:
    kept = vars(self).setdefault("_one", pane.kept)
    if pane.kept is not None:
        pane.kept.fired = kept.fired
    PUT(self, owner, pane, now)


def _for_this_call(self: Any, owner: Any, pane: Any) -> None:
    before = [getattr(owner, s.name) for s in self._of_key]
    TAKE_BACK(self, owner, pane)
    for state, value in zip(self._of_key, before, strict=True):
        setattr(owner, state.name, value)


PUT, TAKE_BACK = WindowCalls._put, WindowCalls._take_back
TURNS, FIRE = WaitingRows.with_turns, functions._Windows._fire
MUTANTS = {
    "late rows have their turn at their own time": mock.patch.object(
        WaitingRows, "with_turns", _by_time_alone
    ),
    "no row is late": mock.patch.object(functions._Windows, "_new", _never_late),
    "old results are not taken back": mock.patch.object(functions._Windows, "_fire", _twice),
    "rows are lost where sessions meet": mock.patch.object(contents.AllRows, "join", _nothing),
    "values are lost where sessions meet": mock.patch.object(contents.OneValue, "join", _nothing),
    "what late rows change is lost in the end": mock.patch.object(functions, "closing", _unasked),
    "memories are lost where sessions meet": mock.patch.object(
        functions, "merged_memory", lambda trigger, first, second: first
    ),
    "rows are not in the order of time": mock.patch.object(contents, "itemgetter", _all_alike),
    "parts of a trigger forget": mock.patch.object(wrappers, "_memory", _forgetful),
}
STATE_MUTANTS = {
    "state of windows that never end is lost": mock.patch.object(WindowCalls, "has_begun", _unchecked),
    "windows share their state": mock.patch.object(WindowCalls, "_put", _of_all_windows),
    "state of the key is lost": mock.patch.object(WindowCalls, "_take_back", _for_this_call),
    "state is lost where sessions meet": mock.patch.object(WindowCalls, "merge", _nothing),
    "no window is closed": mock.patch.object(WindowCalls, "close", _nothing),
}


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", MUTANTS)
def test_the_laws_notice_bugs(name: str) -> None:
    assert_noticed(MUTANTS[name], (a_stream_gives_what_the_model_says, late_rows_join_windows), name)


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", STATE_MUTANTS)
def test_the_laws_notice_bugs_of_state(name: str) -> None:
    assert_noticed(STATE_MUTANTS[name], (functions_keep_state, late_rows_join_state), name)
