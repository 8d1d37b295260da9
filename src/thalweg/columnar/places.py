"""Say where a Polars column lies in memory, so that kernels can read it without a copy.

Asks Polars for the column's structures of the Arrow C data interface, notes the addresses and gives the
structures back at once: a clone of the column keeps the memory alive.

Not here: the way from buffers to Polars (arrow.py); what the words of a type mean (buffers.py).
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from thalweg.errors import TypeMismatch

Array = np.ndarray[Any, Any]

# An ArrowArray is ten words: length, null count, offset, number of buffers, number of children, pointers to
# the buffers, the children and the dictionary, release, private data. An ArrowSchema is nine: format, name,
# metadata, flags, number of children, pointers to the children and the dictionary, release, private data.
ARRAY_WORDS, ARRAY_RELEASE, SCHEMA_RELEASE = 10, 8, 10 + 7
"""The length of an array, and the places of the releases in an array and its schema behind it."""
EMPTY = array("q", bytes(8 * (10 + 9)))
"""Room for an array and its schema. Polars releases what it overwrites, hence the zeros."""

_WORDS: dict[type[pl.DataType], tuple[str, int, int]] = {
    pl.Boolean: ("", 0, 0),
    pl.Null: ("", 0, 0),
    pl.Int8: ("|i1", 1, 1),
    pl.UInt8: ("|u1", 1, 1),
    pl.Int16: ("<i2", 2, 1),
    pl.UInt16: ("<u2", 2, 1),
    pl.Float16: ("<f2", 2, 1),
    pl.Int32: ("<i4", 4, 1),
    pl.UInt32: ("<u4", 4, 1),
    pl.Float32: ("<f4", 4, 1),
    pl.Date: ("<i4", 4, 1),
    pl.UInt64: ("<u8", 8, 1),
    pl.Float64: ("<f8", 8, 1),
    **dict.fromkeys((pl.Int64, pl.Time, pl.Datetime, pl.Duration), ("<i8", 8, 1)),
    **dict.fromkeys((pl.Decimal, pl.String, pl.Binary), ("<i8", 16, 2)),
}
"""For each flat type numpy's name of its words, the bytes and the words per row."""


FLAT = frozenset(_WORDS)
"""The types whose columns `locate` takes."""


class Place(NamedTuple):
    """Where a flat column lies in memory.

    Attributes:
        dtype: the class of the column's type.
        length: number of rows.
        validity: a copy of what is not NULL, as booleans; None if everything is.
        booleans: a copy of the values of a boolean column.
        values: the address of the first row's words.
        data: the addresses of the data buffers of strings and binaries.
        sizes: the bytes of each.
        owner: keeps all of it alive.
    """

    dtype: type[pl.DataType]
    length: int
    validity: Array | None
    booleans: Array | None
    values: int
    data: Sequence[int]
    sizes: Sequence[int]
    owner: object

    def words(self) -> Array:
        """The words of each row, without a copy: writeable as kernels want it, but nobody may write to them.

        Example:
            >>> locate(pl.Series([1, 2, 3])[1:]).words().tolist()
            [2, 3]
        """
        kind, _, width = _WORDS[self.dtype]
        shape = (self.length,) if width == 1 else (self.length, width)
        return array_at(self.owner, self.values, kind, shape)


def locate(series: pl.Series) -> Place:
    """Where a flat column lies in memory (several chunks are joined first).

    Raises:
        TypeMismatch: the column is nested, categorical or of Python objects.

    Example:
        >>> locate(pl.Series(["a", "b", None])[1:]).validity.tolist()
        [True, False]
    """
    held = series._s
    if held.n_chunks() != 1:
        held = series.rechunk()._s
    dtype = type(held.dtype())
    if dtype not in _WORDS:
        raise TypeMismatch(f"a column of type {series.dtype} has no flat buffers", code="type-nested-buffers")
    words = EMPTY[:]
    start = words.buffer_info()[0]
    held._export_arrow_to_c(start, start + 8 * ARRAY_WORDS)
    try:
        return _place(words, dtype, held.clone())
    finally:
        native(words[SCHEMA_RELEASE])(start + 8 * ARRAY_WORDS)
        native(words[ARRAY_RELEASE])(start)


def _place(words: array[int], dtype: type[pl.DataType], owner: object) -> Place:
    length, nulls, offset, count, _, table = words[:6]
    if dtype is pl.Null:
        return Place(dtype, length, np.zeros(length, dtype=np.bool_), None, 0, (), (), owner)
    buffers = _words_at(table, count)
    # Polars may have shifted the bits for this export only, so that they are copied.
    validity = _bits_at(buffers[0], offset, length) if nulls else None
    if dtype is pl.Boolean:
        return Place(dtype, length, validity, _bits_at(buffers[1], offset, length), 0, (), (), owner)
    values = buffers[1] + offset * _WORDS[dtype][1]
    if count < 4:
        return Place(dtype, length, validity, None, values, (), (), owner)
    sizes = _words_at(buffers[-1], count - 3)
    return Place(dtype, length, validity, None, values, buffers[2:-1], sizes, owner)


def _words_at(address: int, count: int) -> list[int]:
    return (ctypes.c_int64 * count).from_address(address)[:]


def _bits_at(address: int, offset: int, length: int) -> Array:
    first, skip = divmod(offset, 8)
    stop = skip + length
    raw = np.frombuffer(ctypes.string_at(address + first, (stop + 7) // 8), dtype=np.uint8)
    return np.unpackbits(raw, bitorder="little", count=stop)[skip:].view(np.bool_)


@lru_cache(maxsize=64)
def native(address: int) -> Callable[[int], None]:
    """The C function of one pointer at an address, as all releases are."""
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


class _Memory:
    """A piece of memory that numpy can wrap, and its owner."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, owner: object, address: int, kind: str, shape: tuple[int, ...]) -> None:
        self.owner = owner
        self.__array_interface__ = {"version": 3, "data": (address, False), "typestr": kind, "shape": shape}


def array_at(owner: object, address: int, kind: str, shape: tuple[int, ...]) -> Array:
    """An array over memory that an owner keeps alive; nobody may write to it."""
    return np.empty(shape, dtype=kind) if 0 in shape else np.asarray(_Memory(owner, address, kind, shape))


_LAYOUTS: dict[type[pl.DataType], tuple[str, Any]] = {
    pl.Int8: ("c", np.int8),
    pl.UInt8: ("C", np.uint8),
    pl.Int16: ("s", np.int16),
    pl.UInt16: ("S", np.uint16),
    pl.Int32: ("i", np.int32),
    pl.UInt32: ("I", np.uint32),
    pl.Int64: ("l", np.int64),
    pl.UInt64: ("L", np.uint64),
    pl.Float16: ("e", np.float16),
    pl.Float32: ("f", np.float32),
    pl.Float64: ("g", np.float64),
    pl.Boolean: ("b", np.bool_),
    pl.Date: ("tdD", np.int32),
    pl.Time: ("ttn", np.int64),
    pl.Null: ("n", np.bool_),
    pl.String: ("vu", np.int64),
    pl.Binary: ("vz", np.int64),
}
_UNITS = {"ms": "m", "us": "u", "ns": "n"}


def layout_of(dtype: pl.DataType) -> tuple[str, Any]:
    """The Arrow format of a flat type, and the numpy type of its words.

    Example:
        >>> layout_of(pl.Datetime("us", "UTC"))[0]
        'tsu:UTC'
    """
    if isinstance(dtype, pl.Datetime):
        return f"ts{_UNITS[dtype.time_unit]}:{dtype.time_zone or ''}", np.int64
    if isinstance(dtype, pl.Duration):
        return f"tD{_UNITS[dtype.time_unit]}", np.int64
    if isinstance(dtype, pl.Decimal):
        return f"d:{dtype.precision or 38},{dtype.scale}", np.int64
    return _LAYOUTS[type(dtype)]
