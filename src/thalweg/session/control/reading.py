"""Read the state of a job of another process through its socket.

Not here: answering (states.py), what is read and how it is asked for (session/live.py).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime, time
from typing import Any, BinaryIO

import polars as pl

from thalweg.columnar.arrow_stream import frames_of
from thalweg.errors import ConfigError, ExternalError
from thalweg.session.control import wire
from thalweg.session.control.client import Answer, ask, checked
from thalweg.session.control.place import socket_path
from thalweg.session.live import STATES, Key, LiveRows

_BETWEEN = 60.0
"""Seconds to wait for the next part of an answer that has begun."""


class RemoteStates:
    """The states of a job, by its name."""

    def __init__(self, job: str) -> None:
        self._job = job

    def states(self) -> pl.DataFrame:
        """As the job counts them just now."""
        return pl.DataFrame(ask(self._job, "states")["states"], schema=STATES)

    def read(self, operator: str, state: str | None, key: Key | None, timeout: float) -> LiveRows:
        """The rows as they come."""
        written = None if key is None else {name: _written(name, value) for name, value in key.items()}
        question = {"op": "state", "operator": operator, "state": state, "key": written, "timeout": timeout}
        with ExitStack() as stack:
            connection = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            file = stack.enter_context(connection.makefile("rb"))
            answer = checked(self._job, self._asked(connection, file, question, timeout))
            connection.settimeout(_BETWEEN)
            # it stays open until the rows are read
            return LiveRows(answer["cut"], self._parts(file), stack.pop_all().close)

    def _asked(
        self, connection: socket.socket, file: BinaryIO, question: dict[str, Any], timeout: float
    ) -> Answer | None:
        try:
            connection.settimeout(wire.TIMEOUT)
            connection.connect(str(socket_path(self._job)))
            connection.settimeout(timeout + wire.TIMEOUT)
            wire.send(connection, question)
            # not more than the line: what follows is Arrow's
            found: Answer = json.loads(file.readline(wire.ANSWER_MAX))
            return found
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except (OSError, ValueError) as error:
            return {"ok": False, "error": str(error)}

    def _parts(self, file: BinaryIO) -> Iterator[pl.DataFrame]:
        try:
            yield from frames_of(file.read)
        except (EOFError, OSError) as error:
            raise ExternalError(
                f'the rows that the job "{self._job}" gave break off',
                code="state-broken-off",
                found=str(error),
                hint="it has ended, or has waited too long for its reader",
            ) from error


def _written(name: str, value: Any) -> Any:
    """A value of a key as JSON: as it is, or as text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, default=str)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ConfigError(
                f'a key of bytes that are no text cannot be asked for from another process: "{name}"',
                code="state-key-value",
                found=repr(value)[:100],
            ) from None
    return str(value)
