"""Turn a column into plain (values, validity) arrays for kernels, and back, never through a float.

Integers, booleans, dates and times become int64; floats become float64; decimals become two int64
limbs; strings and binaries stay in Polars' own view layout. Without a copy where the type already has
that width. Arrays that come from here are one kind to the compiler (contiguous, writeable), so that a
kernel with explicit signatures takes them all; nobody may write to them.

Changes:  nothing.
Not here: the Arrow C interface (arrow.py); what is equal to what (keys.py, hash.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from thalweg.columnar.arrow import Column, packed, to_series, words_to_series
from thalweg.columnar.eager import numbers
from thalweg.columnar.places import FLAT, array_at, layout_of, locate

Array = np.ndarray[Any, Any]

NO_FLAGS = np.empty(0, dtype=np.bool_)
"""What kernels take for "every value is valid"."""
NO_WORDS = np.empty(0, dtype=np.int64)
"""What kernels take for "every weight is 1"."""
_NO_ADDRESSES = np.empty(0, dtype=np.uint64)
_FEW = 256
"""Up to so many values a copy is cheaper than a look at the memory."""


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
    held = series._s
    if held.len() <= _FEW and type(held.dtype()) in _SHOWN:
        values, missing = held.to_numpy_masked(True, True)
        return _wide(values), None if missing is None else ~missing
    place = locate(series)
    if place.dtype is pl.Null:
        return np.zeros(place.length, dtype=np.int64), place.validity
    assert place.dtype not in (pl.Decimal, pl.String, pl.Binary), (
        "limbs() takes decimals, views() takes strings"
    )
    values = place.words() if place.booleans is None else place.booleans
    return _wide(values), place.validity


def presence(series: pl.Series) -> Array:
    """Which values of a column of any type are not NULL, as kernels take it.

    Example:
        >>> presence(pl.Series([1, None])).tolist(), presence(pl.Series([1])).tolist()
        ([True, False], [])
    """
    if series.null_count() == 0:
        return NO_FLAGS
    # asking a flat column for its own bits is cheaper than making a column of them
    flat = type(series.dtype) in FLAT
    found = locate(series).validity if flat else locate(series.is_not_null()).booleans
    assert found is not None, "a column with NULL says where"
    return found


def _wide(values: Array) -> Array:
    kind = values.dtype.kind
    if kind in "Mmu" and values.itemsize == 8:
        return values.view(np.int64)
    return values.astype(np.float64 if kind == "f" else np.int64, copy=False)


def limbs(series: pl.Series) -> tuple[Array, Array, Array | None]:
    """The unscaled values of a decimal column as two int64 arrays (high, low), and their validity.

    The number is `high * 2**64 + (low as unsigned)`.

    Example:
        >>> from decimal import Decimal
        >>> high, low, _ = limbs(pl.Series([Decimal("-0.01")]))
        >>> high.tolist(), low.tolist()
        ([-1], [-1])
    """
    place = locate(series)
    assert place.dtype is pl.Decimal, "a decimal column"
    low, high = place.words().T
    return np.ascontiguousarray(high), np.ascontiguousarray(low), place.validity


class Views(NamedTuple):
    """The buffers of a string or binary column, as kernels read them.

    Attributes:
        words: uint64[n, 2], see `arrow.from_series`.
        addresses: where each data buffer begins in memory.
        validity: what is not NULL; empty if everything is.
        sizes: the bytes of each data buffer.
        owner: keeps the memory alive; hold on to this object while a kernel runs.
    """

    words: Array
    addresses: Array
    validity: Array
    sizes: Sequence[int]
    owner: object


def views(series: pl.Series) -> Views:
    """The buffers of a string or binary column.

    Example:
        >>> int(views(pl.Series(["abc"])).words[0, 0] & 0xFFFFFFFF)
        3
    """
    place = locate(series)
    assert place.dtype in (pl.String, pl.Binary), "a string or binary column"
    words = array_at(place.owner, place.values, "<u8", (place.length, 2))
    addresses = np.array(place.data, dtype=np.uint64) if place.data else _NO_ADDRESSES
    return Views(words, addresses, flags(place.validity), place.sizes, place.owner)


def flags(validity: Array | None) -> Array:
    """The validity as kernels take it: an empty array says that everything is valid."""
    return NO_FLAGS if validity is None else validity


def to_polars(name: str, dtype: pl.DataType, values: Array, validity: Array | None = None) -> pl.Series:
    """The inverse of `values_and_validity`. An array that owns its memory is taken over: do not write to it.

    Example:
        >>> to_polars("day", pl.Date(), np.array([0, 1]), np.array([True, False])).null_count()
        1
    """
    validity = _missing(validity)
    if validity is None and type(dtype) is pl.Int64:
        return numbers(name, values if values.base is None else values.copy())
    if isinstance(dtype, pl.Null):
        return pl.Series(name, [None] * len(values), dtype=pl.Null)
    _, kind = layout_of(dtype)
    held = values.view(kind) if kind == np.uint64 else values.astype(kind, copy=False)
    if held.base is not None:
        held = held.copy()
    return words_to_series(name, dtype, held, validity)


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
    return to_series(name, Column(layout_of(dtype)[0], len(high), [packed(_missing(validity)), pairs]))


def _missing(validity: Array | None) -> Array | None:
    """The validity, or None where it says nothing."""
    return None if validity is None or np.count_nonzero(validity) == len(validity) else validity


_SHOWN = frozenset(
    (
        *(pl.Int8, pl.UInt8, pl.Int16, pl.UInt16, pl.Int32, pl.UInt32, pl.Int64, pl.UInt64),
        *(pl.Float32, pl.Float64, pl.Boolean, pl.Date, pl.Datetime, pl.Duration),
    )
)
"""The types that Polars gives to numpy with every value as it is."""
_PLAIN = _SHOWN | {pl.Time, pl.Null}


def is_plain(dtype: pl.DataType) -> bool:
    """Whether `values_and_validity` and `to_polars` take the type."""
    return type(dtype) in _PLAIN
