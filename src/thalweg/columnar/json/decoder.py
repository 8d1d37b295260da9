"""Decode JSON lines into a frame, only the members that a schema names.

Every line is one JSON object, read as strictly as the standard library does, and more so in three
ways: `NaN` and `Infinity`, halves of surrogate pairs, and more than 64 open brackets are refused.
Members may come in any order, the last of several with one name counts, a missing one is null, one that
the schema does not name is checked and skipped. A byte order mark is no white space.

How values become columns:

- integers: whole numbers in the type's range; `1.0` and `1e3` are whole, `1.5` is not
- floats: the float nearest to the text, as `float()` gives it
- decimals: a number, or a string with a number, rounded half away from zero to the scale
- dates, times, timestamps: see temporal.py; binary: base64; strings and booleans: themselves
- lists: an array; maps (lists of structs of `key` and `value`): an object, or an array of such structs

Anything else in their place makes the line bad. Bad lines are reported beside the rows, never raised.

Reads:    the bytes handed in.
Changes:  nothing.
Not here: reading files (connectors/), the kernels (lines.py), values that need Python (finish.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.json.faults import BadLine
from thalweg.columnar.json.program import compile_schema

Bytes = bytes | bytearray | memoryview | np.ndarray[Any, np.dtype[np.uint8]]
_NEWLINE = np.frombuffer(b"\n", dtype=np.uint8)
_PIECE_MAX = 2**30
"""String views hold 32-bit offsets, so that longer texts are decoded piece by piece."""


@dataclass(frozen=True)
class Decoded:
    """What a text of JSON lines gave.

    Attributes:
        frame: one row per good line, in order.
        lines: the 1-based number of each row's line.
        bad: the lines that gave no row, in order.
    """

    frame: pl.DataFrame
    lines: np.ndarray[Any, np.dtype[np.int64]]
    bad: tuple[BadLine, ...]


class JsonDecoder:
    r"""Decodes JSON lines to the columns of a schema.

    A decoder keeps nothing between calls, and any number of threads may use one.

    Args:
        schema: names and types of the wanted members; structs name the wanted members inside.

    Raises:
        TypeMismatch: if a column has a type that JSON text is not decoded to.

    Example:
        >>> decoder = JsonDecoder({"id": pl.Int64(), "bid": pl.Struct({"price": pl.Float64()})})
        >>> decoded = decoder.decode(b'{"bid": {"price": 2.5}, "id": 7}\n{"id": x}\n')
        >>> decoded.frame.rows()
        [(7, {'price': 2.5})]
        >>> decoded.bad[0].line, decoded.bad[0].message
        (2, 'expected a value, at byte 8')
    """

    def __init__(self, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> None:
        # Compiled kernels are loaded when a decoder is built, not when this module is imported.
        from thalweg.columnar.json.run import Run

        self._program = compile_schema(schema)
        self._run = Run

    def decode(self, data: Bytes, *, first_line: int = 1) -> Decoded:
        """Decode whole lines; the last one may lack its newline.

        Args:
            data: the text.
            first_line: the number of its first line.
        """
        text = np.frombuffer(data, dtype=np.uint8)
        if len(text) <= _PIECE_MAX:
            return self._decode_piece(text, 0, first_line)
        parts, start = [], 0
        while start < len(text):
            stop = start + (split_complete(text[start : start + _PIECE_MAX]) or len(text))
            parts.append(self._decode_piece(text[start:stop], start, first_line))
            first_line += int(np.count_nonzero(text[start:stop] == 10))
            start = stop
        return Decoded(
            pl.concat([part.frame for part in parts]),
            np.concatenate([part.lines for part in parts]),
            tuple(bad for part in parts for bad in part.bad),
        )

    def _decode_piece(self, text: np.ndarray[Any, Any], offset: int, first_line: int) -> Decoded:
        """Decode the piece that starts `offset` bytes into the text."""
        if len(text) == 0 or text[-1] != 10:
            text = np.concatenate([text, _NEWLINE])
        run = self._run(self._program, text)
        frame, lines = run.frame(), run.lines() + first_line
        faults = run.faults()
        if faults:
            keep = np.ones(len(lines), dtype=np.bool_)
            keep[list(faults)] = False
            frame, lines = frame.filter(pl.Series(keep)), lines[keep]
        bad = sorted([*run.syntax_errors(), *faults.values()])
        return Decoded(
            frame,
            lines,
            tuple(BadLine(line + first_line, start + offset, *rest) for line, start, *rest in bad),
        )


def split_complete(data: Bytes) -> int:
    r"""The index behind the last newline, 0 if there is none.

    Example:
        >>> split_complete(b'{"a":1}\n{"a"')
        8
    """
    text = np.frombuffer(data, dtype=np.uint8)
    stop, step = len(text), 4096
    while stop > 0:
        start = max(0, stop - step)
        found = text[start:stop].tobytes().rfind(b"\n")
        if found >= 0:
            return start + found + 1
        stop, step = start, step * 2
    return 0
