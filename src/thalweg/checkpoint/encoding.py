"""Rows of state as the bytes of data files, and back.

Arrow IPC, compressed where that saves much; a file's name is the hash of its bytes, and both hash and rows
are checked before a row is used. Many rows become several files, by partition where the rows have one, so
that nobody ever needs all of their bytes at once.

Not here: which files belong together (manifest.py).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import polars as pl

from thalweg.checkpoint.manifest import DataFile, damaged
from thalweg.protocols.increments import Identity

Bounds = tuple[int, int]
"""The first and the last of some partitions."""
Partitions = np.ndarray[tuple[int], np.dtype[np.int64]]
FILE_BYTES = 24 << 20
"""How large a file is about to be, before it is compressed: glibc gives buffers of more than 32 MiB back to
the system each time, so that reading larger files one after the other has each page of memory made anew."""
_STEP = 1 << 17
_SAMPLE_ROWS, _SHARE_MAX = 8192, 0.8
"""Rows are compressed if a sample of so many becomes smaller than that."""
EVERY: Bounds = (0, 255)
"""All partitions."""


def encoded(frame: pl.DataFrame, partitions: Bounds | None = None) -> tuple[DataFile, bytes]:
    """The file of some rows.

    Args:
        frame: the rows.
        partitions: the first and the last partition that they are of.
    """
    data = _ipc(frame, "lz4" if _pays(frame) else "uncompressed")
    return DataFile(hashlib.sha256(data).hexdigest(), len(data), frame.height, partitions), data


def _pays(frame: pl.DataFrame) -> bool:
    """Whether compressing the rows saves enough for the time that a restore waits for it.

    Example:
        >>> numbers = pl.int_range(100_000, eager=True)
        >>> [_pays(pl.DataFrame({"n": n})) for n in (numbers, numbers.hash())]
        [True, False]
    """
    sample = frame.slice(frame.height // 2, _SAMPLE_ROWS)
    if sample.height < _SAMPLE_ROWS:
        # little is read quickly either way
        return True
    return len(_ipc(sample, "lz4")) < _SHARE_MAX * len(_ipc(sample, "uncompressed"))


def _ipc(frame: pl.DataFrame, compression: Literal["lz4", "uncompressed"]) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression=compression)
    return buffer.getvalue()


def split_up(
    frame: pl.DataFrame, identity: Identity, *, within: Bounds = EVERY, file_bytes: int = FILE_BYTES
) -> Iterator[tuple[pl.DataFrame, Bounds | None]]:
    """The rows of an increment in parts of about a size, with the partitions of each.

    Args:
        frame: the rows.
        identity: what they are.
        within: the partitions that they are of.
        file_bytes: the size.

    Example:
        >>> frame = pl.DataFrame({"k": range(1000)})
        >>> parts = list(split_up(frame, Identity("row", ("k",), ("k",)), file_bytes=2_000))
        >>> [bounds for _, bounds in parts], sum(part.height for part, _ in parts)
        ([(0, 63), (64, 127), (128, 191), (192, 255)], 1000)
    """
    known = within if within != EVERY else None
    width = within[1] - within[0] + 1
    count = -(-int(frame.estimated_size()) // file_bytes)
    if count <= 1 or (identity.partition and width == 1):
        yield frame, known
    elif not identity.partition:
        step = -(-frame.height // count)
        yield from ((frame.slice(at, step), None) for at in range(0, frame.height, step))
    else:
        found, count = partitions_of(frame, identity), min(count, width)
        starts = [within[0] + width * n // count for n in range(count + 1)]
        for first, end in pairwise(starts):
            part = frame.filter(pl.Series((found >= first) & (found < end)))
            if part.height:
                yield part, (first, end - 1)


def partitions_of(frame: pl.DataFrame, identity: Identity) -> Partitions:
    """The partition of each row."""
    # imported here: it loads the compiler, which a checkpoint of little state does without
    from thalweg.columnar.hash import partitions

    names = list(identity.partition)
    # columns of several pieces would be copied to one
    parts = [partitions(part, names, EVERY[1] + 1) for part in frame.iter_slices(_STEP)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


@dataclass(frozen=True)
class Encoded:
    """A data file whose bytes are known to be right.

    Attributes:
        file: what the manifest says of it.
        data: its bytes.
        where: its name, for messages.
    """

    file: DataFile
    data: bytes
    where: str

    def frame(self) -> pl.DataFrame:
        """Its rows.

        Raises:
            CheckpointError: `checkpoint-damaged`, naming the file.
        """
        frame = pl.read_ipc(io.BytesIO(self.data))
        if frame.height != self.file.rows:
            raise damaged(self.where, f"it has {frame.height} rows instead of {self.file.rows}")
        return frame


def checked(file: DataFile, data: bytes, where: str) -> Encoded:
    """A data file.

    Raises:
        CheckpointError: `checkpoint-damaged`, naming the file: the bytes are not what they were.
    """
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise damaged(where, "its bytes have another hash than the manifest says")
    return Encoded(file, data, where)
