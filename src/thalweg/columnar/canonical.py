"""Give every value of a column one canonical form: a word, or bytes.

Equal means: NULL = NULL, NaN = NaN, -0.0 = 0.0, everything else by value. Nested values (lists, structs)
and types without a word of their own are written as bytes, tagged and length-prefixed, so that different
values never have the same bytes; slow, by one Python call per value.

Not here: hashes (hash.py), keys as rows of words (keys.py).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import polars as pl

Array = np.ndarray[Any, Any]

_NULL, _FALSE, _TRUE, _INTEGER, _FLOAT, _TEXT, _BINARY, _LIST, _STRUCT = range(9)


def canonical_words(values: Array) -> Array:
    """One int64 word per int64 or float64 value; equal values have equal words.

    Example:
        >>> canonical_words(np.array([0.0, -0.0])).tolist()
        [0, 0]
    """
    if values.dtype == np.int64:
        return values
    # Adding zero turns -0.0 into 0.0; NaN has many bit patterns, one is chosen.
    return np.where(np.isnan(values), np.nan, values + 0.0).view(np.int64)


def canonical_bytes(series: pl.Series) -> pl.Series:
    """A Binary column with the canonical bytes of each value; NULL stays NULL.

    Example:
        >>> a, b = canonical_bytes(pl.Series([[1.0, -0.0], [1.0, 0.0]]))
        >>> a == b
        True
    """
    plain = _physical(series)
    coded = [None if v is None else b"".join(_parts(v)) for v in plain.to_list()]
    return pl.Series(series.name, coded, dtype=pl.Binary)


def from_canonical_bytes(name: str, coded: pl.Series, dtype: pl.DataType) -> pl.Series:
    """The inverse of `canonical_bytes`."""
    values = [None if c is None else _read(c, 0)[0] for c in coded.to_list()]
    physical = _physical(pl.Series([], dtype=dtype)).dtype
    held = pl.Series(name, values, dtype=physical, strict=True)
    return held if physical == dtype else held.cast(dtype)


def _physical(series: pl.Series) -> pl.Series:
    """The column with integers for dates and times, and text for decimals and categories, at any depth."""
    return series.cast(_readable(series.dtype)).to_physical()


def _readable(dtype: Any) -> pl.DataType:
    held: pl.DataType = dtype if isinstance(dtype, pl.DataType) else dtype()
    if isinstance(held, (pl.Categorical, pl.Enum, pl.Decimal)):
        return pl.String()
    if isinstance(held, pl.Array):
        return pl.List(_readable(held.inner))
    if isinstance(held, pl.List):
        return pl.List(_readable(held.inner))
    if isinstance(held, pl.Struct):
        return pl.Struct({f.name: _readable(f.dtype) for f in held.fields})
    return held


def _parts(value: Any) -> list[bytes]:
    if value is None:
        return [bytes([_NULL])]
    if isinstance(value, bool):
        return [bytes([_TRUE if value else _FALSE])]
    if isinstance(value, int):
        return [bytes([_INTEGER]), value.to_bytes(17, "little", signed=True)]
    if isinstance(value, float):
        word = struct.pack("<d", float("nan") if value != value else value + 0.0)
        return [bytes([_FLOAT]), word]
    if isinstance(value, str):
        return _sized(_TEXT, value.encode())
    if isinstance(value, bytes):
        return _sized(_BINARY, value)
    return _nested_parts(value)


def _sized(tag: int, content: bytes) -> list[bytes]:
    return [struct.pack("<BQ", tag, len(content)), content]


def _nested_parts(value: Any) -> list[bytes]:
    if isinstance(value, dict):
        parts = [struct.pack("<BQ", _STRUCT, len(value))]
        for name, member in value.items():
            parts += _parts(name) + _parts(member)
        return parts
    parts = [struct.pack("<BQ", _LIST, len(value))]
    for member in value:
        parts += _parts(member)
    return parts


def _read(data: bytes, at: int) -> tuple[Any, int]:
    """The value that begins at a place, and the place after it."""
    tag, at = data[at], at + 1
    if tag in (_NULL, _FALSE, _TRUE):
        return (None, False, True)[tag], at
    if tag == _INTEGER:
        return int.from_bytes(data[at : at + 17], "little", signed=True), at + 17
    word = data[at : at + 8]
    at += 8
    if tag == _FLOAT:
        return struct.unpack("<d", word)[0], at
    size = int.from_bytes(word, "little")
    if tag in (_TEXT, _BINARY):
        content = data[at : at + size]
        return (content.decode() if tag == _TEXT else content), at + size
    return _read_nested(data, at, size, is_struct=tag == _STRUCT)


def _read_nested(data: bytes, at: int, size: int, *, is_struct: bool) -> tuple[Any, int]:
    members: list[Any] = []
    for _ in range(size * (2 if is_struct else 1)):
        member, at = _read(data, at)
        members.append(member)
    if is_struct:
        return dict(zip(members[::2], members[1::2], strict=True)), at
    return members, at
