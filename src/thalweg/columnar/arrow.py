"""Move columns between Polars and plain arrays, without a copy where the layout allows it.

Speaks the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html)
through `ctypes`, so that no Arrow library is needed. `to_series` hands numpy buffers to Polars;
`from_series` looks at the buffers of a Polars column.

Not here: what the buffers of one type mean for state kernels (buffers.py).
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.errors import TypeMismatch


class _Schema(Structure):
    kept: tuple[object, ...]


class _Array(Structure):
    pass


class _Stream(Structure):
    pass


_ReleaseSchema = ctypes.CFUNCTYPE(None, POINTER(_Schema))
_ReleaseArray = ctypes.CFUNCTYPE(None, POINTER(_Array))
_Schema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_void_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(_Schema))),
    ("dictionary", POINTER(_Schema)),
    ("release", _ReleaseSchema),
    ("private_data", c_void_p),
]
_Array._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(_Array))),
    ("dictionary", POINTER(_Array)),
    ("release", _ReleaseArray),
    ("private_data", c_void_p),
]
_Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))),
    ("get_next", ctypes.CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Array))),
    ("get_last_error", ctypes.CFUNCTYPE(c_char_p, POINTER(_Stream))),
    ("release", ctypes.CFUNCTYPE(None, POINTER(_Stream))),
    ("private_data", c_void_p),
]

_NULLABLE = 2
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [c_void_p, c_char_p, c_void_p]
_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = c_void_p, [ctypes.py_object, c_char_p]

_held: dict[int, tuple[object, ...]] = {}
"""What a consumer still uses, by the number written into the structure's private data."""
_tokens = itertools.count(1)


@_ReleaseSchema
def _release_schema(schema: Any) -> None:
    schema.contents.release = _ReleaseSchema()


@_ReleaseArray
def _release_array(array: Any) -> None:
    for child in array.contents.children[: array.contents.n_children]:
        if child.contents.release:
            child.contents.release(child)
    _held.pop(array.contents.private_data or 0, None)
    array.contents.release = _ReleaseArray()


@dataclass(frozen=True)
class Column:
    """One Arrow array as plain buffers.

    Attributes:
        format: the Arrow format string: `l` int64, `i` int32, `g` float64, `b` boolean bits, `U` large
            string, `Z` large binary, `tsu:` timestamp in microseconds, `d:38,2` decimal, `+s` struct …
        length: number of rows.
        buffers: validity bits (or None) first, then the layout's own buffers.
        children: the members of a struct or the items of a list.
        offset: rows (bits, for validity and booleans) to skip at the start of every buffer.
    """

    format: str
    length: int
    buffers: Sequence[np.ndarray[Any, Any] | None]
    children: Sequence[tuple[str, Column]] = ()
    offset: int = 0


def to_series(name: str, column: Column) -> pl.Series:
    """A Polars column over the given buffers, which stay alive as long as Polars needs them.

    Strings must be valid UTF-8.

    Example:
        >>> text = np.frombuffer(b"abcd", dtype=np.uint8)
        >>> to_series("s", Column("U", 2, [None, np.array([0, 1, 4]), text])).to_list()
        ['a', 'bcd']
    """
    return pl.Series(_Exported(column)).alias(name)


def from_series(series: pl.Series) -> Column:
    """The buffers of a flat Polars column, without a copy (several chunks are joined first).

    The arrays keep the column's memory alive. They are writeable only because compiled kernels take
    one kind of array; nobody may write to them.

    Strings (`vu`) and binaries (`vz`) come as views: a buffer of int64[n, 2] whose first word is the
    length (low half) and the first four bytes, and whose second word holds the next eight bytes, or, for
    more than twelve bytes, the number of a data buffer (low half) and the place in it. The data buffers
    follow; the last buffer holds their sizes. Bytes after a short value are zero.

    Raises:
        TypeMismatch: the column is nested, categorical or of Python objects.

    Example:
        >>> column = from_series(pl.Series("n", [7, 8, None])[1:])
        >>> column.format, column.buffers[1][column.offset :][:1].tolist()
        ('l', [8])
    """
    if series.n_chunks() != 1:
        series = series.rechunk()
    schema, array = _Schema(), _Array()
    series._export_arrow_to_c(ctypes.addressof(array), ctypes.addressof(schema))
    owner = _Imported(array)
    layout, is_indexed = schema.format.decode(), bool(schema.dictionary)
    schema.release(ctypes.byref(schema))
    return _imported_column(owner, layout, is_indexed=is_indexed, dtype=series.dtype)


class _Imported:
    """Holds the memory behind an exported column until no array needs it any more."""

    def __init__(self, array: _Array) -> None:
        self.array = array

    def __del__(self) -> None:
        self.array.release(self.array)


class _Memory:
    """A piece of memory that numpy can wrap, and its owner."""

    def __init__(self, owner: _Imported, address: int, kind: str, shape: tuple[int, ...]) -> None:
        self.owner = owner
        self.__array_interface__ = {"version": 3, "data": (address, False), "typestr": kind, "shape": shape}


def _wrap(owner: _Imported, number: int, kind: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
    address = owner.array.buffers[number]
    if address is None or 0 in shape:
        return None if number == 0 else np.empty(shape, dtype=kind)
    return np.asarray(_Memory(owner, address, kind, shape))


_WORDS = {"c": "|i1", "C": "|u1", "s": "<i2", "S": "<u2", "i": "<i4", "I": "<u4", "l": "<i8", "L": "<u8"}
_WORDS |= {"e": "<f2", "f": "<f4", "g": "<f8", "tdD": "<i4", "ttn": "<i8"}


def _imported_column(owner: _Imported, layout: str, *, is_indexed: bool, dtype: pl.DataType) -> Column:
    length, offset = owner.array.length, owner.array.offset
    end = length + offset
    bits = _wrap(owner, 0, "|u1", ((end + 7) // 8,))
    kind = _WORDS.get(layout, "<i8" if layout[:3] in ("tsm", "tsu", "tsn", "tDm", "tDu", "tDn") else None)
    if layout == "n":
        return Column(layout, length, (), (), offset)
    if is_indexed or (kind is None and layout[:2] not in ("b", "d:", "vu", "vz")):
        raise TypeMismatch(f"a column of type {dtype} has no flat buffers", code="type-nested-buffers")
    if layout == "b":
        return Column(layout, length, (bits, _wrap(owner, 1, "|u1", ((end + 7) // 8,))), (), offset)
    if layout in ("vu", "vz"):
        return Column(layout, length, (bits, *_view_buffers(owner, end)), (), offset)
    if kind is None:
        return Column(layout, length, (bits, _wrap(owner, 1, "<i8", (end, 2))), (), offset)
    return Column(layout, length, (bits, _wrap(owner, 1, kind, (end,))), (), offset)


def _view_buffers(owner: _Imported, end: int) -> list[np.ndarray[Any, Any] | None]:
    data_count = owner.array.n_buffers - 3
    sizes = _wrap(owner, data_count + 2, "<i8", (data_count,))
    assert sizes is not None, "only the validity buffer may be missing"
    data = [_wrap(owner, i + 2, "|u1", (int(size),)) for i, size in enumerate(sizes)]
    return [_wrap(owner, 1, "<i8", (end, 2)), *data, sizes]


class _Exported:
    """An object with the Arrow PyCapsule interface over a `Column`."""

    def __init__(self, column: Column) -> None:
        self._column = column

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        schema, array = _Schema(), _Array()
        _fill_schema(schema, "", self._column)
        _fill_array(array, self._column)
        capsules = (
            _new_capsule(ctypes.addressof(schema), b"arrow_schema", None),
            _new_capsule(ctypes.addressof(array), b"arrow_array", None),
        )
        self._keep = (schema, array)
        return capsules


def _hold(*parts: object) -> int:
    token = next(_tokens)
    _held[token] = parts
    return token


def _fill_schema(schema: _Schema, name: str, column: Column) -> None:
    children = [_Schema() for _ in column.children]
    for child, (child_name, child_column) in zip(children, column.children, strict=True):
        _fill_schema(child, child_name, child_column)
    pointers = (POINTER(_Schema) * len(children))(*[ctypes.pointer(c) for c in children])
    schema.format, schema.name = column.format.encode(), name.encode()
    schema.flags, schema.n_children = _NULLABLE, len(children)
    schema.children = ctypes.cast(pointers, POINTER(POINTER(_Schema)))
    schema.release = _release_schema
    schema.kept = (children, pointers, schema.format, schema.name)


def _fill_array(array: _Array, column: Column) -> None:
    children = [_Array() for _ in column.children]
    for child, (_, child_column) in zip(children, column.children, strict=True):
        _fill_array(child, child_column)
    pointers = (POINTER(_Array) * len(children))(*[ctypes.pointer(c) for c in children])
    buffers = [None if b is None else np.ascontiguousarray(b) for b in column.buffers]
    addresses = (c_void_p * len(buffers))(*[None if b is None else b.ctypes.data for b in buffers])
    array.length, array.offset = column.length, column.offset
    array.null_count = 0 if not buffers or buffers[0] is None else -1
    array.n_buffers, array.n_children = len(buffers), len(children)
    array.buffers = ctypes.cast(addresses, POINTER(c_void_p))
    array.children = ctypes.cast(pointers, POINTER(POINTER(_Array)))
    array.release = _release_array
    array.private_data = _hold(children, pointers, buffers, addresses)
