"""Make generated values: each a function of the seed, its column and its row.

Not here: which rows are made when (datagen.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    STRING,
    TIME,
    DataType,
    Decimal,
    Field,
    Float,
    Integer,
    Timestamp,
)
from thalweg.columnar import arrow
from thalweg.connectors.options import Values
from thalweg.errors import ConfigError

Words = np.ndarray[Any, np.dtype[np.uint64]]

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = (1 << 64) - 1
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class ColumnSpec:
    """How the values of one column are made.

    Attributes:
        type: their type.
        start: the first value of a sequence; None: values are random.
        count: how many values a sequence has.
        low, high: bounds of random numbers, both reached.
        length: how long random strings are.
        null_rate: the share of NULL.
        past_us: how far before its row's time a timestamp may be.
    """

    type: DataType
    start: int | None = None
    count: int | None = None
    low: float | int = 0
    high: float | int = 1
    length: int = 100
    null_rate: float = 0.0
    past_us: int = 0


def spec_of(field: Field, values: Values) -> ColumnSpec:
    """What the options say of a column.

    Raises:
        ConfigError: they do not fit the column's type.
    """
    held, name = field.type, field.name
    given = {
        o: values.of_column(name, o)
        for o in ("start", "end", "min", "max", "length", "null-rate", "max-past")
    }
    if values.of_column(name, "kind") == "sequence":
        return _sequence(field, given, values)
    is_simple = isinstance(held, (Integer, Float, Decimal, Timestamp))
    if not is_simple and held not in (BOOLEAN, STRING, BINARY, DATE, TIME):
        raise _misfit(field, values, f"a value of type {held} cannot be generated")
    low, high = _bounds(held)
    low = low if given["min"] is None else given["min"]
    high = high if given["max"] is None else given["max"]
    if isinstance(held, Integer):
        low, high = int(low), int(high)
        least, most = held.bounds
        if low < least or high > most:
            raise _misfit(field, values, f"the bounds {low} and {high} do not fit {held}")
    if low > high:
        raise _misfit(field, values, f"the least value {low} is above the greatest, {high}")
    rate = given["null-rate"] or 0.0
    if not 0 <= rate <= 1:
        raise _misfit(field, values, f"{rate} is no share of the values")
    return ColumnSpec(
        held,
        low=low,
        high=high,
        length=given["length"] or 100,
        null_rate=rate,
        past_us=round((given["max-past"] or 0.0) * 1e6),
    )


def _sequence(field: Field, given: dict[str, Any], values: Values) -> ColumnSpec:
    start, end = given["start"], given["end"]
    if start is None or end is None or end < start:
        raise _misfit(field, values, "a sequence needs a start and an end that is not before it")
    if not isinstance(field.type, (Integer, Float, Decimal)) and field.type != STRING:
        raise _misfit(field, values, f"a sequence has numbers, not {field.type}")
    if isinstance(field.type, Integer) and not field.type.bounds[0] <= start <= end <= field.type.bounds[1]:
        raise _misfit(field, values, f"a sequence from {start} to {end} does not fit {field.type}")
    return ColumnSpec(field.type, start=start, count=end - start + 1)


def _misfit(field: Field, values: Values, message: str) -> ConfigError:
    return ConfigError(
        message,
        code="connector-option-value",
        where=values.where,
        found=f"options 'fields.{field.name}.…' of a column {field.name} {field.type}",
    )


def _bounds(held: DataType) -> tuple[float | int, float | int]:
    if isinstance(held, Integer):
        return held.bounds
    if isinstance(held, Decimal):
        return 0, 10 ** min(9, held.precision - held.scale) - 1
    return 0, 1


def make_column(
    name: str, spec: ColumnSpec, *, seed: int, column: int, start: int, count: int, due_us: tuple[int, float]
) -> pl.Series:
    """The values of rows `start` to `start + count - 1`.

    Args:
        due_us: the time of row 0, and the time between two rows, in microseconds.
    """
    rows = np.arange(start, start + count, dtype=np.int64)
    if spec.start is not None:
        return pl.Series(name, rows + spec.start).cast(spec.type.polars)
    words = _random(seed, column, 0, rows)
    made = _values(spec, words, rows, due_us, (seed, column)).alias(name)
    if not spec.null_rate:
        return made
    is_null = _unit(_random(seed, column, 1, rows)) < spec.null_rate
    return pl.select(pl.when(pl.Series(~is_null)).then(made).alias(name)).to_series()


def _random(seed: int, column: int, use: int, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Words:
    """64 random bits per row (the finalizer of SplitMix64 over a counter)."""
    stream = (seed * _GOLDEN + column * _FIRST + use * _SECOND) & _WORD
    word = rows.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(stream)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(_FIRST)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(_SECOND)
    return word ^ (word >> np.uint64(31))


def _unit(words: Words) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers from 0 up to, not including, 1."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _values(
    spec: ColumnSpec,
    words: Words,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    due_us: tuple[int, float],
    stream: tuple[int, int],
) -> pl.Series:
    held = spec.type
    if isinstance(held, Integer):
        span = int(spec.high) - int(spec.low) + 1
        offsets = words if span > _WORD else words % np.uint64(span)
        return pl.Series(
            (offsets + np.uint64(int(spec.low) & _WORD)).view(np.int64 if held.signed else np.uint64)
        ).cast(held.polars)
    if isinstance(held, (Float, Decimal)):
        return pl.Series(_unit(words) * (spec.high - spec.low) + spec.low).cast(held.polars)
    if held in (STRING, BINARY):
        return _hex(spec, rows, stream)
    if isinstance(held, Timestamp):
        times = due_us[0] + (rows * due_us[1]).astype(np.int64)
        return pl.Series(times - (_unit(words) * spec.past_us).astype(np.int64)).cast(held.polars)
    if held == BOOLEAN:
        return pl.Series((words & np.uint64(1)).astype(np.bool_))
    days = (due_us[0] + (rows * due_us[1]).astype(np.int64)) // _DAY_US
    if held == DATE:
        return pl.Series(days.astype(np.int32)).cast(pl.Date)
    return pl.Series((words % np.uint64(_DAY_US)).astype(np.int64) * 1000).cast(pl.Time)


def _hex(spec: ColumnSpec, rows: np.ndarray[Any, np.dtype[np.int64]], stream: tuple[int, int]) -> pl.Series:
    """Strings of random hexadecimal digits, as Flink makes them."""
    pieces = -(-spec.length // 16)
    words = np.stack([_random(*stream, use + 2, rows) for use in range(pieces)], axis=1)
    nibbles = np.unpackbits(words.view(np.uint8).reshape(len(rows), -1), axis=1).reshape(len(rows), -1, 4)
    digits = nibbles @ np.array([8, 4, 2, 1], dtype=np.uint8)
    text = np.ascontiguousarray(_HEX[digits[:, : spec.length]])
    offsets = np.arange(0, (len(rows) + 1) * spec.length, spec.length, dtype=np.int64)
    form = "U" if spec.type == STRING else "Z"
    return arrow.to_series("", arrow.Column(form, len(rows), [None, offsets, text.reshape(-1)]))
