"""Entries survive the shell, in a file for its owner only."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from thalweg.cli.shell import history
from thalweg.cli.shell.history import History, history_path


def test_entries_come_back_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "state" / "history"
    kept = History(path)
    assert [kept.add(e) for e in ("SELECT 1;", "SELECT 1;", "", "SELECT\n  'ü';")] == [
        True,
        False,
        False,
        True,
    ]
    assert History(path).load() == ["SELECT 1;", "SELECT\n  'ü';"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.touch(mode=0o644)
    History(path).add("SELECT 1;")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_long_file_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "ENTRIES_MAX", 2)
    path = tmp_path / "history"
    path.write_text("1\n2\n3\n4\n5\n")
    assert History(path).load() == ["4", "5"]
    assert path.read_text() == "4\n5\n"


def test_without_a_place_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = History(tmp_path / "file" / "history")
    assert kept.add("SELECT 1;")
    assert kept.load() == []


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert history_path() == Path("/s/thalweg/history")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert history_path() == Path("/h/.local/state/thalweg/history")
