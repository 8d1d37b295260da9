"""Keep the changes of a job until its input has ended: in memory, or if they are many in a temporary file.

Not here: what is done with them in the end (sqlite.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.columnar.outside import handed_out
from thalweg.connectors.changes import between_cuts, visible
from thalweg.errors import ExternalError

HELD_BYTES = 32 << 20
"""So many bytes stay in memory."""


class HeldChanges:
    """A `Writer` that hands over everything at once, when the input has ended.

    Args:
        schema: the columns.
        key: columns that tell rows apart.
        publish: takes the changes, cut by cut, each a frame with the column `op` first.
    """

    def __init__(
        self, schema: Schema, key: Sequence[str], publish: Callable[[Iterator[pl.DataFrame]], None]
    ) -> None:
        self._schema, self._key, self._publish = schema, tuple(key), publish
        self._pending: list[Batch] = []
        self._frames: list[pl.DataFrame] = []
        self._pending_bytes = self._bytes = 0
        self._takes_back = False
        self._file: IO[bytes] | None = None
        self._ends: list[int] = []

    def write(self, batch: Batch) -> None:
        """Hold rows."""
        if not len(batch):
            return
        self._pending.append(visible(batch, self._schema))
        self._pending_bytes += batch.nbytes
        self._takes_back = self._takes_back or not batch.is_append
        # a row that may be taken back waits for the cut, which says what its changes come to
        if self._pending_bytes > HELD_BYTES and not self._takes_back:
            self._put_by()

    def cut(self, number: int) -> None:
        """Add up what has changed; nothing is shown."""
        self._put_by()

    def end(self) -> None:
        """Hand over everything."""
        self._put_by()
        self._publish(self._every())
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._pending, self._frames, self._ends = [], [], []
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put_by(self) -> None:
        if not self._pending:
            return
        frame = handed_out(between_cuts(self._pending, self._key), self._schema)
        self._pending, self._pending_bytes, self._takes_back = [], 0, False
        self._frames.append(frame)
        self._bytes += int(frame.estimated_size())
        if self._bytes > HELD_BYTES:
            self._spill()

    def _spill(self) -> None:
        try:
            if self._file is None:
                # it has no name, and goes with the process
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is held until the end
            for frame in self._frames:
                frame.write_ipc_stream(self._file, compression="lz4")
                self._ends.append(self._file.tell())
        except OSError as error:
            raise ExternalError(
                "results cannot be held until the input has ended",
                code="sink-cannot-hold",
                where=tempfile.gettempdir(),
                found=error.strerror or str(error),
                hint="TMPDIR names another place; with a directory of checkpoints nothing is held",
            ) from error
        self._frames, self._bytes = [], 0

    def _every(self) -> Iterator[pl.DataFrame]:
        begin = 0
        for end in self._ends:
            assert self._file is not None, "something was written into it"
            self._file.seek(begin)
            yield pl.read_ipc_stream(self._file.read(end - begin))
            begin = end
        yield from self._frames
