"""Answer with the rows of a state: a line of JSON, then a stream of Arrow IPC until its end.

A reader takes the rows from where the job has put them aside, a part at a time. One that takes nothing for
too long is left, and there are only so many at once, so that no reader holds up the job or fills its machine.

Reads:    the state of the job, as anybody in its process does.
Not here: other questions (server.py), the other side (reading.py).
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from thalweg.columnar.arrow_stream import stream_of
from thalweg.errors import CheckpointError, ThalwegError
from thalweg.session.control import wire

if TYPE_CHECKING:
    from thalweg.session.live import LiveState

READERS_MAX = 4
"""So many readers of one job at once; another one is refused."""
STALLED = 30.0
"""Seconds after which a reader that takes no part of its rows is left."""
_WAIT_MAX = 600.0


class Readers:
    """Those that read the state of one job through its socket."""

    def __init__(self) -> None:
        self._at_work: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()

    def serve(self, connection: socket.socket, question: dict[str, Any], live: LiveState) -> None:
        """Answer in a thread of its own, and close the connection."""
        with self._lock:
            is_full = len(self._at_work) >= READERS_MAX
            if not is_full:
                arguments = (connection, question, live)
                thread = threading.Thread(
                    target=self._serve, args=arguments, name="thalweg-state", daemon=True
                )
                self._at_work[thread] = connection
                thread.start()
        if is_full:
            with connection, contextlib.suppress(OSError):
                wire.send(connection, wire.refused(_busy()))

    def _serve(self, connection: socket.socket, question: dict[str, Any], live: LiveState) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                _answer(connection, question, live)
        finally:
            with self._lock:
                self._at_work.pop(threading.current_thread(), None)

    def close(self, seconds: float) -> None:
        """Leave those that have not taken all their rows within some time."""
        until = time.monotonic() + seconds
        with self._lock:
            rest = dict(self._at_work)
        for thread in rest:
            thread.join(max(0.0, until - time.monotonic()))
        for connection in rest.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _answer(connection: socket.socket, question: dict[str, Any], live: LiveState) -> None:
    try:
        rows = live.rows(
            str(question.get("operator")),
            question.get("state"),
            key=question.get("key"),
            timeout=min(_WAIT_MAX, float(question.get("timeout", wire.TIMEOUT))),
        )
    except (ThalwegError, TypeError, ValueError, AttributeError) as error:
        wire.send(connection, wire.refused(error))
        return
    with rows:
        try:
            first = next(iter(rows))
        except ValueError as error:
            wire.send(connection, wire.refused(error))
            return
        connection.settimeout(STALLED)
        wire.send(connection, {"ok": True, "cut": rows.cut})
        for data in stream_of(itertools.chain([first], rows)):
            # the time is for each part
            connection.sendall(data)


def _busy() -> CheckpointError:
    return CheckpointError(
        f"{READERS_MAX} others read the state of the job just now",
        code="state-busy",
        hint="it can be asked again when one of them is done",
    )
