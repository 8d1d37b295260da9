"""A job over a source that gives each row once goes on after a crash, if it keeps a journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from tests.unit.connectors.test_journaled import ROWS, Once
from thalweg.checkpoint.failpoints import armed
from thalweg.checkpoint.history import History, Place
from thalweg.checkpoint.journal import Journal
from thalweg.checkpoint.manifest import Manifest
from thalweg.cli.check import told
from thalweg.cli.looking import Look
from thalweg.connectors.files.sink import FileSink
from thalweg.errors import ConfigError, PlanError
from thalweg.physical.guarantee import promised
from thalweg.plan.nodes import Scan, Write
from thalweg.runtime.options import RunOptions
from thalweg.session.execute import Execution

GOOD = [n for n in range(ROWS) if n % 7 != 3]
HOW = RunOptions(runtime="inline", rows_max=5, checkpoint_batches=1)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(source: Once, *, journal: bool = True, start: str = "newest", retained: str = "100") -> None:
    options = {"execution.checkpointing.num-retained": retained, "restart-strategy.type": "none"}
    session = tw.Session(parallelism=1, checkpoint_dir="kept", options=options)
    rows = session.from_source(source, journal=journal, dead_letter="dead")
    rows.select("n").write_json("out")
    session.run("job", mode="stream", options=HOW, start=start)


def published() -> list[int]:
    files = list(Path("out").glob("*.jsonl"))
    return sorted(pl.concat([pl.read_ndjson(f, schema={"n": pl.Int64}) for f in files])["n"])


def letters() -> list[int]:
    return sorted(tw.DeadLetters("dead").rows()["position"])


@pytest.mark.parametrize(
    "point", ["checkpoint.published:raise:2", "checkpoint.complete:raise:1", "sink.staged:raise:3"]
)
def test_no_row_is_lost_or_repeated(point: str) -> None:
    source = Once()
    with armed(point), pytest.raises(Exception):  # noqa: B017 - a failing disk shows itself in many ways
        run(source)
    assert source.given > 0
    run(source)
    assert (source.given, published(), letters()) == (ROWS, GOOD, [3, 10, 17])


def test_without_a_journal_rows_are_lost() -> None:
    source = Once()
    with armed("checkpoint.published:raise:2"), pytest.raises(OSError, match="failpoint"):
        run(source, journal=False)
    run(source, journal=False)
    assert published() != GOOD


def test_a_fresh_start_begins_behind_the_journal() -> None:
    run(Once())
    run(Once(), start="fresh")
    assert published() == sorted([*GOOD, *GOOD])
    source = Once()
    with armed("checkpoint.published:raise:1"), pytest.raises(OSError, match="failpoint"):
        run(source, start="fresh")
    run(source)
    assert published() == sorted([*GOOD, *GOOD, *GOOD])


def test_an_older_checkpoint_finds_what_was_given_after_it() -> None:
    run(Once())
    places = tw.Checkpoints("kept").list("job")
    read = dict(zip(places["number"].to_list(), places["rows_read"].to_list(), strict=True))
    chosen = places["number"].to_list()[1]
    source = Once(given=ROWS)
    run(source, start=str(chosen))
    assert source.opened == []
    assert published() == sorted([*GOOD, *GOOD[read[chosen] :]])


def test_what_no_checkpoint_needs_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thalweg.checkpoint.journal.SEGMENT_BYTES", 1)
    run(Once(), retained="1")
    assert len(list(Path("kept").glob("job/journal/*/*/segment-*"))) <= 2
    assert published() == GOOD


def test_sources_that_can_be_read_again_keep_none() -> None:
    session = tw.Session(checkpoint_dir="kept")
    session.from_iter([{"a": 1}], journal=True).write_json("out")
    assert session.run("job").mode == "batch"
    assert not Path("kept/job/journal").exists()


def test_generators_with_a_journal_run_as_a_stream() -> None:
    session = tw.Session(checkpoint_dir="kept")
    session.from_iter(iter([{"a": 1}]), "a BIGINT", journal=True).write_json("out")
    assert session.run("job", guarantee="exactly_once").mode == "stream"
    for mode, folder, code in (("batch", "kept", "plan-journal-batch"), (None, None, "journal-no-directory")):
        other = tw.Session(checkpoint_dir=folder)
        other.from_iter(iter([{"a": 1}]), "a BIGINT", journal=True).write_json("out")
        with pytest.raises((ConfigError, PlanError)) as caught:
            other.run("job", mode=mode)
        assert caught.value.code == code
        assert len(other.sinks) == 1, "another call finds them"


@dataclass
class Case:
    replay: str
    journal: bool
    has_checkpoints: bool
    promise: str


@pytest.mark.parametrize(
    "case",
    [
        Case("none", False, True, "at most once: once cannot be read again"),
        Case("none", True, True, "each row once"),
        Case("none", True, False, "at most once: once cannot be read again"),
        Case("ack", False, True, "at least once: once gives rows again that were not acknowledged"),
        Case("ack", True, True, "each row once"),
        Case("exact", False, True, "each row once"),
        Case("exact", False, False, "at least once: there is no directory of checkpoints"),
    ],
)
def test_what_is_promised_depends_on_replay_and_journal(case: Case) -> None:
    scan = Scan(Once(replay=case.replay), has_journal=case.journal)  # type: ignore[arg-type]
    write = Write(scan, FileSink("out"))
    assert promised(write, has_checkpoints=case.has_checkpoints) == case.promise
    look = Look((write,), Execution(mode="stream"))
    keeps = case.journal and case.replay != "exact"
    assert (", which keeps a journal" in "\n".join(told(look))) == keeps


def test_the_option_of_a_table() -> None:
    session = tw.Session(checkpoint_dir="kept")
    session.execute_sql(
        """CREATE TABLE lines (line STRING) WITH ('connector' = 'socket', 'hostname' = 'localhost',
          'port' = '9999', 'source.journal' = 'true')"""
    )
    lines = session.table("lines")
    assert "a journal of what is read" in session.explain(lines.plan)
    lines.write_json("out")
    assert promised(session.sinks[0], has_checkpoints=True) == "each row once"


def test_a_checkpoint_names_only_what_is_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    durable, named = [0], []
    sync, publish = Journal.sync, History.publish

    def noted_sync(journal: Journal) -> None:
        sync(journal)
        durable.append(journal.end)

    def noted_publish(history: History, manifest: Manifest) -> Place:
        (split,) = manifest.splits
        named.append((split["data"]["position"]["record"], durable[-1]))
        return publish(history, manifest)

    monkeypatch.setattr(Journal, "sync", noted_sync)
    monkeypatch.setattr(History, "publish", noted_publish)
    run(Once())
    assert len(named) > 3
    assert [position for position, _ in named] == sorted(position for position, _ in named)
    assert named[-1][0] == named[-1][1] > 3
    assert all(position <= end for position, end in named), named
