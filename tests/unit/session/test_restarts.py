"""A job with checkpoints that fails goes on by itself, as its strategy says; no row is lost or repeated."""

from __future__ import annotations

import logging
import random
import re
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.checkpoint.failpoints import armed
from thalweg.errors import ConfigError, ConnectorError, DataError, StoreError
from thalweg.runtime.options import RunOptions
from thalweg.session.control import ask, running_jobs
from thalweg.session.execute import Result
from thalweg.session.handle import JobHandle

ROWS, KEYS = 2_000, 7
AT_ONCE = {
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "1000",
    "restart-strategy.fixed-delay.delay": "0",
}


@pytest.fixture(autouse=True)
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs of other processes are not in the way; the path of a socket is short."""
    made = tempfile.mkdtemp(prefix="tw")
    monkeypatch.setenv("XDG_RUNTIME_DIR", made)
    yield
    shutil.rmtree(made)


class Faults:
    """Raises when so many calls were made, in several places of a job, each once."""

    def __init__(self, at: dict[str, set[int]], error: Callable[[str], Exception]) -> None:
        self.at, self.error = at, error
        self.calls = dict.fromkeys(at, 0)
        self.raised = 0
        self._lock = threading.Lock()

    def call(self, place: str) -> None:
        with self._lock:
            self.calls[place] += 1
            if self.calls[place] not in self.at[place]:
                return
            self.raised += 1
        raise self.error(f"fault {self.raised} in {place}")


class Numbers:
    """Rows that can be read again, from a source that fails."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def __iter__(self) -> Iterator[dict[str, int]]:
        for n in range(ROWS):
            self.faults.call("source")
            yield {"n": n, "k": n * 31 % KEYS}


class Job:
    """Rows that pass through a function into files, and sums by key in a database."""

    def __init__(self, folder: Path, faults: Faults, **options: str) -> None:
        self.folder, self.faults, self.options = folder, faults, {**AT_ONCE, **options}
        self.started: list[JobHandle] = []

    def session(self, checkpoint_dir: Path | None) -> tw.Session:
        @tw.udf(returns="BIGINT")
        def checked(n: int) -> int:
            self.faults.call("function")
            return n

        session = tw.Session(parallelism=2, checkpoint_dir=checkpoint_dir, options=self.options)
        rows = session.from_iter(Numbers(self.faults), "n BIGINT, k BIGINT", name="numbers")
        rows = rows.select(tw.col("k"), checked(tw.col("n")).alias("n"))
        rows.write_parquet(self.folder / "rows")
        rows.group_by("k").agg(total=tw.sum("n"), n=tw.count()).write_sqlite(self.folder / "out.db", "sums")
        rows.write_callback(lambda frame: self.faults.call("sink"))
        session.on_start = self.started.append
        return session

    def run(self, *, mode: str = "stream", has_checkpoints: bool = True, start: str = "newest") -> Result:
        options = RunOptions(rows_max=50, checkpoint_batches=3)
        session = self.session(self.folder / "kept" if has_checkpoints else None)
        return session.run("numbers", mode=mode, options=options, start=start)

    def check(self) -> None:
        """Every row is there, once."""
        files = sorted((self.folder / "rows").glob("*.parquet"))
        found = sorted(n for f in files for n in pl.read_parquet(f)["n"])
        assert found == list(range(ROWS))
        with closing(sqlite3.connect(self.folder / "out.db")) as database:
            sums = sorted(database.execute("SELECT k, total, n FROM sums"))
        rows = pl.int_range(0, ROWS, eager=True).to_frame("n").with_columns(k=pl.col("n") * 31 % KEYS)
        assert sums == sorted(rows.group_by("k").agg(total=pl.sum("n"), n=pl.len()).rows())
        assert not list(self.folder.rglob("*.writing")), "nothing of a failed attempt is left"


def faults(seed: int, count: int, error: Callable[[str], Exception] = RuntimeError) -> Faults:
    """So many faults at places that a seed chooses."""
    dice = random.Random(seed)
    at: dict[str, set[int]] = {"source": set(), "function": set(), "sink": set()}
    for _ in range(count):
        place = dice.choice(list(at))
        at[place].add(dice.randrange(1, 25 if place == "sink" else ROWS))
    return Faults(at, error)


def none() -> Faults:
    return faults(0, 0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("error", [RuntimeError, ConnectionError])
def test_no_row_is_lost_or_repeated(tmp_path: Path, seed: int, error: type[Exception]) -> None:
    job = Job(tmp_path, faults(seed, 2 + seed % 6, error))
    result = job.run()
    assert result.is_complete
    assert job.faults.raised >= 2
    # a fault of a thread may come with that of another one
    assert 1 <= result.restarts <= job.faults.raised
    assert len(job.started) == 1, "it is one job"
    job.check()


@pytest.mark.parametrize("seed", range(6))
def test_a_disk_that_fails_now_and_then_costs_no_row(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    points = ("store.synced", "store.renamed", "sink.staged", "sink.renamed", "sink.progress")
    points += ("checkpoint.data", "checkpoint.published", "checkpoint.committed", "restore.committed")
    # a failure before the first row is the end
    chosen = [f"{p}:raise:{dice.randrange(6, 14)}" for p in dice.sample(points, 5)]
    job = Job(tmp_path, none())
    with armed(",".join(chosen)):
        result = job.run()
    assert result.is_complete
    job.check()


@pytest.mark.parametrize("point", ["final.ended", "final.published", "sink.progress"])
def test_a_last_commit_that_fails_is_made_by_the_next_attempt(tmp_path: Path, point: str) -> None:
    job = Job(tmp_path, none())
    with armed(f"{point}:raise:1") as points:
        assert job.run().restarts == 1
    assert points.reached[point] >= 1
    job.check()


def test_a_batch_is_run_again(tmp_path: Path) -> None:
    job = Job(tmp_path, faults(0, 0))
    job.faults.at["function"] = {700, 4_100}
    job.run(mode="batch")
    assert job.faults.raised == 2
    job.check()


def test_a_fresh_start_is_made_once(tmp_path: Path) -> None:
    job = Job(tmp_path, none())
    job.faults.at["source"] = {900, 1_500}
    assert job.run(start="fresh").restarts == 2
    job.check()
    assert len(list((tmp_path / "kept" / "numbers").glob("lineage-*"))) == 1


def test_each_restart_is_said_in_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = Job(tmp_path, none())
    job.faults.at["function"] = {1_000, 2_000}
    with caplog.at_level(logging.INFO, "thalweg"):
        job.run()
    first, second = [r.getMessage() for r in caplog.records]
    assert first.startswith("the job numbers failed and restarts in 0.0 s from checkpoint ")
    assert "(restart 1 of 1000): DataError: [data-python-function] the Python function" in first
    assert "fault 1 in function" in first
    assert "(restart 2 of 1000)" in second


def test_a_row_that_always_fails_ends_the_job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = Job(tmp_path, none())
    job.faults.at["function"] = set(range(1_000, 1_000_000))
    job.faults.error = lambda text: ValueError("always")
    with pytest.raises(DataError, match="always"):
        job.run()
    # the next attempt fails at its first row, and the one after that at the same row again
    assert caplog.text.count("restarts in") == 2


def test_a_strategy_comes_to_an_end(tmp_path: Path) -> None:
    job = Job(tmp_path, none(), **{"restart-strategy.fixed-delay.attempts": "3"})
    job.faults.at["sink"] = set(range(3, 1_000))
    with pytest.raises(RuntimeError, match="fault 4 in sink"):
        job.run()


@pytest.mark.parametrize("options", [{"restart-strategy.type": "none"}, {"restart-strategy.type": "off"}])
def test_none_means_none(tmp_path: Path, options: dict[str, str]) -> None:
    job = Job(tmp_path, none(), **options)
    job.faults.at["source"] = {900}
    with pytest.raises(RuntimeError, match="fault 1 in source"):
        job.run()


def test_without_checkpoints_there_is_no_restart(tmp_path: Path) -> None:
    job = Job(tmp_path, none())
    job.faults.at["source"] = {900}
    with pytest.raises(RuntimeError, match="fault 1 in source"):
        job.run(has_checkpoints=False)


def test_what_cannot_be_read_again_is_not(tmp_path: Path) -> None:
    session = tw.Session(checkpoint_dir=tmp_path / "kept", options=AT_ONCE)

    def fail(frame: pl.DataFrame) -> None:
        raise ConnectionError("down")

    session.from_iter(({"n": n} for n in range(9)), "n BIGINT", name="numbers").write_callback(fail)
    with pytest.raises(ConnectionError, match="down"):
        session.run("numbers", mode="stream")


def test_a_place_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    job = Job(tmp_path, none())
    (tmp_path / "out.db").mkdir()
    with pytest.raises(ConnectorError, match="sink-cannot-write"):
        job.run()
    assert job.faults.calls["source"] == 0


def waiting(job: Job) -> tuple[threading.Thread, list[Any]]:
    """The job in another thread, which has failed and waits for long."""
    job.options |= {"restart-strategy.fixed-delay.delay": "10 min"}
    job.faults.at["function"] = {900}
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(job.run()))
    thread.start()
    while thread.is_alive() and (not job.started or job.started[0].state != "restarting"):
        time.sleep(0.005)
    return thread, results


def test_a_job_that_waits_says_so_and_is_stopped_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = Job(tmp_path, none())
    thread, results = waiting(job)
    (handle,) = job.started
    ((who, text),) = handle.why()
    assert who == "job"
    assert text.startswith("restart 1 of 1000 after DataError: [data-python-function]")
    seconds = re.search(r"; restarts in ([0-9.]+) s$", text)
    assert seconds is not None
    assert 500 < float(seconds[1]) <= 600
    assert [j.state for j in running_jobs() if j.name == "numbers"] == ["restarting"]
    assert ask("numbers", "why")["why"] == [["job", ask("numbers", "why")["why"][0][1]]]
    begun = time.monotonic()
    handle.stop()
    thread.join()
    assert time.monotonic() - begun < 60, "not after ten minutes"
    assert not results[0].is_complete
    assert "the job numbers was stopped before its restart; it goes on from checkpoint" in caplog.text
    job.options["restart-strategy.fixed-delay.delay"] = "0"
    assert job.run().restarts == 0
    job.check()


def test_a_job_that_waits_is_saved_as_it_is(tmp_path: Path) -> None:
    job = Job(tmp_path, none())
    thread, _ = waiting(job)
    (handle,) = job.started
    path = handle.save(tmp_path / "saved", timeout=60)
    saving = handle.stop(savepoint=True)
    assert saving is not None
    other = tw.Checkpoint.at(saving.wait(60))
    thread.join()
    newest = tw.Checkpoints(tmp_path / "kept").open("numbers")
    for found in (tw.Checkpoint.at(path), other):
        assert found.number == newest.number
        assert found.positions.equals(newest.positions)
        found.verify()


def test_a_savepoint_that_cannot_be_written_while_a_job_waits_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    job = Job(tmp_path, none())
    thread, _ = waiting(job)
    (handle,) = job.started
    with pytest.raises(StoreError, match="store-failed"):
        handle.save(tmp_path / "taken", timeout=60)
    assert handle.state == "restarting"
    handle.stop()
    thread.join()
    assert (tmp_path / "taken").read_text() == "mine"


def test_other_processes_are_refused_while_a_job_waits(tmp_path: Path) -> None:
    job = Job(tmp_path, none())
    thread, _ = waiting(job)
    with pytest.raises(ConfigError, match="job-already-running"):
        job.session(tmp_path / "kept").run("numbers", mode="stream")
    ask("numbers", "stop")
    thread.join()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("type", "sometimes"),
        ("fixed-delay.attempts", "-1"),
        ("fixed-delay.delay", "soon"),
        ("exponential-delay.initial-backoff", "0 s"),
        ("exponential-delay.backoff-multiplier", "1"),
        ("exponential-delay.backoff-multiplier", "twice"),
        ("exponential-delay.jitter-factor", "1.5"),
        ("exponential-delay.attempts-before-reset-backoff", "many"),
        ("failure-rate.failure-rate-interval", "0"),
    ],
)
def test_a_value_that_is_none_is_refused_where_it_is_set(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match="config-value"):
        tw.Session(options={f"restart-strategy.{option}": value})


def test_a_first_pause_that_is_longer_than_the_longest_is_refused(tmp_path: Path) -> None:
    job = Job(tmp_path, none())
    job.options = {"restart-strategy.exponential-delay.initial-backoff": "2 min"}
    with pytest.raises(ConfigError, match=r"initial-backoff.* is longer than .*max-backoff"):
        job.run()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "ExponentialDelay(initial=1.0, longest=60.0, multiplier=1.5, reset_after=3600.0, jitter=0.1"),
        ({"type": "exponentialdelay", "exponential-delay.jitter-factor": "0"}, "jitter=0.0, attempts=None"),
        ({"exponential-delay.attempts-before-reset-backoff": "4"}, "attempts=4"),
        ({"type": "fixed-delay"}, "FixedDelay(attempts=1, seconds=1.0"),
        ({"type": "FAILURE-RATE"}, "FailureRate(failures_max=1, interval=60.0, seconds=1.0"),
        ({"type": "failure-rate", "failure-rate.delay": "250"}, "seconds=0.25"),
    ],
)
def test_options_make_strategies(tmp_path: Path, options: dict[str, str], expected: str) -> None:
    given = {f"restart-strategy.{name}": value for name, value in options.items()}
    found = tw.Session(checkpoint_dir=tmp_path, options=given)._checkpoints("newest")
    assert found is not None
    assert expected in repr(found.strategy)
