"""What a session reads: rows from Python, files by any path, and schemas in the forms that programs have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import ConfigError, PlanError


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


def test_a_schema_in_any_form_and_a_path_of_any_kind(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,name\n1,x\n")
    session = tw.Session()
    for schema in ({"id": "INT", "name": "STRING"}, {"id": pl.Int32, "name": str}, "id INT, name STRING"):
        rows = session.read_csv(path, schema=schema)
        assert str(rows.schema) == "id INT, name STRING"
        assert rows.collect().rows() == [(1, "x")]
    assert session.read_csv([path, str(path)]).count() == 2


def test_an_unknown_option_of_the_generated_stream() -> None:
    with pytest.raises(ConfigError, match='no option "generator"') as caught:
        tw.Session().read_nexmark(events=10, generator=2)
    assert "generators" in str(caught.value.hint)
