"""The shell on a terminal: what is typed, what comes back, what Ctrl-C does."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import polars as pl
import pytest

from tests.unit.cli.shell.terminal import CTRL_C, CTRL_D, MORE, PROMPT, Terminal

pytestmark = pytest.mark.slow
ENDLESS = "CREATE TABLE clicks (a BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '50');"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_conversation(state: Path) -> None:
    pl.DataFrame({"size": [3, 4]}).write_parquet("f.parquet")
    with Terminal("sql") as shell:
        assert ".help" in shell.until(PROMPT)
        shell.say("SELECT SUM(size) AS total", MORE)
        shell.say("-- a comment;", MORE)
        shown = shell.say("FROM 'f.parquet';")
        assert "│ 7     │" in shown
        assert "1 row, " in shown
        wrong = shell.say("SELECT siz FROM 'f.parquet';")
        assert "PlanError [plan-unknown-column]" in wrong
        assert "^^^\n" in wrong
        assert 'view "v" created' in shell.say("CREATE VIEW v AS SELECT size + 1 AS more FROM 'f.parquet';")
        assert "│ v          │" in shell.say("SHOW TABLES;")
        assert "BIGINT" in shell.say("DESCRIBE v;")
        assert "== job ==" in shell.say("EXPLAIN SELECT more FROM v;")
        assert 'did you mean ".tables"' in shell.say(".tabels")
        assert "CREATE VIEW v AS" in shell.say(".schema v")
        shell.say(".mode csv")
        assert "total\n9\n" in shell.say("SELECT SUM(more) AS total FROM v;")
        assert shell.leave("QUIT;\n") == 0
    file = state / "thalweg" / "history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("SELECT SUM(size) AS total\x01-- a comment;\x01FROM 'f.parquet';\n")


def test_ctrl_c_stops_an_endless_query_and_not_the_shell() -> None:
    with Terminal("sql") as shell:
        shell.until(PROMPT)
        shell.say(ENDLESS)
        shell.type("SELECT a % 2 AS k, COUNT(*) AS n FROM clicks GROUP BY a % 2;\n")
        shell.until("│ op ┆")
        shell.until("│ +U ┆")
        shell.type(CTRL_C)
        assert "stopped, " in shell.until(PROMPT)
        shell.type("SELECT forgotten")
        shell.until("forgotten")
        shell.give_up_line()
        shell.type("SELECT 1 AS a;\n")
        shell.until("│ 1 │")
        shell.until(PROMPT)
        assert shell.leave(CTRL_D) == 0


def test_an_insert_is_a_job_that_ctrl_c_stops() -> None:
    with Terminal("sql", "--format", "json") as shell:
        shell.until(PROMPT)
        shell.say(ENDLESS)
        shell.say("CREATE TABLE out (a BIGINT) WITH ('connector' = 'print');")
        shell.type("INSERT INTO out SELECT a FROM clicks;\n")
        shell.until("+I[")
        shell.until("rows/s")
        shell.type(CTRL_C)
        assert "stopped, " in shell.until(PROMPT)
        assert '{"a":1}\n' in shell.say("SELECT 1 AS a;")
        assert shell.leave(".exit\n") == 0


def test_tab_completes_names_of_the_session_and_paths() -> None:
    pl.DataFrame({"size": [3]}).write_parquet("long name.parquet")
    with Terminal("sql") as shell:
        shell.until(PROMPT)
        shell.say(ENDLESS.replace("50", "7"))
        shell.type("DESCRIBE cli\t")
        shell.until("clicks")
        assert "BIGINT" in shell.say(";")
        shell.type("SELECT si\tze AS s FROM 'long n\t")
        shell.until("long name.parquet'")
        assert "│ 3 │" in shell.say(";")
        assert shell.leave(CTRL_D) == 0


def test_entries_of_earlier_shells_come_back() -> None:
    for keys in ("SELECT 20 + 3 AS a;\n", "\x10\n"):  # Ctrl-P: the entry before
        with Terminal("sql") as shell:
            shell.until(PROMPT)
            shell.type(keys)
            shell.until("│ 23 │")
            shell.until(PROMPT)
            assert shell.leave(CTRL_D) == 0


def test_it_works_without_readline() -> None:
    with Terminal("sql", before="import sys; sys.modules['readline'] = None") as shell:
        shell.until(PROMPT)
        shell.say("SELECT 1", MORE)
        assert "│ 1 │" in shell.say("AS a;")
        assert shell.leave(CTRL_D) == 0


def test_being_asked_to_end_ends_the_query_and_the_shell() -> None:
    with Terminal("sql") as shell:
        shell.until(PROMPT)
        shell.say(ENDLESS)
        shell.type("SELECT a FROM clicks;\n")
        shell.until("│ a ")
        os.kill(shell.process.pid, signal.SIGTERM)
        shell.until("stopped, ")
        assert shell.process.wait(60) == 130
