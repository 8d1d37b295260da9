"""What decoding a piece of text gives, and the limits on one record.

Not here: the formats (csv.py, json.py), reading files (reader.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import polars as pl

from thalweg.protocols.letters import BadRow

RECORD_MAX = 1 << 20
"""A longer record is a bad row: text without line ends must not fill the memory."""
SAMPLE_MAX = 200

Lines = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Block:
    """The rows of a piece of text.

    Attributes:
        frame: the rows.
        lines: the 1-based line that each row starts on, rising.
        bad: what gave no row; the offset is the line.
        taken: how many bytes were used; the rest belongs to a record that goes on.
    """

    frame: pl.DataFrame
    lines: Lines
    bad: tuple[BadRow, ...]
    taken: int


class TextDecoder(Protocol):
    """Turns text into rows."""

    def decode(self, data: bytes, first_line: int, *, is_last: bool) -> Block:
        """The rows of all complete records; with `is_last` the rest is a record too."""
        ...


def bad_record(line: int, message: str, raw: bytes) -> BadRow:
    """A record that gives no row."""
    text = raw[: 4 * SAMPLE_MAX].decode(errors="replace").rstrip("\r\n")
    return BadRow(line, message, text[:SAMPLE_MAX], raw[:RECORD_MAX], "line")


def too_long(line: int, raw: bytes) -> BadRow:
    """A record beyond the limit, of which only the beginning is kept."""
    found = bad_record(line, f"a record is longer than {RECORD_MAX} bytes", raw[: 4 * SAMPLE_MAX])
    return replace(found, is_whole=False)


@dataclass(frozen=True)
class BlockRecords:
    r"""The text that the rows of a block were read from, for the few whose bytes somebody asks for.

    Attributes:
        block: what was decoded.
        data: the text that it was decoded from.
        line: the number of its first line.
        byte: where it begins in the split; None: nobody knows.
        header: what a file must begin with for its records to be understood.

    Example:
        >>> block = Block(pl.DataFrame(), np.array([5, 6]), (), 6)
        >>> BlockRecords(block, b"a\nb\nc\n", 5, 100).record(6)
        (b'b\nc', 102)
    """

    block: Block
    data: bytes
    line: int
    byte: int | None
    header: bytes = b""

    def record(self, offset: int) -> tuple[bytes, int | None]:
        """The bytes of the record that starts on a line, and where they begin in the split."""
        begin = self._begin(offset)
        after = int(np.searchsorted(self._starts, offset, side="right"))
        end = self._begin(int(self._starts[after])) if after < len(self._starts) else self.block.taken
        return self.data[begin:end].rstrip(b"\r\n"), self._placed(begin)

    def located(self, bad: BadRow) -> BadRow:
        """A record that gives no row, with its place in the split."""
        byte = self._placed(self._begin(bad.offset))
        return replace(bad, byte=byte, header=self.header, raw=bad.raw.rstrip(b"\r\n"))

    def _placed(self, begin: int) -> int | None:
        return None if self.byte is None else self.byte + begin

    def _begin(self, line: int) -> int:
        return 0 if line == self.line else int(self._newlines[line - self.line - 1]) + 1

    @cached_property
    def _starts(self) -> Lines:
        """The lines that records start on."""
        return np.union1d(self.block.lines, np.array([b.offset for b in self.block.bad], dtype=np.int64))

    @cached_property
    def _newlines(self) -> Lines:
        return np.flatnonzero(np.frombuffer(self.data, dtype=np.uint8) == ord("\n"))
