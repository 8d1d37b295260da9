"""Ask running jobs of this user how they are, why they wait, to save their state, and to stop.

Changes:  removes sockets that nobody answers on any more.
Not here: answering (server.py), the rows of a state (reading.py).
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thalweg.errors import CheckpointError, ConfigError, ExternalError, StoreError, did_you_mean
from thalweg.session.control import wire
from thalweg.session.control.place import directory, locked, socket_path

Answer = dict[str, Any]
_KINDS = {kind.__name__: kind for kind in (CheckpointError, ConfigError, StoreError)}
"""What an answer may say that has gone wrong, by name."""


@dataclass(frozen=True)
class JobInfo:
    """A running job, as it described itself.

    Attributes:
        started: seconds since 1970.
        seconds: how long it has run.
        rows: rows read so far.
        watermark: event time in microseconds since 1970.
        late_count: rows that came too late, for windows one for each window that a row missed.
        bad_count: rows that were kept apart.
        ahead_count: rows too far ahead of their arrival, which did not move event time.
        lag: seconds that event time is behind the time of day.
        checkpoint, checkpoint_age: the newest complete checkpoint of the run, and its age in seconds.
        state: running, restarting, stop or drain.
    """

    name: str
    pid: int
    started: float
    seconds: float
    rows: int
    watermark: int | None
    late_count: int
    bad_count: int
    ahead_count: int
    lag: float | None
    checkpoint: int | None
    checkpoint_age: float | None
    state: str


def running_jobs() -> list[JobInfo]:
    """All jobs of this user that answer, by name."""
    found = []
    for path in sorted(directory().glob("*.sock")):
        answer = ask_socket(path, "status")
        if answer is None:
            _remove_stale(path)
        elif answer.get("ok"):
            found.append(JobInfo(**{k: answer[k] for k in JobInfo.__dataclass_fields__}))
    return sorted(found, key=lambda job: job.name)


def _remove_stale(path: Path) -> None:
    """Remove a socket, unless a job has taken its place since nobody answered."""
    with contextlib.suppress(TimeoutError), locked(path.parent):
        if ask_socket(path, "status") is None:
            path.unlink(missing_ok=True)


def ask(name: str, op: str, *, timeout: float = wire.TIMEOUT, **more: object) -> Answer:
    """Ask one job.

    Args:
        name: the job.
        op: what is asked.
        timeout: for how many seconds to wait for the answer.
        more: what else belongs to the question.

    Raises:
        ConfigError: `job-unknown`, with the names of those that run.
        CheckpointError: a savepoint could not be taken.
        StoreError: it could not be written.
        ExternalError: it did not answer properly.
    """
    return checked(name, ask_socket(socket_path(name), op, timeout=timeout, **more))


def checked(name: str, answer: Answer | None) -> Answer:
    """The answer of a job (None: nobody answers by its name).

    Raises:
        What it says that has gone wrong; see `ask`.
    """
    if answer is None:
        names = [job.name for job in running_jobs()]
        raise ConfigError(
            f'no job "{name}" is running', code="job-unknown", choices=names, hint=did_you_mean(name, names)
        )
    if "code" in answer:
        known = {label: answer.get(label) for label in wire.LABELS}
        kind = _KINDS.get(str(answer.get("kind")), CheckpointError)
        raise kind(str(answer.get("error")), code=str(answer["code"]), **known)
    if not answer.get("ok"):
        raise ExternalError(
            f'the job "{name}" could not answer', code="job-answer", found=str(answer.get("error"))
        )
    return answer


def ask_socket(path: Path, op: str, *, timeout: float = wire.TIMEOUT, **more: object) -> Answer | None:
    """The answer, or None if nobody listens there any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(wire.TIMEOUT)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            return {"ok": False, "error": str(error)}
        try:
            connection.settimeout(timeout)
            wire.send(connection, {"op": op, **more})
            return wire.receive(connection, wire.ANSWER_MAX)
        except (OSError, ValueError) as error:
            return {"ok": False, "error": str(error)}
