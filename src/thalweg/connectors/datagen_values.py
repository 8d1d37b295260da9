"""Make generated values: each a function of the seed, its column and its row.

Not here: which rows are made when (datagen.py), what the options ask for (datagen_specs.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import BINARY, BOOLEAN, DATE, STRING, Decimal, Float, Integer, List, Struct, Timestamp
from thalweg.columnar import arrow
from thalweg.connectors.datagen_specs import ColumnSpec, parts_of

Words = np.ndarray[Any, np.dtype[np.uint64]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = (1 << 64) - 1
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DAY_US = 86_400_000_000
_PARTS_MAX = 1 << 16
"""So many columns and parts of one column have random numbers of their own."""


def make_column(
    name: str, spec: ColumnSpec, *, seed: int, column: int, start: int, count: int, due_us: tuple[int, float]
) -> pl.Series:
    """The values of rows `start` to `start + count - 1`.

    Args:
        due_us: the time of row 0, and the time between two rows, in microseconds.
    """
    rows = np.arange(start, start + count, dtype=np.int64)
    times = due_us[0] + (rows * due_us[1]).astype(np.int64)
    return _column(spec, rows, times, (seed, column)).alias(name)


def _column(spec: ColumnSpec, rows: Numbers, times: Numbers, stream: tuple[int, int]) -> pl.Series:
    """The values of some rows that are due at these times; seed and column choose the random numbers."""
    if spec.start is not None:
        return pl.Series(rows + spec.start).cast(spec.type.polars)
    made = _nested(spec, rows, times, stream) if spec.parts else _values(spec, rows, times, stream)
    if not spec.null_rate:
        return made
    is_null = _unit(_random(*stream, 1, rows)) < spec.null_rate
    return pl.select(pl.when(pl.Series(~is_null)).then(made)).to_series()


def _nested(spec: ColumnSpec, rows: Numbers, times: Numbers, stream: tuple[int, int]) -> pl.Series:
    """Rows, or lists of as many items as there are to be; of equal keys of a map the first one counts."""
    count = 1 if isinstance(spec.type, Struct) else spec.length
    inner = rows.repeat(count) * count + np.tile(np.arange(count), len(rows))
    parts = []
    for i, (field, part) in enumerate(zip(parts_of(spec.type), spec.parts, strict=True)):
        below = stream[0], stream[1] * _PARTS_MAX + i + 1
        parts.append(_column(part, inner, times.repeat(count), below).alias(field.name))
    frame = pl.DataFrame(parts)
    if isinstance(spec.type, Struct):
        return frame.to_struct()
    owned = frame.with_columns(pl.Series("__row", rows.repeat(count)))
    if not isinstance(spec.type, List):
        owned = owned.unique(["__row", "key"], keep="first", maintain_order=True)
    item = pl.col("element") if isinstance(spec.type, List) else pl.struct("key", "value")
    return owned.group_by("__row", maintain_order=True).agg(item.alias("items"))["items"]


def _random(seed: int, column: int, use: int, rows: Numbers) -> Words:
    """64 random bits per row (the finalizer of SplitMix64 over a counter)."""
    stream = (seed * _GOLDEN + column * _FIRST + use * _SECOND) & _WORD
    word = rows.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(stream)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(_FIRST)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(_SECOND)
    return word ^ (word >> np.uint64(31))


def _unit(words: Words) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers from 0 up to, not including, 1."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _values(spec: ColumnSpec, rows: Numbers, times: Numbers, stream: tuple[int, int]) -> pl.Series:
    held = spec.type
    if held in (STRING, BINARY):
        return _hex(spec, rows, stream)
    words = _random(*stream, 0, rows)
    if isinstance(held, Integer):
        span = int(spec.high) - int(spec.low) + 1
        offsets = words if span > _WORD else words % np.uint64(span)
        return pl.Series(
            (offsets + np.uint64(int(spec.low) & _WORD)).view(np.int64 if held.signed else np.uint64)
        ).cast(held.polars)
    if isinstance(held, (Float, Decimal)):
        return pl.Series(_unit(words) * (spec.high - spec.low) + spec.low).cast(held.polars)
    if isinstance(held, Timestamp):
        return pl.Series(times - (_unit(words) * spec.past_us).astype(np.int64)).cast(held.polars)
    if held == BOOLEAN:
        return pl.Series((words & np.uint64(1)).astype(np.bool_))
    if held == DATE:
        return pl.Series((times // _DAY_US).astype(np.int32)).cast(pl.Date)
    return pl.Series((words % np.uint64(_DAY_US)).astype(np.int64) * 1000).cast(pl.Time)


def _hex(spec: ColumnSpec, rows: Numbers, stream: tuple[int, int]) -> pl.Series:
    """Strings of random hexadecimal digits, as Flink makes them."""
    pieces = -(-spec.length // 16)
    words = np.stack([_random(*stream, use + 2, rows) for use in range(pieces)], axis=1)
    nibbles = np.unpackbits(words.view(np.uint8).reshape(len(rows), -1), axis=1).reshape(len(rows), -1, 4)
    digits = nibbles @ np.array([8, 4, 2, 1], dtype=np.uint8)
    text = _HEX[digits[:, : spec.length]]
    lengths = np.full(len(rows), spec.length, dtype=np.int64)
    if spec.is_varied:
        lengths = (_random(*stream, 0, rows) % np.uint64(spec.length)).astype(np.int64) + 1
    kept = text[np.arange(spec.length) < lengths[:, np.newaxis]]
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    form = "U" if spec.type == STRING else "Z"
    return arrow.to_series("", arrow.Column(form, len(rows), [None, offsets, kept]))
