"""A batch accepts every row, or judges rows as a stream: from Python, from SQL, and from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from thalweg.cli.entry import run
from thalweg.errors import ConfigError, PlanError
from thalweg.session.hooks import HOOKS
from thalweg.session.session import Session

LINES = "\n".join(f'{{"k": "a", "ts": "2026-01-01 00:00:{s:02d}"}}' for s in (1, 2, 15, 3, 16))
TABLES = """
CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'filesystem', 'path' = 'in.json');
CREATE TABLE out WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
CREATE TABLE late WITH ('connector' = 'filesystem', 'path' = 'late', 'format' = 'json');
SET 'pipeline.late-rows.sink' = 'late';
INSERT INTO out SELECT window_start, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    Path("in.json").write_text(LINES)
    yield
    HOOKS.reset()


def counts(folder: str = "out") -> list[int]:
    """The counts that were written, by window."""
    return pl.read_ndjson(f"{folder}/*.jsonl").sort("window_start")["n"].to_list()


def test_set_makes_a_batch_judge() -> None:
    session = Session(parallelism=2)
    session.execute_sql("SET 'execution.lateness' = 'as_stream';" + TABLES)
    result = session.run()
    assert (result.mode, result.late_count, counts()) == ("batch", 1, [2, 2])
    assert pl.read_ndjson("late/*.jsonl")["ts"].to_list() == ["2026-01-01 00:00:03"]


def test_a_batch_accepts_every_row_unless_asked() -> None:
    session = Session(parallelism=2)
    session.execute_sql(TABLES)
    result = session.run()
    assert (result.mode, result.late_count, counts()) == ("batch", 0, [3, 2])


def test_a_batch_with_a_budget_accepts_every_row_too() -> None:
    session = Session(parallelism=2, memory="64MiB")
    session.execute_sql(TABLES)
    result = session.run()
    assert result.run is not None, "operators did it"
    assert (result.mode, result.late_count, counts()) == ("batch", 0, [3, 2])


@pytest.mark.parametrize(
    ("watermark", "wanted"), [("u", [2, 2]), ("TIMESTAMP '2026-01-01 00:00:05'", [3, 2])]
)
def test_watermarks_that_are_null_or_constant(watermark: str, wanted: list[int]) -> None:
    """Where there is none, it stays what it was; here the fourth row is behind that of the third one."""
    lines = LINES.splitlines()
    lines[2] = lines[2].replace("}", ', "u": "2026-01-01 00:00:15"}')
    Path("in.json").write_text("\n".join(lines))
    text = TABLES.replace("WATERMARK FOR ts AS ts", f"u TIMESTAMP(3), WATERMARK FOR ts AS {watermark}")
    session = Session(parallelism=2)
    session.execute_sql(text)
    session.run(mode="stream")
    assert counts() == wanted


def test_run_and_collect_take_it_as_an_argument() -> None:
    session = Session(parallelism=2)
    session.execute_sql(TABLES)
    assert session.run(mode="batch", lateness="as_stream").late_count == 1
    windows = session.table("t").window(tw.tumbling("10s"), on="ts").group_by("k").agg(n=tw.count())
    assert windows.collect(lateness="as_stream")["n"].sort().to_list() == [2, 2]
    assert windows.collect()["n"].sort().to_list() == [2, 3]
    with pytest.raises(ConfigError, match="there is no lateness"):
        session.collect(windows.plan, lateness="as-stream")


def test_the_command_line_has_a_flag() -> None:
    Path("job.sql").write_text(TABLES)
    assert run(["run", "job.sql", "--mode", "batch", "--lateness", "as_stream", "--no-progress"]) == 0
    assert counts() == [2, 2]


def test_results_that_change_are_written_as_the_final_table() -> None:
    session = Session(parallelism=2, options={"execution.lateness": "as_stream"})
    session.execute_sql(TABLES)
    windows = session.table("t").window(tw.tumbling("10s"), on="ts").group_by("k").agg(n=tw.count())
    total = windows.group_by("k").agg(n=tw.col("n").sum())
    total.write_json("plain")
    total.write_json("ops", changelog="ops")
    session.run()
    assert pl.read_ndjson("plain/*.jsonl").rows() == [("a", 4)]
    assert pl.read_ndjson("ops/*.jsonl").rows() == [("+I", "a", 4)]


def test_input_without_end_is_no_batch_with_it_either() -> None:
    session = Session(options={"execution.lateness": "as_stream"})
    session.execute_sql("CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen')")
    session.execute_sql("CREATE TABLE o WITH ('connector' = 'blackhole'); INSERT INTO o SELECT a FROM e")
    with pytest.raises(PlanError, match="never ends"):
        session.run(mode="batch")
