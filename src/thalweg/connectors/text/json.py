"""Decode JSON lines.

Not here: the values (columnar/json).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.json import JsonDecoder, split_complete
from thalweg.connectors.text.block import RECORD_MAX, Block, too_long
from thalweg.protocols.source import BadRow


class JsonTextDecoder:
    """Turns JSON lines into the rows of a schema."""

    def __init__(self, target: Schema) -> None:
        self._decoder = JsonDecoder(dict(target.polars))

    def decode(self, data: bytes, first_line: int, *, is_last: bool) -> Block:
        """The rows of all complete lines."""
        taken = len(data) if is_last else split_complete(data)
        whole = data[:taken] if taken < len(data) else data
        kept, long = _without_long_lines(whole, first_line)
        decoded = self._decoder.decode(kept, first_line=first_line)
        bad = [BadRow(b.line, b.message, b.sample, _line(kept, b.offset), "line") for b in decoded.bad]
        merged = sorted([*bad, *long], key=lambda b: b.offset) if long else bad
        return Block(decoded.frame, decoded.lines, tuple(merged), taken)


def _line(data: bytes, start: int) -> bytes:
    end = data.find(b"\n", start)
    return data[start : len(data) if end < 0 else end]


def _without_long_lines(data: bytes, first_line: int) -> tuple[bytes, list[BadRow]]:
    """The text with lines beyond the limit emptied: an empty line gives no row, and line numbers stay."""
    if len(data) <= RECORD_MAX:
        return data, []
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
    starts = np.concatenate([[0], ends + 1])
    stops = np.concatenate([ends, [len(data)]])
    numbers = np.flatnonzero(stops - starts > RECORD_MAX)
    parts, done, bad = [], 0, []
    for number in numbers.tolist():
        start, stop = int(starts[number]), int(stops[number])
        bad.append(too_long(first_line + number, data[start:stop]))
        parts.append(data[done:start])
        done = stop
    return (b"".join([*parts, data[done:]]) if bad else data), bad


def split_lines(sample: bytes) -> tuple[bytes, tuple[BadRow, ...]]:
    r"""The lines that are JSON objects, and what the others are instead.

    Example:
        >>> lines, bad = split_lines(b'{"a": 1}\n[2]\n')
        >>> lines, bad[0].offset, bad[0].message
        (b'{"a": 1}', 2, 'the line is not a JSON object, at byte 1')
    """
    block = JsonTextDecoder(Schema(())).decode(sample, 1, is_last=True)
    lines = sample.split(b"\n")
    return b"\n".join(lines[number - 1] for number in block.lines.tolist()), block.bad


def infer_json(sample: bytes) -> pl.Schema:
    """Names and types as a sample of lines has them."""
    return pl.Schema(pl.read_ndjson(sample, infer_schema_length=None).schema)
