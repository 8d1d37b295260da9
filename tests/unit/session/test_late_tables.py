"""Late rows in a table: they name the file that they came from, and the table can be read without any."""

from __future__ import annotations

from pathlib import Path

import pytest

import thalweg as tw
from thalweg.errors import ConfigError

PROGRAM = """
SET 'execution.runtime-mode' = '{mode}';
CREATE TABLE t (v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = '{folder}/in', 'format' = 'csv');
CREATE TABLE late WITH ('connector' = 'filesystem', 'path' = '{folder}/late', 'format' = 'json');
CREATE TABLE o WITH ('connector' = 'blackhole');
SET 'pipeline.late-rows.sink' = 'late';
INSERT INTO o SELECT window_end, SUM(v) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end;
"""


def run(folder: Path, mode: str) -> tw.Session:
    (folder / "in").mkdir()
    (folder / "in" / "a.csv").write_text("1,2026-01-01 00:00:01\n2,2026-01-01 00:00:25\n")
    (folder / "in" / "b.csv").write_text("3,2026-01-01 00:00:26\n4,2026-01-01 00:00:02\n")
    session = tw.Session(parallelism=2)
    session.execute_sql(PROGRAM.format(folder=folder, mode=mode))
    session.run()
    return session


def test_late_rows_name_their_file(tmp_path: Path) -> None:
    session = run(tmp_path, "streaming")
    late = session.sql("SELECT v, split, `position` FROM late").collect()
    assert late.rows() == [(4, str(tmp_path / "in" / "b.csv"), 2)]


def test_without_late_rows_the_table_is_empty(tmp_path: Path) -> None:
    session = run(tmp_path, "batch")
    late = session.sql("SELECT * FROM late").collect()
    assert late.columns == ["v", "ts", "window_start", "window_end", "split", "position"]
    assert late.height == 0
    session.execute_sql("DROP TABLE late")
    session.execute_sql(PROGRAM.format(folder=tmp_path, mode="batch").split(";")[2])
    with pytest.raises(ConfigError) as caught:
        session.sql("SELECT * FROM late")
    assert caught.value.code == "source-no-schema"
