"""The rows of a query come in order, and what goes wrong in it is never taken for its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import InternalError
from thalweg.session.batches import batches_of

ROWS = pl.DataFrame({"n": range(100_000)})
DAY = 86_400_000_000
FAR = pl.DataFrame({"ts": pl.Series([18_263 * DAY, 100_018_263 * DAY]).cast(pl.Datetime("us"))})
"""Files may hold times that no text of SQL can name."""


def mapped(function: Callable[[pl.Series], pl.Series]) -> pl.LazyFrame:
    column = pl.col("n").map_batches(function, return_dtype=pl.Int64, is_elementwise=True)
    return ROWS.lazy().select(column)


def test_rows_come_in_their_order() -> None:
    assert pl.concat(list(batches_of(mapped(lambda n: n)))).equals(ROWS)
    assert list(batches_of(mapped(lambda n: n).filter(pl.col("n") < 0))) in ([], [ROWS.clear()])


def test_what_is_raised_in_a_query_is_raised() -> None:
    def fails(column: pl.Series) -> pl.Series:
        raise ValueError("no such number")

    with pytest.raises(ValueError, match="no such number"):
        list(batches_of(mapped(fails)))


def test_a_panic_is_not_an_end() -> None:
    far = pl.LazyFrame({"t": [0, 2**63 - 1]}).select(pl.col("t").cast(pl.Datetime("us")).dt.strftime("%Y"))
    with pytest.raises(pl.exceptions.PanicException, match="out-of-range"):
        list(batches_of(far))


def test_a_query_that_nobody_takes_rows_of_any_more_stops() -> None:
    many = pl.concat([mapped(lambda n: n)] * 20)
    before = set(threading.enumerate())
    with closing(batches_of(many)) as frames:
        next(frames)
        # it has more rows than may wait
        (thread,) = set(threading.enumerate()) - before
        assert thread.is_alive()
    thread.join()
    assert list(frames) == []


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_what_polars_panics_at_is_told_and_nothing_is_written(
    tmp_path: Path, mode: Literal["batch", "stream"]
) -> None:
    session = tw.Session(parallelism=1)
    session.create_view("times", session.from_polars(FAR))
    rows = session.sql("SELECT DATE_FORMAT(ts, 'yyyy') AS y FROM times")
    rows.write_json(tmp_path / "out")
    with pytest.raises(InternalError, match="out-of-range") as caught:
        session.run("far", mode=mode)
    assert caught.value.code == "polars-panic"
    assert list((tmp_path / "out").glob("*.jsonl")) == []


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_times_that_polars_cannot_print_are_printed(mode: Literal["batch", "stream"]) -> None:
    session = tw.Session(parallelism=1)
    session.create_view("times", session.from_polars(FAR))
    rows = session.sql("SELECT CAST(ts AS STRING) AS x FROM times")
    found = sorted(rows.collect(mode=mode)["x"].to_list())
    assert found == ["+275810-09-15 00:00:00.000000", "2020-01-02 00:00:00.000000"]
