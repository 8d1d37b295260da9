"""Turn a column into plain (values, validity) arrays for kernels, and back, never through a float.

Integers, booleans, dates and times become int64; floats become float64; decimals become two int64
limbs; strings and binaries stay in Polars' own view layout. Without a copy where the type already has
that width. Arrays that come from here are one kind to the compiler (contiguous, writeable), so that a
kernel with explicit signatures takes them all; nobody may write to them.

Changes:  nothing.
Not here: the Arrow C interface (arrow.py); what is equal to what (keys.py, hash.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.arrow import Column, from_series, to_series

Array = np.ndarray[Any, Any]

NO_FLAGS = np.empty(0, dtype=np.bool_)
"""What kernels take for "every value is valid"."""
NO_WORDS = np.empty(0, dtype=np.int64)
"""What kernels take for "every weight is 1"."""


def values_and_validity(series: pl.Series) -> tuple[Array, Array | None]:
    """The values of a column as int64 or float64, and a boolean array of what is not NULL (None: everything).

    Integers, booleans, dates, times, timestamps and durations are exact int64; uint64 keeps its bits.
    A value where the validity is false has no meaning.

    Raises:
        TypeMismatch: the column has no flat buffers; `limbs` takes decimals, `views` strings.

    Example:
        >>> values_and_validity(pl.Series([2**53 + 1, None]))[0][0].item()
        9007199254740993
    """
    column = from_series(series)
    if column.format == "n":
        return np.zeros(column.length, dtype=np.int64), np.zeros(column.length, dtype=np.bool_)
    assert column.format[:2] not in ("d:", "vu", "vz"), "limbs() takes decimals, views() takes strings"
    end = column.offset + column.length
    raw = column.buffers[1]
    assert raw is not None, "only the validity buffer may be missing"
    if column.format == "b":
        return _bits(raw, column).astype(np.int64), _validity(column)
    values = raw[column.offset : end]
    if values.dtype == np.uint64:
        values = values.view(np.int64)
    wide = np.float64 if values.dtype.kind == "f" else np.int64
    return values.astype(wide, copy=False), _validity(column)


def limbs(series: pl.Series) -> tuple[Array, Array, Array | None]:
    """The unscaled values of a decimal column as two int64 arrays (high, low), and their validity.

    The number is `high * 2**64 + (low as unsigned)`.

    Example:
        >>> from decimal import Decimal
        >>> high, low, _ = limbs(pl.Series([Decimal("-0.01")]))
        >>> high.tolist(), low.tolist()
        ([-1], [-1])
    """
    column = from_series(series)
    assert column.format.startswith("d:"), "a decimal column"
    raw = column.buffers[1]
    assert raw is not None, "only the validity buffer may be missing"
    pairs = raw[column.offset : column.offset + column.length]
    high, low = np.ascontiguousarray(pairs[:, 1]), np.ascontiguousarray(pairs[:, 0])
    return high, low, _validity(column)


@dataclass(frozen=True)
class Views:
    """The buffers of a string or binary column, as kernels read them.

    Attributes:
        words: uint64[n, 2], see `arrow.from_series`.
        addresses: where each data buffer begins in memory.
        validity: what is not NULL; empty if everything is.
        owners: keeps the data buffers alive; hold on to this object while a kernel runs.
    """

    words: Array
    addresses: Array
    validity: Array
    owners: tuple[Array, ...]


def views(series: pl.Series) -> Views:
    """The buffers of a string or binary column.

    Example:
        >>> int(views(pl.Series(["abc"])).words[0, 0] & 0xFFFFFFFF)
        3
    """
    column = from_series(series)
    assert column.format in ("vu", "vz"), "a string or binary column"
    raw = column.buffers[1]
    assert raw is not None, "only the validity buffer may be missing"
    words = raw[column.offset : column.offset + column.length].view(np.uint64)
    data = tuple(b for b in column.buffers[2:-1] if b is not None)
    addresses = np.array([b.ctypes.data for b in data], dtype=np.uint64)
    return Views(words, addresses, flags(_validity(column)), data)


def flags(validity: Array | None) -> Array:
    """The validity as kernels take it: an empty array says that everything is valid."""
    return NO_FLAGS if validity is None else validity


def to_polars(name: str, dtype: pl.DataType, values: Array, validity: Array | None = None) -> pl.Series:
    """The inverse of `values_and_validity`. An array that owns its memory is taken over: do not write to it.

    Example:
        >>> to_polars("day", pl.Date(), np.array([0, 1]), np.array([True, False])).null_count()
        1
    """
    if isinstance(dtype, pl.Null):
        return pl.Series(name, [None] * len(values), dtype=pl.Null)
    layout, kind = _layout(dtype)
    bits = _packed(validity)
    if layout == "b":
        packed = np.packbits(values.astype(np.bool_), bitorder="little")
        return to_series(name, Column(layout, len(values), [bits, packed]))
    held = values.view(kind) if kind == np.uint64 else values.astype(kind, copy=False)
    if held.base is not None:
        held = held.copy()
    return to_series(name, Column(layout, len(values), [bits, held]))


def limbs_to_polars(
    name: str, dtype: pl.DataType, high: Array, low: Array, validity: Array | None = None
) -> pl.Series:
    """The inverse of `limbs`: a decimal column from unscaled values. They must fit its precision.

    Example:
        >>> limbs_to_polars("price", pl.Decimal(38, 2), np.array([0]), np.array([250])).to_list()
        [Decimal('2.50')]
    """
    assert isinstance(dtype, pl.Decimal), "a decimal type"
    pairs = np.empty((len(high), 2), dtype=np.int64)
    pairs[:, 0], pairs[:, 1] = low, high
    layout = f"d:{dtype.precision or 38},{dtype.scale}"
    return to_series(name, Column(layout, len(high), [_packed(validity), pairs]))


def _bits(buffer: Array, column: Column) -> Array:
    first, skip = divmod(column.offset, 8)
    unpacked = np.unpackbits(buffer[first:], bitorder="little", count=skip + column.length)
    return unpacked[skip:].view(np.bool_)


def _validity(column: Column) -> Array | None:
    return None if column.buffers[0] is None else _bits(column.buffers[0], column)


def _packed(validity: Array | None) -> Array | None:
    if validity is None or bool(validity.all()):
        return None
    return np.packbits(validity, bitorder="little")


_PLAIN: dict[type[pl.DataType], tuple[str, Any]] = {
    pl.Int8: ("c", np.int8),
    pl.UInt8: ("C", np.uint8),
    pl.Int16: ("s", np.int16),
    pl.UInt16: ("S", np.uint16),
    pl.Int32: ("i", np.int32),
    pl.UInt32: ("I", np.uint32),
    pl.Int64: ("l", np.int64),
    pl.UInt64: ("L", np.uint64),
    pl.Float32: ("f", np.float32),
    pl.Float64: ("g", np.float64),
    pl.Boolean: ("b", np.bool_),
    pl.Date: ("tdD", np.int32),
    pl.Time: ("ttn", np.int64),
}
_UNITS = {"ms": "m", "us": "u", "ns": "n"}


def is_plain(dtype: pl.DataType) -> bool:
    """Whether `values_and_validity` and `to_polars` take the type."""
    return type(dtype) in _PLAIN or isinstance(dtype, (pl.Datetime, pl.Duration, pl.Null))


def _layout(dtype: pl.DataType) -> tuple[str, Any]:
    if isinstance(dtype, pl.Datetime):
        return f"ts{_UNITS[dtype.time_unit]}:{dtype.time_zone or ''}", np.int64
    if isinstance(dtype, pl.Duration):
        return f"tD{_UNITS[dtype.time_unit]}", np.int64
    return _PLAIN[type(dtype)]
