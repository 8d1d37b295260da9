"""Write keys and rows of state as bytes, many at a time, so that a store sorts them by partition and hash.

A key is its hash, turned so that its lowest byte (the partition of 256) comes first, and then its values:
words of eight bytes where all columns have such and none is NULL; otherwise each value behind its length, and
one byte more, so that no two keys of the two kinds have equal bytes. Equality of bytes is equality of keys.

A row is the number of the increment in which its key came, a word for each column of numbers, and each other
value behind its length.

Changes:  nothing.
Not here: who keeps the bytes (rocksdb_store.py), the rows in use (rocksdb.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.arrow import Column, packed, to_series
from thalweg.columnar.buffers import is_plain, to_polars
from thalweg.columnar.canonical import canonical_bytes, from_canonical_bytes
from thalweg.columnar.eager import gather_rows
from thalweg.columnar.hash import hash_rows
from thalweg.columnar.keys import KeyCodec
from thalweg.protocols.state import ColumnsSpec

Array = np.ndarray[Any, Any]
_HASH = 8
_LENGTH = 4
_BORN = 4
_BINARY = pl.Binary()
_POLARS: dict[str, pl.DataType] = {"int64": pl.Int64(), "float64": pl.Float64(), "bool": pl.Boolean()}


class KeyBytes:
    """The bytes of keys, for one set of columns.

    Example:
        >>> keys = KeyBytes(ColumnsSpec("s", {"k": pl.String(), "n": pl.Int64()}))
        >>> frame = pl.DataFrame({"k": ["a", None], "n": [None, 7]})
        >>> keys.decode(keys.encode(frame, keys.places(frame))).rows()
        [('a', None), (None, 7)]
    """

    def __init__(self, spec: ColumnsSpec) -> None:
        self._schema = dict(spec.key)
        self._is_words = all(is_plain(t) or isinstance(t, pl.Decimal) for t in self._schema.values())
        self._codec = KeyCodec(self._schema if self._is_words else {})
        self._width = self._codec.width

    def places(self, frame: pl.DataFrame) -> Array:
        """What keys are sorted by (uint64): first the partition, then the rest of the hash."""
        hashes = hash_rows(frame, list(self._schema))
        return (hashes >> np.uint64(8)) | (hashes << np.uint64(56))

    def encode(self, frame: pl.DataFrame, places: Array) -> list[bytes]:
        """The bytes of each key."""
        heads = places.astype(">u8").view(np.uint8).reshape(-1, _HASH)
        if not self._is_words:
            return self._spelled(frame, heads).to_list()
        words = self._codec.encode(frame)
        found = as_list(np.hstack([heads, _bytes_of(words[:, : self._width])]))
        if words.shape[1] > self._width:
            odd = np.flatnonzero(words[:, self._width :].any(axis=1))
            spelled = self._spelled(gather_rows(frame, odd), heads[odd])
            for place, key in zip(odd.tolist(), spelled.to_list(), strict=True):
                found[place] = key
        return found

    def _spelled(self, frame: pl.DataFrame, heads: Array) -> pl.Series:
        values = [_to_bytes(frame.get_column(name)) for name in self._schema]
        tail = binaries(np.ones((frame.height, 1), np.uint8))
        return joined([binaries(heads), *(_sized(v) for v in values), tail])

    def decode(self, keys: Sequence[bytes]) -> pl.DataFrame:
        """The keys of bytes, in this order."""
        size = _HASH + 8 * self._width
        if not self._is_words:
            return self._read(keys)
        is_odd = np.fromiter((len(k) != size for k in keys), np.bool_, len(keys))
        if not is_odd.any():
            return self._codec_frame(keys, size)
        plain = [k for k, odd in zip(keys, is_odd.tolist(), strict=True) if not odd]
        spelled = [k for k, odd in zip(keys, is_odd.tolist(), strict=True) if odd]
        both = pl.concat([self._codec_frame(plain, size), self._read(spelled)])
        back = np.empty(len(keys), np.int64)
        back[np.argsort(is_odd, kind="stable")] = np.arange(len(keys))
        return gather_rows(both, back)

    def _codec_frame(self, keys: Sequence[bytes], size: int) -> pl.DataFrame:
        matrix = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, size)[:, _HASH:]
        return self._codec.decode(np.ascontiguousarray(matrix).view(np.int64).reshape(-1, self._width))

    def _read(self, keys: Sequence[bytes]) -> pl.DataFrame:
        data, starts = laid(keys)
        columns = split(data, starts + _HASH, len(self._schema))
        named = zip(self._schema.items(), columns, strict=True)
        return pl.DataFrame([_from_bytes(name, held, dtype) for (name, dtype), held in named])


class RowBytes:
    """The bytes of the columns of rows.

    Attributes:
        words: the columns of numbers.
        texts: the others.
    """

    def __init__(self, spec: ColumnsSpec) -> None:
        self._spec = spec
        self.words = [n for n, c in spec.columns.items() if c.kind in _POLARS]
        self.texts = [n for n in spec.columns if n not in self.words]
        self._size = _BORN + 8 * len(self.words)

    def encode(self, born: Array, words: Array, texts: Sequence[pl.Series]) -> list[bytes]:
        """Rows of the columns of numbers (int64[rows, columns]) and the others (Binary)."""
        heads = np.hstack([_bytes_of(born.astype(np.uint32)), _bytes_of(words)])
        if not texts:
            return as_list(heads)
        return joined([binaries(heads), *(_sized(t) for t in texts)]).to_list()

    def decode(self, rows: Sequence[bytes]) -> tuple[Array, Array, list[pl.Series]]:
        """When their keys came, the words, and the other columns."""
        if self.texts:
            data, starts = laid(rows)
            matrix = _matrix(data, starts, self._size)
            texts = split(data, starts + self._size, len(self.texts))
        else:
            matrix, texts = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, self._size), []
        born = np.ascontiguousarray(matrix[:, :_BORN]).view(np.uint32).ravel()
        words = np.ascontiguousarray(matrix[:, _BORN:]).view(np.int64).reshape(len(rows), len(self.words))
        return born, words, texts

    def frame(self, keys: pl.DataFrame, rows: Sequence[bytes]) -> pl.DataFrame:
        """Keys, and the columns of their rows as a dump has them."""
        _, words, texts = self.decode(rows)
        found = {n: self._column(n, words[:, at].copy()) for at, n in enumerate(self.words)}
        found |= {n: t.alias(self._spec.stored(n)) for n, t in zip(self.texts, texts, strict=True)}
        columns = [found[name] for name in self._spec.columns]
        if not self._spec.key:
            return pl.DataFrame(columns) if columns else keys
        return keys.hstack(columns)

    def _column(self, name: str, words: Array) -> pl.Series:
        kind = self._spec.columns[name].kind
        values = words.view(np.float64) if kind == "float64" else words
        return to_polars(self._spec.stored(name), _POLARS[kind], values != 0 if kind == "bool" else values)


def as_list(matrix: Array) -> list[bytes]:
    """The rows of a matrix of bytes."""
    found: list[bytes] = np.ascontiguousarray(matrix).view(f"V{matrix.shape[1]}").ravel().tolist()
    return found


def binaries(matrix: Array) -> pl.Series:
    """The rows of a matrix of bytes as a column."""
    height, width = matrix.shape
    offsets = np.arange(0, (height + 1) * width, width, dtype=np.int64)[: height + 1]
    return to_series("", Column("Z", height, [None, offsets, np.ascontiguousarray(matrix).ravel()]))


def joined(parts: Sequence[pl.Series]) -> pl.Series:
    """Columns of bytes, row by row one behind the other."""
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole


def laid(rows: Sequence[bytes]) -> tuple[Array, Array]:
    """All bytes one behind the other, and where each row begins."""
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    return np.frombuffer(b"".join(rows), np.uint8), np.cumsum(sizes) - sizes


def split(data: Array, places: Array, count: int) -> list[pl.Series]:
    """So many values of each row, each behind its length, from these places on."""
    found = []
    for _ in range(count):
        lengths = _matrix(data, places, _LENGTH).view("<u4").ravel().astype(np.int64)
        sizes = np.maximum(lengths - 1, 0)
        ends = np.concatenate([[0], np.cumsum(sizes)])
        values = data[np.repeat(places + _LENGTH - ends[:-1], sizes) + np.arange(ends[-1])]
        is_there = lengths > 0
        validity = None if is_there.all() else packed(is_there)
        found.append(to_series("", Column("Z", len(places), [validity, ends, values])))
        places = places + _LENGTH + sizes
    return found


def _matrix(data: Array, places: Array, width: int) -> Array:
    """So many bytes from each place on."""
    found: Array = data[places[:, None] + np.arange(width)]
    return found


def _bytes_of(values: Array) -> Array:
    """The bytes of each row of an array."""
    width = values.itemsize * (values.shape[1] if values.ndim > 1 else 1)
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), width)


def _sized(values: pl.Series) -> pl.Series:
    """Values behind their lengths plus one; NULL has length 0."""
    lengths = values.bin.size().cast(pl.UInt32).fill_null(0xFFFFFFFF).to_numpy() + np.uint32(1)
    return binaries(_bytes_of(lengths)) + values.fill_null(b"")


def _to_bytes(series: pl.Series) -> pl.Series:
    """A column as canonical bytes."""
    dtype = series.dtype
    if isinstance(dtype, pl.Binary):
        return series
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return series.cast(pl.String).cast(_BINARY)
    if not (is_plain(dtype) or isinstance(dtype, pl.Decimal)):
        return canonical_bytes(series)
    codec = KeyCodec({"": dtype})
    width = codec.width
    words = binaries(_bytes_of(codec.encode(series.alias("").to_frame())[:, :width]))
    if not series.null_count():
        return words
    return pl.select(pl.when(series.is_not_null()).then(words)).to_series()


def _from_bytes(name: str, held: pl.Series, dtype: pl.DataType) -> pl.Series:
    """The inverse of `_to_bytes`."""
    if isinstance(dtype, pl.Binary):
        return held.alias(name)
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return held.cast(pl.String).cast(dtype).alias(name)
    if not (is_plain(dtype) or isinstance(dtype, pl.Decimal)):
        return from_canonical_bytes(name, held, dtype)
    codec = KeyCodec({name: dtype})
    whole = held.fill_null(bytes(8 * codec.width)).to_list()
    words = np.frombuffer(b"".join(whole), np.int64).reshape(-1, codec.width)
    values = codec.decode(words.copy()).get_column(name)
    if not held.null_count():
        return values
    return pl.select(pl.when(held.is_not_null()).then(values)).to_series().alias(name)
