"""List what is there: in directories of this machine, or below the address of objects.

Objects have no directories; a key is taken for one if others begin with it and `/`. Each look is one request,
whose answer holds for the life of a listing.

Reads:    the file system, or a bucket.
Not here: which files a path means (paths.py).
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Protocol

from thalweg.checkpoint.addresses import is_remote, split
from thalweg.checkpoint.bucket import Found
from thalweg.errors import ConnectorError

_MARKS = ("*", "?", "[")


class Listing(Protocol):
    """Names by path."""

    def is_directory(self, path: str) -> bool:
        """Whether other names are in it."""
        ...

    def is_file(self, path: str) -> bool:
        """Whether there are bytes."""
        ...

    def names(self, path: str) -> list[str]:
        """What is in a directory, in order; of one that is not there, nothing."""
        ...

    def matching(self, pattern: str) -> list[str]:
        """The paths of files that match a pattern, in order."""
        ...

    def size(self, path: str) -> int:
        """The bytes of a file."""
        ...

    def version(self, path: str) -> Hashable:
        """Another one if the file was changed."""
        ...


def listing(path: str) -> Listing:
    """What lists a path and what is below it."""
    return ObjectListing() if is_remote(path) else LocalListing()


class LocalListing:
    """See `Listing`: the files of this machine."""

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(path)

    def is_file(self, path: str) -> bool:
        return os.path.exists(path) and not os.path.isdir(path)

    def names(self, path: str) -> list[str]:
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def matching(self, pattern: str) -> list[str]:
        return sorted(f for f in glob.glob(pattern, recursive=True) if os.path.isfile(f))

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def version(self, path: str) -> Hashable:
        found = os.stat(path)
        return found.st_mtime_ns, found.st_size, found.st_ino


class ObjectListing:
    """See `Listing`: objects, by their addresses."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[list[str], dict[str, Found]]] = {}

    def is_directory(self, path: str) -> bool:
        above, name = os.path.split(path)
        if above in self._seen:
            return name in self._seen[above][0]
        return any(self._looked(path))

    def is_file(self, path: str) -> bool:
        return self._found(path) is not None

    def names(self, path: str) -> list[str]:
        inner, objects = self._looked(path)
        return sorted({*inner, *objects})

    def matching(self, pattern: str) -> list[str]:
        fixed = []
        for part in pattern.split("/"):
            if any(mark in part for mark in _MARKS):
                break
            fixed.append(part)
        above = "/".join(fixed)
        matches = re.compile(_regular(pattern)).fullmatch
        bucket, key = split(above)
        with told(above):
            paths = (bucket.path(found.key) for found in bucket.walk(key))
            return sorted(p for p in paths if matches(p))

    def size(self, path: str) -> int:
        found = self._found(path)
        return 0 if found is None else found.size

    def version(self, path: str) -> Hashable:
        found = self._found(path)
        return None if found is None else found.version

    def _found(self, path: str) -> Found | None:
        above, name = os.path.split(path)
        return self._looked(above)[1].get(name)

    def _looked(self, path: str) -> tuple[list[str], dict[str, Found]]:
        """The directories and the objects right below an address."""
        if not is_remote(path):
            # above a bucket there is nothing to list
            return [], {}
        if path not in self._seen:
            bucket, key = split(path)
            with told(path):
                inner, objects = bucket.listed(key)
            names = {o.key.rpartition("/")[2]: o for o in objects}
            self._seen[path] = [k.rpartition("/")[2] for k in inner], names
        return self._seen[path]


def told(path: str) -> _Told:
    """What a store says while files are looked for or read is told as an error of the source."""
    return _Told(path)


class _Told:
    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Errors of the system that are raised from here on are told."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise ConnectorError("an object is gone", code="source-cannot-read", where=self._path) from None
        if isinstance(error, OSError):
            raise ConnectorError(
                "objects cannot be read",
                code="source-cannot-read",
                where=self._path,
                found=error.strerror or str(error),
            ) from None


def _regular(pattern: str) -> str:
    """A pattern for paths as a regular expression: `*` stays within a part of a path, `**` does not."""
    return "".join(_pieces(pattern))


def _pieces(pattern: str) -> Iterator[str]:
    words = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    for piece in re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", pattern, re.DOTALL):
        if piece in words:
            yield words[piece]
        elif len(piece) > 1:
            inner = piece[1:-1].replace("\\", r"\\")
            yield f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
        else:
            yield re.escape(piece)


def versions(files: Sequence[str]) -> Hashable:
    """What files are called as they are now: another version if one of them was changed."""
    looks = listing(files[0]) if files else LocalListing()
    return tuple((file, looks.version(file)) for file in files)
