"""Asynchronous functions are called for many rows at once, again if they fail, and not for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.connectors.memory import MemorySink
from thalweg.errors import DataError
from thalweg.runtime.options import RunOptions
from thalweg.testing import JobHarness

MODES = pytest.mark.parametrize("mode", ["batch", "stream"])
ROWS = pl.DataFrame({"id": range(50), "name": [f"n{i}" for i in range(50)]})


def rows() -> tw.Dataset:
    return tw.Session(parallelism=1).from_polars(ROWS)


@MODES
def test_answers_of_every_shape(mode: Any) -> None:
    async def answer(row: Any) -> Any:
        await asyncio.sleep(0)
        if row.id % 4 == 0:
            return None
        if row.id % 4 == 1:
            return {"id": row.id, "text": row.name}
        return (row.id, row.name) if row.id % 4 == 2 else [(row.id, "x"), (row.id, "y")]

    found = rows().map_async(answer, "id BIGINT, text STRING").collect(mode=mode)
    wanted = [(i, f"n{i}") for i in range(50) if i % 4 in (1, 2)]
    wanted += [(i, text) for i in range(3, 50, 4) for text in "xy"]
    assert sorted(found.rows()) == sorted(wanted)


def test_no_more_than_so_many_at_once() -> None:
    under_way, most = 0, 0

    async def answer(row: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return (row.id,)

    assert rows().map_async(answer, "id BIGINT", at_once=7).collect(mode="stream").height == 50
    assert most == 7


@MODES
def test_calls_that_fail_are_made_again(mode: Any) -> None:
    tried: Counter[int] = Counter()

    async def answer(row: Any) -> Any:
        tried[row.id] += 1
        if tried[row.id] <= row.id % 3:
            raise ConnectionError("busy")
        return (row.id,)

    made = rows().map_async(answer, "id BIGINT", retries=2, retry_wait="1ms")
    assert sorted(made.collect(mode=mode)["id"].to_list()) == list(range(50))
    assert tried == Counter({i: i % 3 + 1 for i in range(50)})


@MODES
def test_the_last_failure_is_told(mode: Any) -> None:
    async def answer(row: Any) -> Any:
        raise ConnectionError("nobody there")

    with pytest.raises(DataError, match="ConnectionError: nobody there") as caught:
        rows().map_async(answer, "id BIGINT", retries=1, retry_wait="1ms").collect(mode=mode)
    assert caught.value.code == "data-python-function"
    assert "after 2 attempts" in str(caught.value.hint)


def test_a_call_that_takes_too_long_is_given_up() -> None:
    async def answer(row: Any) -> Any:
        await asyncio.sleep(60)

    with pytest.raises(DataError, match=r"not done after 0\.01 s") as caught:
        rows().map_async(answer, "id BIGINT", timeout="10ms").collect(mode="stream")
    assert caught.value.code == "data-async-timeout"


def test_other_rows_and_other_functions() -> None:
    async def answer(row: Any) -> Any:
        return (1, 2, 3)

    with pytest.raises(DataError, match="gave other rows than declared"):
        rows().map_async(answer, "id BIGINT").collect(mode="stream")
    with pytest.raises(tw.PlanError, match="no asynchronous function"):
        rows().map_async(lambda row: row, "id BIGINT")  # type: ignore[arg-type, return-value]  # that is the mistake


async def doubled(row: Any) -> Any:
    await asyncio.sleep(0.001 * (row.id % 3))
    return (row.id * 2,)


@MODES
def test_answers_stand_behind_columns_that_are_carried(mode: Any) -> None:
    found = rows().map_async(doubled, "twice BIGINT", carry=["name", "id"]).collect(mode=mode)
    assert found.columns == ["name", "id", "twice"]
    assert found.rows() == [(f"n{i}", i, 2 * i) for i in range(50)]
    unordered = rows().map_async(doubled, "twice BIGINT", carry="id", ordered=False).collect(mode=mode)
    assert sorted(unordered.rows()) == [(i, 2 * i) for i in range(50)]


def test_columns_that_cannot_be_carried() -> None:
    with pytest.raises(tw.PlanError, match='no column "nam"') as caught:
        rows().map_async(doubled, "twice BIGINT", carry="nam")
    assert caught.value.code == "plan-unknown-column"
    with pytest.raises(tw.PlanError, match='"id" is carried, and given by the function'):
        rows().map_async(doubled, "id BIGINT", carry="id")


@MODES
@pytest.mark.parametrize("ordered", [True, False])
def test_a_time_that_is_carried_stays_an_event_time(mode: Any, ordered: bool) -> None:
    begin = datetime(2026, 1, 1)
    frame = ROWS.with_columns(pl.Series("ts", [begin + timedelta(seconds=i) for i in range(50)]))
    given = tw.Session(parallelism=2).from_polars(frame).assign_watermark("ts")
    answers = given.map_async(doubled, "twice BIGINT", carry="ts", ordered=ordered, at_once=4)
    found = answers.window(tw.tumbling("10s")).group_by().agg(n=tw.count(), most=tw.max("twice"))
    made = found.select("window_start", "n", "most").collect(mode=mode).sort("window_start")
    assert made.rows() == [(begin + timedelta(seconds=10 * i), 10, 20 * i + 18) for i in range(5)]


@MODES
def test_rows_that_fail_are_kept_apart(mode: Any) -> None:
    async def answer(row: Any) -> Any:
        if row.id % 10 == 3:
            raise ValueError(f"no {row.id}")
        if row.id % 10 == 4:
            await asyncio.sleep(60)
        return ("no number",) if row.id % 10 == 5 else (row.id,)

    session = tw.Session(parallelism=1)
    answers = session.from_polars(ROWS).map_async(answer, "number BIGINT", timeout="20ms", at_once=50)
    good: list[int] = []
    answers.write_callback(lambda frame: good.extend(frame["number"].to_list()))
    failed: list[tuple[Any, ...]] = []
    answers.failed().write_callback(
        lambda frame: failed.extend(frame.select("position", "code", "row").rows())
    )
    session.run("calls", mode=mode)
    assert sorted(good) == [i for i in range(50) if i % 10 not in (3, 4, 5)]
    codes = {3: "data-python-function", 4: "data-async-timeout", 5: "data-python-result"}
    wanted = [(i, codes[i % 10], f'{{"id":{i},"name":"n{i}"}}') for i in range(50) if i % 10 in codes]
    assert sorted(failed) == wanted


def test_what_is_taken_back_is_answered_and_taken_back_too() -> None:
    frame = pl.DataFrame({"k": [1, 2, 1, 1, 2], "v": [1, 2, 3, 4, 5]})

    async def answer(row: Any) -> Any:
        await asyncio.sleep(0.001 * (row.total % 4))
        return (row.k, row.total * 10)

    session = tw.Session(parallelism=2)
    totals = session.from_polars(frame).group_by("k").agg(total=tw.sum("v"))
    answers = totals.map_async(answer, "k BIGINT, total BIGINT", ordered=False)
    how = RunOptions(rows_max=1, cut_batches=1)
    sink = MemorySink(is_parallel=False)
    answers.write_sink(sink)
    session.run("calls", mode="stream", options=how)
    assert sorted(sink.table().rows()) == [(1, 80), (2, 70)]
    with pytest.raises(tw.PlanError, match="rows that may be taken back are not kept apart"):
        answers.failed()


def test_values_of_every_kind_go_there_and_back() -> None:
    frame = pl.DataFrame({"id": [1], "l": [[1, 2]], "s": [{"a": 1, "b": "x"}]})

    async def answer(row: Any) -> Any:
        assert (row.l, row.s) == ([1, 2], {"a": 1, "b": "x"})
        return ({"a": row.l}, [row.s])

    found = (
        tw.Session()
        .from_polars(frame)
        .map_async(answer, "m MAP<STRING, ARRAY<BIGINT>>, r ARRAY<ROW<a BIGINT, b STRING>>", carry="l")
    )
    assert found.collect(mode="stream").rows() == [([1, 2], {"a": [1, 2]}, [{"a": 1, "b": "x"}])]


def test_a_job_under_test_waits_for_answers() -> None:
    noon = datetime(2026, 1, 1, 12)

    async def answer(row: Any) -> Any:
        await asyncio.sleep(0.01 if row.n % 2 else 0.001)
        return (row.n * 10,)

    with JobHarness(parallelism=2) as job:
        given = job.source("n BIGINT, ts TIMESTAMP", time="ts")
        job.watch(given.rows.map_async(answer, "tens BIGINT", carry="ts"))
        given.push([(1, noon), (2, noon)])
        assert job.take() == [(noon, 10), (noon, 20)]
        job.checkpoint()
        job.crash(parallelism=1)
        given.push([(3, noon)])
        assert job.take() == [(noon, 30)]


def test_a_function_that_cancels_itself_fails_alone() -> None:
    async def answer(row: Any) -> Any:
        if row.id == 7:
            raise asyncio.CancelledError
        if row.id == 8:
            raise SystemExit(3)
        return (row.id,)

    session = tw.Session(parallelism=1)
    answers = session.from_polars(ROWS).map_async(answer, "number BIGINT")
    failed: list[str] = []
    answers.write_callback(lambda frame: None)
    answers.failed().write_callback(lambda frame: failed.extend(frame["error"].to_list()))
    session.run("calls", mode="stream")
    assert sorted(failed) == [
        "the call of answer raised CancelledError: ",
        "the call of answer raised SystemExit: 3",
    ]
