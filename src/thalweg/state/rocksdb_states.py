"""Make the states of one run that lie in RocksDB, and share its memory out among them.

Of its share a state gives a good third to the rows in use, since a row that is there costs no read, and
rather more to what RocksDB holds: indexes and filters, and rows that are being written. A look-up whose index
is not there costs more than one whose row is not.

Changes:  one directory of temporary files.
Not here: which states these are (runtime/restore.py).
"""

from __future__ import annotations

import threading

from thalweg.protocols.state import ColumnsSpec
from thalweg.state.rocksdb import RocksColumns
from thalweg.state.rocksdb_store import RocksDirectory, RocksStore, check_installed

_IN_USE, _CACHE, _OF = 7, 9, 20
"""Of twenty parts so many are for the rows in use, and for what RocksDB holds; the others are for batches."""


class RocksStates:
    """The states of one run.

    Args:
        directory: where their files are; None: the system's directory of temporary files.
        budget: the bytes that all of them may take.
        count: how many there will be.
        wal: whether writes go to a log first.
    """

    def __init__(self, directory: str | None, budget: int, count: int, *, wal: bool = False) -> None:
        check_installed()
        self._share, self._wal = budget // max(1, count), wal
        self._directory = RocksDirectory(directory)
        self._made: list[RocksColumns] = []
        self._lock = threading.Lock()

    @property
    def file_bytes(self) -> int:
        """The bytes of all files."""
        return self._directory.nbytes

    def new(self, spec: ColumnsSpec) -> RocksColumns:
        """Empty state; tasks may ask side by side."""
        with self._lock:
            path = f"{self._directory.path}/{len(self._made)}"
            store = RocksStore(path, self._share * _CACHE // _OF, wal=self._wal)
            self._made.append(RocksColumns(spec, store, self._share * _IN_USE // _OF))
            return self._made[-1]

    def close(self) -> None:
        """Delete everything; may be called twice."""
        made, self._made = self._made, []
        for state in made:
            state.close()
        self._directory.close()
