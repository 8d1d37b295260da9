"""Keyed functions of two inputs, and with rows for all keys, keep the contract of operators."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

import thalweg as tw
from tests.conformance.feeds import placed, rows
from tests.conformance.test_process import GAP, LAG, RESULT, ROWS, Turn, fire_timers, result
from thalweg.api.function_states import described_function
from thalweg.columnar.batch import BEFORE, OFFSET, SPLIT, Batch
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Column
from thalweg.operators.process import ProcessSpec
from thalweg.physical.processing import process_spec
from thalweg.plan import build
from thalweg.plan.nodes import Scan
from thalweg.plan.process import Process, ProcessedBy
from thalweg.protocols.messages import Watermark
from thalweg.testing import check_operator
from thalweg.testing.scripts import Rows

pytestmark = [pytest.mark.slow]

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
        function, turn = Pairs(), Turn(end)
        function.turn = turn  # type: ignore[misc]
        turn.key = type("Key", (), {"k": key})()
        for time, port, _, row in sorted(mine, key=lambda each: each[:3]):
            micros = (time - datetime(1970, 1, 1)) // timedelta(microseconds=1)
            fire_timers(function, turn, micros, found)
            turn.happens(function, micros)
            call = function.on_left if port == 0 else function.on_right
            found.extend(call(type("Row", (), row)) or ())
        fire_timers(function, turn, None, found)
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
    functions: dict[Any, tuple[Limits, Turn]] = {}
    limits: dict[str, int] = {}
    found: list[Any] = []

    def fire(before: int | None) -> None:
        # timers of different keys that are due at once have nothing to do with each other
        for function, turn in functions.values():
            fire_timers(function, turn, before, found)

    for time, kind, _, row in sorted(events, key=lambda each: each[:3]):
        micros = (time - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        fire(micros)
        if kind == 0:
            shared = Limits()
            shared.limits = limits
            shared.on_broadcast(type("Row", (), row))
            continue
        if row["k"] not in functions:
            made, turn = Limits(), Turn(end)
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
