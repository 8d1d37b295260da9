"""Let single calls to the disk fail, of those that a job makes for one of its checkpoints.

A disk that is full takes half of what is written and then nothing, and gives no names; one that fails
cannot sync. What must hold: no checkpoint counts as complete for which a sync has failed, a file whose sync
has failed never gets its name, and the job runs on or stops with an error that says what to do.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from tests.chaos import job
from thalweg.checkpoint import disk
from thalweg.checkpoint.failpoints import watched
from thalweg.errors import ThalwegError
from thalweg.job.restart import flat

SYNCS = ("sync", "sync_directory")
_CALLS = ("create", "rename", "link", "make_directory", "sync_directory")
_CHECKPOINT = 2
"""Which checkpoint of a job the calls are made for."""
CALLS_MAX = {"files": 90, "sqlite": 50}
"""More calls than a job makes for that checkpoint, by the kind of its sinks."""


def _is_writer() -> bool:
    """Whether a call is made for the checkpoint that is being written, and not for the next one."""
    return threading.current_thread().name == "thalweg-checkpoints"


@dataclass
class Faults:
    """Calls that fail.

    Attributes:
        nth: which of the calls for one checkpoint fails, from 1; 0: none.
        stays: whether all that follow fail, too, until the process has ended.
        count: how many calls there were for that checkpoint.
        fired: which calls have failed.
        is_writer: whether the call that is made is one of those that write the checkpoint.
        violations: what must not follow from a failed sync: a complete checkpoint, or a name for the file.
    """

    nth: int = 0
    stays: bool = False
    count: int = 0
    fired: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    is_armed: bool = True
    is_writer: Callable[[], bool] = _is_writer
    _completed: int = 0
    _is_void: bool = False
    _unsynced: set[str] = field(default_factory=set)
    _lock: Any = field(default_factory=threading.RLock)

    def hit(self, name: str) -> None:
        """A place was reached."""
        if name == "checkpoint.taken":
            self._is_void = False
        if name == "checkpoint.complete":
            self._completed += 1
            if self._is_void:
                self.violations.append(f"checkpoint {self._completed} is complete")

    def fails(self, call: str, path: str) -> bool:
        """Whether a call fails."""
        with self._lock:
            if call in ("rename", "link") and path in self._unsynced:
                self.violations.append(f"{path} gets its name")
            counts = self._completed == _CHECKPOINT - 1
            self.count += counts
            if not ((counts and self.count == self.nth) or (self.stays and self.fired)):
                return False
            self.fired.append(call)
            if call in SYNCS and self.is_writer():
                self._is_void = True
            if call == "sync":
                self._unsynced.add(path)
            return True


def _error(call: str, path: str) -> OSError:
    number = errno.EIO if call in SYNCS else errno.ENOSPC
    return OSError(number, "Input/output error" if call in SYNCS else "No space left on device", path)


@contextmanager
def failing(faults: Faults) -> Iterator[None]:
    """The real disk, of which calls fail."""
    with ExitStack() as stack:
        for name in _CALLS:
            stack.enter_context(mock.patch.object(disk.LocalDisk, name, _wrapped(name, faults)))
        stack.enter_context(watched(faults))
        yield


def _wrapped(name: str, faults: Faults) -> Callable[..., Any]:
    real = getattr(disk.LocalDisk, name)

    def call(self: disk.LocalDisk, path: str, *more: str) -> Any:
        if faults.fails(name, path):
            raise _error(name, path)
        made = real(self, path, *more)
        return _File(made, path, faults) if name == "create" else made

    return call


@dataclass
class _File:
    """A file of which calls fail."""

    file: disk.OpenFile
    path: str
    faults: Faults

    def write(self, data: bytes | memoryview) -> None:
        if self.faults.fails("write", self.path):
            self.file.write(memoryview(data)[: len(data) // 2])
            raise _error("write", self.path)
        self.file.write(data)

    def sync(self) -> None:
        if self.faults.fails("sync", self.path):
            raise _error("sync", self.path)
        self.file.sync()

    def close(self) -> None:
        self.file.close()


@dataclass(frozen=True)
class Outcome:
    """What became of a job with a call that failed, and of the next run.

    Attributes:
        faults: the calls.
        said: the errors that it ended with, if it did.
        wrong: rows that are lost or repeated in the end.
        left: files in the end that were broken off.
    """

    faults: Faults
    said: list[str]
    wrong: dict[str, int]
    left: list[str]


def tried(source: Path, folder: Path, sinks: str, faults: Faults) -> Outcome:
    """Run a job with a call that fails, and then without."""
    said = run(source, folder, sinks, faults)
    assert run(source, folder, sinks, Faults()) == [], "there is room again"
    left = [p.name for p in folder.rglob(".*") if p.suffix in (".tmp", ".writing")]
    return Outcome(faults, said, dict(job.wrong_rows(sinks, folder / "out")), left)


def run(source: Path, folder: Path, sinks: str, faults: Faults) -> list[str]:
    """Run a job in this process, with calls that fail; what the errors say that it ended with, if it did."""
    places = [str(p) for p in (source, folder / "out", folder / "kept")]
    with failing(faults):
        try:
            job.run(*places, sinks, tasks=2, **{"restart-strategy.type": "none"})
        except (ThalwegError, ExceptionGroup) as error:
            return [_told(e) for e in flat(error)]
    return []


def _told(error: BaseException) -> str:
    """An error as its user reads it; it says what was hit, and what to do or what is safe."""
    assert isinstance(error, ThalwegError), repr(error)
    assert error.code, "it can be looked up"
    assert error.where is not None, error.render()
    assert error.hint is not None, error.render()
    return error.render()
