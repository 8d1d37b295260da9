"""Have the bytes of a file at hand, wherever it is: the formats read files of this machine.

An object is downloaded whole into a temporary file when its split is opened, and that file has no name, so
that nothing of it is left, however the process ends. What its columns are is told by its beginning and its
end, which are fetched alone: they stand in a file of the object's length with nothing between them.

A position in an object also says its version: an object that was changed since cannot be gone on with.

Reads:    objects.
Not here: what the bytes mean (parquet.py, ipc.py, text_format.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

import polars as pl

from thalweg.base.schema import Schema
from thalweg.checkpoint.addresses import is_remote, split
from thalweg.checkpoint.bucket import Bucket, Found
from thalweg.connectors.files.format import Format
from thalweg.connectors.files.listing import told
from thalweg.connectors.files.text_format import SAMPLE_BYTES, CsvFormat, JsonFormat, scan_text
from thalweg.errors import ConnectorError, ThalwegError
from thalweg.protocols.source import Chunk, Position, Reader

_VERSION = "version"
"""What a position in an object has that one in a file has not."""
_END_BYTES = 64 << 10
_LAST_BYTES = 10
"""The last bytes of a Parquet or Arrow file have the length of what is before them, and a mark."""


def held(reads: Format, file: str) -> pl.Schema:
    """The columns that a file has."""
    with _sketched(reads, file) as path:
        return reads.held(path)


def has_rows(reads: CsvFormat | JsonFormat, file: str) -> bool:
    """Whether there is any row in a file of text."""
    with _sketched(reads, file) as path:
        return reads.has_rows(path)


def reader(
    reads: Format, file: str, target: Schema, position: Position, check: Callable[[pl.Schema], None]
) -> Reader:
    """A reader of a file.

    Args:
        reads: its format.
        file: where it is.
        target: the columns to read.
        position: where to begin.
        check: looks at the columns that the file has.
    """
    if not is_remote(file):
        check(reads.held(file))
        return reads.reader(file, target, position)
    with ExitStack() as closing:
        copy = closing.enter_context(_unnamed())
        bucket, key = split(file)
        with told(file):
            version = bucket.download(key, copy).version
            copy.flush()
        inner = dict(position)
        if inner.pop(_VERSION, version) != version:
            raise _changed(file)
        path = _path(copy)
        with _named(path, file):
            check(reads.held(path))
            made = reads.reader(path, target, inner)
        closing.pop_all()
    return ObjectReader(made, copy, file, version)


def scan(reads: Format, file: str, target: Schema, check: Callable[[pl.Schema], None]) -> pl.LazyFrame:
    """A file as a plan: of this machine's Polars reads it, and an object our reader, when the plan runs."""
    if is_remote(file):
        return scan_text(file, target, lambda wanted: reader(reads, file, wanted, {}, check))
    check(reads.held(file))
    return reads.scan(file, target)


class ObjectReader:
    """The reader of the copy of an object, whose positions have its version."""

    def __init__(self, inner: Reader, copy: IO[bytes], file: str, version: str) -> None:
        self._inner, self._copy, self._file, self._version = inner, copy, file, version
        self._path = _path(copy)

    def read(self, rows_max: int) -> Chunk:
        """The next rows."""
        with _named(self._path, self._file):
            return self._inner.read(rows_max)

    @property
    def position(self) -> Position:
        """Where the next read goes on."""
        return {**self._inner.position, _VERSION: self._version}

    def close(self) -> None:
        """Give the copy back."""
        self._inner.close()
        self._copy.close()


def _unnamed() -> IO[bytes]:
    # imported here: files of this machine need none
    import tempfile

    return tempfile.TemporaryFile(prefix="thalweg-")


def _path(copy: IO[bytes]) -> str:
    """A path of a file without a name."""
    return f"/proc/self/fd/{copy.fileno()}"


def _changed(file: str) -> ConnectorError:
    return ConnectorError(
        "an object was changed after a part of it was read",
        code="source-changed",
        where=file,
        hint="put new rows into new objects; --fresh reads everything from the beginning",
    )


@contextmanager
def _sketched(reads: Format, file: str) -> Iterator[str]:
    """A file of this machine that says what the columns of a file are: itself, or a sketch of an object."""
    if not is_remote(file):
        yield file
        return
    bucket, key = split(file)
    with _unnamed() as copy:
        with told(file):
            found = bucket.find(key)
            if found is None:
                raise FileNotFoundError(file)
            _sketch(bucket, found, copy, is_text=isinstance(reads, (CsvFormat, JsonFormat)))
        path = _path(copy)
        with _named(path, file):
            yield path


def _sketch(bucket: Bucket, found: Found, copy: IO[bytes], *, is_text: bool) -> None:
    """Write the beginning and the end of an object where they are in it."""
    copy.truncate(found.size)
    # text that is packed may be longer than it was
    begin = min(found.size, 2 * SAMPLE_BYTES if is_text else _LAST_BYTES)
    copy.write(bucket.part(found.key, 0, begin))
    if not is_text:
        start = max(0, found.size - _END_BYTES)
        data = bucket.part(found.key, start, found.size)
        missing = max(0, start - max(0, found.size - _footer_bytes(data)))
        data = bucket.part(found.key, start - missing, start) + data
        copy.seek(start - missing)
        copy.write(data)
    copy.flush()


def _footer_bytes(data: bytes) -> int:
    """How many bytes the footer of a Parquet or Arrow file has, with all that is behind it."""
    if data.endswith(b"PAR1"):
        return int.from_bytes(data[-8:-4], "little") + 8
    if data.endswith(b"ARROW1"):
        return int.from_bytes(data[-10:-6], "little") + _LAST_BYTES
    return len(data)


@contextmanager
def _named(path: str, file: str) -> Iterator[None]:
    """Errors that name the copy name the object."""
    try:
        yield
    except ThalwegError as error:
        for label in ("where", "found", "hint", "message"):
            text = getattr(error, label)
            if isinstance(text, str):
                setattr(error, label, text.replace(path, file))
        raise
