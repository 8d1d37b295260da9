"""Rows that are late or bad are counted, and both modes keep the same ones apart."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from thalweg.session.execute import Result
from thalweg.session.session import Session

LINES = (
    '{"id": 1, "ts": "2026-01-01 00:00:01"}',
    '{"id": "x", "ts": "2026-01-01 00:00:02"}',
    '{"id": 3',
    '{"id": 4, "ts": "2026-01-01 00:00:14"}',
    '{"id": 5, "ts": null}',
    '{"id": 6, "ts": "2026-01-01 00:00:03"}',
)
TABLES = """
CREATE TABLE t (id BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'filesystem', 'path' = '{folder}/in.json', 'errors.tolerance' = 'quarantine',
  'errors.sink' = 'bad');
CREATE TABLE bad WITH ('connector' = 'filesystem', 'path' = '{folder}/bad', 'format' = 'json');
CREATE TABLE out WITH ('connector' = 'filesystem', 'path' = '{folder}/out', 'format' = 'json');
"""
WINDOWS = """
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end
"""


def run(folder: Path, query: str, mode: str) -> Result:
    """Write the rows of a query over the lines."""
    folder.mkdir()
    (folder / "in.json").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    session = Session(parallelism=2, options={"execution.runtime": "inline"})
    session.execute_sql(TABLES.replace("{folder}", str(folder)))
    session.execute_sql(f"INSERT INTO out {query}")
    return session.run(mode=mode)


def written(folder: Path) -> list[str]:
    """All lines of a directory, in no order."""
    return sorted(line for p in folder.glob("*.json*") for line in p.read_text().splitlines())


@pytest.mark.parametrize("query", ["SELECT * FROM t", WINDOWS])
def test_both_modes_keep_the_same_rows_apart(tmp_path: Path, query: str) -> None:
    batch, stream = run(tmp_path / "b", query, "batch"), run(tmp_path / "s", query, "stream")
    assert batch.bad_count == stream.bad_count == 3
    bad = [json.loads(line) for line in written(tmp_path / "s" / "bad")]
    assert sorted(b["position"] for b in bad) == [2, 3, 5]
    for row in bad:
        row["split"] = row["split"].replace(str(tmp_path / "s"), str(tmp_path / "b"))
    found = [json.loads(line) for line in written(tmp_path / "b" / "bad")]
    assert sorted(map(str, found)) == sorted(map(str, bad))


def test_every_row_is_written_or_counted(tmp_path: Path) -> None:
    result = run(tmp_path / "s", WINDOWS, "stream")
    assert (result.rows, result.late_count, result.bad_count, result.ahead_count) == (3, 1, 3, 0)
    assert result.why()[0][1] == "finished"
    result = run(tmp_path / "b", WINDOWS, "batch")
    assert (result.late_count, result.bad_count) == (0, 3)
    assert result.why() == []


def test_without_windows_both_modes_give_the_same_rows(tmp_path: Path) -> None:
    for mode in ("batch", "stream"):
        run(tmp_path / mode, "SELECT * FROM t", mode)
    assert written(tmp_path / "batch" / "out") == written(tmp_path / "stream" / "out")
    assert pl.read_ndjson(tmp_path / "batch" / "out" / "*.jsonl")["id"].sort().to_list() == [1, 4, 6]
