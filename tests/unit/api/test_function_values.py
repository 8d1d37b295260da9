"""Values that functions keep and give are what they were at that moment, of the types that are declared."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import DataError, PlanError, ThalwegError
from thalweg.testing import JobHarness, check_cuts

W = tw.windowing
START = datetime(2026, 1, 1)
NUMBERS = pl.DataFrame({"k": [1, 2, 1, 1, 2], "n": [0, 1, 2, 3, 4]})


def checked(function: Any, schema: str, rows: pl.DataFrame = NUMBERS) -> list[tuple[Any, ...]]:
    """What a function gives for rows as they arrive, however they are cut, over crashes too."""
    found = check_cuts(lambda r: r.key_by("k").process(function, schema, order="arrival"), rows, ways=4)
    return sorted(found.rows())


class Nothing(tw.ProcessFunction):
    open: bool | None = True

    def on_event(self, row: Any) -> Any:
        yield row.n, str(self.open)
        self.open = None


def test_none_is_a_value_like_others() -> None:
    assert [told for _, told in checked(Nothing(), "n BIGINT, told STRING")] == ["True"] * 2 + ["None"] * 3


class Switch(tw.ProcessFunction):
    x: int | bool = 0

    def on_event(self, row: Any) -> Any:
        yield row.n, repr(self.x)
        self.x = False


def test_false_is_not_zero() -> None:
    assert [told for _, told in checked(Switch(), "n BIGINT, told STRING")] == ["0", "0", *["False"] * 3]


class Gives(tw.ProcessFunction):
    items: list[int]
    row: dict[str, int]

    def on_event(self, row: Any) -> Any:
        self.items.append(row.n)
        self.row["n"] = row.n
        self.emit("rows", self.row)
        yield row.n, self.items
        self.items.append(100)
        self.row["n"] = -1


def test_what_is_given_is_as_it_was_then() -> None:
    given = tw.Session().from_polars(NUMBERS).key_by("k")
    made = given.process(
        Gives(), "n BIGINT, items ARRAY<BIGINT>", sides={"rows": "n BIGINT"}, order="arrival"
    )
    found = dict(made.collect().rows())
    assert found[2] == [0, 100, 2]
    assert found[4] == [1, 100, 4]
    assert sorted(made.side("rows").collect()["n"]) == [0, 1, 2, 3, 4]


class Wrong(tw.ProcessFunction):
    items: list[int]

    def on_event(self, row: Any) -> Any:
        self.items.append("no number")  # type: ignore[arg-type]  # that is the mistake


def test_state_of_another_type_is_in_no_checkpoint() -> None:
    with JobHarness() as job:
        given = job.source("k BIGINT, n BIGINT")
        job.watch(given.rows.key_by("k").process(Wrong(), "n BIGINT", order="arrival"))
        given.push(NUMBERS)
        with pytest.raises(DataError, match='the state "items" holds a value that it cannot hold') as found:
            job.checkpoint()
        assert found.value.code == "data-python-state"
        assert "no number" in str(found.value)


class Begins(tw.ProcessFunction):
    x: int = None  # type: ignore[assignment]  # that is the mistake


class BeginsText(tw.ProcessFunction):
    n: list[int] = {}  # type: ignore[assignment]


@dataclass
class Settings(tw.ProcessFunction):
    limit: int = 3


class Turn(tw.ProcessFunction):
    turn: int = 0  # type: ignore[assignment,misc]  # that is the mistake


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (Begins(), 'the state "x" of Begins begins with a value of another type'),
        (BeginsText(), 'the state "n" of BeginsText begins with a value of another type'),
        (Settings(limit=7), '"limit" of Settings is a state'),
        (Turn(), 'a state of Turn cannot be called "turn"'),
    ],
)
def test_mistakes_that_are_told_when_planning(function: Any, told: str) -> None:
    rows = tw.Session().from_polars(NUMBERS).key_by("k")
    with pytest.raises(PlanError, match=told) as found:
        rows.process(function, "n BIGINT", order="arrival")
    assert found.value.code == "plan-state-type"


class Shared(tw.ProcessFunction):
    def __init__(self) -> None:
        self.seen: dict[int, int] = {}

    def on_event(self, row: Any) -> Any:
        self.seen[row.n] = self.seen.get(row.n, 0) + 1
        yield row.n, self.seen[row.n]


def test_settings_are_of_one_run() -> None:
    rows = tw.Session().from_polars(NUMBERS).key_by()
    made = rows.process(Shared(), "n BIGINT, times BIGINT", order="arrival")
    for _ in range(2):
        assert set(made.collect()["times"]) == {1}


def timed() -> tw.KeyedDataset:
    rows = pl.DataFrame({"k": [1, 2], "at": [START, START + timedelta(seconds=1)]})
    return tw.Session().from_polars(rows).assign_watermark("at", "1s").key_by("k")


class Unheard(tw.ProcessFunction):
    def on_event(self, row: Any) -> Any:
        self.set_timer(timedelta(seconds=1))


class UnheardClock(tw.ProcessFunction):
    def on_event(self, row: Any) -> Any:
        self.set_clock_timer(timedelta(seconds=1))


class Never(tw.ProcessFunction):
    def on_event(self, row: Any) -> Any:
        self.set_timer(timedelta.max)

    def on_timer(self) -> None:
        pass


@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize(
    ("function", "told"),
    [
        (Unheard(), "has no on_timer"),
        (UnheardClock(), "has no on_clock"),
        (Never(), "too far away|too large"),
    ],
)
def test_timers_that_cannot_be(function: Any, told: str, mode: Any) -> None:
    with pytest.raises(ThalwegError, match=told):
        timed().process(function, "k BIGINT").collect(mode=mode)


class Rules(tw.BroadcastProcessFunction):
    rules: tw.Broadcast[str, Any]

    def on_event(self, row: Any) -> Any:
        yield row.k, str(dict(self.rules))


class RuleTimes(Rules):
    rules: tw.Broadcast[str, datetime]

    def on_broadcast(self, rule: Any) -> None:
        self.rules["at"] = self.time


class RuleReplaces(Rules):
    rules: tw.Broadcast[str, int]

    def on_broadcast(self, rule: Any) -> None:
        self.rules = {**self.rules, "n": rule.k}


class RuleYields(Rules):
    rules: tw.Broadcast[str, int]

    def on_broadcast(self, rule: Any) -> Any:
        yield (1,)


class RuleTimer(Rules):
    rules: tw.Broadcast[str, int]

    def on_broadcast(self, rule: Any) -> None:
        self.set_timer(timedelta(seconds=1))

    def on_timer(self) -> None:
        pass


def ruled(function: Any, tasks: int = 1) -> list[tuple[Any, ...]]:
    session = tw.Session(parallelism=tasks)
    rules = session.from_polars(pl.DataFrame({"k": [9], "since": [START]})).assign_watermark("since", "1s")
    times = [START + timedelta(seconds=s) for s in range(1, 5)]
    rows = session.from_polars(pl.DataFrame({"k": [1, 2, 3, 4], "at": times})).assign_watermark("at", "1s")
    made = rows.key_by("k").connect(rules.broadcast()).process(function, "k BIGINT, told STRING")
    return sorted(made.collect(mode="stream").rows())


@pytest.mark.parametrize("tasks", [1, 3])
def test_a_rule_has_its_own_time_and_may_be_another_dict(tasks: int) -> None:
    assert {told for _, told in ruled(RuleTimes(), tasks)} == {str({"at": START})}
    assert {told for _, told in ruled(RuleReplaces(), tasks)} == {str({"n": 9})}


def test_a_rule_gives_no_rows_and_has_no_key() -> None:
    with pytest.raises(DataError, match="on_broadcast gives no rows"):
        ruled(RuleYields())
    with pytest.raises(PlanError, match="asks in on_broadcast for what only the row of a key has"):
        ruled(RuleTimer())


class Deadlines(tw.ColumnFunction):
    def __init__(self, masked: bool) -> None:
        self.masked = masked

    def on_events(self, rows: pl.DataFrame) -> None:
        self.set_timers(rows["until"], rows["until"].is_not_null() if self.masked else None)

    def on_timers(self) -> pl.DataFrame:
        return self.keys.with_columns(at=self.times)


def test_timers_of_columns_with_nulls() -> None:
    until = [START + timedelta(minutes=5), None, START + timedelta(minutes=5)]
    rows = pl.DataFrame(
        {"k": [1, 1, 1], "until": until, "at": [START + timedelta(minutes=m) for m in range(3)]}
    )

    def steps(masked: bool) -> Any:
        return lambda r: r.key_by("k").process(Deadlines(masked), "k BIGINT, at TIMESTAMP", time="at")

    assert check_cuts(steps(True), rows, time="at", ways=4).rows() == [(1, until[0])]
    with pytest.raises(DataError, match="a timer without a time"):
        check_cuts(steps(False), rows, time="at", ways=0)


def windowed(rows: list[tuple[Any, ...]], assigner: Any, **how: Any) -> list[tuple[Any, ...]]:
    frame = pl.DataFrame(rows, schema=["k", "at"], orient="row")
    given = tw.Session(parallelism=1).from_polars(frame).assign_watermark("at", "1h").key_by("k")

    def told(key: Any, window: Any, some: Any) -> Any:
        yield key.k, len(some)

    return given.window(assigner, **how).process(told, "k BIGINT, n BIGINT").collect().rows()


def test_early_results_of_sessions_go_on_when_their_end_moves() -> None:
    rows = [(1, START + timedelta(minutes=m)) for m in (0, 5, 25, 45)]
    found = windowed(rows, W.Sessions("30m"), trigger=W.Early("20m"))
    assert [n for _, n in found] == [2, 3, 4, 4]


def test_early_results_by_rows_count_what_has_come() -> None:
    rows = [(1, START + timedelta(seconds=s)) for s in range(9)]
    found = windowed(rows, W.Fixed("1h"), trigger=W.Early(rows=3), evictor=W.LastRows(2))
    # the last one is that of the end
    assert [n for _, n in found] == [2, 2, 2, 2]
    assert windowed(rows, W.Fixed("1h"), evictor=W.LastRows(0)) == []


def test_windows_that_cannot_be() -> None:
    with pytest.raises(PlanError, match="leave gaps"):
        W.Fixed("1h", every="2h")
    with pytest.raises(PlanError, match='no time zone "Europe/Berln"'):
        W.Calendar("day", "Europe/Berln")


def test_rows_that_are_reduced_may_be_dicts_in_any_order() -> None:
    frame = pl.DataFrame({"k": [1, 1], "v": [10, 20], "at": [START, START]})
    given = tw.Session().from_polars(frame).assign_watermark("at", "1s").key_by("k")
    made = given.window(W.Fixed("1h")).reduce(lambda a, b: {"v": a.v + b.v, "at": a.at, "k": a.k})
    assert made.collect().rows() == [(1, 30, START)]


async def slow(row: Any) -> Any:
    raise TimeoutError("the socket's")


def test_calls_say_what_is_wrong_with_them() -> None:
    rows = tw.Session().from_polars(NUMBERS)
    with pytest.raises(PlanError, match="at_once of map_async is at least 1"):
        rows.map_async(slow, "n BIGINT", at_once=0)
    with pytest.raises(DataError, match="raised TimeoutError: the socket's"):
        rows.map_async(slow, "n BIGINT").collect()


def test_no_more_calls_are_made_ready_than_are_under_way() -> None:
    most = 0

    async def count(row: Any) -> Any:
        nonlocal most
        most = max(most, len(asyncio.all_tasks()))
        await asyncio.sleep(0)
        return (row.n,)

    many = tw.Session().from_polars(pl.DataFrame({"n": range(2000)}))
    assert many.map_async(count, "n BIGINT", at_once=10).collect().height == 2000
    assert most < 40


def test_keys_and_times_that_do_not_fit() -> None:
    session = tw.Session()
    rows = session.from_polars(NUMBERS)
    with pytest.raises(PlanError, match='the key "k" is named twice'):
        rows.key_by("k", "k").process(Nothing(), "n BIGINT, told STRING", order="arrival")


def test_rows_that_fail_may_hold_what_other_programs_take_for_the_end_of_a_line() -> None:
    class Fails(tw.ProcessFunction):
        def on_event(self, row: Any) -> Any:
            raise ValueError("always")

    rows = tw.Session().from_polars(pl.DataFrame({"k": ["a\u2028b", "c\x85d"]})).key_by("k")
    failed = rows.process(Fails(), "k STRING", order="arrival").failed()
    assert failed.collect().height == 2


class Clocked(tw.ProcessFunction):
    def on_event(self, row: Any) -> Any:
        self.set_clock_timer(timedelta(seconds=30))

    def on_clock(self) -> Any:
        self.set_timer(timedelta(seconds=100))
        yield "clock", self.time

    def on_timer(self) -> Any:
        yield "timer", self.time


@pytest.mark.parametrize("crashes", [False, True])
def test_event_time_is_known_at_processing_times_after_a_restart(crashes: bool) -> None:
    with JobHarness() as job:
        given = job.source("k BIGINT, at TIMESTAMP", time="at")
        made = given.rows.key_by("k").process(Clocked(), "what STRING, at TIMESTAMP")
        job.watch(made)
        given.push([(1, START), (1, START + timedelta(seconds=6))])
        job.checkpoint()
        if crashes:
            job.crash()
        job.sleep("40s")
        now = START + timedelta(seconds=6)
        assert set(job.take()) == {("clock", now)}
        given.end()
        assert ("timer", now + timedelta(seconds=100)) in job.take()


@dataclass
class Sum:
    total: int = 0

    def add(self, n: int) -> int:
        self.total += n
        return self.total


def summed(row: Any, state: Sum) -> Any:
    yield row.n, state.add(row.n)


def test_the_state_of_a_plain_function_is_its_dataclass() -> None:
    found = checked(summed, "n BIGINT, total BIGINT")
    assert found == [(0, 0), (1, 1), (2, 2), (3, 5), (4, 5)]
    rows = tw.Session().from_polars(NUMBERS).key_by("k")
    with pytest.raises(PlanError, match="on_timer goes with a plain function"):
        rows.process(Nothing(), "n BIGINT, told STRING", on_timer=summed, order="arrival")
