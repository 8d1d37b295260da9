"""Keep named bytes as objects of a bucket.

One request makes an object, as a whole or not at all, and whoever reads it afterwards sees it: nothing is
synced or renamed, and nothing is left of a writer that was broken off. What must be made by one writer only
is made by a conditional request (`Bucket.create`).

The store must be consistent as S3, Google's and Azure's are: a listing or a read that begins after a write
has returned knows of it.

Changes:  the objects below one key.
Not here: what the names mean (history.py), single requests (bucket.py).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

from thalweg.checkpoint.addresses import split
from thalweg.checkpoint.failpoints import failpoint
from thalweg.errors import StoreError


class ObjectStore:
    """See `Store`: the objects below an address.

    Args:
        path: the address, such as `s3://bucket/prefix`.
    """

    def __init__(self, path: str) -> None:
        self._bucket, self._prefix = split(path)
        self._last: str | None = None

    def describe(self, name: str = "") -> str:
        return self._bucket.path(self._key(name))

    def put(self, name: str, data: bytes) -> None:
        with self._told("written", name):
            failpoint("object.put")
            self._bucket.put(self._key(name), data)
            failpoint("object.written")
        self._last = name

    def put_new(self, name: str, data: bytes) -> bool:
        with self._told("written", name):
            failpoint("object.put")
            is_mine = self._bucket.create(self._key(name), data)
            failpoint("object.written")
        if is_mine:
            self._last = name
        return is_mine

    def get(self, name: str) -> bytes:
        with self._told("read", name):
            try:
                return self._bucket.get(self._key(name))
            except FileNotFoundError as error:
                raise KeyError(name) from error

    def digest(self, name: str) -> str:
        return hashlib.sha256(self.get(name)).hexdigest()

    def names(self, prefix: str) -> list[str]:
        with self._told("listed", prefix):
            inner, objects = self._bucket.listed(self._key(prefix))
        found = {key.rpartition("/")[2] for key in (*inner, *(o.key for o in objects))}
        return sorted(n for n in found if not n.startswith("."))

    def delete(self, name: str) -> None:
        with self._told("changed", name):
            self._bucket.delete(self._key(name))

    def age(self, name: str) -> float:
        """By the clock of the store: how much older an object is than what was written here last.

        The clock of this machine may be any hours ahead, and then all objects would seem to be old.
        """
        with self._told("looked at", name):
            known = None if self._last is None else self._bucket.find(self._key(self._last))
            found = self._bucket.find(self._key(name))
        if known is None or found is None:
            return 0.0
        return max(0.0, (known.modified - found.modified).total_seconds())

    def tidy(self, name: str) -> None:
        """Nothing is left of a writer that was broken off."""

    def settle(self, name: str) -> None:
        """What is seen is durable."""

    def _key(self, name: str) -> str:
        return "/".join(filter(None, (self._prefix, name)))

    @contextlib.contextmanager
    def _told(self, what: str, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"the checkpoint store cannot be {what}",
                code="store-failed",
                where=self.describe(name),
                found=error.strerror or str(error),
                hint="nothing was deleted; the last complete checkpoint is as it was",
            ) from error
