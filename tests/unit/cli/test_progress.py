"""What a terminal shows of a running job: lines that are kept up to date, below whatever is printed."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.shell.terminal import Terminal
from thalweg.cli import progress as shown
from thalweg.cli.progress import Progress
from thalweg.session.hooks import HOOKS
from thalweg.session.session import Session

ENDLESS = """
import thalweg as tw
s = tw.Session(parallelism=1, checkpoint_dir="kept", options={"execution.checkpointing.interval": "200 ms"})
s.execute_sql("CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000')")
s.execute_sql("CREATE TABLE o (a BIGINT, n BIGINT) WITH ('connector' = 'blackhole')")
s.execute_sql("INSERT INTO o SELECT a % 10, COUNT(*) FROM e GROUP BY a % 10")
s.run("hot")
"""


class Screen(io.StringIO):
    """A terminal that understands what a progress writes: returns, and the two escapes that it needs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines, self.row, self.column = [""], 0, 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for part in re.findall(r"\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+|\x1b", text):
            self._take(part)
        return len(text)

    def _take(self, part: str) -> None:
        if part == "\r":
            self.column = 0
        elif part == "\n":
            self.row, self.column = self.row + 1, 0
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif part.startswith("\x1b"):
            assert part == "\x1b[J" or re.fullmatch(r"\x1b\[\d+A", part), f"{part!r} is not known"
            if part.endswith("A"):
                self.row -= int(part[2:-1])
                assert self.row >= 0, "nobody moves above the first line"
            else:
                self.lines[self.row] = self.lines[self.row][: self.column]
                del self.lines[self.row + 1 :]
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + part + line[self.column + len(part) :]
            self.column += len(part)


@pytest.fixture
def screen() -> Screen:
    return Screen()


def test_lines_take_the_place_of_those_before(screen: Screen) -> None:
    progress = Progress(screen)
    for text in ("one\ntwo\nthree", "uno\ndue", "un\ndeux\ntrois\nquatre", "eins"):
        progress._draw(text)
        assert screen.lines == text.split("\n")


def test_what_is_printed_stands_above(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", screen)
    progress = Progress(screen)
    progress._draw("one\ntwo")
    with progress.beside():
        print("a row")
        assert screen.lines == ["a row", ""]
        progress._draw("uno\ndue\ntre")
        print("another")
        progress._draw("un\ndeux")
    assert screen.lines == ["a row", "another", "un", "deux"]
    progress.say("done")
    assert screen.lines == ["a row", "another", "done", ""]


def test_no_more_is_shown_than_the_terminal_has_room_for(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Progress(screen)
    monkeypatch.setattr(progress, "_size", lambda: os.terminal_size((80, 4)))
    progress._draw("\n".join("abcdef"))
    assert screen.lines == ["a", "b", "c"]


@pytest.mark.slow
def test_a_terminal_shows_each_step_while_the_job_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("job.py").write_text(ENDLESS)
    with Terminal("run", "job.py") as terminal:
        terminal.until("STEP ")
        terminal.until("checkpoint ")
        shown = terminal.until("memory ")
        assert re.search(r"\d+, \d+\.\d s ago, took \d", shown) or "no checkpoint yet" in shown
        block = terminal.until("group1 ")
        assert re.search(r"\x1b\[\d+A\x1b\[J[\d ]+ rows, [\d ]+ rows/s", block), (
            "in the place of those before"
        )
        assert re.search(r"source1 +[\d ]+ +[\d ]+ ", block)
        terminal.type("\x03")
        terminal.until("hot: stopped, ")


@pytest.mark.slow
def test_elsewhere_there_are_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "_SUMMARY_EVERY", 0.0)
    monkeypatch.setattr(shown, "_LOOK_EVERY", 0.05)
    stream = io.StringIO()

    def rows() -> Any:
        yield (1,)
        until = time.monotonic() + 10
        while "1 rows, " not in stream.getvalue() and time.monotonic() < until:
            time.sleep(0.01)

    session = Session(parallelism=1)
    session.from_iter(rows(), "a INT").write_callback(lambda frame: None)
    progress = Progress(stream, has_table=True)
    HOOKS.watchers.append(progress.watch)
    session.run("plain", mode="stream")
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("plain: ") for line in lines)
    assert "\x1b" not in stream.getvalue()
    assert "STEP" not in stream.getvalue()


class Changing:
    """A job that changes whenever it is looked at, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def why(self) -> list[tuple[str, str]]:
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("dictionary changed size during iteration")
        return [("source1", "rows")]


@pytest.mark.parametrize(("times", "seen"), [(0, True), (2, True), (3, False)])
def test_a_job_that_changes_while_it_is_looked_at_is_looked_at_again(times: int, seen: bool) -> None:
    run: Any = Changing(times)
    assert shown.waits(run) == ([("source1", "rows")] if seen else [])
