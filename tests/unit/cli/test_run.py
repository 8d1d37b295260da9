"""`thalweg run` runs a program as `python` would, with flags that win over what it sets."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from thalweg.checkpoint.hold import held
from thalweg.checkpoint.holders import LockedFiles
from thalweg.session.control.place import directory

Call = Callable[..., tuple[int, str, str]]
RUN_ONE = """
import polars as pl
from thalweg.connectors.memory import MemorySink
from thalweg.session.session import Session
session = Session(parallelism=1)
session.write_sink(session.from_polars(pl.DataFrame({"a": [1, 2]})).plan, MemorySink())
"""
ENDLESS = """
from thalweg.connectors.sinks import BlackholeSink
from thalweg.session.session import Session
session = Session(parallelism=1)
session.execute_sql("CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100')")
session.write_sink(session.table("e").plan, BlackholeSink())
"""


def written(text: str, name: str = "job.py") -> str:
    Path(name).write_text(text)
    return name


def test_a_program_is_the_main_program_and_gets_its_arguments(thalweg: Call) -> None:
    file = written("import sys\nprint(__name__, sys.argv)")
    assert thalweg("run", file, "--", "--fast", "x")[:2] == (0, "__main__ ['job.py', '--fast', 'x']\n")


def test_a_program_finds_the_modules_beside_it(thalweg: Call, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    written("WORD = 'hello'", "inner/besides_it.py")
    file = written("from besides_it import WORD\nprint(WORD)", "inner/job.py")
    assert thalweg("run", file)[1] == "hello\n"


@pytest.mark.parametrize(
    ("end", "code"), [("sys.exit(7)", 7), ("sys.exit()", 0), ("sys.exit('no')", 1), ("1 / 0", 1)]
)
def test_the_program_s_end_is_the_exit_code(thalweg: Call, end: str, code: int) -> None:
    assert thalweg("run", written(f"import sys\n{end}"))[0] == code


def test_an_exception_shows_the_user_s_frames_only(thalweg: Call) -> None:
    code, _, err = thalweg("run", written("def f():\n    raise KeyError('a')\n\nf()"))
    assert code == 1
    assert [line.split('"')[1] for line in err.splitlines() if "File" in line] == ["job.py", "job.py"]
    assert err.rstrip().endswith("KeyError: 'a'")


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_an_exception_out_of_a_job_is_a_job_that_failed(thalweg: Call, mode: str) -> None:
    text = f"""{RUN_ONE}
def boom(frame):
    raise ValueError("cb")

session.write_callback(session.from_polars(pl.DataFrame({{"a": [1]}})).plan, boom, False)
session.run(mode="{mode}")
"""
    code, _, err = thalweg("run", written(text))
    assert code == 3
    shown = [line.split('"')[1] for line in err.splitlines() if line.startswith("  File")]
    assert shown == ["job.py", "job.py"], "what stands between the two is not the user's"
    assert err.rstrip().endswith("ValueError: cb")
    assert mode == "batch" or err.startswith("job: failed, ")


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_program_that_cannot_be_read_is_wrong(thalweg: Call, command: str) -> None:
    code, _, err = thalweg(command, written("x = 1\ndef ("))
    assert code == 1
    assert err.splitlines()[0] == '  File "job.py", line 2'
    assert err.rstrip().endswith("SyntaxError: invalid syntax")


def test_an_error_of_ours_names_the_line(thalweg: Call) -> None:
    text = "from thalweg.session.session import Session\n\nSession().run()\n"
    code, _, err = thalweg("run", written(text))
    assert code == 1
    assert err.startswith("PlanError [plan-no-sink]")
    assert "where:    job.py, line 3" in err


def test_flags_win_over_the_program(thalweg: Call) -> None:
    text = f"{RUN_ONE}r = session.run('own', mode='batch')\nprint(r.name, r.mode, len(r.run.tasks))"
    flags = ("--mode", "stream", "--name", "mine", "--parallelism", "3", "--runtime", "inline")
    code, out, err = thalweg("run", written(text), *flags, "--no-progress")
    assert (code, out) == (0, "mine stream 3\n"), err


def test_the_job_is_called_like_the_file_unless_it_has_a_name(thalweg: Call) -> None:
    file = written(f"{RUN_ONE}print(session.run().name)", "hot_items.py")
    assert thalweg("run", file)[1] == "hot_items\n"


def test_hooks_are_empty_afterwards(thalweg: Call) -> None:
    from thalweg.session.hooks import HOOKS, Hooks

    thalweg("run", written("1 / 0"), "--name", "x")
    assert Hooks() == HOOKS


def test_a_sql_file_is_one_job(thalweg: Call) -> None:
    text = """CREATE TABLE out (a INT) WITH ('connector' = 'print');
              INSERT INTO out SELECT 1;
              SELECT 5 AS b;"""
    code, out, _ = thalweg("run", written(text, "job.sql"))
    assert code == 0
    assert out.splitlines()[0] == "+I[1]"
    assert "│ 5 │" in out


def test_another_kind_of_file_is_a_usage_error(thalweg: Call) -> None:
    assert thalweg("run", written("x", "job.txt"))[0] == 2
    assert thalweg("run", "nothing.py")[0] == 2


def test_progress_sums_up_a_stream(thalweg: Call) -> None:
    file = written(f"{RUN_ONE}session.run(mode='stream')")
    code, _, err = thalweg("run", file)
    assert code == 0
    assert err.startswith("job: done, 2 rows in")


def _wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    """A job that listens has begun, however busy the machine is."""
    while not list(directory().glob("*.sock")) and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.3)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_python_does_the_same_on_a_signal(number: signal.Signals) -> None:
    text = f"{ENDLESS}import atexit\natexit.register(print, 'at exit')\n"
    file = written(f"{text}print('before', flush=True)\nr = session.run()\nprint('after', r.is_complete)")
    process = subprocess.Popen(
        [sys.executable, file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "before\n"
    _wait_until_it_listens(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "after False\nat exit\n"), err
    assert "stopping; once more leaves at once" in err


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "state"), [((), "stopped"), (("--drain",), "done")])
def test_ctrl_c_stops_the_job_and_the_program_goes_on(flags: tuple[str, ...], state: str) -> None:
    file = written(f"{ENDLESS}print('before', flush=True)\nsession.run(mode='stream')\nprint('after')")
    command = [sys.executable, "-c", "from thalweg.cli import main; main()", "run", file, *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "before\n"
    _wait_until_it_listens(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "after\n"), err
    assert f"job: {state}" in err


FAILING = """
import thalweg as tw
session = tw.Session(parallelism=1)

def fail(frame):
    raise ConnectionError("the target is away")

session.from_iter([{"a": 1}], "a INT", name="rows").write_callback(fail)
session.run(mode="stream")
print("after")
"""


@pytest.mark.slow
def test_ctrl_c_ends_a_pause_between_two_attempts() -> None:
    file = written(FAILING)
    command = [sys.executable, "-c", "from thalweg.cli import main; main()", "run", file]
    options = ["--checkpoint-dir", "kept", "--set", "restart-strategy.exponential-delay.initial-backoff=59 s"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first.startswith("the job job failed and restarts in ")
    assert first.endswith("from the beginning (restart 1): ConnectionError: the target is away\n")
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=50)
    assert (process.returncode, out) == (130, "after\n"), err
    assert "the job job was stopped before its restart; it goes on from the beginning" in err
    assert "job: stopped, 1 rows" in err
    assert time.monotonic() - begun < 40, "the pause would be longer"


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_rows_that_were_left_out_are_told(thalweg: Call, mode: str) -> None:
    Path("in.csv").write_text("a\n1\nx\n3\ny\n")
    file = written(
        """CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = 'in.csv',
             'csv.header' = 'true', 'errors.tolerance' = 'quarantine');
           CREATE TABLE o WITH ('connector' = 'blackhole');
           INSERT INTO o SELECT a FROM t""",
        "job.sql",
    )
    code, _, err = thalweg("run", file, "--mode", mode)
    assert code == 0
    assert err.splitlines()[-1].startswith("job: done, ")
    assert err.endswith("2 bad\n")


KEPT = """
import polars as pl
import thalweg as tw
session = tw.Session(parallelism=1)
rows = session.from_polars(pl.DataFrame({"a": range(10)}))
rows.filter(tw.col("a") > %d).write_parquet("out")
session.run(mode="stream")
"""


def rows_written() -> int:
    return sum(pl.read_parquet(f).height for f in Path("out").glob("*.parquet"))


def test_a_job_with_checkpoints_says_what_it_does_with_them(thalweg: Call) -> None:
    call = "run", written(KEPT % 4), "--checkpoint-dir", "kept", "--no-progress"
    assert thalweg(*call) == (0, "", "")
    assert rows_written() == 5
    code, _, err = thalweg(*call)
    assert (code, rows_written()) == (0, 5)
    assert "the job job has reached its end" in err
    assert thalweg(*call, "--fresh")[0] == 0
    assert rows_written() == 10
    code, _, err = thalweg(*call, "--from-checkpoint", "99")
    assert (code, rows_written()) == (4, 10)
    assert 'no complete checkpoint "99"' in err


def test_a_changed_program_ends_with_4_and_a_job_that_runs_with_5(thalweg: Call) -> None:
    call = "run", "job.py", "--checkpoint-dir", "kept", "--no-progress"
    written(KEPT % 4)
    assert thalweg(*call)[0] == 0
    written(KEPT % 5)
    code, _, err = thalweg(*call)
    assert (code, rows_written()) == (4, 5)
    assert "checkpoint-other-program" in err
    assert "--fresh" in err
    with held(LockedFiles("kept/job"), "job"):
        code, _, err = thalweg(*call)
    assert code == 5
    assert "is being run by another process" in err


def test_a_start_is_said_in_one_way(thalweg: Call) -> None:
    code, _, err = thalweg("run", written("1"), "--fresh", "--from-checkpoint", "1")
    assert code == 2
    assert "exclude each other" in err
