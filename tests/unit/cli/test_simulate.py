"""`thalweg simulate` says what it found, by what, and how to see it again; it writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]
WRONG = """
import sys
import polars as pl
import thalweg as tw

s = tw.Session()
rows = s.from_iter([{"n": n} for n in range(60)], "n BIGINT", name="clicks")


def running(frame):
    return frame.with_columns(pl.col("n").cum_sum())


print("program", sys.argv[1:])
rows.map_batches(running).write_json("out")
s.run()
"""
RIGHT = """
CREATE TABLE o (k BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'parquet');
INSERT INTO o SELECT a % 3, COUNT(*) FROM (VALUES (1), (2), (4)) AS t (a) GROUP BY a % 3;
"""
HELPED = """
import thalweg as tw
import stamping

rows = tw.Session().from_iter([{"n": n} for n in range(9)], "n BIGINT", name="clicks")
rows.select(day=tw.udf(stamping.day, returns="INT")(tw.col("n"))).to_polars()
"""


@pytest.mark.slow
def test_what_is_found_is_told_with_the_command_that_repeats_it(thalweg: Call) -> None:
    Path("job.py").write_text(WRONG)
    code, out, err = thalweg("simulate", "job.py", "--without", "crashes", "--rows", "50", "--", "a b")
    lines = out.splitlines()
    assert (code, err) == (1, "")
    # the program is executed very often, and heard once
    assert lines.count("program ['a b']") == 1
    assert 'job "job", batch: reads clicks (the first 50 rows); writes to out' in lines
    assert "  cause:    cuts alone suffices" in lines
    assert "  step:     running, job.py:10" in lines
    assert lines[-1].startswith("the result can change: ")
    [again] = [line.split(":", 1)[1] for line in lines if line.startswith("  replay:")]
    assert not Path("out").exists()

    code, repeated, _ = thalweg(*shlex.split(again)[1:])
    assert code == 1
    assert repeated.splitlines()[:-1] == lines[:-1]


@pytest.mark.slow
def test_where_nothing_is_found_the_exit_code_is_0(thalweg: Call) -> None:
    Path("job.sql").write_text(RIGHT)
    code, out, err = thalweg("simulate", "job.sql", "--seeds", "10")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "the result cannot be told apart in 10 seeds"
    assert not Path("out").exists()


@pytest.mark.slow
def test_clocks_of_modules_beside_the_program_are_found(thalweg: Call) -> None:
    Path("stamping.py").write_text(
        "from datetime import date\n\n\ndef day(n):\n    return date.today().toordinal()\n"
    )
    Path("job.py").write_text(HELPED)
    code, out, err = thalweg("simulate", "job.py")
    assert (code, err) == (1, "")
    assert "  cause:    clock alone suffices" in out
    assert f"  step:     day, {Path('stamping.py').resolve()}:4" in out


@pytest.mark.parametrize(
    ("text", "told", "expected"),
    [
        ("import thalweg as tw\n", "simulate-no-job", 1),
        ("import thalweg as tw\ntw.Session().table('t')\n", "job.py, line 2", 1),
        ("syntax error\n", "SyntaxError", 1),
        ("import sys\nsys.exit(0)\n", "simulate-no-job", 1),
    ],
)
def test_a_program_that_is_wrong_is_told_as_run_does(
    thalweg: Call, text: str, told: str, expected: int
) -> None:
    Path("job.py").write_text(text)
    code, _, err = thalweg("simulate", "job.py")
    assert code == expected
    assert told in err
    assert "Traceback" not in err


def test_a_job_that_always_fails_is_told_as_run_does(thalweg: Call) -> None:
    Path("job.py").write_text(WRONG.replace("cum_sum()", "no_such_function()"))
    code, _, err = thalweg("simulate", "job.py")
    assert code == 3
    assert "no_such_function" in err


def test_files_that_are_no_programs_are_refused(thalweg: Call) -> None:
    Path("job.txt").write_text("")
    assert thalweg("simulate", "job.txt")[0] == 2
    assert thalweg("simulate", "none.py")[0] == 2
