"""A long run goes on where it stopped, at the same commit, and does again what failed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from polars.exceptions import PanicException

from tests.suites import ledger as ledgers
from tests.suites.fuzz_sql import cases as plan_cases
from tests.suites.ledger import Ledger, Outcome, work_off
from tests.suites.nexmark_all import cases as nexmark_cases

ABOUT = {"question": "is it even"}


def is_even(case: str) -> Outcome:
    number = int(Path(case).read_text())
    if number == 3:
        # it is no `Exception`
        raise PanicException("3 is a panic")
    assert number % 2 == 0, f"{number} is odd"
    return {"number": number}


def ends_the_process(case: str) -> Outcome:
    if Path(case).read_text() == "end":
        os._exit(1)
    return {}


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    made: dict[str, Any] = {"commit": "abc", "cores": 2}
    monkeypatch.setattr(ledgers, "facts", lambda: made)
    monkeypatch.setattr(ledgers, "commits_since", lambda commit, *_: 0 if made.get("same") == commit else 3)
    return made


@pytest.mark.slow
def test_what_failed_is_done_again(facts: dict[str, Any], tmp_path: Path) -> None:
    files = [tmp_path / str(n) for n in range(4)]
    for n, file in enumerate(files):
        file.write_text(str(n))
    path, cases = tmp_path / "kept" / "suite.json", [str(f) for f in files]
    assert work_off(Ledger.opened(path, ABOUT), cases, is_even, processes=1) == 2
    kept = json.loads(path.read_text())
    assert (kept["failed"], kept["machine"], kept["about"]) == (2, facts, ABOUT)
    assert "1 is odd" in kept["outcomes"][cases[1]]["error"]
    assert "3 is a panic" in kept["outcomes"][cases[3]]["error"]
    # had it been asked for again, the first one would fail now
    files[0].write_text("5")
    files[1].write_text("4")
    files[3].write_text("6")
    assert work_off(Ledger.opened(path, ABOUT), cases, is_even, processes=1) == 0
    again = Ledger.opened(path, ABOUT)
    assert [again.outcomes[c]["number"] for c in cases] == [0, 4, 2, 6]
    assert json.loads(path.read_text())["left"] == 0


@pytest.mark.slow
def test_what_was_done_before_a_process_ended_is_kept(
    facts: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / str(n) for n in range(3)]
    for n, file in enumerate(files):
        file.write_text("end" if n == 1 else "")
    path, cases = tmp_path / "suite.json", [str(f) for f in files]
    assert work_off(Ledger.opened(path, ABOUT), cases, ends_the_process, processes=1) == 1
    assert "ended from outside" in capsys.readouterr().err
    kept = Ledger.opened(path, ABOUT)
    assert [kept.is_done(c) for c in cases] == [True, False, False]
    assert json.loads(path.read_text())["left"] == 2


@pytest.mark.parametrize("change", ["commit", "changed", "about"])
def test_another_run_begins_anew(change: str, facts: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    done = Ledger.opened(path, ABOUT)
    done.outcomes["a"] = {"number": 2}
    done.save()
    assert Ledger.opened(path, ABOUT).is_done("a")
    facts |= {"commit": "def", "same": "abc"}
    assert Ledger.opened(path, ABOUT).is_done("a"), "sources that did not change since"
    del facts["same"]
    facts["commit"] = {"commit": "def", "changed": "abc+"}.get(change, "abc")
    about = {"question": "another"} if change == "about" else ABOUT
    assert not Ledger.opened(path, about).is_done("a")


def test_the_seeds_are_all_there() -> None:
    spans = [tuple(map(int, c.split("-"))) for c in plan_cases(7, 1003)]
    assert [n for first, last in spans for n in range(first, last + 1)] == list(range(7, 1010))


def test_every_query_is_run_in_every_way() -> None:
    made = nexmark_cases()
    assert len(made) == len(set(made))
    ways = {c.split("/")[2] for c in made if c.startswith("q4/flink/")}
    assert {
        "batch",
        "stream-p1-b1",
        "stream-p3-b7",
        "stream-p3-b4096-restored",
        "stream-p1-b7-rescaled",
    } <= ways
    assert {c.split("/")[1] for c in made if c.startswith("q4/")} == {"flink", "S", "W"}
