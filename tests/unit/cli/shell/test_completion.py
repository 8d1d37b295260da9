"""What Tab offers depends on where the cursor is."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from thalweg.cli.shell.completion import complete
from thalweg.cli.shell.names import Names, names_of
from thalweg.session.session import Session

COLUMNS = {"clicks": ("user", "url", "ts"), "users": ("id", "name"), "'a.parquet'": ("size",)}
NAMES = Names(
    tables=("clicks", "users"),
    functions=("count", "concat", "upper"),
    settings=("parallelism.default", "pipeline.name"),
    connectors={
        "datagen": {"rows-per-second": (), "number-of-rows": ()},
        "filesystem": {"path": (), "format": ("parquet", "csv")},
    },
    columns=lambda table: COLUMNS.get(table, ()),
    paths=lambda begin: tuple(p for p in ("data/", "day.csv") if p.startswith(begin)),
)


def offered(text: str) -> list[str]:
    """The texts that Tab can make of a text; `|` is the cursor."""
    before, _, after = text.partition("|")
    start, found = complete(before, after, NAMES)
    return [before[:start] + c for c in found]


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("sel", "select"),
        ("SEL", "SELECT"),
        ("SELECT 1; sh", "SELECT 1; show tables"),
        ("create ta", "create table"),
        ("SELECT * FROM cl", "SELECT * FROM clicks"),
        ("SELECT * FROM\n", "SELECT * FROM\nusers"),
        ("SELECT * FROM clicks JOIN u", "SELECT * FROM clicks JOIN users"),
        ("INSERT INTO u", "INSERT INTO users"),
        ("DESCRIBE u", "DESCRIBE users"),
        ("DROP TABLE c", "DROP TABLE clicks"),
        ("SELECT * FROM TABLE(TUMBLE(TABLE c", "SELECT * FROM TABLE(TUMBLE(TABLE clicks"),
        ("SELECT us| FROM clicks", "SELECT user"),
        ("SELECT na", "SELECT name"),
        ("SELECT c.u| FROM clicks AS c", "SELECT c.url"),
        ("SELECT clicks.t", "SELECT clicks.ts"),
        ("SELECT * FROM clicks WHERE u", "SELECT * FROM clicks WHERE url"),
        ("SELECT si| FROM 'a.parquet'", "SELECT size"),
        ("SELECT `us| FROM clicks", "SELECT `user`"),
        ("SELECT cou", "SELECT count("),
        ("SELECT UPP", "SELECT UPPER("),
        ("SELECT a FROM clicks gr", "SELECT a FROM clicks group by"),
        ("SELECT * FROM 'da", "SELECT * FROM 'data/"),
        ("SELECT * FROM 'da", "SELECT * FROM 'day.csv'"),
        ("SET 'par", "SET 'parallelism.default' = '"),
        ("SET ", "SET 'pipeline.name'"),
        ("CREATE TABLE t (a INT) WITH ('con", "CREATE TABLE t (a INT) WITH ('connector' = '"),
        (
            "CREATE TABLE t (a INT) WITH ('connector' = 'dat",
            "CREATE TABLE t (a INT) WITH ('connector' = 'datagen'",
        ),
        (".mo", ".mode"),
        (".mode c", ".mode csv"),
        (".schema u", ".schema users"),
        (".read da", ".read data/"),
    ],
)
def test_it_is_offered(typed: str, wanted: str) -> None:
    assert wanted in offered(typed)


@pytest.mark.parametrize(
    ("typed", "unwanted"),
    [
        ("SELECT 1 -- sel", "SELECT 1 -- select"),
        ("SELECT url| FROM users", "SELECT url"),
        ("CREATE TABLE cl", "CREATE TABLE clicks"),
        ("SELECT * FROM use", "SELECT * FROM using"),
        (".mode x", ".mode csv"),
    ],
)
def test_it_is_not_offered(typed: str, unwanted: str) -> None:
    assert unwanted not in offered(typed)


def test_options_are_those_of_the_connector() -> None:
    begin = "CREATE TABLE t WITH ('connector' = 'filesystem', '"
    assert [t.removeprefix(begin) for t in offered(begin)] == ["connector' = '", "path' = '", "format' = '"]
    assert offered(f"{begin}format' = '") == [f"{begin}format' = 'parquet'", f"{begin}format' = 'csv'"]
    assert offered(f"{begin}path' = 'day") == [f"{begin}path' = 'day.csv'"]


def test_names_of_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"x": [1], "y": [2]}).write_parquet("f.parquet")
    (tmp_path / "folder").mkdir()
    (tmp_path / ".hidden").touch()
    session = Session()
    session.execute_sql("CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen')")
    session.execute_sql("CREATE VIEW v AS SELECT x AS z FROM 'f.parquet'")
    names = names_of(session)
    assert names.tables == ("e", "v")
    assert (names.columns("e"), names.columns("v"), names.columns("no")) == (("a",), ("z",), ())
    assert names.columns("'f.parquet'") == ("x", "y")
    assert names.paths("f") == ("f.parquet", "folder/")
    assert names.paths(".h") == (".hidden",)
    assert names.paths("nowhere/") == ()
    assert {"count", "upper"} <= set(names.functions)
    assert {"parquet", "csv"} <= set(names.connectors["filesystem"]["format"])
