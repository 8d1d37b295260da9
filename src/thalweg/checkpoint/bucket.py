"""Call an object store: objects of one bucket by key, and what goes wrong as errors of the system.

The library (obstore) reads addresses and credentials from the environment, as each cloud names them; an
endpoint, a region and whether plain HTTP is allowed may also be options, which hold for the whole process.
Requests are repeated by the library a few times, for half a minute at most. An address is never part of a
message: there may be a signature in it.

Reads, changes:  a bucket.
Not here: what the keys mean (object_store.py, object_disk.py).
"""

from __future__ import annotations

import errno
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from thalweg.errors import ConfigError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "gs", "az")
"""What the address of an object begins with: S3 and what speaks its protocol, Google, Azure."""
_URL = re.compile(rf"({'|'.join(SCHEMES)})://([^/]+)(?:/(.*))?", re.DOTALL)
_VARIABLES = ("AWS_", "GOOGLE_", "AZURE_")
_TRUE = ("1", "true", "yes", "on")
_WRITER = "thalweg-writer"
"""The property of an object that says who made it, where only one may."""
_CREATES = 4
_RETRIES, _RETRY_SECONDS, _SECONDS = 4, 30, "30s"
_COPIED = 1 << 20
_MACHINE = re.compile(r"169\.254\.169\.254|/latest/api/token|/security-credentials|metadata\.google")
"""Where a machine of a cloud is asked for its credentials, if there are no others."""


@dataclass(frozen=True)
class ObjectOptions:
    """How stores are reached, where the environment does not say it.

    Attributes:
        endpoint: the address of a server that speaks the protocol of S3; None: that of the cloud.
        region: the region of buckets of S3.
        allow_http: whether the server may be spoken to without TLS.
    """

    endpoint: str | None = None
    region: str | None = None
    allow_http: bool = False


_OPTIONS = [ObjectOptions()]


def configure(options: ObjectOptions) -> None:
    """Let buckets that are opened from now on be reached so, in the whole process."""
    _OPTIONS[:] = [options]


@dataclass(frozen=True)
class Found:
    """An object, without its bytes.

    Attributes:
        key: its name in the bucket.
        size: its bytes.
        version: another one if its bytes are others.
        modified: when it was written, by the clock of the store.
    """

    key: str
    size: int
    version: str
    modified: datetime


@dataclass(frozen=True)
class Seen:
    """An object as somebody has read it.

    Attributes:
        data: its bytes.
        version: what the store tells versions apart by.
    """

    data: bytes
    version: Mapping[str, str]


def is_remote(path: str) -> bool:
    """Whether a path is the address of objects.

    Example:
        >>> is_remote("s3://rows/kept"), is_remote("kept"), is_remote("ftp://rows/kept")
        (True, False, False)
    """
    return _URL.fullmatch(path) is not None


def split(path: str) -> tuple[Bucket, str]:
    """The bucket and the key of an address."""
    found = _URL.fullmatch(path)
    assert found is not None, "an address of objects"
    return _opened(f"{found[1]}://{found[2]}"), (found[3] or "").strip("/")


def _opened(root: str) -> Bucket:
    variables = ((n, v) for n, v in os.environ.items() if n.startswith(_VARIABLES))
    return _made(root, _OPTIONS[-1], tuple(sorted(variables)))


@lru_cache(maxsize=32)
def _made(root: str, options: ObjectOptions, variables: tuple[tuple[str, str], ...]) -> Bucket:
    """A bucket, once for each way to reach it."""
    return Bucket(root, options, dict(variables))


class Bucket:
    """One bucket. Calls raise `FileNotFoundError` where there is no such object, or another `OSError`."""

    def __init__(self, root: str, options: ObjectOptions, variables: Mapping[str, str]) -> None:
        self.root = root
        given = options.endpoint or variables.get("AWS_ENDPOINT") or variables.get("AWS_ENDPOINT_URL")
        self._endpoint = re.sub("//[^/@]*@", "//", given or "the address of the cloud")
        self._store = _store(root, options, is_http=variables.get("AWS_ALLOW_HTTP", "").lower() in _TRUE)

    def get(self, key: str) -> bytes:
        """All bytes of an object."""
        import obstore

        with self._told(key):
            return bytes(obstore.get(self._store, key).bytes())

    def part(self, key: str, start: int, end: int) -> bytes:
        """Some bytes of an object."""
        import obstore

        if start >= end:
            return b""
        with self._told(key):
            return bytes(obstore.get_range(self._store, key, start=start, end=end))

    def download(self, key: str, file: IO[bytes]) -> Found:
        """Append all bytes of an object, as it was at one moment."""
        import obstore

        with self._told(key):
            answer = obstore.get(self._store, key)
            written = 0
            for piece in answer.stream(min_chunk_size=_COPIED):
                written += file.write(piece)
            found = _found(answer.meta)
        if written != found.size:
            raise OSError(errno.EIO, f"{written} of {found.size} bytes of an object came")
        return found

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

    def look(self, key: str) -> Seen | None:
        """An object as it is now; None: there is none."""
        import obstore

        try:
            with self._told(key):
                answer = obstore.get(self._store, key)
                told: dict[str, str | None] = {
                    "e_tag": answer.meta["e_tag"],
                    "version": answer.meta["version"],
                }
                return Seen(bytes(answer.bytes()), {n: v for n, v in told.items() if v is not None})
        except FileNotFoundError:
            return None

    def swap(self, key: str, data: bytes, seen: Seen | None) -> bool:
        """Write an object if it is as it was seen; whether it was, or has these bytes already.

        Args:
            key: its name.
            data: bytes that nobody else writes.
            seen: what it was; None: there was none.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = "create" if seen is None else seen.version
        with self._told(key):
            try:
                obstore.put(self._store, key, data, mode=mode)
            except (AlreadyExistsError, PreconditionError):
                # that may have been a request of ours whose answer got lost
                now = self.look(key)
                return now is not None and now.data == data
            return True

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
            return sorted(found["common_prefixes"]), objects

    def walk(self, prefix: str) -> list[Found]:
        """All objects below a key, in order."""
        import obstore

        with self._told(prefix):
            pages = obstore.list(self._store, prefix or None, chunk_size=1000)
            return sorted((_found(o) for page in pages for o in page), key=lambda o: o.key)

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
        if "builder error" in text:
            return "the endpoint is plain HTTP, which is not allowed ('s3.allow-http' or AWS_ALLOW_HTTP)"
        status, code = re.search(r"status code: (\d+[ \w]*)", text), re.search(r"<Code>(\w+)</Code>", text)
        if status is not None:
            return f"the store answers {status[1].strip()}{f' ({code[1]})' if code else ''}"
        if "timed out" in text or "operation timed out" in text:
            return "the store does not answer in time"
        if "error sending request" in text:
            return f"no store answers at {self._endpoint}"
        first = re.sub(r"https?://\S+", "…", text.partition("\n")[0])
        return first or "the store says nothing more"


def _found(meta: Any) -> Found:
    version = meta["e_tag"] or meta["version"] or f"{meta['last_modified'].isoformat()} {meta['size']}"
    return Found(meta["path"], meta["size"], version, meta["last_modified"])


def _store(root: str, options: ObjectOptions, *, is_http: bool) -> ObjectStore:
    """The store of the library.

    Raises:
        ConfigError: it is not installed, or the environment does not say enough.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise ConfigError(
            "object stores need a library that is not installed",
            code="dependency-missing",
            where=root,
            hint='pip install "thalweg[objects]"',
        ) from error
    given: dict[str, Any] = {}
    if root.startswith("s3:"):
        given = {"endpoint": options.endpoint, "region": options.region}
    client: dict[str, Any] = {"timeout": _SECONDS, "connect_timeout": "5s"}
    if options.allow_http or is_http:
        client["allow_http"] = True
    try:
        made: ObjectStore = from_url(
            root,
            config={n: v for n, v in given.items() if v is not None},  # type: ignore[call-overload]
            client_options=client,
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
                "backoff": {"max_backoff": timedelta(seconds=2)},
            },
        )
        return made
    except (BaseError, ValueError) as error:
        raise ConfigError(
            "an object store cannot be reached as it is configured",
            code="object-store-config",
            where=root,
            found=str(error).partition("\n")[0],
            hint="address and credentials are read from the environment (AWS_…, GOOGLE_…, AZURE_…)",
        ) from error
