"""`thalweg dlq` lists dead letters, shows them so that they can be edited, and puts them back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import thalweg as tw
from thalweg.cli.entry import run


@pytest.fixture(autouse=True)
def _letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("in").mkdir()
    Path("in/a.jsonl").write_bytes(b'{"id": 1}\n{"id": "2"}\n\xff\n{"id": 4}\n')
    session = tw.Session(parallelism=1)
    session.read_json("in", schema="id BIGINT", dead_letter="dead").write_json("out")
    session.run()


def test_ls(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dlq", "ls", "dead", "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert (held["source"], held["reason"], held["code"]) == ("in", "unreadable", "data-bad-row")
    assert (held["rows"], held["replayed"]) == (2, 0)
    assert run(["dlq", "ls", "dead"]) == 0
    assert "data-bad-row" in capsys.readouterr().out


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dlq", "show", "dead", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["text"], first["split"], first["position"], first["byte"]) == (
        '{"id": "2"}',
        "in/a.jsonl",
        2,
        10,
    )
    assert second["text"] == "\ufffd"
    assert run(["dlq", "show", "dead", "--n", "1"]) == 0
    table = capsys.readouterr().out
    assert first["id"] in table
    assert second["id"] not in table


def test_replay(capsys: pytest.CaptureFixture[str]) -> None:
    run(["dlq", "show", "dead", "--json", "--n", "1"])
    letter = json.loads(capsys.readouterr().out)
    Path("edits.jsonl").write_text(json.dumps(letter | {"text": '{"id": 2}'}))
    assert run(["dlq", "replay", "dead", "--to", "in", "--edit", "edits.jsonl"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 row put back in ")
    assert Path(said.split(" in ")[1].strip()).read_text() == '{"id": 2}\n'
    assert run(["dlq", "replay", "dead", "--to", "in", "--edit", "edits.jsonl"]) == 0
    assert capsys.readouterr().out == "0 rows put back\n1 left out: put back before\n"
    assert run(["dlq", "show", "dead", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert run(["dlq", "show", "dead", "--json", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_an_empty_directory_has_no_letters(capsys: pytest.CaptureFixture[str]) -> None:
    Path("none").mkdir()
    for command in ("ls", "show"):
        assert run(["dlq", command, "none"]) == 0
        assert "there are no dead letters" in capsys.readouterr().err


def test_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dlq", "ls", "in"]) != 0
    assert "letters-none" in capsys.readouterr().err
    assert run(["dlq", "replay", "dead", "--to", "nowhere"]) != 0
    assert "source-missing-path" in capsys.readouterr().err
    assert run(["dlq", "replay", "dead", "--to", "in", "--edit", "nothing.jsonl"]) != 0
    assert "letters-edit" in capsys.readouterr().err
