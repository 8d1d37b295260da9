"""Make the calls of a disk to a bucket, for results that are written as files.

There is no rename: the store copies an object to its new key, and the old one is deleted. Whoever is broken
off in between finds both, with the same bytes, and does it again. A file is one object, which is made when
it is synced; there are no directories.

Changes:  objects by their addresses.
Not here: in which order the calls are made (connectors/files/staging.py).
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator

from thalweg.checkpoint.addresses import split
from thalweg.checkpoint.disk import OpenFile
from thalweg.checkpoint.failpoints import failpoint


class _Upload:
    """Bytes that become an object when they are synced."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._parts: list[bytes | memoryview] = []

    def write(self, data: bytes | memoryview) -> None:
        self._parts.append(data)

    def sync(self) -> None:
        bucket, key = split(self._path)
        failpoint("object.put")
        bucket.put(key, b"".join(self._parts))
        failpoint("object.written")

    def close(self) -> None:
        self._parts = []


class ObjectDisk:
    """See `Disk`: objects; a path is an address."""

    def create(self, path: str) -> OpenFile:
        """An object; one that has the name is replaced, since nobody else gets the names of parts."""
        return _Upload(path)

    def read(self, path: str) -> bytes:
        bucket, key = split(path)
        return bucket.get(key)

    def digest(self, path: str) -> str:
        return hashlib.sha256(self.read(path)).hexdigest()

    def rename(self, old: str, new: str) -> None:
        bucket, key = split(old)
        bucket.copy(key, split(new)[1])
        failpoint("object.copied")
        bucket.delete(key)

    def link(self, old: str, new: str) -> None:
        bucket, key = split(new)
        if not bucket.create(key, self.read(old)):
            raise FileExistsError(new)

    def remove(self, path: str) -> None:
        bucket, key = split(path)
        bucket.delete(key)

    def remove_empty(self, directory: str) -> None:
        """There are no directories."""

    def names(self, directory: str) -> list[str]:
        bucket, key = split(directory)
        inner, objects = bucket.listed(key)
        return sorted({k.rpartition("/")[2] for k in (*inner, *(o.key for o in objects))})

    def make_directory(self, path: str) -> None:
        """Only the bucket must be there."""
        bucket, key = split(path)
        bucket.listed(key)

    def sync_directory(self, path: str) -> None:
        """What has a name is durable."""

    def age(self, path: str) -> float:
        bucket, key = split(path)
        found = bucket.find(key)
        if found is None:
            raise FileNotFoundError(path)
        return time.time() - found.modified.timestamp()

    def exists(self, path: str) -> bool:
        bucket, key = split(path)
        return bucket.find(key) is not None

    def is_file(self, path: str) -> bool:
        bucket, key = split(path)
        return bool(key) and bucket.find(key) is not None

    def walk(self, directory: str) -> Iterator[str]:
        bucket, key = split(directory)
        for found in bucket.walk(key):
            yield bucket.path(found.key)

    def unique(self) -> str:
        return uuid.uuid4().hex[:8]
