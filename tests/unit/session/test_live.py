"""The state of a running job can be read: by key and as a whole, as of a cut, while the job goes on.

The law, that what is read is what a checkpoint of the same cut holds, is in tests/unit/runtime/test_looks.py.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.cli.entry import run as thalweg
from thalweg.errors import CheckpointError, ConfigError, DataError, ExternalError, ThalwegError
from thalweg.runtime import aside
from thalweg.session.control import states, wire
from thalweg.session.control.place import socket_path
from thalweg.session.handle import JobHandle

STEP = "group1.group"


@dataclass
class Seen:
    """The last page of a user."""

    page: str
    times: int


class Visits(tw.ProcessFunction):
    """How often a user came, and where."""

    pages: dict[str, int]
    last: Seen | None = None
    total: int = 0

    def on_event(self, row: Any) -> Iterator[tuple[int, int]]:
        self.total += 1
        self.pages[row.page] = self.pages.get(row.page, 0) + 1
        self.last = Seen(row.page, self.pages[row.page])
        yield row.user, self.total


class Feed:
    """Rows that come when the test says so."""

    def __init__(self) -> None:
        self._more = threading.Condition()
        self._rows: list[dict[str, Any]] = []
        self._is_over = False
        self.pushed = 0

    def push(self, rows: list[dict[str, Any]]) -> None:
        with self._more:
            self.pushed += len(rows)
            self._rows += rows
            self._more.notify()

    def end(self) -> None:
        with self._more:
            self._is_over = True
            self._more.notify()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            with self._more:
                self._more.wait_for(lambda: self._rows or self._is_over)
                taken, self._rows = self._rows, []
                is_over = self._is_over
            yield from taken
            if is_over:
                return


Make = Callable[[tw.Dataset], tw.Dataset]


def counts(rows: tw.Dataset) -> tw.Dataset:
    return rows.group_by("user").agg(n=tw.count())


def visits(rows: tw.Dataset) -> tw.Dataset:
    return rows.key_by("user").process(Visits(), "user BIGINT, total BIGINT", order="arrival")


@contextmanager
def running(
    make: Make = counts, *, parallelism: int = 2, journal: bool = False, **options: Any
) -> Iterator[tuple[JobHandle, Feed]]:
    """The job "clicks" in another thread; it has ended behind this."""
    feed, session = Feed(), tw.Session(parallelism=parallelism, **options)
    rows = session.from_iter(feed, "user BIGINT, page STRING", name="clicks", journal=journal)
    make(rows).write_callback(lambda frame: None, changes=True)
    handles: list[JobHandle] = []
    begun, failed = threading.Event(), list[BaseException]()

    def start(handle: JobHandle) -> None:
        handles.append(handle)
        begun.set()

    def run() -> None:
        try:
            session.run("clicks", mode="stream")
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failed.append(error)
            begun.set()

    session.on_start = start
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert begun.wait(60)
        if handles:
            yield handles[0], feed
    finally:
        feed.end()
        thread.join(20)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def fed(job: JobHandle, feed: Feed, users: list[int]) -> None:
    """Rows that the job has read when this returns."""
    feed.push([{"user": user, "page": "ab"[n % 2]} for n, user in enumerate(users)])
    until = time.monotonic() + 10
    while job.rows_read < feed.pushed:
        assert time.monotonic() < until
        time.sleep(0.001)


@contextmanager
def asked(job: JobHandle, where: str) -> Iterator[tw.LiveState]:
    yield job.live if where == "same process" else tw.LiveState.at("clicks")


WAYS = pytest.mark.parametrize("where", ["same process", "socket"])


@WAYS
def test_all_that_was_read_before_is_seen(where: str) -> None:
    with running() as (job, feed), asked(job, where) as live:
        assert live.state(STEP).schema == {"user": pl.Int64(), "__rows": pl.Int64()}
        for round_ in range(1, 6):
            fed(job, feed, [7, 8, 7])
            assert sorted(live.state(STEP).rows()) == [(7, 2 * round_), (8, round_)]
            assert live.state(STEP, key={"user": 7}).rows() == [(7, 2 * round_)]
        assert live.state(STEP, "groups", key={"user": 9}).rows() == []


@WAYS
def test_what_there_is(where: str) -> None:
    with running(visits) as (job, feed), asked(job, where) as live:
        fed(job, feed, [1, 2, 3])
        live.state("process1.process", "values")
        found = live.states.select("operator", "state", "rows", "keys", "values").rows()
        assert found == [
            ("process1.process", "values", 3, ["user"], ["pages", "last", "total"]),
            ("process1.process", "timers", 0, ["user", "__timer"], ["due"]),
        ]


@WAYS
@pytest.mark.parametrize("runtime", ["threads", "processes"])
def test_values_of_python_are_columns(where: str, runtime: str) -> None:
    options = {"execution.runtime": runtime}
    with running(visits, options=options) as (job, feed), asked(job, where) as live:
        fed(job, feed, [1, 1, 1, 2])
        found = live.state("process1.process", "values", key={"user": 1})
        pages = [{"key": "a", "value": 2}, {"key": "b", "value": 1}]
        assert found.to_dicts() == [
            {"user": 1, "pages": pages, "last": {"page": "a", "times": 2}, "total": 3}
        ]
        assert live.state("process1.process", "values").filter(user=1).equals(found)


MISTAKES: list[tuple[str, dict[str, Any], str, str]] = [
    ("group1.grup", {}, "state-unknown", "group1.group groups"),
    (STEP, {"state": "group"}, "state-unknown", "group1.group groups"),
    (STEP, {"key": {"usr": 1}}, "state-key-column", 'did you mean "user"?'),
    (
        STEP,
        {"key": {"user": "ann"}},
        "state-key-value",
        "expected: a value of type BIGINT\n  found:    'ann'",
    ),
    (STEP, {"key": {"user": 1.5}}, "state-key-value", "1.5"),
]


@WAYS
@pytest.mark.parametrize(("step", "question", "code", "said"), MISTAKES)
def test_questions_that_cannot_be_answered(
    where: str, step: str, question: dict[str, Any], code: str, said: str
) -> None:
    with running() as (job, _), asked(job, where) as live, pytest.raises(ConfigError) as caught:
        live.state(step, **question)
    assert caught.value.code == code
    assert said in str(caught.value)


def test_a_step_with_several_states_and_one_without_keys() -> None:
    def total(rows: tw.Dataset) -> tw.Dataset:
        return rows.group_by().agg(n=tw.count())

    with running(visits) as (job, _), pytest.raises(ConfigError, match="more than one state of") as caught:
        job.live.state("process1.process")
    assert caught.value.choices == ("process1.process values", "process1.process timers")
    with running(total) as (job, feed):
        fed(job, feed, [1, 2, 3])
        assert job.live.state(STEP).get_column("__rows").to_list() == [3]
        with pytest.raises(ConfigError, match="is kept without keys"):
            job.live.state(STEP, key={"user": 1})


def test_a_job_that_has_ended() -> None:
    with running() as (job, feed):
        fed(job, feed, [1])
        live = job.live
    with pytest.raises(CheckpointError) as caught:
        live.state(STEP)
    assert caught.value.code == "state-job-ended"
    with pytest.raises(CheckpointError, match="ends, has ended, or begins again"):
        assert live.states.height
    with pytest.raises(ConfigError, match='no job "clicks" is running'):
        tw.LiveState.at("clicks").state(STEP)


@pytest.mark.slow
@pytest.mark.parametrize("parallelism", [1, 3])
def test_beside_checkpoints(parallelism: int, tmp_path: Path) -> None:
    """Increments go on as without reads."""
    with running(journal=True, checkpoint_dir=tmp_path / "kept", parallelism=parallelism) as (job, feed):
        rows = list[int]()
        for users in ([1, 2, 3], [1, 1, 4], [2], [9, 1]):
            rows += users
            fed(job, feed, users)
            expected = sorted((user, rows.count(user)) for user in set(rows))
            assert sorted(job.live.state(STEP).rows()) == expected
            kept = tw.Checkpoint.at(job.save(timeout=20)).state(STEP)
            assert sorted(kept.rows()) == expected


@pytest.mark.slow
def test_after_a_restart(tmp_path: Path) -> None:
    """What was restored is read as what came; each read is of all numbers up to one."""
    fails = [True]

    def once(frame: pl.DataFrame) -> pl.DataFrame:
        if fails and 300 in frame["a"]:
            fails.clear()
            raise ArithmeticError("once")
        return frame

    options = {
        "execution.checkpointing.interval": "50 ms",
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.delay": "10 ms",
    }
    session = tw.Session(parallelism=2, checkpoint_dir=tmp_path / "kept", options=options)
    session.execute_sql(
        "CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000', "
        "'fields.a.kind' = 'sequence', 'fields.a.start' = '0', 'fields.a.end' = '1000000')"
    )
    rows = session.table("e").map_batches(once, "a BIGINT")
    groups = rows.group_by(k=tw.col("a") % 5).agg(n=tw.count(), last=tw.max("a"))
    groups.write_sqlite(tmp_path / "out.db", "counts")
    handles: list[JobHandle] = []
    session.on_start = handles.append
    thread = threading.Thread(target=session.run, args=["numbers"], kwargs={"mode": "stream"})
    thread.start()
    reached, until = 0, time.monotonic() + 60
    while reached < 900 and time.monotonic() < until:
        if handles and (reached := prefix(handles[0].live)):
            assert reached < 1_000_000
    handles[0].stop()
    thread.join(20)
    assert not fails, "or it was not restarted"
    assert reached >= 900


def prefix(live: tw.LiveState) -> int:
    """How many numbers are counted; 0 where the job begins again just now."""
    try:
        found = live.state(STEP)
    except CheckpointError as error:
        if error.code == "state-job-ended":
            return 0
        raise
    counted = int(found["__rows"].sum())
    # the last column is the engine's own: whether a group has a greatest number yet
    assert sorted(found[:, :3].rows()) == groups_of(counted)
    return counted


def groups_of(count: int) -> list[tuple[int, ...]]:
    """Key, rows and greatest number of the groups of so many numbers."""
    numbers = pl.DataFrame({"a": range(count)}, schema={"a": pl.Int64()})
    groups = numbers.group_by(k=pl.col("a") % 5).agg(pl.len().cast(pl.Int64), pl.col("a").max())
    return sorted(groups.rows())


@WAYS
def test_a_job_that_fails_while_it_is_asked(where: str) -> None:
    arrived, may_fail = threading.Event(), threading.Event()

    class Fails(tw.ProcessFunction):
        def on_event(self, row: Any) -> None:
            arrived.set()
            may_fail.wait(10)
            raise ArithmeticError("no more")

    def make(rows: tw.Dataset) -> tw.Dataset:
        return rows.key_by("user").process(Fails(), "user BIGINT", order="arrival")

    said: list[ThalwegError] = []

    def ask(live: tw.LiveState) -> None:
        with pytest.raises(ThalwegError) as caught:
            live.state("process1.process", "values")
        said.append(caught.value)

    def run() -> None:
        with running(make) as (job, feed), asked(job, where) as live:
            feed.push([{"user": 1, "page": "a"}])
            assert arrived.wait(10)
            reader = threading.Thread(target=ask, args=(live,))
            reader.start()
            time.sleep(0.05)
            may_fail.set()
            reader.join(10)

    with pytest.raises(DataError, match="no more"):
        run()
    assert [error.code for error in said] == ["state-job-ended"]


def test_no_cut_in_time() -> None:
    arrived, may_go_on = threading.Event(), threading.Event()

    def held(frame: pl.DataFrame) -> pl.DataFrame:
        arrived.set()
        may_go_on.wait(10)
        return frame

    def make(rows: tw.Dataset) -> tw.Dataset:
        return counts(rows.map_batches(held, rows.schema))

    with running(make) as (job, feed):
        feed.push([{"user": 1, "page": "a"}])
        assert arrived.wait(10)
        with pytest.raises(CheckpointError) as caught:
            job.live.state(STEP, timeout=0.05)
        assert (caught.value.code, caught.value.found) == ("state-timeout", "no cut within 0.05 s")
        may_go_on.set()
        assert job.live.state(STEP).rows() == [(1, 1)]


def test_rows_come_in_parts_and_wait_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "HELD_BYTES", 300_000)
    written: list[int] = []
    write = aside.Aside._write

    def noted(self: aside.Aside, data: memoryview) -> None:
        written.append(len(data))
        write(self, data)

    monkeypatch.setattr(aside.Aside, "_write", noted)
    with running() as (job, feed):
        fed(job, feed, list(range(40_000)))
        with job.live.rows(STEP) as rows:
            assert written
            assert sum(written) < 40_000 * 16
            # the job goes on, and what waits for its reader stays as it was
            fed(job, feed, list(range(40_000)))
            sizes, seen = [], set[tuple[int, int]]()
            for part in rows:
                sizes.append(part.height)
                seen.update(part.rows())
        assert seen == {(user, 1) for user in range(40_000)}
        assert len(sizes) >= 4
        assert max(sizes) <= 16_384
        assert job.live.state(STEP)["__rows"].unique().to_list() == [2]


def question(**asked: Any) -> socket.socket:
    """A question whose answer nobody reads."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10)
    connection.connect(str(socket_path("clicks")))
    wire.send(connection, {"op": "state", "operator": STEP, "timeout": 10, **asked})
    return connection


def test_readers_that_take_nothing_do_not_stop_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "STALLED", 1.5)
    with running() as (job, feed):
        fed(job, feed, list(range(60_000)))
        stalled = [question() for _ in range(states.READERS_MAX)]
        # their answers have begun, and none fits into what a socket holds
        heads = [connection.recv(1) for connection in stalled]
        assert heads == [b"{"] * states.READERS_MAX
        for round_ in range(2, 5):
            fed(job, feed, [7])
            assert job.live.state(STEP, key={"user": 7}).rows() == [(7, round_)]
        with pytest.raises(CheckpointError) as caught:
            tw.LiveState.at("clicks").state(STEP)
        assert caught.value.code == "state-busy"
        until = time.monotonic() + 10
        while (found := answered()) is None:
            assert time.monotonic() < until, "they are left after a time"
            time.sleep(0.1)
        assert found.height == 1
        for connection in stalled:
            connection.close()


def answered() -> pl.DataFrame | None:
    try:
        return tw.LiveState.at("clicks").state(STEP, key={"user": 7})
    except CheckpointError:
        return None


def test_an_answer_that_breaks_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "STALLED", 0.1)
    with running() as (job, feed):
        fed(job, feed, list(range(60_000)))
        with tw.LiveState.at("clicks").rows(STEP) as rows:
            time.sleep(0.5)
            with pytest.raises(ExternalError) as caught:
                list(rows)
        assert caught.value.code == "state-broken-off"


def test_questions_without_sense_are_refused() -> None:
    with running() as (job, _):
        for asked_ in ({"key": 7}, {"timeout": "soon"}, {"operator": None}, {"key": {"user": [1]}}):
            with question(**asked_) as connection:
                assert wire.receive(connection, wire.ANSWER_MAX)["ok"] is False
        assert job.live.state(STEP).height == 0


@pytest.mark.slow
def test_from_another_process(tmp_path: Path) -> None:
    program = (
        "import sys, thalweg as tw\n"
        "rows = tw.LiveState.at('clicks').rows(sys.argv[1], key={'user': 2})\n"
        "print([part.rows() for part in rows])\n"
    )
    with running() as (job, feed):
        fed(job, feed, [1, 2, 2])
        code = [sys.executable, "-c", program, STEP]
        found = subprocess.run(code, capture_output=True, text=True, timeout=60, env=dict(os.environ))
        assert (found.stdout, found.stderr) == ("[[(2, 2)]]\n", "")


def test_on_the_command_line(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        assert thalweg(["state", "clicks", *arguments]) == 0
        return capfd.readouterr().out

    with running() as (job, feed):
        fed(job, feed, [5, 6, 5])
        assert "group1.group" in said()
        assert json.loads(said("--format", "json"))["keys"] == ["user"]
        assert json.loads(said(STEP, "--key", "user=5", "--format", "json")) == {"user": 5, "__rows": 2}
        assert sorted(said(STEP, "groups", "--format", "csv").split()) == ["5,2", "6,1", "user,__rows"]
        assert said(STEP).endswith("(2 rows)\n")
        for form in ("arrow", "csv"):
            assert said(STEP, "--format", form, "-o", str(tmp_path / form)) == ""
        assert sorted(pl.read_ipc_stream(tmp_path / "arrow").rows()) == [(5, 2), (6, 1)]
        assert pl.read_csv(tmp_path / "csv").height == 2
        assert thalweg(["state", "clicks", STEP, "--key", "user"]) == 2
        assert thalweg(["state", "clicks", STEP, "--key", "user=x"]) == 1
        assert thalweg(["state", "click"]) == 1
        assert 'did you mean "clicks"?' in capfd.readouterr().err
