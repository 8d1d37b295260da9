"""Read a text file block by block, and say at every row where to go on.

A position names the byte and the line at which a block started, and the last line in it that is done:
whoever goes on decodes from there and leaves out what is done, however large blocks are by then.

Reads:    a file, packed or not (packed.py).
Not here: what a record looks like (csv.py, json.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import IO, Any

import numpy as np
import polars as pl

from thalweg.connectors.text.block import RECORD_MAX, Block, BlockRecords, TextDecoder, too_long
from thalweg.protocols.letters import BadRow, Records
from thalweg.protocols.source import Chunk, Position

BLOCK_BYTES = 4 << 20


class TextReader:
    """A reader of one text file.

    Args:
        open_at: opens the text at a byte.
        decoder: turns text into rows.
        start: where the first record starts, for a reader without a position.
        header: what stands before it, without which records would not be understood.
    """

    def __init__(
        self,
        open_at: Callable[[int], IO[bytes]],
        decoder: TextDecoder,
        position: Position,
        start: Position,
        block_bytes: int = BLOCK_BYTES,
        *,
        header: bytes = b"",
    ) -> None:
        at: Mapping[str, Any] = position or start
        self._open_at, self._decoder, self._block_bytes = open_at, decoder, block_bytes
        self._byte, self._line, self._done = int(at["byte"]), int(at["line"]), int(at.get("done", 0))
        self._next_byte, self._next_line = self._byte, self._line
        self._stream: IO[bytes] | None = None
        self._carry, self._is_last, self._is_closed = b"", False, False
        self._frame, self._lines = pl.DataFrame(), np.empty(0, dtype=np.int64)
        self._bad: list[BadRow] = []
        self._header = header
        self._records: BlockRecords | None = None

    @property
    def position(self) -> Position:
        """Start of the block, its first line, the last line that is done."""
        if self._is_used_up() and self._next_byte > self._byte:
            return {"byte": self._next_byte, "line": self._next_line}
        position = {"byte": self._byte, "line": self._line}
        return position | {"done": self._done} if self._done >= self._line else position

    def read(self, rows_max: int) -> Chunk:
        """The next rows, and what came before the row after them that gave none."""
        while self._is_used_up() and not (self._is_closed or (self._is_last and not self._carry)):
            self._load()
        if self._is_used_up():
            return Chunk(None, offset=self._next_line, ended=True, unit="line")
        frame, lines = self._frame[:rows_max], self._lines[:rows_max]
        self._frame, self._lines = self._frame[rows_max:], self._lines[rows_max:]
        bad = self._bad_before(int(self._lines[0]) if len(self._lines) else None)
        self._done = max(int(lines[-1]) if len(lines) else 0, bad[-1].offset if bad else 0)
        return rows_chunk(frame, lines, bad, self._records)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
        self._frame, self._lines, self._bad, self._records = self._frame[:0], self._lines[:0], [], None
        self._stream, self._carry, self._is_closed = None, b"", True

    def _is_used_up(self) -> bool:
        return not len(self._lines) and not self._bad

    def _bad_before(self, line: int | None) -> tuple[BadRow, ...]:
        count = sum(1 for b in self._bad if line is None or b.offset < line)
        taken, self._bad = tuple(self._bad[:count]), self._bad[count:]
        return taken

    def _load(self) -> None:
        if self._stream is None:
            self._stream = self._open_at(self._next_byte)
        read = self._stream.read(self._block_bytes)
        self._is_last = len(read) < self._block_bytes
        data = self._carry + read
        self._byte, self._line = self._next_byte, self._next_line
        if not self._is_last and len(data) > RECORD_MAX and b"\n" not in data:
            self._skip_line(data)
            return
        block = self._decoder.decode(data, self._line, is_last=self._is_last)
        assert block.taken == len(data) or not self._is_last, "the last block is taken whole"
        self._carry = data[block.taken :]
        self._next_byte += block.taken
        self._next_line += data.count(b"\n", 0, block.taken)
        self._show(block, BlockRecords(block, data, self._line, self._byte, self._header))

    def _show(self, block: Block, records: BlockRecords) -> None:
        self._records = records
        fresh = int(np.searchsorted(block.lines, self._done, side="right"))
        self._frame, self._lines = block.frame[fresh:], block.lines[fresh:]
        self._bad = [records.located(b) for b in block.bad if b.offset > self._done]

    def _skip_line(self, data: bytes) -> None:
        """Go past a line that is longer than any record may be."""
        assert self._stream is not None, "a block was read"
        if self._line > self._done:
            self._bad = [replace(too_long(self._line, data), byte=self._byte, header=self._header)]
        skipped, rest = len(data), b""
        while not self._is_last:
            rest = self._stream.read(self._block_bytes)
            self._is_last = len(rest) < self._block_bytes
            end = rest.find(b"\n") + 1
            skipped += end or len(rest)
            if end:
                rest = rest[end:]
                break
            rest = b""
        self._next_byte += skipped
        self._next_line += 1
        self._carry = rest


def rows_chunk(
    frame: pl.DataFrame,
    lines: np.ndarray[Any, np.dtype[np.int64]],
    bad: tuple[BadRow, ...],
    records: Records | None = None,
) -> Chunk:
    """A chunk whose offsets are line numbers."""
    if not len(lines):
        return Chunk(None, offset=bad[0].offset if bad else 0, bad=bad, unit="line")
    first, count = int(lines[0]), len(lines)
    if int(lines[-1]) - first == count - 1:
        return Chunk(frame, offset=first, bad=bad, unit="line", records=records)
    return Chunk(frame, first, pl.Series(lines), bad, unit="line", records=records)
