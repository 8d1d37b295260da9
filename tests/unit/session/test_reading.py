"""What a session reads: rows from Python, files by any path, and schemas in the forms that programs have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import PlanError


def numbers(count: int = 6) -> Iterator[dict[str, int]]:
    for n in range(count):
        yield {"a": n}


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_generator_is_read_once_and_says_so(mode: str) -> None:
    rows = tw.Session(parallelism=2).from_iter(numbers(), name="numbers")
    assert rows.collect(mode=mode)["a"].sort().to_list() == list(range(6))  # type: ignore[arg-type]
    with pytest.raises(PlanError, match='the rows of "numbers" have been read') as caught:
        rows.count()
    assert caught.value.code == "source-read-once"
    assert __file__ in str(caught.value.where)


def test_a_list_is_read_as_often_as_wanted() -> None:
    rows = tw.Session().from_iter([{"a": 1}, {"a": 2}])
    assert (rows.count(), rows.count()) == (2, 2)


def test_a_notebook_leaves_a_generator_alone() -> None:
    rows = tw.Session().from_iter(numbers())
    assert "sample" not in rows._repr_html_()
    assert rows.count() == 6


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_two_parts_of_one_job_share_a_generator(mode: str) -> None:
    session = tw.Session(parallelism=2)
    rows = session.from_iter(numbers())
    assert sorted(rows.union(rows).collect(mode=mode)["a"]) == sorted([*range(6)] * 2)  # type: ignore[arg-type]


def test_asynchronous_rows_with_a_schema_in_words() -> None:
    async def rows() -> AsyncIterator[tuple[int, str]]:
        for n in range(4):
            yield n, str(n)

    found = tw.Session().from_iter(rows(), "id BIGINT, name STRING").collect()
    assert found.equals(pl.DataFrame({"id": range(4), "name": list("0123")}))
