"""The comparison with other engines: its texts are right, and it notices answers that are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.peers import __main__ as command
from benchmarks.peers import reference, runner, texts_duckdb, texts_spark, tree, workload
from benchmarks.peers.duck import Duck
from benchmarks.peers.ours import Ours
from benchmarks.peers.peers import BY_ROW, COMPARED, DEFAULT, KINDS, Kind
from benchmarks.peers.sums import answer, wrapped

_FEW, _EVENTS, _RATE = 2_000, 20_000, 1_000
"""Some windows of 10 s begin and end within the events."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(place))
        yield place


@pytest.fixture(scope="module")
def files(cache: Path) -> dict[str, list[str]]:
    return workload.laid_out(_EVENTS, _RATE)


@pytest.mark.slow
@pytest.mark.parametrize("name", texts_duckdb.TEXTS)
def test_texts_for_duckdb_give_the_right_answers(name: str, files: dict[str, list[str]]) -> None:
    right = reference.right(name, files["plain"])
    # nobody has bid and sold so early
    assert right.plain["rows"] > 0 or name == "q23"
    duck = Duck()
    duck.prepare({}, files["plain"])
    found = duck.check({"text": texts_duckdb.TEXTS[name], "columns": right.columns})
    assert reference.differences(found, right.plain) == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_our_own_answers_are_checked(mode: str, files: dict[str, list[str]]) -> None:
    right = reference.right("q2", files["plain"])
    query = {"name": "q2", "right": right.exact}
    ours = Ours(mode)
    ours.prepare(query, files["plain"])
    assert ours.check(query) == {"rows": right.plain["rows"], "problems": []}
    query["right"] = right.exact | {"sums": right.exact["sums"] | {"price": 1}}
    assert "sum of price" in ours.check(query)["problems"][0]


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_our_function_by_row_is_checked(mode: str, files: dict[str, list[str]]) -> None:
    ours, right = Ours(mode), reference.right_alerts(files["keyed"])
    query = {"name": "alerts", "form": "keyed", "columns": right.columns, "right": right.exact}
    ours.prepare(query, files["keyed"])
    found = ours.check(query)
    assert found == {"rows": right.plain["rows"], "problems": []}
    assert found["rows"] > 0
    query["right"] = right.exact | {"rows": 1}
    assert "rows" in ours.check(query)["problems"][0]


def test_engines_run_queries_or_functions_or_both() -> None:
    queries, functions = (
        {kind.name for kind in KINDS.values() if isinstance(kind.query(name), dict)}
        for name in ("q2", "alerts")
    )
    assert queries & functions == {"thalweg", "thalweg-batch"}
    assert functions - queries == {"pyflink", "bytewax"}
    assert {KINDS[name].form("alerts") for name in functions} == {"keyed"}


def test_each_query_runs_on_spark_or_says_why_not() -> None:
    told = texts_spark.TEXTS | texts_spark.WHY_NOT
    assert set(COMPARED) <= set(told)
    assert not set(texts_spark.TEXTS) & set(texts_spark.WHY_NOT)


def test_sums_of_equal_numbers_are_equal_in_all_types() -> None:
    columns = {"a": "number", "b": "text"}
    assert answer([2, 3, None], columns) == {"rows": 2, "sums": {"a": "3.000", "b": "0.000"}}
    text = wrapped("SELECT 1 AS a, 'x' AS b", columns, "duckdb")
    import duckdb

    assert duckdb.sql(text).fetchall() == [(1, 1, 1)]


def test_a_day_later_there_is_one_event_of_each_kind(files: dict[str, list[str]]) -> None:
    import polars as pl

    *plain, later = files["closed"]
    assert [Path(p).resolve() for p in plain] == [Path(p).resolve() for p in files["plain"]]
    frame = pl.read_parquet(later)
    assert sorted(frame["event_type"]) == [0, 1, 2]
    last = (
        pl.scan_parquet(files["plain"]).select(pl.col("bid").struct.field("dateTime").max()).collect().item()
    )
    kinds = (
        frame[kind].struct.field("dateTime").drop_nulls().item() for kind in ("person", "auction", "bid")
    )
    assert all((time - last).total_seconds() > 20 * 3600 for time in kinds)


def _task(files: dict[str, list[str]], limit: float = 300.0) -> runner.Task:
    right = reference.right("q2", files["plain"])
    return runner.Task("q2", workload.laid_out(_FEW, _RATE), files, (_FEW, _EVENTS), 2, limit, right)


def _duck(text: str) -> Kind:
    return Kind("duck", ("duck",), lambda name: {"text": text})


@pytest.mark.slow
def test_engines_take_turns_and_wrong_answers_have_no_time(files: dict[str, list[str]]) -> None:
    right, wrong = (
        texts_duckdb.TEXTS["q2"],
        "SELECT auction, price + 1 AS price FROM bid WHERE auction % 123 = 0",
    )
    kinds = [
        _duck(right),
        Kind("wrong", ("duck",), lambda name: {"text": wrong}),
        Kind("broken", ("duck",), lambda name: {"text": "SELECT"}),
        Kind("dying", ("nowhere",), lambda name: {}),
        Kind("unable", ("duck",), lambda name: "cannot do that"),
    ]
    found = runner.compare(_task(files), kinds)
    report = found.pop("duck")
    assert len(report["seconds"]) == len(report["few_seconds"]) == 2
    assert report["rate"] == pytest.approx(_EVENTS / (sum(report["seconds"]) / 2))
    assert report["peak_rss_mib"] > 20
    assert report["start_seconds"] < report["start_to_first_result_seconds"]
    problems = {name: report["problem"] for name, report in found.items()}
    assert problems["wrong"].startswith("wrong: sum of price is ")
    assert "ParserException" in problems["broken"]
    assert problems["dying"].startswith("ended by itself, 1; see ")
    assert problems["unable"] == "cannot do that"
    assert not any("rate" in report for report in found.values())


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_given_up(files: dict[str, list[str]]) -> None:
    found = runner.compare(_task(files, limit=0.0), [_duck("SELECT count(*) FROM range(10000000000) a")])
    assert found["duck"]["problem"] == "took more than 0 s"


def test_everything_that_a_process_started_is_watched() -> None:
    text = (
        "import sys; data = bytearray(100 << 20); sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        child.stdout.read(1)
        assert child.pid in tree.tree(os.getpid())
        with tree.watched(os.getpid()) as used:
            pass
    assert used.peak_own_mib > 100
    assert used.peak_rss_mib > used.peak_own_mib
    assert child.pid not in tree.tree(os.getpid())


def test_a_stored_result_is_not_measured_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def compare(task: runner.Task, kinds: list[Kind]) -> dict[str, Any]:
        asked.append(task.name)
        return {kind.name: {"problem": "not today"} for kind in kinds}

    monkeypatch.setattr(command, "compare", compare)
    monkeypatch.setattr(command, "right", lambda name, files: reference.Right({}, {"rows": 3}))
    monkeypatch.setattr(command, "_java", lambda: "some Java")

    def run(*arguments: str) -> str:
        given = ["--peers", "duckdb", "--events", "40000", "--store", str(tmp_path), *arguments]
        return CliRunner().invoke(command.main, given).output

    assert "not today" in run("q0", "q2")
    assert "q0 is stored already" in run("q0")
    assert asked == ["q0", "q2"]
    run("q0", "--again")
    run("q2", "--rounds", "5")
    assert asked == ["q0", "q2", "q0", "q2"]
    stored = json.loads((tmp_path / "peers-q2.json").read_text())
    assert (stored["check"], stored["rows"], stored["options"]["rounds"]) == ("ok", 3, 5)
    assert "choices: thalweg" in run("q0", "--peers", "storm")


def test_what_is_compared_by_default_is_known() -> None:
    assert set(command.DEFAULT_QUERIES) <= {*COMPARED, *BY_ROW}
    assert set(DEFAULT) <= set(KINDS)
