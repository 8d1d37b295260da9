"""Answer questions about a running job on its socket.

Reads:    the run's counters; `why` of its tasks.
Changes:  a socket in the user's directory; stops the run, or saves its state, when asked to.
Not here: asking (client.py), what travels (wire.py), the rows of a state (states.py).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from thalweg.checkpoint.savepoint import Saving
from thalweg.errors import ThalwegError, UserError
from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import Metrics
from thalweg.session.control import wire
from thalweg.session.control.client import ask_socket
from thalweg.session.control.place import locked, own_directory, socket_path
from thalweg.session.control.states import Readers
from thalweg.session.handle import JobHandle
from thalweg.session.running import waits_of

_BACKLOG = 8


@contextmanager
def listening(run: JobHandle, *, is_default_name: bool = False) -> Iterator[Path | None]:
    """The run can be asked and stopped while in here.

    A socket whose process stands still is replaced by a run that keeps checkpoints: it holds its job.

    Args:
        run: whose job's name is the name of the socket.
        is_default_name: nobody gave the job a name; then the process id is added to it.

    Raises:
        UserError: `job-already-running`.
    """
    name = f"{run.job.name}-{os.getpid()}" if is_default_name else run.job.name
    try:
        server = _Server(run, name)
    except OSError:
        # without a place for the socket the job runs all the same; nobody can ask it
        yield None
        return
    try:
        yield server.path
    finally:
        server.close()


class _Server:
    def __init__(self, run: JobHandle, name: str) -> None:
        self._run, self._name = run, name
        self._begun, self._begun_at = time.monotonic(), time.time()
        own_directory()
        self.path = socket_path(name)
        self._socket = _bound(self.path, name, replaces_silent=run.keeps_checkpoints)
        self._file = self.path.stat().st_ino
        self._closing = False
        self._saving: list[threading.Thread] = []
        self._readers = Readers()
        self._thread = threading.Thread(target=self._serve, name="thalweg-control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Remove the socket, and stop answering."""
        # in this order: as long as it answers, no other job takes the name; one may have while it stood still
        with contextlib.suppress(OSError), locked(self.path.parent):
            if self.path.stat().st_ino == self._file:
                self.path.unlink()
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(wire.TIMEOUT)
        for thread in self._saving:
            # its savepoint is complete, or has failed
            thread.join(wire.TIMEOUT)
        self._readers.close(wire.TIMEOUT)

    def _serve(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                self._serve_one(connection)

    def _serve_one(self, connection: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            connection.settimeout(wire.TIMEOUT)
            try:
                question = wire.receive(connection, wire.QUESTION_MAX)
            except ValueError as error:
                wire.send(connection, {"ok": False, "error": str(error)})
                return
            op = question.get("op")
            if op == "state":
                stack.pop_all()
                self._readers.serve(connection, question, self._run.live)
                return
            if op != "save" and not (op == "stop" and question.get("savepoint")):
                wire.send(connection, self._answer(op))
                return
            # the others are answered meanwhile
            stack.pop_all()
            thread = threading.Thread(
                target=self._serve_savepoint,
                args=(connection, question),
                name="thalweg-savepoint",
                daemon=True,
            )
            self._saving.append(thread)
            thread.start()

    def _serve_savepoint(self, connection: socket.socket, question: dict[str, Any]) -> None:
        with connection, contextlib.suppress(OSError):
            wire.send(connection, self._saved(question))

    def _saved(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer when a savepoint is complete."""
        to = question.get("to")
        target = None if to is None else str(to)
        try:
            if question["op"] == "save":
                saving: Saving | None = self._run.saving(target)
            else:
                saving = self._run.stop(savepoint=True if target is None else target)
            assert saving is not None, "a savepoint was asked for"
            return {"ok": True, "path": saving.wait()}
        except (ThalwegError, OSError) as error:
            return wire.refused(error)

    def _answer(self, op: object) -> dict[str, Any]:
        if op not in wire.OPS:
            return {"ok": False, "error": f"there is no {op!r}; known: {', '.join(wire.OPS)}"}
        if op in ("stop", "drain"):
            self._run.stop(drain=op == "drain")
        if op == "why":
            figures = self._run.figures.to_data()
            return {"ok": True, "name": self._name, "why": waits_of(self._run), **figures}
        if op == "states":
            return self._states()
        if op == "metrics":
            return {"ok": True, "name": self._name, **self._run.figures.to_data()}
        return {"ok": True, **self._status()}

    def _states(self) -> dict[str, Any]:
        try:
            return {"ok": True, "states": self._run.live.states.to_dicts()}
        except ThalwegError as error:
            return wire.refused(error)

    def _status(self) -> dict[str, Any]:
        run = self._run
        return {
            "name": self._name,
            "pid": os.getpid(),
            "started": round(self._begun_at, 3),
            "seconds": round(time.monotonic() - self._begun, 3),
            "rows": run.rows_read,
            "watermark": run.watermark,
            **asdict(run.tally),
            **_ages(run.figures),
            "state": run.state,
        }


def _ages(figures: Metrics) -> dict[str, float | None]:
    """How far the run is behind: its event time, and its newest checkpoint."""
    wanted = {"lag": m.JOB_LAG, "checkpoint": m.CHECKPOINT, "checkpoint_age": m.CHECKPOINT_AGE}
    return {name: next((s.value for s in figures.of(metric)), None) for name, metric in wanted.items()}


def _bound(path: Path, name: str, *, replaces_silent: bool) -> socket.socket:
    """A listening socket; one that nobody listens on any more is replaced, or on which nobody answers.

    It gets its name when it listens, so that whoever finds the name is answered.
    """
    # of the same length, so that it is as good an address
    hidden = path.with_suffix(".made")
    with locked(path.parent):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            answer = ask_socket(path, "status") if path.exists() else None
            if answer is not None and (answer.get("ok") or not replaces_silent):
                raise UserError(
                    f'a job "{name}" is running already',
                    code="job-already-running",
                    hint=f"thalweg stop {name} stops it; --name gives this one another name",
                )
            hidden.unlink(missing_ok=True)
            made.bind(str(hidden))
            hidden.chmod(0o600)
            made.listen(_BACKLOG)
            hidden.rename(path)
        except BaseException:
            made.close()
            raise
    return made
