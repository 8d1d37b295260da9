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
from polars._plr import PySeries

from thalweg.errors import TypeMismatch

Array = np.ndarray[Any, Any]

# An ArrowArray is ten words: length, null count, offset, number of buffers, number of children, pointers to
# the buffers, the children and the dictionary, release, private data. An ArrowSchema is nine: format, name,
# metadata, flags, number of children, pointers to the children and the dictionary, release, private data.
ARRAY_WORDS, ARRAY_RELEASE = 10, 8
SCHEMA_DICTIONARY, SCHEMA_RELEASE = ARRAY_WORDS + 6, ARRAY_WORDS + 7
"""Places in a schema that follows an array."""
EMPTY = array("q", bytes(8 * (10 + 9)))
"""Room for an array and its schema. Polars releases what it overwrites, hence the zeros."""


class Place(NamedTuple):
    """Where a flat column lies in memory.

    Attributes:
        format: as in `Column`.
        length: number of rows.
        validity: a copy of what is not NULL, as booleans; None if everything is.
        booleans: a copy of the values of a boolean column.
        addresses: of the values, then of each data buffer of strings and binaries.
        sizes: of the data buffers, in bytes.
        owner: keeps the memory at the addresses alive.
    """

    format: str
    length: int
    validity: Array | None
    booleans: Array | None
    addresses: Sequence[int]
    sizes: Sequence[int]
    owner: object

    def values(self) -> Array:
        """The words of each row, without a copy: writeable as kernels want it, but not to be written."""
        kind, words = _kind(self.format)
        shape = (self.length,) if words == 1 else (self.length, words)
        return view_at(self.owner, self.addresses[0], kind, shape)


def locate(series: pl.Series) -> Place:
    """Where a flat column lies in memory (several chunks are joined first).

    Raises:
        TypeMismatch: the column is nested, categorical or of Python objects.

    Example:
        >>> locate(pl.Series([1, 2, 3])[1:]).values().tolist()
        [2, 3]
    """
    held = series._s if series._s.n_chunks() == 1 else series.rechunk()._s
    place = None
    if not isinstance(held.dtype(), pl.Object):
        words = EMPTY[:]
        start = words.buffer_info()[0]
        held._export_arrow_to_c(start, start + 8 * ARRAY_WORDS)
        try:
            place = _place(words, held)
        finally:
            native(words[SCHEMA_RELEASE])(start + 8 * ARRAY_WORDS)
            native(words[ARRAY_RELEASE])(start)
    if place is None:
        raise TypeMismatch(f"a column of type {series.dtype} has no flat buffers", code="type-nested-buffers")
    return place


def _place(words: array[int], held: PySeries) -> Place | None:
    """None if the column is not flat."""
    layout = ctypes.string_at(words[ARRAY_WORDS]).decode()
    kind, width = _kind(layout)
    if not kind or words[SCHEMA_DICTIONARY]:
        return None
    length, nulls, offset, count = words[:4]
    if layout == "n":
        return Place(layout, length, None, None, (), (), held)
    buffers = array("q", ctypes.string_at(words[5], 8 * count))
    sizes: Sequence[int] = ()
    if layout[0] == "v":
        sizes = array("q", ctypes.string_at(buffers.pop(), 8 * (count - 3)))
    # Polars may have shifted the bits for this export only, so that they are copied.
    validity = _bits_at(buffers[0], offset, length) if nulls else None
    booleans = _bits_at(buffers[1], offset, length) if layout == "b" else None
    buffers[1] += offset * int(kind[2:]) * width
    return Place(layout, length, validity, booleans, buffers[1:], sizes, held.clone())


def _bits_at(address: int, offset: int, length: int) -> Array:
    first, skip = divmod(offset, 8)
    stop = skip + length
    raw = np.frombuffer(ctypes.string_at(address + first, (stop + 7) // 8), dtype=np.uint8)
    return np.unpackbits(raw, bitorder="little", count=stop)[skip:].view(np.bool_)


_KINDS = {"c": "|i1", "C": "|u1", "s": "<i2", "S": "<u2", "i": "<i4", "I": "<u4", "l": "<i8", "L": "<u8"}
_KINDS |= {"e": "<f2", "f": "<f4", "g": "<f8", "tdD": "<i4", "ttn": "<i8", "b": "|b1", "n": "|b1"}


@lru_cache(maxsize=512)
def _kind(layout: str) -> tuple[str, int]:
    """How numpy names the words of a flat layout ("" for others), and how many a row has."""
    if layout[:2] in ("d:", "vu", "vz"):
        return "<i8", 2
    if layout[:3] in ("tsm", "tsu", "tsn", "tDm", "tDu", "tDn"):
        return "<i8", 1
    return _KINDS.get(layout, ""), 1


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


def view_at(owner: object, address: int, kind: str, shape: tuple[int, ...]) -> Array:
    """An array over memory that an owner keeps alive; nobody may write to it."""
    return np.empty(shape, dtype=kind) if 0 in shape else np.asarray(_Memory(owner, address, kind, shape))


def view_of(series: pl.Series) -> Array | None:
    """The values of a numeric column as Polars shows them to numpy, read-only; cheaper than `locate`.

    None if there are NULLs or several chunks, or where numpy has no such values.

    Example:
        >>> view_of(pl.Series([1, 2])).tolist(), view_of(pl.Series(["a"]))
        ([1, 2], None)
    """
    held = series._s
    if held.n_chunks() != 1 or held.null_count():
        return None
    values = held.to_numpy_view()
    return values if values is None or values.ndim == 1 else None
