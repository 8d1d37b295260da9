"""Call an object store: objects of one bucket by key, and what goes wrong as errors of the system.

An address is never part of a message: there may be a signature in it.

Reads, changes:  a bucket.
Not here: which bucket an address means, and how it is reached (addresses.py); what the keys mean
          (object_store.py, object_disk.py).
"""

from __future__ import annotations

import errno
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_WRITER = "thalweg-writer"
"""The property of an object that says who made it, where only one may."""
_CREATES = 4
PIECE_BYTES, _READERS = 16 << 20, 4
"""Larger objects are read in such pieces, and how many at once."""
_MACHINE = re.compile(r"169\.254\.169\.254|/latest/api/token|/security-credentials|metadata\.google")
"""Where a machine of a cloud is asked for its credentials, if there are no others."""


@dataclass(frozen=True)
class Found:
    """An object, without its bytes.

    Attributes:
        key: its name in the bucket.
        size: its bytes.
        e_tag, number: what the store tells versions apart by, if it does.
        modified: when it was written, by the clock of the store.
    """

    key: str
    size: int
    e_tag: str | None
    number: str | None
    modified: datetime

    @property
    def version(self) -> str:
        """Another one if its bytes are others."""
        return self.e_tag or self.number or f"{self.modified.isoformat()} {self.size}"


class Bucket:
    """One bucket. Calls raise `FileNotFoundError` where there is no such object, or another `OSError`.

    Args:
        root: its address.
        store: what the library calls.
        endpoint: the server, for messages; None: the cloud's own.
    """

    def __init__(self, root: str, store: ObjectStore, endpoint: str | None) -> None:
        self.root, self._store = root, store
        self._endpoint = re.sub("//[^/@]*@", "//", endpoint or "the address of the cloud")

    def get(self, key: str) -> bytes:
        """All bytes of an object, as it was at one moment."""
        import obstore

        with self._told(key):
            answer = obstore.get(self._store, key)
            found = _found(answer.meta)
            if found.size <= PIECE_BYTES:
                return bytes(answer.bytes())
        held = bytearray(found.size)

        def take(start: int, data: bytes) -> None:
            held[start : start + len(data)] = data

        self._pieces(found, take)
        return bytes(held)

    def download(self, key: str, file: IO[bytes]) -> Found:
        """Write all bytes of an object into an empty file, as it was at one moment."""
        import obstore

        with self._told(key):
            answer = obstore.get(self._store, key)
            found = _found(answer.meta)
            if found.size <= PIECE_BYTES:
                _write(file, 0, bytes(answer.bytes()))
                return found
        self._pieces(found, partial(_write, file))
        return found

    def _pieces(self, found: Found, take: Callable[[int, bytes], None]) -> None:
        """Hand over the pieces of a large object: a request must not take longer than the library waits."""
        # imported here: few objects are so large
        from concurrent.futures import ThreadPoolExecutor

        import obstore

        def piece(start: int) -> None:
            end = min(start + PIECE_BYTES, found.size)
            with self._told(found.key):
                answer = obstore.get(
                    self._store, found.key, options={"range": (start, end), "if_match": found.e_tag}
                )
                take(start, bytes(answer.bytes()))

        with ThreadPoolExecutor(_READERS) as pool:
            for _ in pool.map(piece, range(0, found.size, PIECE_BYTES)):
                pass

    def part(self, key: str, start: int, end: int) -> bytes:
        """Some bytes of an object."""
        import obstore

        if start >= end:
            return b""
        with self._told(key):
            return bytes(obstore.get_range(self._store, key, start=start, end=end))

    def find(self, key: str) -> Found | None:
        """What an object is; None: there is none."""
        import obstore

        try:
            with self._told(key):
                return _found(obstore.head(self._store, key))
        except FileNotFoundError:
            return None

    def put(self, key: str, data: bytes) -> None:
        """Write an object, in place of one that is there; large ones in parts."""
        import obstore

        with self._told(key):
            obstore.put(self._store, key, data)

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless there is one; whether there was none.

        An answer may get lost after the object was made, or be that to a request that the library has
        repeated. So the object says who made it, and whoever is not sure looks.
        """
        writer = uuid.uuid4().hex
        for attempt in range(_CREATES):
            try:
                return self._create(key, data, writer)
            except PermissionError:
                raise
            except OSError as error:
                failed = error
                seen = self._seen_writer(key)
                if seen is not None:
                    return seen == writer
            time.sleep(0.1 * 2**attempt)
        raise failed

    def _create(self, key: str, data: bytes, writer: str) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._told(key):
            try:
                obstore.put(self._store, key, data, mode="create", attributes={_WRITER: writer})
            except AlreadyExistsError:
                return self._writer(key) == writer
            return True

    def _seen_writer(self, key: str) -> str | None:
        """Who made an object; None: there is none, or nobody can tell now."""
        try:
            with self._told(key):
                return self._writer(key)
        except OSError:
            return None

    def _writer(self, key: str) -> str:
        import obstore

        return str(obstore.get(self._store, key, options={"head": True}).attributes.get(_WRITER, ""))

    def copy(self, old: str, new: str) -> None:
        """Give an object a second key, in place of an object that has it; the store copies the bytes."""
        import obstore

        with self._told(old):
            obstore.copy(self._store, old, new)

    def delete(self, key: str) -> None:
        """Forget an object; nothing happens if there is none."""
        import obstore

        try:
            with self._told(key):
                obstore.delete(self._store, key)
        except FileNotFoundError:
            return

    def listed(self, prefix: str) -> tuple[list[str], list[Found]]:
        """The keys that have more below them, and the objects, right below a key; in order."""
        import obstore

        with self._told(prefix):
            found = obstore.list_with_delimiter(self._store, prefix or None)
            objects = sorted(map(_found, found["objects"]), key=lambda o: o.key)
            # some tools mark folders with an object "prefix/", whose key comes without its end
            return sorted(found["common_prefixes"]), [o for o in objects if o.key != prefix]

    def walk(self, prefix: str) -> list[Found]:
        """All objects below a key, in order."""
        import obstore

        with self._told(prefix):
            pages = obstore.list(self._store, prefix or None, chunk_size=1000)
            objects = sorted((_found(o) for page in pages for o in page), key=lambda o: o.key)
        folders = {above for o in objects for above in _above(o.key)}
        return [o for o in objects if o.size or o.key not in folders]

    def path(self, key: str) -> str:
        """The address of an object."""
        return f"{self.root}/{key}" if key else self.root

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Errors of the library as those of the system."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise PermissionError(errno.EACCES, self._in_words(str(error)), self.path(key)) from None
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise OSError(errno.EIO, self._in_words(str(error)), self.path(key)) from None
            raise FileNotFoundError(errno.ENOENT, "there is no such object", self.path(key)) from None
        except BaseError as error:
            raise OSError(errno.EIO, self._in_words(str(error)), self.path(key)) from None

    def _in_words(self, text: str) -> str:
        """What has gone wrong, without addresses."""
        if "NoSuchBucket" in text or "ContainerNotFound" in text:
            return f"there is no bucket {self.root}"
        if _MACHINE.search(text):
            return (
                "there are no credentials in the environment, and the machine has none (AWS_ACCESS_KEY_ID …)"
            )
        if "precondition failure" in text:
            return "the object was changed while it was read"
        if "builder error" in text:
            return "the endpoint is plain HTTP, which is not allowed ('s3.allow-http' or AWS_ALLOW_HTTP)"
        status, code = re.search(r"status code: (\d+[ \w]*)", text), re.search(r"<Code>(\w+)</Code>", text)
        if status is not None:
            return f"the store answers {status[1].strip()}{f' ({code[1]})' if code else ''}"
        if "timed out" in text or "operation timed out" in text:
            return "the store does not answer in time"
        if "error sending request" in text:
            return f"no store answers at {self._endpoint}"
        if "invalid path" in text:
            return "there is an object whose key has an empty part, or one of dots, and cannot be read"
        first = re.sub(r"https?://\S+", "…", text.partition("\n")[0])
        return first or "the store says nothing more"


def _above(key: str) -> Iterator[str]:
    """The keys that a key is below."""
    while "/" in key:
        key = key.rpartition("/")[0]
        yield key


def _found(meta: Any) -> Found:
    return Found(meta["path"], meta["size"], meta["e_tag"], meta["version"], meta["last_modified"])


def _write(file: IO[bytes], start: int, data: bytes) -> None:
    """Write bytes to their place, whoever else writes meanwhile."""
    left = memoryview(data)
    while left:
        written = os.pwrite(file.fileno(), left, start)
        start, left = start + written, left[written:]
