"""Move columns between Polars and plain arrays, without a copy where the layout allows it.

Speaks the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html) by writing its
structures as int64 words, so that neither an Arrow library nor a compiler is needed. `to_series` hands
numpy buffers to Polars; `from_series` looks at the buffers of a Polars column.

No Python code runs when Polars lets go of memory: that happens on any of its threads, with or without
Python's lock, at exit, or while an exception is on its way, which a callback in Python would replace. Polars
itself can hold a numpy array and drop it well in all these cases. So each export begins as what Polars says
of such an array, one that keeps the buffers alive; it is then pointed to the buffers, and Polars takes it
back. Its release looks at nothing but its own private data; tests check that for the Polars in use.

Not here: where a column's buffers are (places.py); what they mean for state kernels (buffers.py).
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from polars._plr import PyDataFrame, PySeries

from thalweg.columnar.places import (
    ARRAY_RELEASE,
    ARRAY_WORDS,
    EMPTY,
    SCHEMA_RELEASE,
    array_at,
    layout_of,
    locate,
    native,
)

Array = np.ndarray[Any, Any]

_NULLABLE = 2
_TIDY = 0x101
"""numpy's flags for contiguous and aligned."""
_WORD = np.dtype(np.int64)


class Column(NamedTuple):
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
    buffers: Sequence[Array | None]
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
    numbers = _numbers(name, column)
    return pl.Series._from_pyseries(_exported(name, column) if numbers is None else numbers)


def from_series(series: pl.Series) -> Column:
    """The buffers of a flat Polars column (several chunks are joined first).

    Bits are copied, nothing else is. The other arrays keep the column's memory alive. They are writeable
    only because compiled kernels take one kind of array; nobody may write to them.

    Strings (`vu`) and binaries (`vz`) come as views: a buffer of int64[n, 2] whose first word is the
    length (low half) and the first four bytes, and whose second word holds the next eight bytes, or, for
    more than twelve bytes, the number of a data buffer (low half) and the place in it. The data buffers
    follow; the last buffer holds their sizes. Bytes after a short value are zero.

    Raises:
        TypeMismatch: the column is nested, categorical or of Python objects.

    Example:
        >>> from_series(pl.Series("n", [7, 8])[1:]).buffers[1].tolist()
        [8]
    """
    place = locate(series)
    layout, _ = layout_of(series.dtype)
    if layout == "n":
        return Column("n", place.length, ())
    buffers = [packed(place.validity)]
    if place.booleans is not None:
        return Column("b", place.length, [*buffers, packed(place.booleans)])
    buffers.append(place.words())
    if layout in ("vu", "vz"):
        pieces = zip(place.data, place.sizes, strict=True)
        buffers += [array_at(place.owner, address, "|u1", (size,)) for address, size in pieces]
        buffers.append(np.array(place.sizes, dtype=np.int64))
    return Column(layout, place.length, buffers)


def packed(flags: Array | None) -> Array | None:
    """Booleans as bits; None stays None."""
    return None if flags is None else np.packbits(flags, bitorder="little")


_Maker = Callable[[str, Any, bool], PySeries]
_MAKERS: dict[str, tuple[Any, _Maker, _Maker]] = {
    "c": (np.dtype(np.int8), PySeries.new_i8, PySeries.new_opt_i8),
    "C": (np.dtype(np.uint8), PySeries.new_u8, PySeries.new_opt_u8),
    "s": (np.dtype(np.int16), PySeries.new_i16, PySeries.new_opt_i16),
    "S": (np.dtype(np.uint16), PySeries.new_u16, PySeries.new_opt_u16),
    "i": (np.dtype(np.int32), PySeries.new_i32, PySeries.new_opt_i32),
    "I": (np.dtype(np.uint32), PySeries.new_u32, PySeries.new_opt_u32),
    "l": (_WORD, PySeries.new_i64, PySeries.new_opt_i64),
    "L": (np.dtype(np.uint64), PySeries.new_u64, PySeries.new_opt_u64),
    "f": (np.dtype(np.float32), PySeries.new_f32, PySeries.new_opt_f32),
    "g": (np.dtype(np.float64), PySeries.new_f64, PySeries.new_opt_f64),
    "b": (np.dtype(np.bool_), PySeries.new_bool, PySeries.new_opt_bool),
}
"""What makes a column from an array of exactly its type (of numbers, without a copy), or from a list."""


def _numbers(name: str, column: Column) -> PySeries | None:
    """A column that Polars can make by itself; None if it cannot."""
    kind, make, _ = _MAKERS.get(column.format, (None, None, None))
    if make is None or column.buffers[0] is not None:
        return None
    values = column.buffers[1]
    if values is None or values.dtype != kind or values.ndim != 1 or values.flags.num & _TIDY != _TIDY:
        return None
    if len(values) != column.length:
        values = values[column.offset : column.offset + column.length]
    return make(name, values, False)


def words_to_series(name: str, dtype: pl.DataType, values: Array, validity: Array | None) -> pl.Series:
    """A column of numbers, times or booleans from a contiguous array of exactly its words.

    Example:
        >>> words_to_series("t", pl.Date(), np.array([1], dtype=np.int32), None).to_list()
        [datetime.date(1970, 1, 2)]
    """
    layout, _ = layout_of(dtype)
    stored = _STORED.get(layout[:2], layout)
    is_short = len(values) <= _FEW
    if stored not in _MAKERS or not (validity is None or is_short):
        words = packed(values) if layout == "b" else values
        return to_series(name, Column(layout, len(values), [packed(validity), words]))
    _, make, make_from_list = _MAKERS[stored]
    if validity is None:
        made = make(name, values, False)
    else:
        valid = zip(values.tolist(), validity.tolist(), strict=True)
        made = make_from_list(name, [value if is_valid else None for value, is_valid in valid], False)
    return pl.Series._from_pyseries(made if stored == layout else made.cast(dtype, True, False))


_STORED = {"td": "i", "ts": "l", "tD": "l"}
"""The layout of the words of dates, timestamps and durations; a cast from it costs nothing."""
_FEW = 64
"""Up to so many values a list is cheaper than a look at the structures."""


def to_frame(columns: Sequence[pl.Series]) -> pl.DataFrame:
    """`pl.DataFrame(columns)` for columns known to be of one length, in a fifth of the time.

    Example:
        >>> to_frame([pl.Series("a", [1])]).rows()
        [(1,)]
    """
    return pl.DataFrame._from_pydf(PyDataFrame([column._s for column in columns]))


class _Owner(np.ndarray[Any, Any]):
    """What Polars holds on to for an exported column; its own content does not matter."""

    kept: tuple[object, ...]


_ONE = np.zeros(1, dtype=_WORD)


def _exported(name: str, column: Column) -> PySeries:
    columns = [column]
    # Grows while it is gone through, so that the children of one column are neighbours.
    for parent in columns:
        if parent.children:
            columns += [child for _, child in parent.children]
    size = len(EMPTY) - ARRAY_WORDS + sum([ARRAY_WORDS + len(c[2]) + len(c[3]) for c in columns])
    words = array("q", bytes(8 * size))
    start = words.buffer_info()[0]
    content, buffers = _structures(columns, start)
    owner = _ONE.view(_Owner)
    owner.kept = words, buffers
    schema = start + 8 * ARRAY_WORDS
    PySeries.new_i64("", owner, False)._export_arrow_to_c(start, schema)
    native(words[SCHEMA_RELEASE])(schema)
    content[ARRAY_RELEASE:ARRAY_WORDS] = words[ARRAY_RELEASE:ARRAY_WORDS]
    words[:] = array("q", content)
    schema, _kept = _schema(*_shape("", column))
    return PySeries._import_arrow_from_c(name, [(schema, start)])


def _structures(columns: list[Column], start: int) -> tuple[list[int], list[Array]]:
    """The words of all arrays, with room for Polars' schema behind the first, and the buffers they need."""
    content: list[int] = []
    pointers: list[int] = []
    kept: list[Array] = []
    child = start + 8 * len(EMPTY)
    tail = child + 8 * ARRAY_WORDS * (len(columns) - 1)
    for _, length, buffers, children, offset in columns:
        at = tail + 8 * len(pointers)
        for buffer in buffers:
            if buffer is None:
                pointers.append(0)
                continue
            held = buffer if buffer.flags.c_contiguous else np.ascontiguousarray(buffer)
            kept.append(held)
            pointers.append(_address(held))
        nulls = -1 if buffers and buffers[0] is not None else 0
        content += (length, nulls, offset, len(buffers), len(children), at, tail + 8 * len(pointers), 0, 0, 0)
        if len(content) == ARRAY_WORDS:
            content += EMPTY[ARRAY_WORDS:]
        if children:
            members = range(child, child + 8 * ARRAY_WORDS * len(children), 8 * ARRAY_WORDS)
            pointers += members
            child = members.stop
    content += pointers
    return content, kept


def _address(values: Array) -> int:
    """Where an array's data begins: what `values.ctypes.data` says, in a tenth of the time."""
    return ctypes.c_int64.from_address(id(values) + _HEAD).value


_HEAD = object.__basicsize__
"""In numpy's ABI the pointer to the data comes first behind Python's own part of an array."""


_Shape = tuple[str, str, tuple[Any, ...]]


def _shape(name: str, column: Column) -> _Shape:
    """All that a schema depends on."""
    if not column.children:
        return name, column.format, ()
    return name, column.format, tuple([_shape(*child) for child in column.children])


@lru_cache(maxsize=1024)
def _schema(name: str, layout: str, members: tuple[_Shape, ...]) -> tuple[int, object]:
    """The address of a schema, which Polars only reads, and what keeps it alive."""
    children = [_schema(*member) for member in members]
    pointers = array("q", [child for child, _ in children])
    texts = [ctypes.create_string_buffer(text.encode()) for text in (layout, name)]
    words = array("q", map(ctypes.addressof, texts))
    words.extend((0, _NULLABLE, len(children), pointers.buffer_info()[0], 0, 0, 0))
    return words.buffer_info()[0], (words, texts, pointers, children)
