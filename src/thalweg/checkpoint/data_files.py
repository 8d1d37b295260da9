"""Read the data files of a job: whatever uses a row has had every byte of its file compared with its hash.

A state may be larger than what memory there is beside it. So its files are read and checked one after the
other by whoever loads them, where they are not far away; what nobody has loaded is checked in the end.

Reads:    a store.
Not here: what the rows are (encoding.py), which files a checkpoint has (history.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import polars as pl

from thalweg.checkpoint.encoding import Bounds, Encoded, checked
from thalweg.checkpoint.manifest import DataFile, damaged
from thalweg.checkpoint.snapshot import Part
from thalweg.checkpoint.store import DirectoryStore, Store

_MANY_BYTES, _READERS = 16 << 20, 4
"""From so many bytes on files are read side by side, and how many at once."""
Read = TypeVar("Read")


class DataFiles:
    """The data files of one job.

    Args:
        store: where they are.
        job: its name.
    """

    def __init__(self, store: Store, job: str) -> None:
        self._store, self._job = store, job
        self._unread: dict[str, DataFile] = {}
        """Those that nobody has read yet of which the parts were promised."""

    def read(self, file: DataFile) -> Encoded:
        """A file.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        found = checked(file, self._get(file.sha256), self._where(file.sha256))
        self._unread.pop(file.sha256, None)
        return found

    def content(self, sha256: str) -> bytes:
        """The bytes of the file of a hash.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        found = self._get(sha256)
        self._compare(hashlib.sha256(found).hexdigest(), sha256)
        return found

    def parts(self, files: Collection[DataFile], *, keeps_bytes: bool) -> Mapping[str, Part]:
        """The rows of files, by hash. The bytes of each are checked when they are read.

        Args:
            files: the files.
            keeps_bytes: whether files may stay in memory until their rows are used for the last time: then
                they are read now, if they are few or far away.

        Raises:
            CheckpointError: one is missing or damaged.
        """
        is_much = sum(f.bytes for f in files) >= _MANY_BYTES
        if keeps_bytes and not (is_much and isinstance(self._store, DirectoryStore)):
            return self._each(files, self._held, side_by_side=is_much)
        self._unread = {f.sha256: f for f in files}
        return {f.sha256: _InStore(self, f) for f in files}

    def check_unread(self) -> None:
        """Check those files of the parts asked for last that nobody has read since.

        Raises:
            CheckpointError: one is missing or damaged.
        """
        files = list(self._unread.values())
        self._each(files, self._verify, side_by_side=sum(f.bytes for f in files) >= _MANY_BYTES)
        self._unread = {}

    def _each(
        self, files: Collection[DataFile], read: Callable[[DataFile], Read], *, side_by_side: bool
    ) -> dict[str, Read]:
        if not side_by_side:
            return {f.sha256: read(f) for f in files}
        # imported here: few checkpoints are so large
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_READERS) as pool:
            return dict(zip([f.sha256 for f in files], pool.map(read, files), strict=True))

    def _held(self, file: DataFile) -> _Held:
        return _Held(self.read(file), partial(self.read, file))

    def _verify(self, file: DataFile) -> None:
        """Compare a file with its hash, without keeping it."""
        try:
            found = self._store.digest(self._name(file.sha256))
        except KeyError as error:
            raise damaged(self._where(file.sha256), "it is missing") from error
        self._compare(found, file.sha256)

    def _get(self, sha256: str) -> bytes:
        try:
            return self._store.get(self._name(sha256))
        except KeyError as error:
            raise damaged(self._where(sha256), "it is missing") from error

    def _compare(self, found: str, sha256: str) -> None:
        if found != sha256:
            raise damaged(self._where(sha256), "its bytes have another hash than its name says")

    def _name(self, sha256: str) -> str:
        return f"{self._job}/data/{sha256}"

    def _where(self, sha256: str) -> str:
        return self._store.describe(self._name(sha256))


class _Held:
    """Rows of a file whose bytes are in memory until they are let go of; then they are read again."""

    def __init__(self, encoded: Encoded, again: Callable[[], Encoded]) -> None:
        self.partitions = encoded.file.partitions
        self._encoded: Encoded | None = encoded
        self._again = again

    def frame(self) -> pl.DataFrame:
        """Its rows."""
        return (self._encoded or self._again()).frame()

    def release(self) -> None:
        """Let its bytes go."""
        self._encoded = None


@dataclass(frozen=True)
class _InStore:
    """Rows of a file that is read, and checked, when they are asked for."""

    files: DataFiles
    file: DataFile

    @property
    def partitions(self) -> Bounds | None:
        """The first and the last partition that they may be of; None: any."""
        return self.file.partitions

    def frame(self) -> pl.DataFrame:
        """Its rows."""
        return self.files.read(self.file).frame()

    def release(self) -> None:
        """Nothing is held."""
