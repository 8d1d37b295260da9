"""Statements define, describe and drop tables and views, or change nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from thalweg.columnar.batch import Batch
from thalweg.errors import PlanError, ThalwegError
from thalweg.session.session import Session

TABLE = "CREATE TABLE t (a INT, b AS a + 1) WITH ('connector' = 'print')"


def result(session: Session, text: str) -> list[tuple[object, ...]]:
    return session.sql(text).to_polars().rows()


def test_show_create_gives_a_statement_that_defines_the_same() -> None:
    session = Session(parallelism=1)
    session.execute_sql(TABLE)
    ((text,),) = result(session, "SHOW CREATE TABLE t")
    assert text == "CREATE TABLE `t` (\n  `a` INT,\n  `b` AS a + 1\n) WITH (\n  'connector' = 'print'\n)"
    before = session.catalog.tables["t"]
    session.execute_sql(f"DROP TABLE t; {text}")
    assert session.catalog.tables["t"] == before
    session.execute_sql("CREATE VIEW v AS SELECT 1 AS a")
    assert result(session, "SHOW CREATE VIEW v") == [("CREATE VIEW `v` AS\nSELECT 1 AS a",)]


def test_a_view_of_the_program_has_no_statement() -> None:
    session = Session(parallelism=1)
    session.create_view("v", session.from_polars(pl.DataFrame({"a": [1]})))
    with pytest.raises(PlanError) as caught:
        session.sql("SHOW CREATE VIEW v")
    assert caught.value.code == "plan-view-without-sql"


def test_describe_takes_a_path(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "t": [None]}, schema={"a": pl.UInt32, "t": pl.Duration("us")}).write_parquet(
        tmp_path / "t.parquet"
    )
    session = Session(parallelism=1)
    described = result(session, f"DESCRIBE '{tmp_path / 't.parquet'}'")
    assert described == [("a", "INT UNSIGNED"), ("t", "INTERVAL DAY TO SECOND")]
    columns = ", ".join(f"{name} {held}" for name, held in described)
    session.execute_sql(f"CREATE TABLE t ({columns}) WITH ('connector' = 'blackhole')")


@pytest.mark.parametrize(
    "text",
    [
        *("DROP VIEW t", "DROP TABLE v", "DROP TABLE IF EXISTS v"),
        *("SHOW CREATE VIEW t", "SHOW CREATE TABLE v"),
    ],
)
def test_tables_and_views_are_not_mistaken_for_each_other(text: str) -> None:
    session = Session(parallelism=1)
    session.execute_sql(f"{TABLE}; CREATE VIEW v AS SELECT 1 AS a")
    with pytest.raises(PlanError) as caught:
        session.execute_sql(text)
    assert caught.value.code == "plan-wrong-kind"
    assert session.catalog.names() == ["t", "v"]


@pytest.mark.parametrize(
    "query", ["SELECT nothing", "SELECT * FROM t", "SELECT a, COUNT(*) AS n FROM (SELECT 1 AS a) GROUP BY a"]
)
def test_a_create_table_as_that_goes_wrong_defines_nothing(query: str, tmp_path: Path) -> None:
    session = Session(parallelism=1, options={"execution.runtime-mode": "streaming"})
    session.execute_sql("CREATE VIEW v AS SELECT 1 AS a")
    options = f"'connector' = 'filesystem', 'path' = '{tmp_path}/t'"
    with pytest.raises(ThalwegError):
        session.execute_sql(f"CREATE TABLE t WITH ({options}) AS {query}")
    with pytest.raises(ThalwegError):
        session.execute_sql(f"CREATE OR REPLACE TABLE v WITH ({options}) AS {query}")
    assert session.catalog.names() == ["v"]
    assert result(session, "SELECT * FROM v") == [(1,)]
    assert session.sinks == []


def test_an_insert_of_which_one_sink_is_refused_queues_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ts\n2026-01-01 00:00:00\n")
    session = Session(parallelism=1)
    session.execute_sql(f"""
        CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'filesystem', 'path' = '{tmp_path}/t.csv');
        CREATE TABLE o WITH ('connector' = 'blackhole');
        SET 'pipeline.late-rows.sink' = 'nothing';
    """)
    with pytest.raises(PlanError, match="there is no table"):
        session.execute_sql("""INSERT INTO o SELECT window_start, COUNT(*)
            FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND))
            GROUP BY window_start, window_end""")
    assert session.sinks == []


def test_a_declared_key_counts_where_nothing_else_is_known() -> None:
    session = Session(parallelism=1)
    session.execute_sql("""
        CREATE TABLE p (a INT, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'print');
        CREATE TABLE q (a INT, b AS a + 1, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'print');
        INSERT INTO p SELECT 1;
        INSERT INTO q SELECT 1;
    """)
    assert [write.sink.key for write in session.sinks] == [("a",), ()]


@pytest.mark.parametrize("key", ["", "b BIGINT, PRIMARY KEY (a) NOT ENFORCED"])
def test_print_tells_updates_from_inserts(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(parallelism=1, options={"execution.runtime": "inline", "execution.batch-rows": "1"})
    session.create_view("v", session.from_polars(pl.DataFrame({"k": ["x", "x"]})))
    columns = f"(a STRING, {key})" if key else ""
    session.execute_sql(f"""CREATE TABLE p {columns} WITH ('connector' = 'print');
        INSERT INTO p SELECT k, COUNT(*) AS n FROM v GROUP BY k""")
    (write,) = session.sinks
    assert write.sink.key == (("a",) if key else ("k",))
    writer = write.sink.open(write.input.schema, 0)
    names = write.input.schema.names
    for rows, weights in (([("x", 1)], [1]), ([("x", 1), ("x", 2)], [-1, 1])):
        writer.write(Batch(pl.DataFrame(rows, schema=list(names), orient="row"), pl.Series(weights)))
        writer.cut(0)
    assert capsys.readouterr().out == "+I[x, 1]\n-U[x, 1]\n+U[x, 2]\n"


def test_what_changes_nothing_does_not_say_that_it_did() -> None:
    session = Session(parallelism=1)
    said = session.execute_sql(f"""
        DROP TABLE IF EXISTS t; DROP VIEW IF EXISTS v; {TABLE}; CREATE VIEW v AS SELECT 1 AS a;
        CREATE TABLE IF NOT EXISTS t WITH ('connector' = 'print') AS SELECT 1 AS a;
        CREATE VIEW IF NOT EXISTS v AS SELECT 2 AS a; DROP TABLE IF EXISTS t""")
    assert [outcome.text for outcome in said] == [
        'there is no table "t"; nothing was dropped',
        'there is no view "v"; nothing was dropped',
        'table "t" created',
        'view "v" created',
        '"t" is there already; nothing was created',
        '"v" is there already; nothing was created',
        'table "t" dropped',
    ]
    assert session.sinks == []
    assert result(session, "SELECT * FROM v") == [(1,)]
