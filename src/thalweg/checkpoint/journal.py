"""Keep what a split has given, so that it can be read again although its source cannot.

    DIRECTORY/index-000003                what runs before run 3 have written, and how much of it counts
    DIRECTORY/segment-000003-000001       records of run 3
    DIRECTORY/start-0001                  the record that a lineage without checkpoint begins with

A record is a frame as Arrow IPC and some plain JSON, behind its number, its lengths and the SHA-256 of it
all. Records are numbered through all segments. A run begins by sealing what is there: records that a run
appends which was overtaken do not count. The last record of all may be torn by a crash: no checkpoint names
it, and it is left out. Any other fault is damage.

Reads, changes:  one directory.
Not here: what a record means (connectors/journaled.py), which records are needed (session/journals.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, Any

import polars as pl

from thalweg.checkpoint.disk import LocalDisk
from thalweg.checkpoint.manifest import damaged
from thalweg.checkpoint.store import DirectoryStore
from thalweg.errors import CheckpointError, StoreError

_HEAD = struct.Struct("<QII32s")
"""Number, length of the JSON, length of the frame, hash."""
_NUMBERS = struct.Struct("<QII")
_SEGMENT = re.compile(r"segment-(\d{6})-(\d{6})")
_INDEX = re.compile(r"index-(\d{6})")
SEGMENT_BYTES = 16 << 20
"""A segment that is longer is followed by another one."""


@dataclass(frozen=True)
class Record:
    """One piece of what a split has given."""

    number: int
    data: Mapping[str, Any]
    frame: pl.DataFrame | None


@dataclass(frozen=True)
class _Segment:
    """Records that are in one file: the number of the first one, and how many count."""

    name: str
    first: int
    count: int

    @property
    def end(self) -> int:
        return self.first + self.count


class Journal:
    """What one split has given, over all runs of a job.

    Args:
        directory: where it is; made if it is not there.
        fence: the number of the run.
    """

    def __init__(self, directory: str, fence: int) -> None:
        self._directory, self._fence = directory, fence
        self._store = DirectoryStore(directory)
        self._lock = threading.Lock()
        self._sealed = self._found()
        self._own: list[_Segment] = []
        self._file: IO[bytes] | None = None
        self._bytes = 0
        self._is_synced = True
        self._refused: OSError | None = None
        self.end = max((s.end for s in self._sealed), default=self._begin)
        """The number of the next record."""
        self._write_index()
        for name in self._store.names(""):
            if _INDEX.fullmatch(name) and name < self._index_name:
                self._store.delete(name)

    # -- reading -------------------------------------------------------------------------------

    def start(self, lineage: int) -> int:
        """Where a lineage begins that has no checkpoint: at the end of what was there when it was opened."""
        name = f"start-{lineage:04}"
        self._store.put_new(name, json.dumps(self.end).encode())
        return int(json.loads(self._store.get(name)))

    def records(self, start: int) -> Iterator[Record]:
        """The records that were there when the run began, from a number on.

        Raises:
            CheckpointError: `checkpoint-damaged`, or `journal-missing`: they were removed.
        """
        there = min((s.first for s in self._sealed), default=self.end)
        if start < there or start > self.end:
            raise CheckpointError(
                "the journal of a source does not reach back to the checkpoint",
                code="journal-missing",
                where=self._directory,
                expected=f"record {start}",
                found=f"records {there} to {self.end}",
                hint="--from-checkpoint NUMBER goes on from another checkpoint, --fresh from none",
            )
        for segment in self._sealed:
            if segment.end > start:
                yield from self._records_of(segment, start)

    def _records_of(self, segment: _Segment, start: int) -> Iterator[Record]:
        where = self._store.describe(segment.name)
        number = segment.first
        with _opened(where) as file:
            while number < segment.end:
                body = _next_body(file, number)
                if body is None:
                    raise damaged(where, f"record {number} has another hash than it should have")
                if number >= start:
                    yield Record(number, *_decoded(*body))
                number += 1

    def _found(self) -> list[_Segment]:
        """What earlier runs have written: what the last index names, and what its own run has added."""
        names = self._store.names("")
        indexes = [int(m[1]) for n in names if (m := _INDEX.fullmatch(n))]
        if not indexes:
            self._begin = 0
            return []
        last = max(indexes)
        held = json.loads(self._store.get(f"index-{last:06}"))
        self._begin = int(held["end"])
        sealed = [_Segment(*s) for s in held["segments"]]
        added = sorted(n for n in names if (m := _SEGMENT.fullmatch(n)) and int(m[1]) == last)
        found = [*sealed, *filter(None, map(self._measured, added))]
        for before, after in pairwise(found):
            if before.end != after.first:
                raise damaged(
                    self._store.describe(before.name), f"record {before.end} is not whole, and others follow"
                )
        return found

    def _measured(self, name: str) -> _Segment | None:
        """The records of a segment, up to one that is torn; None if there are none."""
        count, first = 0, None
        with _opened(self._store.describe(name)) as file:
            while (head := _peeked(file)) is not None:
                first = head if first is None else first
                if _next_body(file, first + count) is None:
                    break
                count += 1
        return None if first is None or not count else _Segment(name, first, count)

    # -- writing -------------------------------------------------------------------------------

    def append(self, data: Mapping[str, Any], frame: pl.DataFrame | None) -> int:
        """Write a record, which a process that is killed leaves behind; its number.

        Raises:
            StoreError: it cannot be written.
        """
        text, rows = json.dumps(data).encode(), b"" if frame is None else _ipc(frame)
        numbers = _NUMBERS.pack(self.end, len(text), len(rows))
        record = numbers + hashlib.sha256(numbers + text + rows).digest() + text + rows
        with self._lock:
            with self._told():
                self._write(record)
            self.end += 1
            last = self._own[-1]
            self._own[-1] = _Segment(last.name, last.first, last.count + 1)
        return self.end - 1

    def _write(self, record: bytes) -> None:
        if self._file is None or self._bytes >= SEGMENT_BYTES:
            self._roll()
        assert self._file is not None, "a segment was begun"
        self._is_synced = False
        left = memoryview(record)
        while left:
            # the system may take less than it was given
            left = left[self._file.write(left) :]
        self._bytes += len(record)

    def _roll(self) -> None:
        self._sync()
        if self._file is not None:
            self._file.close()
        name = f"segment-{self._fence:06}-{len(self._own) + 1:06}"
        self._file = open(os.path.join(self._directory, name), "xb", buffering=0)  # noqa: SIM115 - `close` does
        LocalDisk().sync_directory(self._directory)
        self._own.append(_Segment(name, self.end, 0))
        self._bytes = 0

    def sync(self) -> None:
        """Make every record durable; a checkpoint may name them then.

        Raises:
            StoreError: the system says that they are not.
        """
        with self._lock, self._told():
            self._sync()

    def _sync(self) -> None:
        if self._file is not None and not self._is_synced:
            os.fsync(self._file.fileno())
            self._is_synced = True

    def close(self) -> None:
        """Give the file back; what was written stays."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def prune(self, before: int) -> None:
        """Remove segments whose records are all below a number."""
        with self._lock:
            gone = [s for s in self._sealed if s.end <= before]
            own = [s for s in self._own[:-1] if s.count and s.end <= before]
            if not gone and not own:
                return
            self._sealed = [s for s in self._sealed if s not in gone]
            # segments of this run are counted by their place in the list
            self._own = [_Segment(s.name, s.first, 0) if s in own else s for s in self._own]
            self._write_index()
            for segment in (*gone, *own):
                self._store.delete(segment.name)

    @property
    def _index_name(self) -> str:
        return f"index-{self._fence:06}"

    def _write_index(self) -> None:
        segments = [(s.name, s.first, s.count) for s in self._sealed]
        begun = min((s.first for s in self._own), default=self.end)
        held = {"segments": segments, "end": max([begun, *(s.end for s in self._sealed)])}
        self._store.put(self._index_name, json.dumps(held).encode())

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What the system refuses is told, now and whenever the journal is written again."""
        try:
            if self._refused is not None:
                raise self._refused
            yield
        except OSError as error:
            # it may have dropped what it could not write, and then a second sync would succeed
            self._refused = error
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> StoreError:
        return StoreError(
            "the journal of a source cannot be written",
            code="store-failed",
            where=self._directory,
            found=error.strerror or str(error),
            hint="nothing was deleted; what was given and not written is lost to a crash",
        )


def _opened(path: str) -> IO[bytes]:
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise damaged(path, "it is missing") from error


def _peeked(file: IO[bytes]) -> int | None:
    """The number of the next record, without moving on; None at the end."""
    at = file.tell()
    head = file.read(_HEAD.size)
    file.seek(at)
    return None if len(head) < _HEAD.size else int(_HEAD.unpack(head)[0])


def _next_body(file: IO[bytes], number: int) -> tuple[bytes, bytes] | None:
    """JSON and frame of the next record; None if it is not whole, or not the one expected."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    found, text_bytes, frame_bytes, digest = _HEAD.unpack(head)
    left = os.fstat(file.fileno()).st_size - file.tell()
    if found != number or text_bytes + frame_bytes > left:
        return None
    text, rows = file.read(text_bytes), file.read(frame_bytes)
    is_whole = hashlib.sha256(head[: _NUMBERS.size] + text + rows).digest() == digest
    return (text, rows) if is_whole else None


def _decoded(text: bytes, rows: bytes) -> tuple[dict[str, Any], pl.DataFrame | None]:
    return json.loads(text), pl.read_ipc(io.BytesIO(rows)) if rows else None


def _ipc(frame: pl.DataFrame) -> bytes:
    held = io.BytesIO()
    frame.write_ipc(held, compression="lz4")
    return held.getvalue()
