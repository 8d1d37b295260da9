"""The calls to a disk on which durability rests, one by one.

What is written is there after a crash only if its file was synced, and its name only if its directory was.
Everything durable is built of these calls (store.py), so that tests can put a disk below that forgets what
was not synced.

Not here: in which order the calls are made (store.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from typing import Protocol


class OpenFile(Protocol):
    """A file that is being written."""

    def write(self, data: bytes | memoryview) -> None:
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

    def digest(self, path: str) -> str:
        """The SHA-256 of all bytes of a file, in hexadecimal."""
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

    def exists(self, path: str) -> bool:
        """Whether a file or directory has the name."""
        ...

    def is_file(self, path: str) -> bool:
        """Whether the name is there, and no directory's."""
        ...

    def walk(self, directory: str) -> Iterator[str]:
        """The paths of all files in a directory and below it, in order."""
        ...

    def unique(self) -> str:
        """Eight hexadecimal digits that nobody else gets, for the names of files that are not complete."""
        ...


class _Handle:
    def __init__(self, path: str, mode: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, mode)

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class LocalDisk:
    """See `Disk`: the disk of this machine.

    Args:
        is_private: whether only the user may read what is made, and not all whom the system's mask lets.
    """

    def __init__(self, *, is_private: bool = True) -> None:
        self._file_mode, self._directory_mode = (0o600, 0o700) if is_private else (0o666, 0o777)

    def create(self, path: str) -> OpenFile:
        return _Handle(path, self._file_mode)

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def digest(self, path: str) -> str:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

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
            os.makedirs(directory, mode=self._directory_mode, exist_ok=True)
            self.sync_directory(os.path.dirname(directory) or ".")

    def sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def age(self, path: str) -> float:
        return time.time() - os.stat(path).st_mtime

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def is_file(self, path: str) -> bool:
        return os.path.exists(path) and not os.path.isdir(path)

    def walk(self, directory: str) -> Iterator[str]:
        for inner, directories, names in os.walk(directory):
            directories.sort()
            yield from (os.path.join(inner, name) for name in sorted(names))

    def unique(self) -> str:
        return uuid.uuid4().hex[:8]
