"""A running job answers on a socket of the user's own, and to nothing but five questions."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from thalweg.errors import ConfigError, ExternalError, UserError
from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import Metrics, Sample
from thalweg.runtime.run import Run
from thalweg.runtime.tally import Tally
from thalweg.session.control import ask, client, listening, running_jobs, wire
from thalweg.session.control.place import directory, locked, own_directory, socket_path


class FakeRun:
    """What a server looks at."""

    def __init__(self, *, keeps_checkpoints: bool = False) -> None:
        self.job = SimpleNamespace(name="hot")
        self.keeps_checkpoints = keeps_checkpoints
        self.rows_read, self.watermark = 12, None
        self.tally = Tally(late_count=3, bad_count=2)
        self.figures = Metrics("hot", (Sample(m.JOB_LAG, (), 2.5), Sample(m.CHECKPOINT, (), 42)))
        self.stopping: str | None = None
        self.trouble = 0

    @property
    def state(self) -> str:
        return self.stopping or "running"

    def stop(self, *, drain: bool) -> None:
        self.stopping = "drain" if drain else "stop"

    def why(self) -> list[tuple[str, str]]:
        if self.trouble:
            self.trouble -= 1
            raise RuntimeError("dictionary changed size during iteration")
        return [("sink[0]", "waits for input")]


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    made = tempfile.mkdtemp(prefix="tw")
    monkeypatch.setenv("XDG_RUNTIME_DIR", made)
    yield Path(made)
    shutil.rmtree(made)


@pytest.fixture
def run() -> Iterator[FakeRun]:
    fake = FakeRun()
    with listening(cast(Run, fake)):
        yield fake


def sent(data: bytes) -> dict[str, Any]:
    """The answer to raw bytes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        connection.connect(str(socket_path("hot")))
        connection.sendall(data)
        return wire.receive(connection, wire.ANSWER_MAX)


def test_status_and_why(run: FakeRun) -> None:
    [found] = running_jobs()
    assert (found.name, found.pid, found.rows, found.state) == ("hot", os.getpid(), 12, "running")
    assert (found.late_count, found.bad_count, found.ahead_count) == (3, 2, 0)
    assert (found.lag, found.checkpoint, found.checkpoint_age) == (2.5, 42, None)
    assert ask("hot", "why")["why"] == [["sink[0]", "waits for input"]]


def test_figures_come_with_reasons_and_alone(run: FakeRun) -> None:
    assert Metrics.from_data(ask("hot", "metrics")) == Metrics.from_data(ask("hot", "why")) == run.figures


@pytest.mark.slow
def test_figures_of_very_many_tasks_fit_an_answer(run: FakeRun) -> None:
    tasks = [(f"step{n}", str(task)) for n in range(40) for task in range(64)]
    run.figures = Metrics("hot", tuple(Sample(x, t, 2**40 + 0.5) for t in tasks for x in m.METRICS[6:20]))
    answer = ask("hot", "metrics")
    assert answer["metrics"] == run.figures.to_data()["metrics"]
    assert len(json.dumps(answer)) > 1 << 20


def test_why_looks_again_where_a_task_changed_meanwhile(run: FakeRun) -> None:
    run.trouble = 2
    assert ask("hot", "why")["why"] == [["sink[0]", "waits for input"]]


@pytest.mark.parametrize("op", ["stop", "drain"])
def test_stop_and_drain(run: FakeRun, op: str) -> None:
    assert ask("hot", op)["state"] == op
    assert run.stopping == op


@pytest.mark.parametrize(
    ("question", "error"),
    [
        (b'{"op": "eval"}\n', "there is no 'eval'"),
        (b"{}\n", "there is no None"),
        (b"[1]\n", "a JSON object is expected"),
        (b"hello\n", "Expecting value"),
        (b"x" * 5000, "more than 4096 bytes"),
    ],
)
def test_other_questions_are_refused_and_change_nothing(run: FakeRun, question: bytes, error: str) -> None:
    answer = sent(question)
    assert answer["ok"] is False
    assert answer["error"].startswith(error)
    assert run.stopping is None
    assert len(running_jobs()) == 1


def test_only_the_user_can_reach_it(run: FakeRun) -> None:
    assert stat.S_IMODE(directory().stat().st_mode) == 0o700
    assert stat.S_IMODE(socket_path("hot").stat().st_mode) == 0o600


def test_a_directory_that_is_open_to_others_is_closed(place: Path) -> None:
    (place / "thalweg").mkdir(mode=0o755)
    assert stat.S_IMODE(own_directory().stat().st_mode) == 0o700


def test_a_directory_that_is_a_link_is_refused(place: Path) -> None:
    (place / "elsewhere").mkdir()
    (place / "thalweg").symlink_to(place / "elsewhere")
    with pytest.raises(ConfigError, match="not your own"):
        own_directory()


def test_a_second_job_of_the_name_is_refused(run: FakeRun) -> None:
    with pytest.raises(UserError) as caught, listening(cast(Run, FakeRun())):
        pass
    assert caught.value.code == "job-already-running"
    assert len(running_jobs()) == 1


def test_jobs_that_nobody_named_live_side_by_side(run: FakeRun) -> None:
    with listening(cast(Run, FakeRun()), is_default_name=True):
        assert [j.name for j in running_jobs()] == ["hot", f"hot-{os.getpid()}"]


def test_a_socket_that_nobody_answers_on_is_replaced_or_removed() -> None:
    own_directory()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(socket_path("hot")))
    with listening(cast(Run, FakeRun())):
        assert len(running_jobs()) == 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(socket_path("other")))
    assert running_jobs() == []
    assert not socket_path("other").exists()


def test_a_socket_has_no_name_before_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    listen, seen = socket.socket.listen, []

    def look(made: socket.socket, backlog: int) -> None:
        seen.append(running_jobs())
        listen(made, backlog)

    monkeypatch.setattr(socket.socket, "listen", look)
    with listening(cast(Run, FakeRun())):
        assert [j.name for j in running_jobs()] == ["hot"]
    assert seen == [[]]


def test_a_job_in_the_place_of_a_dead_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own_directory()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(socket_path("hot")))
    real = client.ask_socket
    with ExitStack() as jobs:

        def nobody(path: Path, op: str) -> None:
            # the socket was dead when it was asked, and is replaced before it can be removed
            monkeypatch.setattr(client, "ask_socket", real)
            jobs.enter_context(listening(cast(Run, FakeRun())))

        monkeypatch.setattr(client, "ask_socket", nobody)
        assert running_jobs() == []
        assert [j.name for j in running_jobs()] == ["hot"]


def test_a_job_that_ends_leaves_the_next_one_of_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shutdown = socket.socket.shutdown
    with ExitStack() as jobs:

        def replaced(closing: socket.socket, how: int) -> None:
            monkeypatch.setattr(socket.socket, "shutdown", shutdown)
            jobs.enter_context(listening(cast(Run, FakeRun())))
            shutdown(closing, how)

        with listening(cast(Run, FakeRun())):
            monkeypatch.setattr(socket.socket, "shutdown", replaced)
        assert [j.name for j in running_jobs()] == ["hot"]


@pytest.mark.slow
def test_a_job_that_stands_still_gives_its_place_to_the_one_that_holds_its_checkpoints() -> None:
    own_directory()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(socket_path("hot")))
        silent.listen(8)
        with pytest.raises(UserError, match="is running already"), listening(cast(Run, FakeRun())):
            pass
        with listening(cast(Run, FakeRun(keeps_checkpoints=True))):
            assert len(running_jobs()) == 1


def test_a_job_that_was_replaced_leaves_the_place_to_the_next_one() -> None:
    with ExitStack() as old:
        path = old.enter_context(listening(cast(Run, FakeRun())))
        assert path is not None
        path.unlink()
        with listening(cast(Run, FakeRun())):
            old.close()
            assert [j.name for j in running_jobs()] == ["hot"]
        assert not path.exists()


def test_a_job_runs_where_another_one_stands_still_as_it_looks_for_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("thalweg.session.control.place._LOCKED_MAX", 0.05)
    with locked(own_directory()), listening(cast(Run, FakeRun())) as path:
        assert path is None, "nobody can ask it"


def test_nothing_is_left_behind() -> None:
    with listening(cast(Run, FakeRun())) as path:
        assert path is not None
        assert path.exists()
    assert not path.exists()
    with pytest.raises(ConfigError) as caught:
        ask("hot", "status")
    assert caught.value.code == "job-unknown"


def test_a_job_that_cannot_answer_is_an_error(run: FakeRun) -> None:
    run.trouble = 100
    assert ask("hot", "why")["why"] == []
    with pytest.raises(ExternalError, match="could not answer"):
        ask("hot", "nonsense")


def test_a_place_whose_path_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 120)))
    with pytest.raises(ExternalError) as caught:
        ask("hot", "status")
    assert (caught.value.code, caught.value.found) == ("job-answer", "AF_UNIX path too long")


def test_long_names_have_short_sockets() -> None:
    first, second = (socket_path("n" * 200 + tail) for tail in ("a", "b"))
    assert first != second
    assert len(first.name) < 64


def test_without_a_place_the_job_runs_all_the_same(place: Path) -> None:
    (place / "thalweg").write_text("in the way")
    with listening(cast(Run, FakeRun())) as path:
        assert path is None
