"""Carry messages to a task that does not take them yet, without stopping whoever sends them.

A task that reads one input first declines the others; a source that feeds both would wait for it for ever if
these were bounded. Until the task accepts them, batches beyond the bounds of the edge go to a file, which has
no name any more once it is open, so that nothing is left of it however the process ends. After that the edge
is one like any other.

Used by: assemble.py. Not here: which inputs are declined (task.py).
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from thalweg.columnar.batch import Batch
from thalweg.errors import ExternalError
from thalweg.protocols.messages import Message
from thalweg.runtime.edge import Channel


@dataclass(frozen=True, slots=True)
class Spilled:
    """Where a batch is in the file, and whether it has weights."""

    start: int
    length: int
    has_weights: bool


class SpillFile:
    """Batches in a file without a name: one thread appends, another one reads."""

    def __init__(self) -> None:
        with _named_failure():
            self._file = tempfile.TemporaryFile(prefix="thalweg-spill-")  # noqa: SIM115 - held until `close`
        self._end = 0

    @property
    def nbytes(self) -> int:
        """How long it is."""
        return self._end

    def append(self, batch: Batch) -> Spilled:
        """Write a batch as an Arrow IPC file behind what is there.

        Raises:
            ExternalError: `runtime-cannot-spill`, when the disk is full.
        """
        assert batch.parts is None, "rows that were added up go by key"
        buffer = io.BytesIO()
        (batch.frame if batch.weight is None else batch.packed()).write_ipc(buffer)
        data, start = buffer.getbuffer(), self._end
        while data:
            with _named_failure():
                done = os.pwrite(self._file.fileno(), data, self._end)
            self._end += done
            data = data[done:]
        return Spilled(start, self._end - start, batch.weight is not None)

    def read(self, spilled: Spilled) -> Batch:
        """A batch that was written."""
        parts, start, left = [], spilled.start, spilled.length
        while left:
            part = os.pread(self._file.fileno(), left, start)
            assert part, "what was written is there"
            parts.append(part)
            start, left = start + len(part), left - len(part)
        frame = pl.read_ipc(io.BytesIO(b"".join(parts)))
        return Batch.unpacked(frame) if spilled.has_weights else Batch(frame)

    def close(self) -> None:
        """Give the file back; may be called twice."""
        self._file.close()


@contextmanager
def _named_failure() -> Iterator[None]:
    """Say which disk failed, and what can be done."""
    try:
        yield
    except OSError as error:
        raise ExternalError(
            "rows that wait for a table to be read do not fit on the disk for temporary files",
            code="runtime-cannot-spill",
            where=tempfile.gettempdir(),
            found=error.strerror or str(error),
            hint="TMPDIR names another place; 'table.optimizer.broadcast-join' = 'false' joins without",
        ) from error


class SpillingChannel(Channel):
    """A channel that is never full while its consumer declines it."""

    def __init__(self, name: str, *, rows_max: int, bytes_max: int, wake: Callable[[], None]) -> None:
        super().__init__(name, rows_max=rows_max, bytes_max=bytes_max, wake=wake)
        self._is_declined = True
        self._held_rows = self._held_bytes = 0
        self._file: SpillFile | None = None
        # as in every channel, each is written by one side only
        self._spilled_bytes = self._loaded_bytes = 0
        self._is_discarded = False
        self.spilled_rows = 0
        """How many rows went to the file."""

    @property
    def is_full(self) -> bool:
        """Whether the producer must stop: not as long as nothing is taken for another reason."""
        return not self._is_declined and super().is_full

    @property
    def memory_bytes(self) -> int:
        """How many of the bytes that wait are in memory."""
        return 0 if self.is_closed else max(0, self.nbytes - self._spilled_bytes + self._loaded_bytes)

    @property
    def file_bytes(self) -> int:
        """How much of the disk is taken; read from any thread."""
        file = self._file
        return 0 if file is None or self._is_discarded else file.nbytes

    def accept(self) -> None:
        """The consumer takes messages from now on."""
        self._is_declined = False

    def _stored(self, message: Message, rows: int, size: int) -> Message | Spilled:
        if not isinstance(message, Batch) or not self._is_declined or not message.frame.width:
            return message
        fits = self._held_rows + rows <= self._rows_max and self._held_bytes + size <= self._bytes_max
        if fits:
            self._held_rows += rows
            self._held_bytes += size
            return message
        if self._file is None:
            self._file = SpillFile()
        self.spilled_rows += rows
        self._spilled_bytes += size
        return self._file.append(message)

    def peek(self) -> Message | None:
        """The next message, read from the file if it is there."""
        if self._queue:
            stored, rows, size = self._queue[0]
            if isinstance(stored, Spilled):
                assert self._file is not None, "what was spilled is in the file"
                # the producer only appends
                self._queue[0] = (self._file.read(stored), rows, size)
                self._loaded_bytes += size
        return super().peek()

    def take(self) -> Message:
        """The next message; there must be one."""
        self.peek()
        return super().take()

    def discard(self) -> None:
        """Give the file back."""
        self._is_discarded = True
        if self._file is not None:
            self._file.close()


__all__ = ["SpillFile", "Spilled", "SpillingChannel"]
