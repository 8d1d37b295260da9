"""Rows that come too late for a join or for OVER can be had: from Python, and from SQL in a table."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import PlanError

FIVE = timedelta(seconds=5)


def at(*seconds: int) -> list[datetime]:
    return [datetime(2026, 1, 1) + timedelta(seconds=s) for s in seconds]


def joined(session: tw.Session, lateness_max: str = "0s") -> tw.Dataset:
    left = session.from_polars(pl.DataFrame({"id": [1, 2, 3], "since": at(1, 30, 2)}))
    right = session.from_polars(pl.DataFrame({"id": [1, 2, 3], "at": at(1, 31, 3)}))
    left = left.assign_watermark("since", lateness_max=lateness_max)
    right = right.assign_watermark("at", lateness_max=lateness_max)
    near = (tw.col("at") >= tw.col("since")) & (tw.col("at") <= tw.col("since") + FIVE)
    return left.join(right, on=["id", near])


def test_late_rows_of_both_sides() -> None:
    made = joined(tw.Session(parallelism=2))
    assert sorted(made.collect(mode="stream")["id"]) == [1, 2]
    assert made.late().collect(mode="stream").rows() == [(3, at(2)[0], "0", 2)]
    right = made.late("right").collect(mode="stream")
    assert right.columns == ["id_right", "at", "split", "position"]
    assert right.rows() == [(3, at(3)[0], "0", 2)]


def test_a_batch_has_some_only_if_it_judges() -> None:
    made = joined(tw.Session(parallelism=2))
    assert made.late().collect(mode="batch").rows() == []
    assert made.late().collect(mode="batch", lateness="as_stream").rows() == [(3, at(2)[0], "0", 2)]


def test_rows_that_are_allowed_to_be_late_are_not() -> None:
    made = joined(tw.Session(parallelism=2), lateness_max="1m")
    assert sorted(made.collect(mode="stream")["id"]) == [1, 2, 3]
    assert made.late().collect(mode="stream").rows() == []


def test_the_job_of_both_reads_the_rows_once() -> None:
    session = tw.Session(parallelism=2)
    made, ids = joined(session), []
    made.write_callback(lambda f: ids.extend(f["id"].to_list()))
    made.late().write_callback(lambda f: ids.extend(f["id"].to_list()))
    result = session.run(mode="stream")
    assert (sorted(ids), result.rows, result.late_count) == ([1, 2, 3], 6, 2)


@pytest.mark.parametrize(
    ("late", "said"),
    [
        (lambda d: d.filter(tw.col("id") > 1).late(), "the last step is no join in time"),
        (lambda d: d.join(d.select(other="id"), on=tw.col("id") == tw.col("other")).late(), "is ever late"),
        (lambda d: d.late("up"), 'no side "up"'),
    ],
)
def test_where_there_are_none_it_says_so(late: object, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        late(joined(tw.Session()))  # type: ignore[operator]  # a function


PROGRAM = """
SET 'execution.runtime-mode' = 'streaming';
CREATE TABLE t (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = '{folder}/in', 'format' = 'csv');
CREATE TABLE late WITH ('connector' = 'filesystem', 'path' = '{folder}/late', 'format' = 'json');
CREATE TABLE o WITH ('connector' = 'blackhole');
SET 'pipeline.late-rows.sink' = 'late';
"""
JOIN = "JOIN t AS b ON a.id = b.id AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '5' SECOND"


def session_of(folder: Path) -> tw.Session:
    (folder / "in").mkdir()
    (folder / "in" / "a.csv").write_text(
        "1,2026-01-01 00:00:01\n2,2026-01-01 00:00:25\n3,2026-01-01 00:00:02\n"
    )
    session = tw.Session(parallelism=2)
    session.execute_sql(PROGRAM.format(folder=folder))
    return session


def test_a_table_takes_those_of_both_sides(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    session.execute_sql(f"INSERT INTO o SELECT a.id FROM t AS a {JOIN}")
    session.run()
    late = session.sql("SELECT id, `position` FROM late").collect()
    assert late.rows() == [(3, 3), (3, 3)]


def test_a_table_takes_rows_of_one_kind(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    with pytest.raises(PlanError) as caught:
        session.execute_sql(f"INSERT INTO o SELECT a.id FROM (SELECT id, ts, id AS i FROM t) AS a {JOIN}")
    assert caught.value.code == "plan-late-columns"
