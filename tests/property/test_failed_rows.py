"""A row that a keyed function fails on is as one that never came, whatever the function had done by then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from tests.sampling import drawn
from thalweg.testing import check_cuts

START = datetime(2026, 1, 1)
RESULT = "k BIGINT, what STRING, n BIGINT, seen STRING"
SIDES = {"aside": "k BIGINT, n BIGINT"}
WAYS = ["raise", "past timer", "wide row", "wrong value", "wrong side", "wrong state"]


class _Log:
    """What both classes do: it changes all that can be changed before it fails."""

    def __init__(self, order: str) -> None:
        # when a timer is due among rows as they arrive is chance
        self.has_timers = order == "time"

    def fail(self, row: Any) -> Any:
        if row.way == "raise":
            raise ValueError("a bad row")
        if row.way == "past timer":
            # as they arrive, rows may be older than their timers
            if not self.has_timers:
                raise ValueError("a bad row")
            self.set_timer(START - timedelta(days=1))  # type: ignore[attr-defined]
        if row.way == "wide row":
            return [(row.k, "row", 1, "x", "too many")]
        if row.way == "wrong value":
            return [(row.k, "row", "no number", "x")]
        if row.way == "wrong side":
            self.emit("aside", (row.k, "no number"))  # type: ignore[attr-defined]
        if row.way == "wrong state":
            self.count = "no number"
        return []

    def take(self, row: Any) -> Any:
        self.count += 1
        self.seen.append(row.n)  # type: ignore[attr-defined]
        self.by.setdefault(row.n, []).append(self.count)  # type: ignore[attr-defined]
        self.emit("aside", (row.k, row.n))  # type: ignore[attr-defined]
        self.delete_timer(timedelta(seconds=row.n))  # type: ignore[attr-defined]
        if row.n % 2 and self.has_timers:
            self.set_timer(timedelta(seconds=row.n))  # type: ignore[attr-defined]
        if row.way is not None:
            return self.fail(row)
        return [(row.k, "row", self.count, f"{self.seen} {self.by}")]  # type: ignore[attr-defined]

    def timed(self) -> Any:
        self.count += 100
        self.seen.append(-1)  # type: ignore[attr-defined]
        yield self.key.k, "timer", self.count, f"{self.seen}"  # type: ignore[attr-defined]


class Log(_Log, tw.ProcessFunction):
    count: int = 0
    seen: list[int]
    by: dict[int, list[int]]
    old: int = tw.keep(0, ttl="20 seconds")

    def on_event(self, row: Any) -> Any:
        self.old += 1
        return [(k, what, n + 1000 * self.old, s, *more) for k, what, n, s, *more in self.take(row)]

    def on_timer(self) -> Any:
        return self.timed()


class Pairs(_Log, tw.CoProcessFunction):
    count: int = 0
    seen: list[int]
    by: dict[int, list[int]]

    def on_left(self, row: Any) -> Any:
        return self.take(row)

    def on_right(self, row: Any) -> Any:
        self.seen.append(1000)
        return self.take(row)

    def on_timer(self) -> Any:
        return self.timed()


class Columns(tw.ColumnFunction):
    count: int = 0
    seen: list[int]

    def __init__(self, order: str) -> None:
        self.has_timers = order == "time"

    def on_events(self, rows: pl.DataFrame) -> Any:
        self.count = self.count + 1
        for seen, n in zip(self.seen, rows["n"], strict=True):
            seen.append(n)
        self.set_timers(rows["n"] * timedelta(seconds=1), (rows["n"] % 2 == 1) & self.has_timers)
        self.emit("aside", rows.select("k", "n"))
        if (rows["way"] == "raise").any():
            raise ValueError("a bad row")
        if rows["way"].is_not_null().any():
            return rows
        seen = [str(s) for s in self.seen]
        return rows.select("k", pl.lit("row").alias("what"), n=self.count, seen=pl.Series(seen))

    def on_timers(self) -> Any:
        self.count = self.count + 100
        return self.keys.with_columns(what=pl.lit("timer"), n=pl.Series(self.count), seen=pl.lit(""))


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 4),
        st.integers(0, 40),
        st.one_of(st.none(), st.none(), st.sampled_from(WAYS)),
    ),
    max_size=30,
)


def _frame(rows: list[tuple[int, int, int, str | None]]) -> pl.DataFrame:
    ordered = sorted(rows, key=lambda r: r[2])
    held = [(k, n, START + timedelta(seconds=s), way) for k, n, s, way in ordered]
    columns = {"k": pl.Int64, "n": pl.Int64, "ts": pl.Datetime("us"), "way": pl.String}
    return pl.DataFrame(held, schema=columns, orient="row")


def _steps(kind: type[Any], order: Any, *, tells_failed: bool) -> Callable[[tw.Dataset], tw.Dataset]:
    """All that a function gives, as one table."""

    def make(rows: tw.Dataset) -> tw.Dataset:
        if kind is Pairs:
            left, right = (rows.filter(tw.col("n") % 2 == rest).key_by("k") for rest in (0, 1))
            made = left.connect(right).process(Pairs(order), RESULT, sides=SIDES, order=order)
        else:
            made = rows.key_by("k").process(kind(order), RESULT, sides=SIDES, order=order)
        aside = made.side("aside").select("k", what=tw.lit("aside"), n=tw.col("n"), seen=tw.lit(""))
        if not tells_failed:
            return made.union(aside)
        failed = made.failed().select(k=tw.lit(-1), what=tw.lit("failed"), n="position", seen="row")
        return made.union(aside, failed)

    return make


# which of two inputs comes first is chance where rows are taken as they arrive
@pytest.mark.parametrize(
    ("kind", "order"),
    [(Log, "time"), (Pairs, "time"), (Columns, "time"), (Log, "arrival"), (Columns, "arrival")],
)
@settings(max_examples=drawn(8, 60))
@given(ROWS, st.integers(0, 1 << 30))
def test_a_row_that_fails_is_as_one_that_never_came(
    kind: type[Any], order: Any, rows: list[Any], seed: int
) -> None:
    frame = _frame(rows)
    good = frame.filter(pl.col("way").is_null())
    steps = _steps(kind, order, tells_failed=True)
    found = check_cuts(steps, frame, time="ts", bound="1 second", ways=3, seed=seed)
    wanted = check_cuts(_steps(kind, order, tells_failed=False), good, time="ts", ways=0)
    is_failed = pl.col("what") == "failed"
    assert sorted(found.filter(~is_failed).rows()) == sorted(wanted.rows())
    bad = frame.with_row_index("at").filter(pl.col("way").is_not_null())
    told = found.filter(is_failed).sort("n")
    assert told["n"].to_list() == bad["at"].to_list()
    assert told["seen"].str.json_path_match("$.way").to_list() == bad["way"].to_list()
