"""Hold files that forget what was not synced: what a disk keeps through a power cut.

Every file has bytes that are durable and writes that are not yet; every directory has names that are durable
and changes that are not yet. A power cut keeps a beginning of the changes of each directory, some of the
writes of each file, and of the last one a part.

Changes:  only itself.
Not here: the calls to a disk, which can fail (disk.py); when the power is cut (world.py).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random


@dataclass
class File:
    """Bytes, as they are seen now and as they are on the medium.

    Attributes:
        seen: what a reader sees.
        durable: what a power cut leaves.
        pending: the writes since the last sync, with their places.
        written_at: when it was last written.
    """

    seen: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    written_at: float = 0.0

    def append(self, data: bytes, now: float) -> None:
        """Write at the end."""
        self.pending.append((len(self.seen), data))
        self.seen += data
        self.written_at = now

    def sync(self) -> None:
        """Everything that was written is durable, but for what an earlier sync has dropped."""
        kept = bytearray(self.durable)
        for at, data in self.pending:
            _put(kept, at, data)
        self.durable = bytes(kept)
        self.pending.clear()

    def drop(self) -> None:
        """A sync has failed: the pages count as clean, and no later sync writes them."""
        self.pending.clear()

    def cut(self, random: Random) -> None:
        """Lose the power."""
        kept = bytearray(self.durable)
        pending = [w for w in self.pending if random.random() < 0.5]
        for number, (at, data) in enumerate(pending, 1):
            if number == len(pending):
                data = data[: random.randrange(len(data) + 1)]
            _put(kept, at, data)
        self.seen, self.durable, self.pending = kept, bytes(kept), []


def _put(held: bytearray, at: int, data: bytes) -> None:
    """Write at a place; where a write before it is missing there are zeros."""
    held.extend(bytes(max(0, at + len(data) - len(held))))
    held[at : at + len(data)] = data


Change = tuple[tuple[str, File | None], ...]
"""Names and what they stand for afterwards, changed at once."""


@dataclass
class Directory:
    """Names of files, as they are seen now and as they are on the medium."""

    seen: dict[str, File] = field(default_factory=dict)
    durable: dict[str, File] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)

    def change(self, *change: tuple[str, File | None]) -> None:
        """Give, take or move names."""
        _apply(self.seen, change)
        self.pending.append(change)

    def sync(self) -> None:
        """All names are durable."""
        self.durable = dict(self.seen)
        self.pending.clear()

    def cut(self, random: Random) -> None:
        """Lose the power."""
        for change in self.pending[: random.randrange(len(self.pending) + 1)]:
            _apply(self.durable, change)
        self.seen, self.pending = dict(self.durable), []


def _apply(names: dict[str, File], change: Change) -> None:
    for name, file in change:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


class Medium:
    """All files of a simulated machine.

    Directories are durable as soon as they are made, as `Disk.make_directory` promises.

    Example:
        >>> medium = Medium()
        >>> medium.make_directory("/d")
        >>> file = medium.create("/d/a", now=0.0)
        >>> file.append(b"text", now=0.0)
        >>> file.sync()
        >>> medium.cut(Random(1))  # the name was not synced
        >>> medium.names("/d")
        []
    """

    def __init__(self) -> None:
        self.directories: dict[str, Directory] = {"/": Directory()}

    def make_directory(self, path: str) -> None:
        """A directory, and those above it."""
        while path not in self.directories:
            self.directories[path] = Directory()
            path = posixpath.dirname(path)

    def sync_directory(self, path: str) -> None:
        """The names in a directory are durable."""
        if path not in self.directories:
            raise FileNotFoundError(2, "No such file or directory", path)
        self.directories[path].sync()

    def remove_empty(self, path: str) -> None:
        """Forget a directory that nothing is in."""
        if path in self.directories and not self.names(path):
            del self.directories[path]

    def create(self, path: str, now: float) -> File:
        """A new file."""
        directory, name = self._place(path)
        if name in directory.seen or path in self.directories:
            raise FileExistsError(17, "File exists", path)
        file = File(written_at=now)
        directory.change((name, file))
        return file

    def file(self, path: str) -> File:
        """The file of a name."""
        directory, name = self._place(path)
        if path in self.directories:
            raise IsADirectoryError(21, "Is a directory", path)
        if name not in directory.seen:
            raise FileNotFoundError(2, "No such file or directory", path)
        return directory.seen[name]

    def rename(self, old: str, new: str) -> None:
        """Another name in the same directory."""
        file = self.file(old)
        assert posixpath.dirname(old) == posixpath.dirname(new), "files are renamed where they are"
        directory, name = self._place(new)
        if directory.seen.get(name) is file:
            # two names of one file: the system leaves both
            return
        directory.change((name, file), (posixpath.basename(old), None))

    def link(self, old: str, new: str) -> None:
        """A second name."""
        file = self.file(old)
        directory, name = self._place(new)
        if name in directory.seen:
            raise FileExistsError(17, "File exists", new)
        directory.change((name, file))

    def remove(self, path: str) -> None:
        """Forget a name."""
        self.file(path)
        directory, name = self._place(path)
        directory.change((name, None))

    def names(self, path: str) -> list[str]:
        """What is in a directory, in order."""
        if path not in self.directories:
            return []
        inner = (d for d in self.directories if d != "/" and posixpath.dirname(d) == path)
        return sorted([*self.directories[path].seen, *map(posixpath.basename, inner)])

    def walk(self, path: str) -> Iterator[str]:
        """All files below a directory."""
        for directory in sorted(self.directories):
            if directory == path or directory.startswith(path.rstrip("/") + "/"):
                yield from (posixpath.join(directory, n) for n in sorted(self.directories[directory].seen))

    def cut(self, random: Random) -> None:
        """Lose the power: what was not synced may be gone."""
        files = {}
        for path in sorted(self.directories):
            directory = self.directories[path]
            # a file that has a name before or after: another one is gone anyway
            files.update({id(f): f for names in (directory.durable, directory.seen) for f in names.values()})
            directory.cut(random)
        for file in files.values():
            file.cut(random)

    def _place(self, path: str) -> tuple[Directory, str]:
        parent, name = posixpath.split(path)
        if parent not in self.directories:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.directories[parent], name
