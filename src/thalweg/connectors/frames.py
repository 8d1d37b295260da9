"""Read a split that comes as frames: cut them to the size asked for and count the rows.

Reads:    an iterator of frames, opened at a row.
Changes:  the place in that iterator.
Not here: where the frames come from (files/, memory.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from thalweg.protocols.source import Chunk, Position

GATHERED_ROWS = 4096
"""Smaller frames are joined up to this many rows: every batch costs the same fixed time downstream."""


@dataclass(frozen=True)
class Skipped:
    """Rows that are left out, since nobody wants them; they count, so that later rows keep their place."""

    rows: int


OpenFrames = Callable[[int], Iterator[pl.DataFrame | Skipped]]
"""Gives the frames of a split from a row on."""


class FrameReader:
    """A reader over frames, whose position is the number of the next row.

    Example:
        >>> reader = FrameReader(lambda row: iter([pl.DataFrame({"a": [1, 2, 3]})[row:]]), {"row": 1})
        >>> [reader.read(1).offset, reader.read(9).offset, reader.position]
        [1, 2, {'row': 3}]
    """

    def __init__(self, open_frames: OpenFrames, position: Position) -> None:
        self._row = int(position.get("row", 0))
        self._frames: Iterator[pl.DataFrame | Skipped] | None = None
        self._open_frames = open_frames
        self._rest: list[pl.DataFrame] = []
        self._gap = 0
        """Rows to be left out behind the rest."""
        self._ended = False

    @property
    def position(self) -> Position:
        """The number of the next row."""
        return {"row": self._row}

    def read(self, rows_max: int) -> Chunk:
        """The next rows, at most `rows_max`."""
        self._gather(min(rows_max, GATHERED_ROWS))
        if not self._rest:
            return Chunk(None, offset=self._row, ended=True)
        frame, start = self._take(rows_max), self._row
        self._row += frame.height
        self._pass_gap()
        return Chunk(frame, offset=start, ended=self._ended and not self._rest)

    def close(self) -> None:
        """Forget the frames."""
        self._rest, self._gap, self._frames, self._ended = [], 0, iter(()), True

    def _gather(self, rows: int) -> None:
        if self._frames is None:
            self._frames = self._open_frames(self._row)
        while not self._ended and not self._gap and sum(f.height for f in self._rest) < rows:
            frame = next(self._frames, None)
            if frame is None:
                self._ended = True
            elif isinstance(frame, Skipped):
                self._gap = frame.rows
                self._pass_gap()
            elif frame.height:
                self._rest.append(frame)

    def _pass_gap(self) -> None:
        if not self._rest:
            self._row += self._gap
            self._gap = 0

    def _take(self, rows_max: int) -> pl.DataFrame:
        taken: list[pl.DataFrame] = []
        wanted = rows_max
        while self._rest and wanted and (not taken or self._rest[0].height <= GATHERED_ROWS):
            first = self._rest[0]
            if first.height <= wanted:
                taken.append(self._rest.pop(0))
            else:
                taken.append(first[:wanted])
                self._rest[0] = first[wanted:]
            wanted -= taken[-1].height
        return taken[0] if len(taken) == 1 else pl.concat(taken)
