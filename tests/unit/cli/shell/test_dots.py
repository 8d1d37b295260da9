"""Commands with a dot, in the shell and in a text that is piped in."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from thalweg.cli.shell.dots import COMMANDS, Leave, run_dot
from thalweg.cli.shell.statements import Shell
from thalweg.errors import ThalwegError
from thalweg.session.session import Session

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell() -> Shell:
    return Shell(Session())


def test_help_names_every_command(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    run_dot(shell, ".help")
    out = capsys.readouterr().out
    assert [name for name in COMMANDS if f"  .{name} " not in out] == []


def test_what_they_change(shell: Shell) -> None:
    for line in (".mode json", ".rows 5", ".timer off;"):
        run_dot(shell, line)
    assert (shell.form, shell.rows_max, shell.has_timer) == ("json", 5, False)


@pytest.mark.parametrize("line", [".exit", ".quit", ".q", ".exit;"])
def test_leaving(shell: Shell, line: str) -> None:
    with pytest.raises(Leave):
        run_dot(shell, line)


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (".moed csv", "shell-command", 'did you mean ".mode"'),
        (".mode cvs", "shell-argument", 'did you mean "csv"'),
        (".timer", "shell-argument", "on, off"),
        (".rows many", "shell-argument", "N"),
        (".read", "shell-argument", "FILE"),
        (".read nothing.sql", "shell-file", "No such file"),
        (".schema clicks", "plan-unknown-table", "clicks"),
    ],
)
def test_what_is_wrong_is_told(shell: Shell, line: str, code: str, says: str) -> None:
    with pytest.raises(ThalwegError) as caught:
        run_dot(shell, line)
    assert caught.value.code == code
    assert says in str(caught.value)


def test_definitions_are_shown_as_they_were_written(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.carry_out("CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen')")
    shell.carry_out("CREATE VIEW v AS SELECT a FROM e")
    run_dot(shell, ".schema")
    run_dot(shell, ".tables")
    assert capsys.readouterr().out.splitlines() == [
        "CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen');",
        "CREATE VIEW v AS SELECT a FROM e;",
        "e",
        "v  (view)",
    ]


def test_files_are_looked_at_anew_by_each_statement(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    run_dot(shell, ".mode csv")
    for text in ("a\n1\n", "a,b\n1,2\n"):
        Path("f.csv").write_text(text)
        shell.carry_out("SELECT * FROM 'f.csv'")
        assert capsys.readouterr().out == text


def test_a_file_that_is_read_may_have_commands(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.sql").write_text(".mode csv\nSELECT 1 AS a;\n.exit\nSELECT 2 AS b;")
    run_dot(shell, ".read s.sql")
    assert capsys.readouterr().out == "a\n1\n"


def piped(thalweg: Call, monkeypatch: pytest.MonkeyPatch, text: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return thalweg("sql", "--format", "csv")


def test_a_pipe_may_have_commands(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = piped(thalweg, monkeypatch, "SELECT 1 AS a;\n.mode json\nSELECT 2 AS a;\n")
    assert (code, out) == (0, 'a\n1\n{"a":2}\n'), err


def test_places_in_a_pipe_count_from_its_first_line(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = piped(thalweg, monkeypatch, "SELECT 1 AS a;\n.timer off\n\nSELECT nope;")
    assert (code, out) == (1, "a\n1\n")
    assert "line 4, column 8" in err


def test_a_pipe_ends_with_the_code_of_its_failure(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("f.csv").write_text("a\n1\nx\n")
    text = "CREATE TABLE f (a INT) WITH ('connector' = 'filesystem', 'path' = 'f.csv', 'format' = 'csv');"
    assert piped(thalweg, monkeypatch, f"{text} SELECT SUM(a) AS s FROM f;")[0] == 3
    assert piped(thalweg, monkeypatch, ".tabels")[0] == 1
