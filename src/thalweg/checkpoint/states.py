"""Write the increments of state as data files, and join those that have become many.

Files are never changed: increments are joined by reading them and writing their rows as a new one, never from
the live state. How often a row is written again grows with the logarithm of the number of checkpoints, as in
a log-structured merge tree (O'Neil et al. 1996); the whole is written anew when what came since has become
larger.

Not here: how increments make whole state (increments.py), when a checkpoint is complete (writer.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl

from thalweg.checkpoint.encoding import (
    EVERY,
    FILE_BYTES,
    Bounds,
    Partitions,
    encoded,
    partitions_of,
    split_up,
)
from thalweg.checkpoint.failpoints import failpoint
from thalweg.checkpoint.history import History
from thalweg.checkpoint.increments import composed, surviving
from thalweg.checkpoint.manifest import DataFile, Piece, StateEntry
from thalweg.checkpoint.snapshot import StateRows
from thalweg.protocols.increments import Identity

Key = tuple[str, str, str]
_ALL: Partitions = np.empty(0, np.int64)
FAN = 16
"""So many increments of about one size become one."""


class WrittenStates:
    """The state of a job as it is in files.

    Args:
        history: where files go.
        states: those of the checkpoint that the run goes on from.

    Attributes:
        known: names of files that nobody removes while the run goes on.
        bytes: how much was written for increments, and how much for joining them, in all.
    """

    def __init__(self, history: History, states: Iterable[StateEntry] = ()) -> None:
        self._history = history
        self._entries = {entry.key: entry for entry in states}
        self._owed: dict[Key, list[StateRows]] = {}
        self.known: set[str] = set()
        self.bytes = {"increments": 0, "joined": 0}

    def owe(self, keyed: Mapping[Key, StateRows]) -> None:
        """What is to be written next: it stays until a checkpoint with it is complete."""
        for key, rows in keyed.items():
            if rows.is_whole:
                self._owed[key] = []
            self._owed.setdefault(key, []).append(rows)

    def write(self, keyed: Iterable[Key]) -> tuple[StateEntry, ...]:
        """Write what is owed; returns what the manifest is to say of these states."""
        return tuple(self._written(key, self._owed.get(key, [])) for key in sorted(keyed))

    def _written(self, key: Key, owed: Sequence[StateRows]) -> StateEntry:
        last = owed[-1]
        pieces = () if owed[0].is_whole else self._entries[key].pieces
        # the first says what the columns are, also without rows
        made = [self._piece(rows) for rows in owed if rows.frame.height or rows.is_whole]
        return StateEntry(*key, last.identity, last.tasks, last.count, (*pieces, *made))

    def _piece(self, rows: StateRows) -> Piece:
        parts = split_up(rows.frame, rows.identity)
        return tuple(self._file(part, bounds, "increments") for part, bounds in parts)

    def _file(self, frame: pl.DataFrame, partitions: Bounds | None, why: str) -> DataFile:
        file, data = encoded(frame, partitions)
        if self._history.put_data(file.sha256, data, self.known):
            self.bytes[why] += file.bytes
        return file

    def complete(self, states: Iterable[StateEntry], files: Iterable[str]) -> None:
        """A checkpoint with these states and files is complete."""
        self._entries = {entry.key: entry for entry in states}
        self.known = set(files)
        self._owed = {}

    def join(self) -> None:
        """Join increments where there are many; the next checkpoint names the new files."""
        for key, entry in self._entries.items():
            while (some := to_join([sum(f.bytes for f in p) for p in entry.pieces])) is not None:
                made = tuple(self._joined(entry, entry.pieces[some:], is_whole=some == 0))
                entry = replace(entry, pieces=(*entry.pieces[:some], made))
                failpoint("states.joined")
            self._entries[key] = entry

    def _joined(self, entry: StateEntry, pieces: Sequence[Piece], *, is_whole: bool) -> Iterator[DataFile]:
        """The rows of some increments as one; partition by partition, where the first one is so."""
        identity = entry.identity
        if is_whole and len(_ranges(pieces[0])) == 1:
            yield from self._rewritten(identity, pieces)
            return
        rest = [self._history.piece(piece) for piece in pieces[1:]]
        ranges = _ranges(pieces[0])
        owners = [partitions_of(f, identity) for f in rest] if len(ranges) > 1 else [_ALL] * len(rest)
        for files, bounds in ranges:
            frames = [_within(f, found, bounds) for f, found in zip(rest, owners, strict=True)]
            rows = composed(identity, [self._history.piece(files), *frames], keeps_gone=not is_whole)
            for part, within in split_up(rows, identity, within=bounds):
                if part.height or len(ranges) == 1:
                    yield self._file(part, within, "joined")

    def _rewritten(self, identity: Identity, pieces: Sequence[Piece]) -> Iterator[DataFile]:
        """The rows of all increments, file by file."""
        read = self._history.piece
        held: list[pl.DataFrame] = []
        for frame in surviving(identity, [[partial(read, (file,)) for file in piece] for piece in pieces]):
            held.append(frame)
            if sum(f.estimated_size() for f in held) > FILE_BYTES:
                yield from self._split(pl.concat(held, how="diagonal"), identity)
                held = [frame.clear()]
        # the columns are known from a file, also where there is no row
        yield from self._split(pl.concat(held, how="diagonal"), identity)

    def _split(self, rows: pl.DataFrame, identity: Identity) -> Iterator[DataFile]:
        for part, within in split_up(rows, identity):
            yield self._file(part, within, "joined")


def _ranges(piece: Piece) -> list[tuple[Piece, Bounds]]:
    """The files of an increment by themselves where they are of partitions of their own, else all at once.

    Together the ranges have every partition: some may have had no rows.
    """
    bounds = [f.partitions for f in piece if f.partitions is not None]
    if len(bounds) < len(piece):
        return [(piece, EVERY)]
    starts = [0, *(last + 1 for _, last in bounds[:-1])]
    ends = [*(last for _, last in bounds[:-1]), EVERY[1]]
    return [((file,), (first, last)) for file, first, last in zip(piece, starts, ends, strict=True)]


def _within(frame: pl.DataFrame, partitions: Partitions, bounds: Bounds) -> pl.DataFrame:
    """The rows of some partitions."""
    if bounds == EVERY:
        return frame
    return frame.filter(pl.Series((partitions >= bounds[0]) & (partitions <= bounds[1])))


def to_join(sizes: Sequence[int]) -> int | None:
    """From where on increments are to be joined to one, given their sizes; None: not at all.

    Example:
        >>> to_join([100, 1, 1]), to_join([100, 60, 60]), to_join([100, *[1] * 16])
        (None, 0, 1)
    """
    if len(sizes) < 2:
        return None
    if sum(sizes[1:]) > sizes[0]:
        return 0
    largest, start = max(1, 4 * sizes[-1]), len(sizes) - 1
    while start > 1 and sizes[start - 1] <= largest:
        start -= 1
    return start if len(sizes) - start >= FAN else None
