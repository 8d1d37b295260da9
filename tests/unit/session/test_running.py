"""What is queued to be written, and what a session says before it runs."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from thalweg.connectors.memory import MemorySink
from thalweg.errors import ConfigError, PlanError

ROWS = pl.DataFrame({"k": ["a", "b", "a"], "v": [1, 2, 3]})


def session() -> tw.Session:
    return tw.Session(parallelism=1, options={"execution.runtime": "inline"})


def test_a_mode_that_cannot_be_leaves_the_sinks_where_they_are() -> None:
    s, sink = session(), MemorySink()
    s.from_polars(ROWS).write_sink(sink)
    with pytest.raises(ConfigError, match='no mode "fast"'):
        s.run(mode="fast")
    s.run(mode="stream")
    assert sink.table().height == 3


def test_an_endless_source_refused_as_a_batch_can_still_run_as_a_stream() -> None:
    s, seen = session(), []
    s.on_start = lambda run: run.stop()
    s.read_nexmark().bid.write_callback(seen.append)
    with pytest.raises(PlanError) as caught:
        s.run(mode="batch")
    assert caught.value.code == "plan-batch-unbounded"
    assert not s.run().is_complete


def test_an_updating_result_of_endless_input_is_refused_where_it_is_written(tmp_path: Path) -> None:
    counts = session().read_nexmark().bid.group_by("auction").agg(n=tw.count())
    for write in (
        lambda: counts.write_callback(print),
        lambda: counts.write_parquet(tmp_path),
        lambda: counts.write_parquet(tmp_path, changelog="fold"),
    ):
        with pytest.raises(PlanError) as caught:
            write()
        assert str(caught.value.where).startswith(f"{__file__}:")
    counts.write_callback(print, changes=True)


def test_bounded_input_may_yet_run_as_a_batch_and_the_stream_knows_the_line() -> None:
    s, seen = session(), []
    counts = s.from_polars(ROWS).group_by("k").agg(n=tw.count())
    counts.write_callback(seen.append)
    s.run(mode="batch")
    assert sorted(pl.concat(seen).rows()) == [("a", 2), ("b", 1)]
    counts.write_callback(seen.append)
    with pytest.raises(PlanError) as caught:
        s.run(mode="stream")
    assert caught.value.code == "plan-updating-sink"
    assert caught.value.choices == ("changes=True (every change, with a column op)",)
    assert str(caught.value.where).startswith(f"{__file__}:")


@pytest.mark.parametrize("changelog", ["foo", "OPS"])
def test_an_unknown_changelog_is_refused(changelog: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        session().from_polars(ROWS).write_parquet(tmp_path, changelog=changelog)  # type: ignore[arg-type]
    assert caught.value.code == "plan-changelog"
    assert caught.value.choices == ("append", "ops", "fold")


LATE = """
CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'filesystem', 'path' = 'rows.csv', 'errors.tolerance' = 'quarantine', 'errors.sink' = 'bad');
CREATE TABLE late WITH ('connector' = 'filesystem', 'path' = 'late', 'format' = 'json');
CREATE TABLE bad WITH ('connector' = 'filesystem', 'path' = 'bad', 'format' = 'json');
CREATE TABLE o WITH ('connector' = 'blackhole');
SET 'pipeline.late-rows.sink' = 'late';
CREATE VIEW w AS SELECT k, window_start, SUM(v) AS s FROM
  TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;
INSERT INTO o SELECT * FROM w;
INSERT INTO o SELECT * FROM w WHERE s > 0 AND k = 'a';
INSERT INTO o SELECT * FROM w UNION ALL SELECT * FROM w;
"""
CSV = """k,v,ts
a,1,2026-01-01 00:00:01
a,2,2026-01-01 00:00:30
a,x,2026-01-01 00:00:31
b,3,2026-01-01 00:00:02
"""


def test_late_and_bad_rows_are_written_once_however_many_statements_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(CSV)
    s = session()
    s.execute_sql(LATE)
    s.run(mode="stream")
    lines = {
        name: [x for f in Path(name).glob("*") for x in f.read_text().splitlines()]
        for name in ("late", "bad")
    }
    assert [len(found) for found in lines.values()] == [1, 1], lines
