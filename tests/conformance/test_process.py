"""Keyed functions keep the contract of operators, and do what their definition says, row by row."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any

import numpy as np
import polars as pl
import pytest

import thalweg as tw
from tests.conformance.feeds import SECOND, placed, rows, timed
from thalweg.api.function_states import Takes, described_function
from thalweg.api.types import schema_of
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Column
from thalweg.operators.process import ProcessSpec
from thalweg.physical.processing import process_spec
from thalweg.plan import build
from thalweg.plan.nodes import Scan
from thalweg.plan.process import Process, ProcessedBy
from thalweg.protocols.process import FunctionState
from thalweg.testing import check_operator

pytestmark = [pytest.mark.slow]

ROWS = placed(rows(30).with_columns(pl.col("k").fill_null(9)))
LAG = 2 * SECOND
GAP = timedelta(seconds=2)
TTL = timedelta(seconds=1)


class Counts(tw.ProcessFunction):
    """Every row with its number."""

    count: int = 0

    def on_event(self, row: Any) -> Any:
        self.count += 1
        yield self.key.k, self.time, "row", self.count


class Kinds(tw.ProcessFunction):
    """State of every kind."""

    total: float = 0.0
    is_odd: bool = False
    last: datetime | None = None
    texts: list[str]
    by_value: dict[int, int]

    def on_event(self, row: Any) -> Any:
        self.total += row.v or 0
        self.is_odd = not self.is_odd
        self.texts.append(row.s or "")
        self.by_value[row.v or 0] = self.by_value.get(row.v or 0, 0) + 1
        before = "" if self.last is None else str(self.last)
        self.last = row.t
        yield self.key.k, self.time, f"{self.texts} {self.by_value} {before} {self.is_odd}", int(self.total)


class Sessions(tw.ProcessFunction):
    """A timer that is set anew with every row; state is set back when it fires."""

    count: int = 0
    until: datetime | None = None

    def on_event(self, row: Any) -> Any:
        if self.until is not None:
            self.delete_timer(self.until)
        self.count += 1
        self.until = self.time + GAP
        self.set_timer(self.until)

    def on_timer(self) -> Any:
        yield self.key.k, self.time, "session", self.count
        self.count, self.until = 0, None


class Heartbeats(tw.ProcessFunction):
    """Timers that set the next one, and two for one time."""

    beats: int = 0

    def on_event(self, row: Any) -> Any:
        if not self.beats:
            self.beats = 1
            self.set_timer(GAP / 2)
            self.set_timer(GAP / 2)

    def on_timer(self) -> Any:
        self.beats += 1
        self.set_timer(GAP / 2)
        return [(self.key.k, self.time, "beat", self.beats)]


class Lively(tw.ProcessFunction):
    """State with times to live, beside state without."""

    count: int = tw.keep(0, ttl=TTL)
    texts: list[str] = tw.keep(ttl=TTL * 2)
    every: int = 0

    def on_event(self, row: Any) -> Any:
        self.count += 1
        self.every += 1
        self.texts.append(row.s or "")
        if row.v:
            self.set_timer(timedelta(seconds=row.v))
        yield self.key.k, self.time, f"{self.texts} {self.every}", self.count

    def on_timer(self) -> Any:
        yield self.key.k, self.time, f"{len(self.texts)} {self.every}", self.count


class Forgetful(tw.ProcessFunction):
    """Without any state."""

    def on_event(self, row: Any) -> Any:
        if row.v:
            self.set_timer(timedelta())
            return [{"what": "now", "at": self.time}]
        return None

    def on_timer(self) -> Any:
        return [{"what": "then", "at": self.time}]


class ColumnCounts(tw.ColumnFunction):
    """As `Counts`."""

    count: int = 0

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.count = self.count + 1
        return result(self, "row", self.count)


class ColumnKinds(tw.ColumnFunction):
    """State of every kind, by rows of its own."""

    total: float = 0.0
    is_odd: bool = False
    last: datetime | None = None
    texts: list[str]
    by_value: dict[int, int]

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.total = self.total + rows["v"].fill_null(0).to_numpy()
        self.is_odd = ~self.is_odd  # type: ignore[assignment]  # a column of them
        made = []
        for n, row in enumerate(rows.iter_rows(named=True)):
            texts, values = self.texts[n], self.by_value[n]
            texts.append(row["s"] or "")  # type: ignore[attr-defined]
            values[row["v"] or 0] = values.get(row["v"] or 0, 0) + 1  # type: ignore[attr-defined]
            before = "" if self.last[n] is None else str(self.last[n])  # type: ignore[index]
            made.append(f"{texts} {values} {before} {bool(self.is_odd[n])}")  # type: ignore[index]
            self.last[n] = row["t"]  # type: ignore[index]
        return result(self, pl.Series(made), self.total.astype(int))  # type: ignore[attr-defined]


class ColumnSessions(tw.ColumnFunction):
    """As `Sessions`."""

    count: int = 0
    until: int = 0

    def on_events(self, rows: pl.DataFrame) -> None:
        before = pl.Series(self.until).cast(pl.Datetime("us"))
        self.delete_timers(before, pl.Series(self.count > 0))
        self.count = self.count + 1
        self.set_timers(GAP)
        self.until = (self.times + GAP).to_physical().to_numpy()

    def on_timers(self) -> pl.DataFrame:
        made = result(self, "session", self.count)
        self.count, self.until = self.count * 0, self.until * 0
        return made


class ColumnHeartbeats(tw.ColumnFunction):
    """As `Heartbeats`."""

    beats: int = 0

    def on_events(self, rows: pl.DataFrame) -> None:
        first = pl.Series(self.beats == 0)
        self.beats = np.maximum(self.beats, 1)
        self.set_timers(GAP / 2, first)
        self.set_timers(GAP / 2, first)

    def on_timers(self) -> pl.DataFrame:
        self.beats = self.beats + 1
        self.set_timers(GAP / 2)
        return result(self, "beat", self.beats)


class ColumnLively(tw.ColumnFunction):
    """As `Lively`."""

    count: int = tw.keep(0, ttl=TTL)
    texts: list[str] = tw.keep(ttl=TTL * 2)
    every: int = 0

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.count, self.every = self.count + 1, self.every + 1
        for texts, text in zip(self.texts, rows["s"].fill_null(""), strict=True):
            texts.append(text)  # type: ignore[attr-defined]  # one list for each row
        seconds = rows["v"].fill_null(0)
        self.set_timers(pl.Series(seconds * 1_000_000).cast(pl.Duration("us")), seconds > 0)
        what = [f"{t} {n}" for t, n in zip(self.texts, self.every, strict=True)]  # type: ignore[call-overload]
        return result(self, pl.Series(what), self.count)

    def on_timers(self) -> pl.DataFrame:
        what = [f"{len(t)} {n}" for t, n in zip(self.texts, self.every, strict=True)]  # type: ignore[call-overload]
        return result(self, pl.Series(what), self.count)


class ColumnForgetful(tw.ColumnFunction):
    """As `Forgetful`."""

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
        some = rows["v"].fill_null(0) != 0
        self.set_timers(timedelta(), some)
        return result(self, "now", None).filter(some).with_columns(k=pl.lit(None, pl.Int64))

    def on_timers(self) -> pl.DataFrame:
        return result(self, "then", None).with_columns(k=pl.lit(None, pl.Int64))


def result(function: tw.ColumnFunction, what: str | pl.Series, n: Any) -> pl.DataFrame:
    """Rows as the functions of rows give them."""
    count = pl.Series("n", n, pl.Int64) if n is not None else pl.lit(None, pl.Int64).alias("n")
    named = pl.lit(what) if isinstance(what, str) else what
    return function.keys.with_columns(function.times.alias("at"), named.alias("what"), count)


FUNCTIONS: dict[type[tw.ProcessFunction], type[tw.ColumnFunction]] = {
    Counts: ColumnCounts,
    Kinds: ColumnKinds,
    Sessions: ColumnSessions,
    Heartbeats: ColumnHeartbeats,
    Forgetful: ColumnForgetful,
    Lively: ColumnLively,
}
RESULT = schema_of("k BIGINT, at TIMESTAMP, what STRING, n BIGINT")


def spec(function: tw.ProcessFunction | tw.ColumnFunction) -> ProcessSpec:
    """The operator of a function by `k`."""
    below = build.assign_watermark(Scan(frame_source(ROWS.drop(SPLIT, OFFSET))), "t", Column("t"))
    described = described_function(function, (), None, is_zoned=False)
    return process_spec(Process((below,), (ProcessedBy(("k",), "t"),), described, RESULT), "process", [True])


def states_of(function: tw.ProcessFunction) -> tuple[FunctionState, ...]:
    """What the function keeps by key."""
    kinds: dict[type, Takes] = {tw.CoProcessFunction: "two", tw.BroadcastProcessFunction: "broadcast"}
    takes = next((t for kind, t in kinds.items() if isinstance(function, kind)), "one")
    # one that is at work has the values of a key
    return described_function(type(function)(), (), None, is_zoned=False, takes=takes).states


class Turn:
    """What a function asks, from the definition."""

    def __init__(self, end: int) -> None:
        self.end, self.is_timer = end, False
        self.time_us, self.key, self.timers = 0, None, []  # type: ignore[var-annotated]

    def happens(self, function: tw.ProcessFunction, time_us: int) -> None:
        for state in states_of(function):
            if state.ttl_us is not None and self.time_us and time_us - self.time_us > state.ttl_us:
                setattr(function, state.name, state.begin())
        self.time_us = time_us

    def set_timer(self, time_us: int) -> None:
        # behind the last watermark no timer sets another one, or that would never end
        if time_us not in self.timers and not (self.is_timer and self.time_us >= self.end):
            heappush(self.timers, time_us)

    def delete_timer(self, time_us: int) -> None:
        if time_us in self.timers:
            self.timers.remove(time_us)
            self.timers.sort()


def expected(kind: type[tw.ProcessFunction]) -> pl.DataFrame:
    """Each key by itself, its rows and timers in order."""
    marks = ROWS.get_column("t").to_physical().cum_max() - LAG
    in_time = ROWS.filter(ROWS.get_column("t").to_physical() >= marks.shift(1).fill_null(-(1 << 62)))
    by_key = defaultdict(list)
    for row in in_time.sort("t", SPLIT, OFFSET).drop(SPLIT, OFFSET).iter_rows(named=True):
        by_key[row["k"]].append(row)
    found: list[Any] = []
    for key, mine in by_key.items():
        function, turn = kind(), Turn(int(marks[-1]))
        for state in states_of(function):
            setattr(function, state.name, state.begin())
        function.turn = turn  # type: ignore[misc]
        turn.key = type("Key", (), {"k": key})()
        for row in mine:
            time = int(
                (row["t"].replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
            )
            fire_timers(function, turn, time, found)
            turn.happens(function, time)
            found.extend(function.on_event(type("Row", (), row)) or ())
        fire_timers(function, turn, None, found)
    made = [r if isinstance(r, tuple) else (None, r["at"], r["what"], None) for r in found]
    return pl.DataFrame(made, schema=RESULT.polars, orient="row")


def fire_timers(function: tw.ProcessFunction, turn: Turn, before: int | None, found: list[Any]) -> None:
    turn.is_timer = True
    while turn.timers and (before is None or turn.timers[0] < before):
        turn.happens(function, heappop(turn.timers))
        found.extend(function.on_timer() or ())
    turn.is_timer = False


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_functions_do_what_they_say(kind: type[tw.ProcessFunction]) -> None:
    check_operator(spec(kind()), timed(ROWS), expected=expected(kind))


@pytest.mark.parametrize("kind", [Counts, ColumnCounts])
def test_rows_as_they_arrive(kind: type[tw.ProcessFunction | tw.ColumnFunction]) -> None:
    made = replace(spec(kind()), order="arrival")
    numbered = ROWS.with_columns(pl.int_range(1, pl.len() + 1).over("k").alias("n"))
    expected = numbered.select("k", pl.col("t").alias("at"), pl.lit("row").alias("what"), "n")
    check_operator(made, timed(ROWS), expected=expected)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_functions_of_columns_do_the_same(kind: type[tw.ProcessFunction]) -> None:
    check_operator(spec(FUNCTIONS[kind]()), timed(ROWS), expected=expected(kind))
