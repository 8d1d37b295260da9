"""Give the rows of a frame memory of their own: new buffers, or one block that somebody else provides.

What a column needs and no more. Polars shares the bytes of strings: a few rows that were taken from a large
frame keep all of its texts alive.

Used by: state/.
Not here: the Arrow structures (arrow.py), where a column's buffers are (places.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from thalweg.columnar.arrow import Column, packed, to_frame, to_series
from thalweg.columnar.buffers import Views, views
from thalweg.columnar.compiled import kernel
from thalweg.columnar.dictionary import copy_bytes
from thalweg.columnar.places import layout_of, locate

Array = np.ndarray[Any, Any]
_INLINE = np.uint64(12)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_LONGEST = 1 << 30
"""Strings of more bytes stay where they are: a place in a buffer of them has 32 bits."""


class Block(Protocol):
    """Memory that is filled from its beginning, and then read."""

    def put(self, values: Array) -> int:
        """Append; returns where, which is aligned to 64 bytes."""
        ...

    def memory(self) -> Array:
        """All of it, as uint8[bytes]; the last call."""
        ...


@dataclass(frozen=True)
class _Piece:
    """One buffer of a column in the block."""

    at: int
    kind: np.dtype[Any]
    shape: tuple[int, ...]

    def array(self, memory: Array) -> Array:
        size = self.kind.itemsize
        for length in self.shape:
            size *= length
        return memory[self.at : self.at + size].view(self.kind).reshape(self.shape)


@dataclass(frozen=True)
class _Laid:
    """A column whose buffers are in the block."""

    layout: str
    length: int
    buffers: list[_Piece | None]
    children: tuple[tuple[str, _Laid], ...] = ()
    sizes: Array | None = None

    def column(self, memory: Array) -> Column:
        buffers = [None if b is None else b.array(memory) for b in self.buffers]
        if self.sizes is not None:
            buffers.append(self.sizes)
        children = [(name, child.column(memory)) for name, child in self.children]
        return Column(self.layout, self.length, buffers, children)


def laid_out(frame: pl.DataFrame, block: Block) -> pl.DataFrame:
    """The same rows; columns of types without plain buffers stay as they are."""
    laid = [_laid(s, block) if has_buffers(s.dtype) else None for s in frame.get_columns()]
    if not any(laid):
        return frame
    memory = block.memory()
    columns = [
        s if c is None else to_series(s.name, c.column(memory))
        for s, c in zip(frame.get_columns(), laid, strict=True)
    ]
    return to_frame(columns)


def compacted(series: pl.Series) -> pl.Series:
    """The same strings or binaries with their own bytes only."""
    held = views(series)
    size = int(_long_bytes(held.words, held.validity))
    if size > _LONGEST:
        return series
    words, data = _gathered(held, size)
    bits = packed(held.validity) if len(held.validity) else None
    sizes = np.array([size], np.int64)
    return to_series(series.name, Column(layout_of(series.dtype)[0], len(words), [bits, words, data, sizes]))


def _gathered(held: Views, size: int) -> tuple[Array, Array]:
    """Views, and the bytes that they need."""
    words, data = np.empty((len(held.words), 2), np.uint64), np.empty(size, np.uint8)
    _gather(held.words, held.addresses, held.validity, words, data)
    return words, data


def has_buffers(dtype: Any) -> bool:
    """Whether columns of a type can be laid out.

    Example:
        >>> has_buffers(pl.List(pl.String)), has_buffers(pl.Categorical())
        (True, False)
    """
    if isinstance(dtype, pl.Struct):
        return bool(dtype.fields) and all(has_buffers(f.dtype) for f in dtype.fields)
    if isinstance(dtype, pl.List):
        return has_buffers(dtype.inner)
    plain = dtype() if isinstance(dtype, type) else dtype
    return not isinstance(plain, (pl.Array, pl.Categorical, pl.Enum, pl.Object, pl.Null, pl.Unknown))


def _laid(series: pl.Series, block: Block) -> _Laid | None:
    dtype, length = series.dtype, series.len()
    if isinstance(dtype, pl.Struct):
        members = [(s.name, _laid(s, block)) for s in series.struct.unnest().get_columns()]
        known = tuple((name, member) for name, member in members if member is not None)
        return _Laid("+s", length, [_valid(series, block)], known) if len(known) == len(members) else None
    if isinstance(dtype, pl.List):
        items = _laid(series.explode(empty_as_null=False, keep_nulls=False), block)
        if items is None:
            return None
        offsets = np.zeros(length + 1, np.int64)
        np.cumsum(series.list.len().fill_null(0).to_numpy(), out=offsets[1:])
        return _Laid("+L", length, [_valid(series, block), _put(block, offsets)], (("item", items),))
    if isinstance(dtype, (pl.String, pl.Binary)):
        return _laid_bytes(series, block)
    place = locate(series)
    words = place.words() if place.booleans is None else packed(place.booleans)
    bits = packed(place.validity)
    assert words is not None, "a column has values"
    pieces = [None if bits is None else _put(block, bits), _put(block, words)]
    return _Laid(layout_of(dtype)[0], length, pieces)


def _laid_bytes(series: pl.Series, block: Block) -> _Laid | None:
    held = views(series)
    size = int(_long_bytes(held.words, held.validity))
    if size > _LONGEST:
        return None
    words, data = _gathered(held, size)
    pieces = [_valid(series, block), _put(block, words), _put(block, data)]
    return _Laid(layout_of(series.dtype)[0], series.len(), pieces, sizes=np.array([size], np.int64))


def _valid(series: pl.Series, block: Block) -> _Piece | None:
    bits = packed(series.is_not_null().to_numpy()) if series.null_count() else None
    return None if bits is None else _put(block, bits)


def _put(block: Block, values: Array) -> _Piece:
    return _Piece(block.put(values), values.dtype, values.shape)


@kernel("int64(uint64[:, ::1], boolean[::1])")
def _long_bytes(words: Array, validity: Array) -> int:
    """How many bytes are not in the words themselves."""
    size = np.int64(0)
    for i in range(len(words)):
        length = words[i, 0] & _LOW
        if length > _INLINE and (len(validity) == 0 or validity[i]):
            size += np.int64(length)
    return size  # type: ignore[return-value]


@kernel("void(uint64[:, ::1], uint64[::1], boolean[::1], uint64[:, ::1], uint8[::1])")
def _gather(words: Array, addresses: Array, validity: Array, found: Array, data: Array) -> None:
    """Copy views and the bytes of long ones, one behind the other; NULL is nothing."""
    used = np.uint64(0)
    for i in range(len(words)):
        found[i, 0], found[i, 1] = np.uint64(0), np.uint64(0)
        if len(validity) > 0 and not validity[i]:
            continue
        first, second = words[i, 0], words[i, 1]
        found[i, 0], found[i, 1] = first, second
        length = first & _LOW
        if length > _INLINE:
            source = addresses[second & _LOW] + (second >> _HALF)
            copy_bytes(source, np.uint64(data.ctypes.data) + used, length)
            found[i, 1] = used << _HALF
            used += length
