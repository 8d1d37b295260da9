"""What several results of a job, or several parts of one, have in common is made once."""

from __future__ import annotations

import polars as pl

from thalweg.session.session import Session

TABLES = """
CREATE TABLE bids (item BIGINT, price BIGINT, name STRING)
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE VIEW big AS SELECT item, price, name FROM bids WHERE price > 10;
CREATE VIEW counts AS SELECT item, COUNT(*) AS n, MAX(price) AS top FROM big GROUP BY item;
"""


def session() -> Session:
    made = Session(parallelism=2)
    made.execute_sql(TABLES)
    return made


def stages(text: str, kind: str) -> int:
    return text.split("== job ==")[1].count(f"stage {kind}")


def test_a_named_query_that_is_read_twice_is_made_once() -> None:
    twice = (
        session().sql("SELECT a.item, a.n, b.top FROM counts a JOIN counts b ON a.item = b.item").explain()
    )
    assert (stages(twice, "source"), stages(twice, "group"), stages(twice, "branch")) == (1, 1, 2)


def test_results_that_need_different_columns_share_what_makes_them() -> None:
    s = session()
    texts = (
        "SELECT item, n FROM counts",
        "SELECT item, top FROM counts WHERE top > 3",
        "SELECT name FROM big",
    )
    job = s.explain_plans([s.sql(text).plan for text in texts])
    assert (stages(job, "source"), stages(job, "group"), stages(job, "sink")) == (1, 1, 3)


def test_a_diamond_with_narrow_edges_comes_to_its_end() -> None:
    s = Session(parallelism=2)
    rows = s.from_polars(pl.DataFrame({"k": [i % 50 for i in range(5000)], "v": range(5000)}))
    s.create_view("rows_in", rows)
    s.settings.set("execution.batch-rows", "7")
    tops = "SELECT k, MAX(v) AS top FROM rows_in GROUP BY k"
    query = f"SELECT a.k, a.v FROM rows_in a JOIN ({tops}) m ON a.k = m.k AND a.v = m.top"
    found = s.collect(s.sql(query).plan, mode="stream")
    assert sorted(found.rows()) == [(k, 4950 + k) for k in range(50)]
