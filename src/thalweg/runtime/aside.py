"""Put rows aside for a reader who takes them at his own pace: the first in memory, the others in a file.

So it does not matter to the job how slow the reader is, and what is held in memory is bounded. The file has
no name any more once it is open: nothing is left of it, however the process ends.

Not here: which rows they are (looks.py).
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from typing import IO

import polars as pl

from thalweg.columnar.pinned import owned

HELD_BYTES = 4 << 20
"""So much of what one reader has asked for is in memory."""


class Aside:
    """Rows in parts; several threads may put some, and when all have, one reader takes them.

    Example:
        >>> aside = Aside(held_bytes=0)
        >>> aside.put(pl.DataFrame({"n": [1, 2]}))
        >>> [part.rows() for part in aside.parts()], aside.file_bytes > 0
        ([[(1,), (2,)]], True)
    """

    def __init__(self, directory: str | None = None, *, held_bytes: int | None = None) -> None:
        self._directory, self._left = directory, HELD_BYTES if held_bytes is None else held_bytes
        self._held: list[pl.DataFrame] = []
        self._file: IO[bytes] | None = None
        self._places: list[tuple[int, int]] = []
        self._is_closed = False
        self._lock = threading.Lock()
        self.rows = self.file_bytes = 0

    def put(self, part: pl.DataFrame) -> None:
        """Add some rows; those without any say what the columns are.

        Raises:
            OSError: the disk is full.
        """
        mine = owned(part)
        with self._lock:
            self.rows += mine.height
            self._left -= int(mine.estimated_size())
            if self._is_closed:
                return
            if self._left >= 0 or not mine.height:
                self._held.append(mine)
                return
        # outside of the lock: tasks encode side by side
        buffer = io.BytesIO()
        mine.write_ipc(buffer)
        with self._lock:
            # inside of it: the number of a file that is closed meanwhile may be another file's
            self._write(buffer.getbuffer())

    def _write(self, data: memoryview) -> None:
        if self._is_closed:
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - held until `close`
            # a reader who goes away without a word
            weakref.finalize(self, self._file.close)
        self._places.append((self.file_bytes, len(data)))
        while data:
            done = os.pwrite(self._file.fileno(), data, self.file_bytes)
            data, self.file_bytes = data[done:], self.file_bytes + done

    def parts(self) -> Iterator[pl.DataFrame]:
        """The rows, in parts; can be gone through once."""
        schema = self._held[0].clear() if self._held else None
        is_given = False
        while self._held:
            part = self._held.pop()
            if part.height:
                is_given = True
                yield part
        for place in tuple(self._places):
            is_given = True
            yield pl.read_ipc(io.BytesIO(self._read(*place)))
        if not is_given and schema is not None:
            yield schema

    def _read(self, start: int, length: int) -> bytes:
        with self._lock:
            if self._file is None or self._is_closed:
                raise ValueError("the rows were given back")
            return os.pread(self._file.fileno(), length, start)

    def close(self) -> None:
        """Give everything back; may be called twice."""
        with self._lock:
            self._is_closed = True
            self._held.clear()
            if self._file is not None:
                self._file.close()
