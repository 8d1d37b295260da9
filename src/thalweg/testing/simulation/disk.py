"""The disk as one simulated process sees it: every call may be its last, or fail.

Reads, changes:  the medium of the world.
Not here: what a power cut leaves (medium.py).
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator

from thalweg.testing.simulation.medium import File
from thalweg.testing.simulation.world import CrashedError, Fault, Process, World

_KINDS = (
    (re.compile(r"/manifest$|/\.manifest\."), "manifest"),
    (re.compile(r"/data(/|$)"), "data"),
    (re.compile(r"/fences(/|$)"), "fence"),
    (re.compile(r"thalweg-progress"), "progress"),
    (re.compile(r"/out/[^/]*/\.?part-"), "part"),
    (re.compile(r"/out/[^/]*$"), "results"),
    (re.compile(r"/opened$|/\.opened\."), "lineage"),
    (re.compile(r"/checkpoint-[^/]*$"), "checkpoint"),
)


def kind_of(path: str) -> str:
    """What a file or directory is for, in the names of places."""
    path = path.rstrip("/")
    return next((kind for pattern, kind in _KINDS if pattern.search(path)), "other")


class SimulatedFile:
    """See `checkpoint.disk.OpenFile`."""

    def __init__(self, disk: SimulatedDisk, path: str, file: File) -> None:
        self._disk, self._path, self._file = disk, path, file

    def write(self, data: bytes | memoryview) -> None:
        held = bytes(data)
        fault = self._disk.enter("write", self._path)
        if fault is not None or self._disk.is_full:
            # what fits is written
            self._file.append(held[: len(held) // 2], self._disk.now)
            self._disk.fail("full", errno.ENOSPC)
        self._file.append(held, self._disk.now)

    def sync(self) -> None:
        if self._disk.enter("sync", self._path) is not None:
            self._file.drop()
            self._disk.fail("sync", errno.EIO)
        self._file.sync()

    def close(self) -> None:
        """A handle that is given back changes nothing."""


class SimulatedDisk:
    """See `checkpoint.disk.Disk`: the disk of one process."""

    def __init__(self, world: World, process: Process) -> None:
        self._world, self._process = world, process
        self._medium = world.medium

    @property
    def now(self) -> float:
        """The time that files are given."""
        return self._world.now

    @property
    def is_full(self) -> bool:
        """Whether writes fail just now."""
        return self._world.steps < self._process.full_until

    def enter(self, call: str, path: str) -> Fault | None:
        """Pass the point before a call; a fault that strikes it."""
        fault = self._world.point(f"{call} {kind_of(path)}")
        if self._process.is_dead:
            raise CrashedError
        return fault if fault is not None and fault.kind in ("full", "sync", "error") else None

    def fail(self, kind: str, number: int) -> None:
        """Let a call fail as the system does."""
        self._world.fired[kind] += 1
        raise OSError(number, os.strerror(number))

    def _call(self, call: str, path: str, number: int = errno.EIO) -> None:
        if self.enter(call, path) is not None:
            self.fail("full" if number == errno.ENOSPC else "error", number)

    def create(self, path: str) -> SimulatedFile:
        if self.enter("create", path) is not None or self.is_full:
            self.fail("full", errno.ENOSPC)
        return SimulatedFile(self, path, self._medium.create(path, self.now))

    def read(self, path: str) -> bytes:
        self._call("read", path)
        return bytes(self._medium.file(path).seen)

    def digest(self, path: str) -> str:
        return hashlib.sha256(self.read(path)).hexdigest()

    def rename(self, old: str, new: str) -> None:
        self._call("rename", new)
        self._medium.rename(old, new)

    def link(self, old: str, new: str) -> None:
        self._call("link", new, errno.ENOSPC)
        self._medium.link(old, new)

    def remove(self, path: str) -> None:
        self._call("remove", path)
        self._medium.remove(path)

    def remove_empty(self, directory: str) -> None:
        self.enter("remove", directory)
        self._medium.remove_empty(directory)

    def names(self, directory: str) -> list[str]:
        self._call("list", directory)
        return self._medium.names(directory.rstrip("/"))

    def make_directory(self, path: str) -> None:
        self._call("make", path)
        self._medium.make_directory(path.rstrip("/"))

    def sync_directory(self, path: str) -> None:
        if self.enter("sync directory", path) is not None:
            self.fail("sync", errno.EIO)
        self._medium.sync_directory(path.rstrip("/"))

    def age(self, path: str) -> float:
        self._call("age", path)
        return self.now - self._medium.file(path).written_at

    def exists(self, path: str) -> bool:
        self._call("look", path)
        return path in self._medium.directories or self._has(path)

    def is_file(self, path: str) -> bool:
        self._call("look", path)
        return path not in self._medium.directories and self._has(path)

    def _has(self, path: str) -> bool:
        try:
            self._medium.file(path)
        except OSError:
            return False
        return True

    def walk(self, directory: str) -> Iterator[str]:
        self._call("list", directory)
        return iter(list(self._medium.walk(directory.rstrip("/"))))

    def unique(self) -> str:
        return self._world.unique()


class QuietDisk(SimulatedDisk):
    """The disk as an onlooker sees it: calls pass no points, and nothing fails."""

    def enter(self, call: str, path: str) -> Fault | None:
        del call, path
        return None

    @property
    def is_full(self) -> bool:
        return False
