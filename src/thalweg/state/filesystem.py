"""Keep what state holds in files that are mapped into memory: the `filesystem` backend.

Arrays and frames lie in files without a name, which are gone when the process ends in any way. The system
writes pages back and reads them when they are touched, as it does for every mapped file. With a budget, pages
are taken out of the process whenever it holds more: first those of rows, then those of arrays. They stay in
the system's cache as long as there is room for them, so that touching them again is cheap then.

The room of a file is reserved when it is made: a full disk is an error there, and not a signal that ends the
process at the first touch.

Changes:  one directory of temporary files.
Not here: which arrays there are (memory.py, multimap.py, columnar/), who hands this in (runtime/).
"""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from thalweg.columnar.allocation import Shape
from thalweg.columnar.blocks import laid_out
from thalweg.columnar.reserved import nbytes_of
from thalweg.errors import ExternalError

Array = np.ndarray[Any, Any]
_PERIOD = 0.02
"""Seconds between two looks at how much memory the process holds."""
_FLOOR = 8
"""Of the budget, one part in so many is left to mapped pages, whatever else takes memory."""
_ALIGNED = 64
SMALLEST = 1 << 20
"""Smaller arrays stay on the heap: a few of them are nothing, and many would be many files."""
_FRAME_SHARE = 16
"""Of frames there are many: they stay on the heap only below this part of it."""
_STATM = "/proc/self/statm"


class MappedMemory:
    """See `thalweg.columnar.allocation.Allocator`.

    Args:
        directory: where the files are; None: the system's directory of temporary files.
        budget: how many bytes the process may hold more than at this moment; None: the system decides.
        smallest: arrays of fewer bytes stay on the heap.

    Attributes:
        dropped: how many times pages were taken out of the process.

    Example:
        >>> memory = MappedMemory()
        >>> array = memory.zeros((1 << 18,), np.dtype(np.int64))
        >>> array[:2] = 7, 8
        >>> longer = memory.longer(array, 1 << 19)
        >>> longer[:3].tolist(), memory.nbytes == longer.nbytes
        ([7, 8, 0], True)
    """

    def __init__(
        self, directory: str | None = None, budget: int | None = None, *, smallest: int = SMALLEST
    ) -> None:
        self._directory = directory or tempfile.gettempdir()
        self._budget, self._smallest = budget, smallest
        self._mapped: dict[int, _Mapping] = {}
        self._swept = 0
        self._before = _resident()
        self._closed = threading.Event()
        self.dropped = 0

    @property
    def nbytes(self) -> int:
        """The bytes of all files that are in use."""
        sizes = {id(m.file): m.file.size for m in list(self._mapped.values()) if m.memory() is not None}
        return sum(sizes.values())

    # What state asks for -----------------------------------------------------------------------

    def zeros(self, shape: Shape, dtype: np.dtype[Any]) -> Array | None:
        size = nbytes_of(shape, dtype)
        if not size or size < self._smallest:
            return None
        return self._array(_File(self._directory), shape, dtype)

    def longer(self, array: Array, length: int) -> Array | None:
        known = self._mapped.get(array.__array_interface__["data"][0])
        memory = None if known is None else known.memory()
        # of a part of an array nobody knows what is behind it
        if known is None or memory is None or known.is_rows or len(memory) != array.nbytes:
            return None
        return self._array(known.file, (length, *array.shape[1:]), array.dtype)

    def frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        size = frame.estimated_size()
        if not size or size < self._smallest // _FRAME_SHARE:
            return frame
        return laid_out(frame, _Block(self))

    def _array(self, file: _File, shape: Shape, dtype: np.dtype[Any], *, is_rows: bool = False) -> Array:
        memory = file.mapped(nbytes_of(shape, dtype))
        made = np.frombuffer(memory, dtype).reshape(shape)
        if len(self._mapped) > 2 * self._swept + 64:
            self._sweep()
        # no callback looks after what has gone: memory is let go of on any thread
        self._mapped[made.__array_interface__["data"][0]] = _Mapping(weakref.ref(memory), file, is_rows)
        return made

    def rows(self, file: _File) -> Array:
        """The bytes of a file of rows."""
        if not file.size:
            return np.empty(0, np.uint8)
        made = self._array(file, (file.size,), np.dtype(np.uint8), is_rows=True)
        # it never grows, so that the mapping is all that it needs
        file.close()
        return made

    def new_file(self) -> _File:
        """A file without a name."""
        return _File(self._directory)

    def _sweep(self) -> None:
        """Close the files of arrays that have gone."""
        for address, mapping in list(self._mapped.items()):
            if mapping.memory() is None and self._mapped.get(address) is mapping:
                del self._mapped[address]
        self._swept = len(self._mapped)

    # The budget --------------------------------------------------------------------------------

    def watch(self) -> None:
        """Keep to the budget, from a thread of its own, until `close`."""
        if self._budget is not None and self._before is not None:
            threading.Thread(
                target=_watch, args=(weakref.ref(self), self._closed), name="thalweg-memory", daemon=True
            ).start()

    def close(self) -> None:
        """Nobody keeps to the budget any more; may be called twice."""
        self._closed.set()

    def trim(self) -> None:
        """Take pages out of the process if it holds more than the budget."""
        for is_rows in (True, False):
            if not self._excess():
                return
            self.dropped += 1
            for mapping in list(self._mapped.values()):
                memory = mapping.memory()
                if memory is not None and mapping.is_rows == is_rows:
                    # of a shared file the pages are not lost, only the process' hold on them
                    memory.madvise(mmap.MADV_DONTNEED)

    def _excess(self) -> bool:
        """Whether mapped pages take more than what the rest of the process leaves of the budget."""
        now = _resident()
        if now is None or self._before is None or self._budget is None:
            return False
        mapped = now.mapped - self._before.mapped
        other = now.other - self._before.other
        return mapped > max(self._budget // _FLOOR, self._budget - other)


def _watch(memory: weakref.ref[MappedMemory], closed: threading.Event) -> None:
    while not closed.wait(_PERIOD):
        watched = memory()
        if watched is None:
            return
        watched.trim()
        # or it would be kept alive while the thread waits
        del watched


class _Resident(NamedTuple):
    """The bytes of the process that are in memory: pages of files, and all others."""

    mapped: int
    other: int


def _resident() -> _Resident | None:
    """What the process holds; None where the system does not say."""
    try:
        with open(_STATM, "rb") as file:
            pages = file.read().split()
    except OSError:
        return None
    mapped = int(pages[2]) * mmap.PAGESIZE
    return _Resident(mapped, int(pages[1]) * mmap.PAGESIZE - mapped)


class _Mapping(NamedTuple):
    """Memory over a file, for as long as an array needs it."""

    memory: weakref.ref[mmap.mmap]
    file: _File
    is_rows: bool


class _File:
    """A file without a name, whose room on the disk is reserved."""

    def __init__(self, directory: str) -> None:
        self._directory, self.size = directory, 0
        with self._named_failure():
            descriptor, path = tempfile.mkstemp(prefix="thalweg-state-", dir=directory)
            os.unlink(path)
        self._descriptor = descriptor
        self.close = weakref.finalize(self, os.close, descriptor)

    def mapped(self, size: int) -> mmap.mmap:
        """All of the file, which has at least so many bytes from now on."""
        if size > self.size:
            with self._named_failure():
                os.posix_fallocate(self._descriptor, self.size, size - self.size)
            self.size = size
        with self._named_failure():
            return mmap.mmap(self._descriptor, size)

    def append(self, values: Array) -> int:
        """Write behind what is there, aligned; returns where."""
        at = -(-self.size // _ALIGNED) * _ALIGNED
        if not values.size:
            return at
        data, done = np.ascontiguousarray(values).data.cast("B"), 0
        while done < len(data):
            with self._named_failure():
                done += os.pwrite(self._descriptor, data[done:], at + done)
        self.size = at + len(data)
        return at

    @contextmanager
    def _named_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ExternalError(
                "the state does not fit on the disk for temporary files",
                code="state-cannot-spill",
                where=self._directory,
                found=error.strerror or str(error),
                hint="'io.tmp.dirs' names another directory; checkpoints are as they were",
            ) from error


class _Block:
    """See `thalweg.columnar.blocks.Block`."""

    def __init__(self, memory: MappedMemory) -> None:
        self._memory, self._file = memory, memory.new_file()

    def put(self, values: Array) -> int:
        return self._file.append(values)

    def memory(self) -> Array:
        return self._memory.rows(self._file)
