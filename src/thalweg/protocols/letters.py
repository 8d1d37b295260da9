"""Hold what is known of a row that was kept apart: where it stood, what is wrong with it, and its bytes.

Such a row is a *dead letter*. It is put down as it was read, so that it can be repaired and read again.

Not here: who finds such rows (connectors/, runtime/), where they are written (a sink like any other).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import BINARY, BOOLEAN, INT64, STRING, TIMESTAMP, TIMESTAMP_LTZ
from thalweg.columnar.spelled import json_lines

Unit = Literal["row", "line"]
"""What an offset counts: rows, or lines of a text."""
Form = Literal["bytes", "row"]
"""What is put down of a row: the bytes that were read, or its values as a JSON object."""

BAD_ROWS = Schema.of({"split": STRING, "position": INT64, "error": STRING, "sample": STRING})
"""The columns of `errors.sink`."""

LETTERS = Schema.of(
    {
        "id": STRING,
        "reason": STRING,
        "source": STRING,
        "split": STRING,
        "position": INT64,
        "unit": STRING,
        "byte": INT64,
        "step": STRING,
        "code": STRING,
        "error": STRING,
        "event_time": TIMESTAMP,
        "quarantined_at": TIMESTAMP_LTZ,
        "form": STRING,
        "is_whole": BOOLEAN,
        "raw": BINARY,
        "header": BINARY,
        "sample": STRING,
    }
)
"""The columns of dead letters, with those of `errors.sink` among them."""
UNREADABLE, LATE, FAILED = "unreadable", "late", "failed"
"""The reasons for which rows are kept apart."""


class Records(Protocol):
    """What can be told of the text that rows were read from, as long as they are at hand."""

    @property
    def header(self) -> bytes:
        """What a file must begin with for its records to be understood."""
        ...

    def record(self, offset: int) -> tuple[bytes, int | None]:
        """The bytes of the record with this offset, and where they begin in the split, if that is known."""
        ...


@dataclass(frozen=True)
class BadRow:
    """A row that could not be read: where it stood, why, and what is known of it.

    Attributes:
        offset: its position number in the split.
        message: what is wrong, in words.
        sample: the start of its text.
        raw: the bytes that were read; none, if there was no text.
        unit: what the offset counts.
        code: what the error is called.
        byte: where it begins in the split, unpacked.
        is_whole: whether all of its bytes are there.
        row: its values, where it could be decoded: one row of a frame.
        header: see `Records`.
    """

    offset: int
    message: str
    sample: str
    raw: bytes = b""
    unit: Unit = "row"
    code: str = "data-bad-row"
    byte: int | None = None
    is_whole: bool = True
    row: pl.DataFrame | None = None
    header: bytes = b""


@dataclass(frozen=True)
class Origin:
    """Where the rows of a frame of letters come from, and when they were kept apart.

    Attributes:
        source, split: as messages call them.
        step: the step that refused them.
        at: microseconds since 1970.
    """

    source: str
    split: str
    step: str
    at: int


def letters(origin: Origin, rows: Sequence[BadRow], times: Sequence[int | None] = ()) -> pl.DataFrame:
    """Rows that could not be read, as dead letters.

    Args:
        origin: where they come from.
        rows: what is known of them.
        times: the event time of each in microseconds, where it is known.

    Example:
        >>> at = Origin("clicks", "a.jsonl", "source1", 0)
        >>> letters(at, [BadRow(7, "expected a value", "{", b"{", "line")])["position", "error"].row(0)
        (7, 'expected a value')
    """
    made = [_letter(origin, row, time) for row, time in zip(rows, times or [None] * len(rows), strict=True)]
    return pl.DataFrame(made, schema=_NUMBERS, orient="row").cast(LETTERS.polars)


def _letter(origin: Origin, row: BadRow, time: int | None) -> dict[str, Any]:
    raw, form = _text_of(row)
    found = {"split": origin.split, "position": row.offset, "step": origin.step, "code": row.code}
    return {
        "id": letter_id(origin.source, *found.values(), raw),
        "reason": UNREADABLE,
        "source": origin.source,
        **found,
        "unit": row.unit,
        "byte": row.byte,
        "error": row.message,
        "event_time": time,
        "quarantined_at": origin.at,
        "form": form,
        "is_whole": row.is_whole,
        "raw": raw,
        "header": row.header or None,
        "sample": row.sample,
    }


def _text_of(row: BadRow) -> tuple[bytes, Form]:
    if row.raw or row.row is None:
        return row.raw or row.sample.encode(), "bytes"
    return json_lines(row.row).encode().rstrip(b"\n"), "row"


def letter_id(*parts: object) -> str:
    """What a letter is called: the same row, refused for the same reason, is the same letter.

    Example:
        >>> letter_id("a.jsonl", 7, b"{") == letter_id("a.jsonl", 7, b"{")
        True
    """
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


_TIMES = ("event_time", "quarantined_at")
_NUMBERS = {n: pl.Int64() if n in _TIMES else t for n, t in LETTERS.polars.items()}
"""Times as they are handed in."""


__all__ = [
    *("BAD_ROWS", "FAILED", "LATE", "LETTERS", "UNREADABLE"),
    *("BadRow", "Form", "Origin", "Records", "Unit", "letter_id", "letters"),
]
