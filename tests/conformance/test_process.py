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
from thalweg.columnar.batch import BEFORE, OFFSET, SPLIT, Batch
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Column
from thalweg.operators.process import ProcessSpec
from thalweg.physical.processing import process_spec
from thalweg.plan import build
from thalweg.plan.nodes import Scan
from thalweg.plan.process import Process, ProcessedBy
from thalweg.protocols.messages import Watermark
from thalweg.protocols.process import FunctionState
from thalweg.testing import check_operator
from thalweg.testing.scripts import Rows

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
    return described_function(function, (), None, is_zoned=False, takes=takes).states


class _Turn:
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
        function, turn = kind(), _Turn(int(marks[-1]))
        for state in states_of(function):
            setattr(function, state.name, state.begin())
        function.turn = turn  # type: ignore[misc]
        turn.key = type("Key", (), {"k": key})()
        for row in mine:
            time = int(
                (row["t"].replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
            )
            _fire(function, turn, time, found)
            turn.happens(function, time)
            found.extend(function.on_event(type("Row", (), row)) or ())
        _fire(function, turn, None, found)
    made = [r if isinstance(r, tuple) else (None, r["at"], r["what"], None) for r in found]
    return pl.DataFrame(made, schema=RESULT.polars, orient="row")


def _fire(function: tw.ProcessFunction, turn: _Turn, before: int | None, found: list[Any]) -> None:
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


# Two inputs ---------------------------------------------------------------------------------------

OTHERS = placed(rows(24, seed=3).rename({n: f"{n}_r" for n in ROWS.columns if not n.startswith("__")}))
OTHERS = OTHERS.with_columns(pl.col("k_r").fill_null(9), pl.lit(2 << 32, pl.Int64).alias(SPLIT))


class Pairs(tw.CoProcessFunction):
    """Both inputs, and timers, change one state."""

    lefts: int = 0
    last: str = ""

    def on_left(self, row: Any) -> Any:
        self.lefts += 1
        self.set_timer(GAP)
        yield self.key.k, self.time, f"left {self.last}", self.lefts

    def on_right(self, row: Any) -> Any:
        self.last = f"{row.s_r}"
        self.delete_timer(GAP / 2)
        yield self.key.k, self.time, "right", self.lefts

    def on_timer(self) -> Any:
        self.lefts -= 1
        yield self.key.k, self.time, f"timer {self.last}", self.lefts


class ColumnPairs(tw.CoColumnFunction):
    """As `Pairs`."""

    lefts: int = 0
    last: str = ""

    def on_left(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.lefts = self.lefts + 1
        self.set_timers(GAP)
        return result(self, pl.Series([f"left {v}" for v in self.last]), self.lefts)

    def on_right(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.last = np.array([f"{s}" for s in rows["s_r"]], dtype=object)  # type: ignore[assignment]
        self.delete_timers(GAP / 2)
        return result(self, "right", self.lefts)

    def on_timers(self) -> pl.DataFrame:
        self.lefts = self.lefts - 1
        return result(self, pl.Series([f"timer {v}" for v in self.last]), self.lefts)


def spec_of_two(function: tw.CoProcessFunction | tw.CoColumnFunction) -> ProcessSpec:
    """The operator of a function of both inputs by `k` and `k_r`."""
    sides = [
        build.assign_watermark(Scan(frame_source(f.drop(SPLIT, OFFSET))), t, Column(t))
        for f, t in ((ROWS, "t"), (OTHERS, "t_r"))
    ]
    described = described_function(function, (), None, is_zoned=False, takes="two")
    by = ProcessedBy(("k",), "t"), ProcessedBy(("k_r",), "t_r")
    return process_spec(Process(tuple(sides), by, described, RESULT), "process", [True, True])


def feed_of_two(*, is_judged: bool = False) -> list[Any]:
    """Batches of both sides by turns, and the watermarks of both; `is_judged`: none of the right is late."""
    sides = []
    for frame, time in ((ROWS, "t"), (OTHERS, "t_r")):
        marks = frame.get_column(time).to_physical().cum_max() - LAG
        sides.append((frame.with_columns(marks.shift(1).alias(BEFORE)), marks))
    made: list[Any] = []
    for at in range(0, ROWS.height, 3):
        for port, (frame, _) in enumerate(sides):
            some = frame[at : at + 3]
            if port == 1 and is_judged:
                some = some.filter(some["t_r"].to_physical() >= some[BEFORE].fill_null(-(1 << 62)))
            made += [Rows(Batch(some), port)] if some.height else []
        made.append(Watermark(min(m[min(at + 3, m.len()) - 1] for _, m in sides)))
    # what has ended holds nothing back
    made.append(Watermark(max(m[-1] for _, m in sides)))
    return made


def expected_of_two() -> pl.DataFrame:
    """Each key by itself, the rows of both and the timers in order."""
    end, rows_of = 0, []
    for port, (frame, time) in enumerate(((ROWS, "t"), (OTHERS, "t_r"))):
        marks = frame.get_column(time).to_physical().cum_max() - LAG
        in_time = frame.get_column(time).to_physical() >= marks.shift(1).fill_null(-(1 << 62))
        end = max(end, int(marks[-1]))
        rows_of += [(r[time], port, r[OFFSET], r) for r in frame.filter(in_time).iter_rows(named=True)]
    by_key = defaultdict(list)
    for time, port, offset, row in rows_of:
        by_key[row["k" if port == 0 else "k_r"]].append((time, port, offset, row))
    found: list[Any] = []
    for key, mine in by_key.items():
        function, turn = Pairs(), _Turn(end)
        function.turn = turn  # type: ignore[misc]
        turn.key = type("Key", (), {"k": key})()
        for time, port, _, row in sorted(mine, key=lambda each: each[:3]):
            micros = (time - datetime(1970, 1, 1)) // timedelta(microseconds=1)
            _fire(function, turn, micros, found)
            turn.happens(function, micros)
            call = function.on_left if port == 0 else function.on_right
            found.extend(call(type("Row", (), row)) or ())
        _fire(function, turn, None, found)
    return pl.DataFrame(found, schema=RESULT.polars, orient="row")


@pytest.mark.parametrize("kind", [Pairs, ColumnPairs])
def test_two_inputs_meet_by_key_and_time(kind: type[tw.CoProcessFunction | tw.CoColumnFunction]) -> None:
    check_operator(spec_of_two(kind()), feed_of_two(), expected=expected_of_two())


# Rows for all keys --------------------------------------------------------------------------------


class Limits(tw.BroadcastProcessFunction):
    """Rows for all keys change what rows and timers of keys find."""

    limits: tw.Broadcast[str, int]
    count: int = 0

    def on_broadcast(self, row: Any) -> None:
        limits: Any = self.limits
        limits[row.s_r or ""] = (row.v_r or 0) + limits.get(row.s_r or "", 0)
        if row.v_r is None:
            limits.clear()

    def on_event(self, row: Any) -> Any:
        self.count += 1
        self.set_timer(GAP / 2)
        yield self.key.k, self.time, f"{sorted(self.limits.items())}", self.count

    def on_timer(self) -> Any:
        yield self.key.k, self.time, f"timer {sorted(self.limits.items())}", self.count


class ColumnLimits(tw.BroadcastColumnFunction):
    """As `Limits`."""

    limits: tw.Broadcast[str, int]
    count: int = 0

    def on_broadcast(self, row: Any) -> None:
        Limits.on_broadcast(self, row)  # type: ignore[arg-type]  # it does the same

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.count = self.count + 1
        self.set_timers(GAP / 2)
        return result(self, f"{sorted(self.limits.items())}", self.count)

    def on_timers(self) -> pl.DataFrame:
        return result(self, f"timer {sorted(self.limits.items())}", self.count)


def spec_with_rules(function: tw.BroadcastProcessFunction | tw.BroadcastColumnFunction) -> ProcessSpec:
    """The operator of a function by `k`, with the others for all keys."""
    sides = [
        build.assign_watermark(Scan(frame_source(f.drop(SPLIT, OFFSET))), t, Column(t))
        for f, t in ((ROWS, "t"), (OTHERS, "t_r"))
    ]
    described = described_function(function, (), None, is_zoned=False, takes="broadcast")
    by = ProcessedBy(("k",), "t"), ProcessedBy((), "t_r", is_broadcast=True)
    return process_spec(Process(tuple(sides), by, described, RESULT), "process", [True, True])


def expected_with_rules() -> pl.DataFrame:
    """All rows and timers in order: of one time first rows for all keys, then those of keys, then timers."""
    latest = [f.get_column(t).to_physical().max() for f, t in ((ROWS, "t"), (OTHERS, "t_r"))]
    end = max(int(t) for t in latest) - LAG  # type: ignore[arg-type]  # there are some
    marks = ROWS.get_column("t").to_physical().cum_max() - LAG
    in_time = ROWS.filter(ROWS.get_column("t").to_physical() >= marks.shift(1).fill_null(-(1 << 62)))
    known = OTHERS.get_column("t_r").to_physical()
    others = OTHERS.filter(known >= (known.cum_max() - LAG).shift(1).fill_null(-(1 << 62)))
    events: list[Any] = [(r["t_r"], 0, r[OFFSET], r) for r in others.iter_rows(named=True)]
    events += [(r["t"], 1, r[OFFSET], r) for r in in_time.iter_rows(named=True)]
    functions: dict[Any, tuple[Limits, _Turn]] = {}
    limits: dict[str, int] = {}
    found: list[Any] = []

    def fire(before: int | None) -> None:
        # timers of different keys that are due at once have nothing to do with each other
        for function, turn in functions.values():
            _fire(function, turn, before, found)

    for time, kind, _, row in sorted(events, key=lambda each: each[:3]):
        micros = (time - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        fire(micros)
        if kind == 0:
            shared = Limits()
            shared.limits = limits
            shared.on_broadcast(type("Row", (), row))
            continue
        if row["k"] not in functions:
            made, turn = Limits(), _Turn(end)
            made.turn, made.limits, turn.key = turn, limits, type("Key", (), {"k": row["k"]})()  # type: ignore[misc]
            functions[row["k"]] = made, turn
        function, turn = functions[row["k"]]
        turn.time_us = micros
        found.extend(function.on_event(type("Row", (), row)))
    fire(None)
    return pl.DataFrame(found, schema=RESULT.polars, orient="row")


@pytest.mark.parametrize("kind", [Limits, ColumnLimits])
def test_rows_for_all_keys(kind: type[tw.BroadcastProcessFunction | tw.BroadcastColumnFunction]) -> None:
    check_operator(spec_with_rules(kind()), feed_of_two(is_judged=True), expected=expected_with_rules())
