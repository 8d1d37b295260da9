"""A bad row is told with the place that it has in its source, in a batch as in a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest

import thalweg as tw
from thalweg.connectors.iterators import from_iter
from thalweg.errors import DataError
from thalweg.session.session import Session

MODES: tuple[Literal["batch", "stream"], ...] = ("batch", "stream")


@tw.udf(returns=int, by="column")
def strict(v: pl.Series) -> pl.Series:
    """Refuse one value."""
    if (v == 5).any():
        raise ValueError("no fives")
    return v


def failed(data: tw.Dataset, mode: Literal["batch", "stream"]) -> DataError:
    """The error that collecting gives."""
    with pytest.raises(DataError) as caught:
        data.collect(mode=mode)
    return caught.value


@pytest.mark.parametrize("mode", MODES)
def test_a_column_function_blames_the_row_that_it_fails_on(mode: Literal["batch", "stream"]) -> None:
    rows = Session(parallelism=1).from_polars(pl.DataFrame({"id": range(10)}))
    error = failed(rows.filter(tw.col("id") > 1).select(x=strict(tw.col("id"))), mode)
    assert (error.split, error.offset) == ("0", 5)
    assert str(error.where).splitlines()[0] == "frame, split 0, row 5"
    assert error.found == "strict(id) with id = 5"


@pytest.mark.parametrize("mode", MODES)
def test_what_a_grouping_computes_first_has_a_place(mode: Literal["batch", "stream"], tmp_path: Path) -> None:
    for name, value in (("a", 1), ("b", 0)):
        (tmp_path / f"{name}.json").write_text(f'{{"v": 2}}\n{{"v": {value}}}\n')
    rows = Session(parallelism=1).read_json(str(tmp_path))
    error = failed(rows.group_by().agg(s=(1 / tw.col("v")).sum()), mode)
    assert str(error.where).splitlines()[0] == f"{tmp_path}/b.json, line 2"


def test_rows_of_a_union_are_found_in_their_source(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"v": 0}\n')
    session = Session(parallelism=1)
    rows = session.from_polars(pl.DataFrame({"v": [3]})).union(session.read_json(str(tmp_path / "a.json")))
    error = failed(rows.select(x=1 / tw.col("v")).limit(3), "batch")
    assert str(error.where).splitlines()[0] == f"{tmp_path}/a.json, line 1"


def test_what_can_be_read_once_only_is_not_read_again() -> None:
    rows = Session(parallelism=1).from_source(from_iter(iter([{"v": 1}, {"v": 0}])))
    error = failed(rows.select(x=1 / tw.col("v")), "batch")
    assert (error.code, error.split) == ("data-division-by-zero", None)


def test_a_sum_that_overflows_has_no_row_to_blame() -> None:
    rows = Session(parallelism=1).from_polars(pl.DataFrame({"v": [2**62, 2**62]}))
    error = failed(rows.group_by().agg(s=tw.col("v").sum()), "batch")
    assert (error.code, error.split) == ("data-overflow", None)
