"""Let tests break off the engine at a named place: kill the process, stop it, fail, or wait.

Armed by the environment variable `THALWEG_FAILPOINTS`, as `name:action:nth` with commas between them: the
`nth` time (from 1) that the place is reached, `kill` ends the process as `kill -9` does, `stop` lets it
stand still as SIGSTOP does, `raise` is an error of the system, and `sleep` waits for a minute. Where it is
not set a place costs one look at a dictionary.

Not here: what happens at a place; it stands beside the call.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

VARIABLE = "THALWEG_FAILPOINTS"
POINTS = {
    "checkpoint.trigger": "a checkpoint was asked for, no barrier is out",
    "checkpoint.task": "one task has let the barrier pass, others have not",
    "checkpoint.taken": "all tasks have let it pass, nothing is written",
    "store.partial": "half of a file is written",
    "store.written": "a file is written and not synced",
    "store.synced": "a file is synced, and has its temporary name",
    "store.renamed": "a file has its name, the directory is not synced",
    "checkpoint.data": "all data is written, there is no manifest",
    "states.joined": "increments of a state were joined, no manifest names the new files",
    "checkpoint.published": "the manifest is there, no sink has committed",
    "checkpoint.committed": "one sink has committed, others have not",
    "checkpoint.complete": "all sinks have committed",
    "sink.staged": "a file of results is staged, the checkpoint is not taken",
    "sink.renamed": "one of several files of results has its name",
    "sink.progress": "all files of results have their names, the progress record is not written",
    "retain.unlink": "a file that is not needed is about to be removed",
    "retain.unlinked": "one of several files that are not needed is removed",
    "restore.fenced": "a run has its number, nothing is read",
    "restore.manifest": "a manifest is read, no state",
    "restore.state": "a part of the state is read",
    "restore.committed": "what was staged is committed, no row is read",
    "final.ended": "all input has ended, there is no last checkpoint",
    "final.published": "the last manifest is there, no sink has committed",
}
"""Every place there is on a disk, and what is true there."""
OBJECT_POINTS = {
    "object.put": "an object is about to be written",
    "object.written": "an object is written, nobody has been told",
    "object.copied": "a file of results has its name, and its hidden one still",
}
"""The places that are reached with an object store in place of a disk."""
_SLEEP = 60.0


class Failpoints:
    """The places that are armed, and how often each was reached."""

    def __init__(self, text: str = "") -> None:
        self._armed: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self.reached: dict[str, int] = {}
        for part in filter(None, text.split(",")):
            name, action, nth = part.split(":")
            assert name in POINTS or name in OBJECT_POINTS, f"there is no failpoint {name}"
            assert action in {"kill", "stop", "raise", "sleep", "count"}, f"there is no action {action}"
            self._armed[name] = action, int(nth)

    @property
    def is_armed(self) -> bool:
        """Whether any place is."""
        return bool(self._armed)

    def hit(self, name: str) -> None:
        """A place was reached."""
        with self._lock:
            self.reached[name] = count = self.reached.get(name, 0) + 1
            action, nth = self._armed.get(name, ("count", 0))
        if count != nth or action == "count":
            return
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if action == "sleep":
            time.sleep(_SLEEP)
        raise OSError(errno.EIO, f"failpoint {name}")


class Watcher(Protocol):
    """Who is told when places are reached."""

    @property
    def is_armed(self) -> bool:
        """Whether it is to be told."""
        ...

    def hit(self, name: str) -> None:
        """A place was reached; what this raises ends the caller."""
        ...


_ACTIVE: list[Watcher] = [Failpoints(os.environ.get(VARIABLE, ""))]


def failpoint(name: str) -> None:
    """A named place; nothing happens there unless a test has armed it."""
    active = _ACTIVE[-1]
    if active.is_armed:
        active.hit(name)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Let somebody else be told of the places that are reached in here."""
    _ACTIVE.append(watcher)
    try:
        yield
    finally:
        _ACTIVE.pop()


@contextmanager
def armed(text: str) -> Iterator[Failpoints]:
    """Arm places of this process, and no others, in here."""
    points = Failpoints(text)
    with watched(points):
        yield points
