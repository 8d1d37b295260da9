"""What decoding a piece of text gives, and the limits on one record.

Not here: the formats (csv.py, json.py), reading files (reader.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from thalweg.protocols.source import BadRow

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
    """A record beyond the limit."""
    return bad_record(line, f"a record is longer than {RECORD_MAX} bytes", raw[: 4 * SAMPLE_MAX])
