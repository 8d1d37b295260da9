"""`check` and `explain` look at programs and run nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Call = Callable[..., tuple[int, str, str]]
JOB = """
CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen');
CREATE TABLE o (a BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'parquet');
INSERT INTO o SELECT a FROM e WHERE a > 3;
"""
PROGRAM = """
import polars as pl
from thalweg.connectors.memory import MemorySink
from thalweg.session.session import Session
session = Session(parallelism=2)
data = session.from_polars(pl.DataFrame({"a": [1, 2]}))
print(session.collect(data.plan).columns)
session.write(data.plan, "out", "parquet", None)
session.run("copy")
"""


def test_check_lists_what_is_read_and_written_and_writes_nothing(thalweg: Call) -> None:
    Path("job.sql").write_text(JOB)
    code, out, err = thalweg("check", "job.sql", "--parallelism", "2")
    assert code == 0, err
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == 'job "job": stream, parallelism 2'
    assert lines[1].startswith("source datagen")
    assert "never ends" in lines[1]
    assert lines[2].startswith('sink "o" out: append-only rows')
    assert lines[-1] == "ok"
    assert not Path("out").exists()


def test_a_sql_file_names_its_job(thalweg: Call) -> None:
    Path("copy.sql").write_text(JOB)
    assert thalweg("check", "copy.sql")[1].startswith('job "copy": stream')


def test_check_of_a_program_gives_it_empty_tables(thalweg: Call) -> None:
    Path("job.py").write_text(PROGRAM)
    code, out, _ = thalweg("check", "job.py")
    assert code == 0
    assert out.splitlines()[0] == "['a']"
    assert 'job "copy": batch' in out
    assert not Path("out").exists()


def test_check_reports_what_could_not_run(thalweg: Call) -> None:
    Path("job.sql").write_text(JOB)
    code, _, err = thalweg("check", "job.sql", "--mode", "batch")
    assert code == 1
    assert "plan-batch-unbounded" in err


def test_check_of_a_program_without_a_job(thalweg: Call) -> None:
    Path("job.py").write_text("x = 1")
    assert thalweg("check", "job.py")[:2] == (0, "ok, but nothing is run\n")


def test_explain_shows_the_job_of_a_query_a_file_and_a_program(thalweg: Call) -> None:
    Path("job.sql").write_text(JOB)
    Path("job.py").write_text(PROGRAM)
    for what in ("SELECT 1 AS a", "job.sql", "job.py"):
        code, out, err = thalweg("explain", what)
        assert code == 0, err
        assert "== job ==\nstage " in out
    assert not Path("out").exists()


def test_explain_shows_what_is_kept_if_asked(thalweg: Call) -> None:
    Path("job.sql").write_text(JOB)
    assert "== state" not in thalweg("explain", "job.sql")[1]
    assert "== state, as a stream ==" in thalweg("explain", "--state", "job.sql")[1]


def test_explain_of_a_missing_file_is_a_usage_error(thalweg: Call) -> None:
    assert thalweg("explain", "nothing.py")[0] == 2


def test_explain_of_a_program_that_raises_shows_where(thalweg: Call) -> None:
    Path("job.py").write_text("def f():\n    raise KeyError('a')\n\nf()")
    code, out, err = thalweg("explain", "job.py")
    assert (code, out) == (1, "")
    assert [line.split('"')[1] for line in err.splitlines() if "File" in line] == ["job.py", "job.py"]
    assert err.rstrip().endswith("KeyError: 'a'")


def test_explain_of_a_query_that_means_nothing_says_so(thalweg: Call) -> None:
    code, out, err = thalweg("explain", "SELECT b FROM (SELECT 1 AS a) t")
    assert (code, out) == (1, "")
    assert err.startswith("PlanError [plan-unknown-column]")
