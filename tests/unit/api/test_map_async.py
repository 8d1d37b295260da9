"""Asynchronous functions are called for many rows at once, again if they fail, and not for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import DataError

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
