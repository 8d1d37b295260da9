"""Say what is wrong with a line.

Not here: finding it (scan.py, columns.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from thalweg.base.types import from_polars

SAMPLE_MAX = 200
_FOUND_MAX = 60

# Codes are below -1: the scanner returns them in place of a node, and -1 is "not wanted".
(
    NOT_AN_OBJECT,
    TRAILING,
    EXPECTED_NAME,
    EXPECTED_COLON,
    EXPECTED_COMMA,
    EXPECTED_VALUE,
    BAD_NUMBER,
    BAD_ESCAPE,
    LONE_SURROGATE,
    BAD_UTF8,
    CONTROL,
    UNTERMINATED,
    TOO_DEEP,
) = range(-2, -15, -1)

_MESSAGES = {
    NOT_AN_OBJECT: "the line is not a JSON object",
    TRAILING: "there is more text after the object",
    EXPECTED_NAME: "expected a member name in quotes",
    EXPECTED_COLON: 'expected ":" after the member name',
    EXPECTED_COMMA: 'expected "," or a closing bracket',
    EXPECTED_VALUE: "expected a value",
    BAD_NUMBER: "expected a digit, without a leading zero",
    BAD_ESCAPE: "unknown escape in a string",
    LONE_SURROGATE: "half of a surrogate pair in a string",
    BAD_UTF8: "a string is not UTF-8",
    CONTROL: "unescaped control character in a string",
    UNTERMINATED: "a string is not closed",
    TOO_DEEP: "objects and arrays are nested deeper than 64 levels",
}


@dataclass(frozen=True)
class BadLine:
    """A line that gives no row.

    Attributes:
        line: its 1-based number.
        offset: where it starts, in bytes from the start of the decoded text.
        message: what is wrong, in words.
        sample: its first characters, at most 200.
    """

    line: int
    offset: int
    message: str
    sample: str


def syntax_message(code: int, column: int, *, is_end: bool) -> str:
    """The message for a line that is not JSON.

    Args:
        code: what the scanner found.
        column: 1-based byte of the line where it found that.
        is_end: whether that is where the line ends.
    """
    where = "at the end of the line" if is_end else f"at byte {column}"
    return f"{_MESSAGES[code]}, {where}"


def type_message(line: bytes, path: Sequence[str], dtype: pl.DataType) -> str:
    """The message for a value that is not of its column's type.

    Example:
        >>> type_message(b'{"bid": {"price": "low"}}', ["bid", "price"], pl.Int64())
        'field "bid.price": expected BIGINT, found "low"'
    """
    value = json.loads(line, parse_int=_Number, parse_float=_Number)
    for name in path:
        value = value[name]
    if isinstance(value, (dict, list)):
        found = "an object" if isinstance(value, dict) else "an array"
    else:
        found = value if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
    shown = found if len(found) <= _FOUND_MAX else found[:_FOUND_MAX] + "…"
    return f'field "{".".join(path)}": expected {from_polars(dtype) or dtype}, found {shown}'


class _Number(str):
    """The text of a number."""


def sample_of(line: bytes) -> str:
    """The start of a line, to show."""
    return line[: SAMPLE_MAX * 4].decode("utf-8", "replace")[:SAMPLE_MAX]
