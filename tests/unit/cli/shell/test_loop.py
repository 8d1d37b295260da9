"""The shell outlives what is interrupted, and what goes wrong while a key is pressed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from thalweg.cli.shell import work
from thalweg.cli.shell.completion import Found
from thalweg.cli.shell.history import History
from thalweg.cli.shell.lines import Lines
from thalweg.cli.shell.loop import Loop
from thalweg.cli.shell.statements import Shell
from thalweg.session.session import Session


def test_ctrl_c_ends_what_is_no_stream_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "readline", None)
    # however slow the machine is
    monkeypatch.setattr(work, "_PATIENCE", 60.0)
    loop, after = Loop(Shell(Session()), no_progress=True), []

    def compute() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            pass

    assert not loop._do(compute), "what was typed behind it is not carried out"
    assert capsys.readouterr().err == "\nstopped\n"
    assert not loop.left_behind
    assert loop._do(lambda: after.append("next"))
    assert after == ["next"]


def test_names_that_cannot_be_looked_up_complete_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "SELECT a FROM t"
    monkeypatch.setitem(sys.modules, "readline", keyboard(line))

    def complete(before: str, after: str) -> Found:
        if is_gone:
            raise FileNotFoundError("t.parquet")
        return len(before) - 1, ["t", "table2"]

    lines, is_gone = Lines(complete, History(tmp_path / "history")), False
    assert [lines._candidate("t", i) for i in range(3)] == ["t", "table2", None]
    is_gone = True
    assert lines._candidate("t", 0) is None


def keyboard(line: str) -> SimpleNamespace:
    """A readline whose cursor stands at the end of a line, behind a word of one letter."""
    names = ["set_completer", "set_completer_delims", "set_auto_history", "parse_and_bind", "add_history"]
    return SimpleNamespace(
        **{name: lambda value: None for name in names},
        clear_history=lambda: None,
        get_line_buffer=lambda: line,
        get_begidx=lambda: len(line) - 1,
        get_endidx=lambda: len(line),
    )
