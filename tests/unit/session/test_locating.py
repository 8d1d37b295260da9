"""A bad row is told with the place that it has in its source, in a batch as in a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest

import thalweg as tw
from thalweg.connectors.iterators import from_iter
from thalweg.errors import DataError, Span
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


def joined() -> Session:
    """Two tables: `t` of a source that can be read once only, and `m`."""
    session = Session(parallelism=1)
    session.create_view("t", session.from_iter([(1, 2), (2, 3)], "id BIGINT, v INT"))
    session.create_view("m", session.from_polars(pl.DataFrame({"k": [2, 3], "n": [1, 0]})))
    return session


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT 1/n FROM t LEFT JOIN m ON t.v=m.k ORDER BY t.id", "data-division-by-zero"),
        ("SELECT 1/(n-1) FROM t JOIN (VALUES (2,1),(3,2)) AS m (k,n) ON v=k+0", "data-division-by-zero"),
        (
            "SELECT CAST(x AS INT) FROM (SELECT SUM(CAST(9999999999 AS BIGINT)) OVER (ORDER BY id) x FROM t)",
            "data-bad-cast",
        ),
        (
            "SELECT 1/(x-1) FROM (SELECT v AS k, COUNT(*) x FROM t GROUP BY v+0, v)",
            "data-division-by-zero",
        ),
    ],
)
def test_parts_with_columns_of_the_engine_hide_no_error(
    text: str, code: str, mode: Literal["batch", "stream"]
) -> None:
    error = failed(joined().sql(text), mode)
    assert error.code == code
    assert isinstance(error.where, Span)
    assert (error.where.line, error.where.column) == (1, 8)


def test_rows_are_found_below_columns_of_the_engine() -> None:
    session = Session(parallelism=1)
    session.create_view("t", session.from_polars(pl.DataFrame({"v": [1, 0]})))
    error = failed(session.sql("SELECT COUNT(*) FROM t GROUP BY 1/v"), "batch")
    assert str(error.where).splitlines()[0] == "frame, split 0, row 1"


def test_whatever_goes_wrong_while_looking_hides_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: object) -> None:
        raise RuntimeError("the search is broken")

    monkeypatch.setattr("thalweg.runtime.inline.run_inline", broken)
    rows = Session(parallelism=1).from_polars(pl.DataFrame({"v": [1, 0]}))
    error = failed(rows.select(x=1 / tw.col("v")), "batch")
    assert (error.code, error.split) == ("data-division-by-zero", None)
