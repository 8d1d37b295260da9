"""The calls to a disk on which durability rests, one by one.

What is written is there after a crash only if its file was synced, and its name only if its directory was.
Everything durable is built of these calls (store.py), so that tests can put a disk below that forgets what
was not synced.

Not here: in which order the calls are made (store.py).
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Protocol


class OpenFile(Protocol):
    """A file that is being written."""

    def write(self, data: bytes) -> None:
        """Append; nothing is durable yet."""
        ...

    def sync(self) -> None:
        """What was written is durable when this returns; the name of the file is not."""
        ...

    def close(self) -> None:
        """Give the handle back."""
        ...


class Disk(Protocol):
    """Files by path. Every call raises `OSError` as the system does."""

    def create(self, path: str) -> OpenFile:
        """A new file; `FileExistsError` if there is one."""
        ...

    def read(self, path: str) -> bytes:
        """All bytes of a file."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Another name, in place of a file that has it."""
        ...

    def link(self, old: str, new: str) -> None:
        """A second name; `FileExistsError` if something has it."""
        ...

    def remove(self, path: str) -> None:
        """Forget a file."""
        ...

    def remove_empty(self, directory: str) -> None:
        """Forget a directory; nothing happens if something is in it."""
        ...

    def names(self, directory: str) -> list[str]:
        """What is in a directory, in order; of one that is not there, nothing."""
        ...

    def make_directory(self, path: str) -> None:
        """A directory, and those above it; durable."""
        ...

    def sync_directory(self, path: str) -> None:
        """The names in a directory are durable when this returns."""
        ...

    def age(self, path: str) -> float:
        """Seconds since a file was written."""
        ...


class _Handle:
    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class LocalDisk:
    """See `Disk`: the disk of this machine."""

    def create(self, path: str) -> OpenFile:
        return _Handle(path)

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def link(self, old: str, new: str) -> None:
        os.link(old, new)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def remove_empty(self, directory: str) -> None:
        with contextlib.suppress(OSError):
            os.rmdir(directory)

    def names(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(directory))
        except FileNotFoundError:
            return []

    def make_directory(self, path: str) -> None:
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path) or "."
        for directory in reversed(missing):
            os.makedirs(directory, mode=0o700, exist_ok=True)
            self.sync_directory(os.path.dirname(directory) or ".")

    def sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def age(self, path: str) -> float:
        return time.time() - os.stat(path).st_mtime
