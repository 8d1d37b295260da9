"""A column that was declared NOT NULL has no NULL: a row that has one is a bad row, in both modes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.connectors.files.source import file_source
from thalweg.connectors.required import RequiredLazySource, required
from thalweg.errors import DataError

FRAME = pl.DataFrame(
    {"id": [1, None, 3, 4], "name": ["a", "b", None, "d"]}, schema={"id": pl.Int32, "name": pl.String}
)
MESSAGE = 'column "{}" is NULL, and was declared NOT NULL'
WRITERS: dict[str, Callable[[Path], object]] = {
    "csv": FRAME.write_csv,
    "jsonl": FRAME.write_ndjson,
    "parquet": lambda path: FRAME.write_parquet(path, row_group_size=2),
    "arrow": FRAME.write_ipc,
}
FIRST = {"csv": "line 3", "jsonl": "line 2", "parquet": "row 1", "arrow": "row 1"}
MODES = pytest.mark.parametrize("mode", ["batch", "stream"])
FORMATS = pytest.mark.parametrize("form", WRITERS)


def session(
    folder: Path, form: str, columns: str = "id INT NOT NULL, name STRING", options: str = ""
) -> tw.Session:
    path = folder / f"rows.{form}"
    WRITERS[form](path)
    s = tw.Session(parallelism=2, options={"execution.runtime": "inline"})
    s.execute_sql(f"CREATE TABLE t ({columns}) WITH ('connector' = 'filesystem', 'path' = '{path}'{options})")
    return s


@MODES
@FORMATS
@pytest.mark.parametrize(
    "query", ["SELECT * FROM t", "SELECT id FROM t WHERE name = 'a'", "SELECT SUM(id) AS n FROM t"]
)
def test_a_null_stops_the_job_with_its_place(tmp_path: Path, form: str, mode: Any, query: str) -> None:
    with pytest.raises(DataError) as caught:
        session(tmp_path, form).sql(query).collect(mode=mode)
    error = caught.value
    assert (error.message, error.code) == (MESSAGE.format("id"), "data-bad-row")
    assert str(error.where) == f"{tmp_path}/rows.{form}, {FIRST[form]}"


@MODES
@FORMATS
def test_such_rows_are_kept_apart_and_counted(tmp_path: Path, form: str, mode: str) -> None:
    s = session(tmp_path, form, "id INT NOT NULL, name STRING NOT NULL", ", 'errors.sink' = 'bad'")
    s.execute_sql(f"""
      CREATE TABLE bad WITH ('connector' = 'filesystem', 'path' = '{tmp_path}/bad', 'format' = 'json');
      CREATE TABLE good WITH ('connector' = 'filesystem', 'path' = '{tmp_path}/good', 'format' = 'json');
      INSERT INTO good SELECT id FROM t;""")
    assert s.run(mode=mode).bad_count == 2
    assert sorted(s.read_json(tmp_path / "good").collect()["id"]) == [1, 4]
    bad = s.read_json(tmp_path / "bad").collect().sort("position")
    assert bad["error"].to_list() == [MESSAGE.format("id"), MESSAGE.format("name")]
    first = int(FIRST[form].split()[1])
    assert bad["position"].to_list() == [first, first + 1]
    assert bad["sample"][0] == "{'id': None, 'name': 'b'}"


@MODES
@FORMATS
def test_other_columns_may_be_null(tmp_path: Path, form: str, mode: Any) -> None:
    s = session(tmp_path, form, "id INT, name STRING")
    assert (
        s.sql("SELECT COUNT(*) AS n FROM t WHERE id IS NULL OR name IS NULL").collect(mode=mode).item() == 2
    )


@MODES
@FORMATS
def test_a_column_that_is_not_read_is_not_looked_at(tmp_path: Path, form: str, mode: Any) -> None:
    found = session(tmp_path, form).sql("SELECT name FROM t").collect(mode=mode)
    assert sorted(found["name"].drop_nulls()) == ["a", "b", "d"]


@MODES
def test_bad_rows_of_both_kinds_come_in_their_order(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,name\n1,a\nx,b\n,c\n2,d,e\n5,f\n")
    s = tw.Session(parallelism=1)
    s.execute_sql(f"""
      CREATE TABLE bad WITH ('connector' = 'filesystem', 'path' = '{tmp_path}/bad', 'format' = 'json');
      CREATE TABLE good WITH ('connector' = 'filesystem', 'path' = '{tmp_path}/good', 'format' = 'json');
      CREATE TABLE t (id INT NOT NULL, name STRING) WITH (
        'connector' = 'filesystem', 'path' = '{path}', 'errors.sink' = 'bad');
      INSERT INTO good SELECT * FROM t;""")
    assert s.run(mode=mode).bad_count == 3
    assert s.read_json(tmp_path / "bad").collect()["position"].to_list() == [3, 4, 5]
    assert s.read_json(tmp_path / "good").collect()["id"].to_list() == [1, 5]


@MODES
def test_generated_rows_too(mode: Any) -> None:
    s = tw.Session(parallelism=1)
    s.execute_sql("""CREATE TABLE t (a INT NOT NULL) WITH ('connector' = 'datagen', 'number-of-rows' = '9',
      'fields.a.null-rate' = '1', 'errors.tolerance' = 'quarantine')""")
    assert s.sql("SELECT COUNT(a) AS n FROM t").collect(mode=mode)["n"].to_list() in ([0], [])


def test_a_parquet_file_that_says_it_has_no_null_is_read_by_polars(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    FRAME.write_parquet(path)
    held = file_source(str(path))
    without = required(held, ["name"])
    assert isinstance(without, RequiredLazySource)
    assert "PYTHON SCAN" in without.lazy(None).explain()
    FRAME.drop_nulls().write_parquet(path)
    assert "Parquet SCAN" in without.lazy(None).explain()
    assert without.lazy([("name", None)]).collect()["name"].to_list() == ["a", "d"]
    assert required(held, []) is held
