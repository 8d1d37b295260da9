"""ORDER BY gives rows in their order, in both modes, and by event time also where rows do not end."""

from __future__ import annotations

from typing import Literal

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import PlanError, SqlError

ROWS = pl.DataFrame({"k": [1, 1, 2, 3, 3, None], "v": [5, None, 9, 2, 7, 3], "s": list("abcdef")})
Mode = Literal["batch", "stream"]


@pytest.fixture
def s() -> tw.Session:
    session = tw.Session()
    session.create_view("t", session.from_polars(ROWS))
    return session


@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT s FROM t ORDER BY v", "bdfaec"),
        ("SELECT s FROM t ORDER BY v NULLS LAST", "dfaecb"),
        ("SELECT t.s FROM t ORDER BY k DESC, v DESC", "edcabf"),
        ("SELECT s, v FROM t WHERE v > 2 ORDER BY 2 DESC", "ceaf"),
        ("SELECT MAX(s) AS s FROM t GROUP BY k ORDER BY SUM(v) DESC, k NULLS LAST", "ceb" + "f"),
        ("(SELECT s FROM t ORDER BY v NULLS LAST)", "dfaecb"),
        ("WITH w AS (SELECT * FROM t ORDER BY s) SELECT s FROM w ORDER BY s DESC", "fedcba"),
        ("SELECT s FROM t WHERE k = 1 UNION ALL SELECT s FROM t WHERE k = 2 ORDER BY s DESC", "cba"),
    ],
)
def test_rows_keep_the_order(s: tw.Session, text: str, rows: str, mode: Mode) -> None:
    found = s.sql(text).collect(mode=mode).get_column("s").to_list()
    if "GROUP BY" in text:
        assert found[2:] == ["b", "f"]
        assert sorted(found[:2]) == ["c", "e"], "two sums tie"
    else:
        assert found == list(rows)


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_sort(s: tw.Session, mode: Mode) -> None:
    rows = s.sql("SELECT * FROM t")
    by_two = rows.sort([tw.desc("k"), "v"]).select("s").collect(mode=mode)
    assert by_two.get_column("s").to_list() == list("decbaf")
    counted = rows.group_by("k").agg(n=tw.count()).sort([tw.asc("k", nulls_first=False)], descending=True)
    assert counted.collect(mode=mode).rows() == [(1, 2), (2, 1), (3, 2), (None, 1)]


ENDLESS = """CREATE TABLE e (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH ('connector' = 'datagen', 'fields.ts.max-past' = '1s')"""


def test_rows_that_do_not_end_come_by_event_time() -> None:
    session = tw.Session(parallelism=2)
    session.execute_sql(ENDLESS)
    found = session.sql("SELECT id, ts FROM e ORDER BY ts, id").peek(200, seconds=5)
    assert found.height == 200
    assert found.equals(found.sort("ts", "id"))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM e ORDER BY id",
        "SELECT id FROM e ORDER BY ts DESC",
        "SELECT id, COUNT(*) AS n FROM e GROUP BY id ORDER BY n",
    ],
)
def test_rows_that_do_not_end_have_no_other_order(text: str) -> None:
    session = tw.Session()
    session.execute_sql(ENDLESS)
    with pytest.raises(PlanError) as caught:
        session.sql(text).peek(1)
    assert caught.value.code == "plan-sort-unbounded"
    assert "LIMIT" in str(caught.value.hint)


def test_the_fluent_api_says_the_same(s: tw.Session) -> None:
    with pytest.raises(PlanError) as caught:
        s.sql("SELECT s FROM t").sort("v")
    assert caught.value.code == "plan-unknown-column"
    with pytest.raises(SqlError) as other:
        s.sql("SELECT DISTINCT k FROM t ORDER BY v")
    assert other.value.code == "sql-order-distinct"


@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT s FROM t ORDER BY v NULLS LAST LIMIT 4", "dfae"),
        ("SELECT s FROM t ORDER BY v DESC NULLS LAST LIMIT 3 OFFSET 1", "eaf"),
    ],
)
def test_first_rows_are_given_in_their_order(s: tw.Session, text: str, rows: str, mode: Mode) -> None:
    assert "".join(s.sql(text).collect(mode=mode).get_column("s")) == rows


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_limit_behind_an_order_takes_its_first_rows(s: tw.Session, mode: Mode) -> None:
    rows = s.from_polars(ROWS.drop_nulls("v"))
    assert rows.sort("v").limit(2).collect(mode=mode)["s"].to_list() == ["d", "f"]
    assert rows.sort("v").select("s").limit(2, offset=1).collect(mode=mode)["s"].to_list() == ["f", "a"]


def test_a_limit_of_rows_without_an_order_says_how_to_give_them_one(s: tw.Session) -> None:
    with pytest.raises(SqlError, match=r"sort\(…\)\.limit") as caught:
        s.sql("SELECT a.s FROM t AS a JOIN t AS b ON a.k = b.k LIMIT 2").collect(mode="stream")
    assert caught.value.code == "sql-not-yet"
