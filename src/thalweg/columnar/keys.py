"""Turn the key columns of rows into rows of int64 words, and back.

One equality for keys, DISTINCT and consolidation: NULL = NULL, NaN = NaN, -0.0 = 0.0. Strings and
binaries become codes of a dictionary (one per column), decimals two words, nested values codes of their
canonical bytes, everything else one word.

A NULL string has a code; for other types the 64 bits have no room for it. The first NULL ever met therefore
widens every later row by words of flags (one bit per column), which are zero for rows without NULL, so that
keys without NULL stay as narrow as they can be.

Not here: numbering the keys (index.py, code_index.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.buffers import (
    is_plain,
    limbs,
    limbs_to_polars,
    to_polars,
    values_and_validity,
)
from thalweg.columnar.canonical import canonical_bytes, canonical_words, from_canonical_bytes
from thalweg.columnar.code_index import CodeIndex
from thalweg.columnar.dictionary import Dictionary
from thalweg.columnar.index import KeyIndex
from thalweg.columnar.key_order import BYTES, DECIMAL, FLOAT, SIGNED, UNSIGNED, KeyOrder, Order

Array = np.ndarray[Any, Any]
_FLAGS_PER_WORD = 63


class KeyCodec:
    """Key columns as rows of words, for one set of columns.

    Example:
        >>> codec = KeyCodec({"user": pl.String(), "n": pl.Int32()})
        >>> rows = codec.encode(pl.DataFrame({"n": [5, 6], "user": ["a", None]}))
        >>> rows.tolist(), codec.decode(rows).rows()
        ([[0, 5], [-1, 6]], [('a', 5), (None, 6)])
    """

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self._schema = dict(schema)
        self._parts = {name: _part(dtype) for name, dtype in self._schema.items()}
        self._width = max(1, sum(part.width for part in self._parts.values()))
        self._has_flags = False

    @property
    def width(self) -> int:
        """How many words an encoded row has; grows once, with the first NULL."""
        return self._width + (self._flag_words if self._has_flags else 0)

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return sum(part.dictionary.nbytes for part in self._coded())

    @property
    def has_texts(self) -> bool:
        """Whether words may be codes, which hold until `compact`."""
        return any(True for _ in self._coded())

    def new_index(self) -> KeyIndex | CodeIndex:
        """An empty index of keys that this codec encodes."""
        parts = list(self._parts.values())
        return CodeIndex() if len(parts) == 1 and isinstance(parts[0], _Coded) else KeyIndex(self._width)

    def reserve(self, count: int, sample: pl.DataFrame) -> None:
        """Room for so many keys like those of a sample, where they are told apart by one text."""
        coded = [(name, part) for name, part in self._parts.items() if isinstance(part, _Coded)]
        if len(coded) == 1:
            name, part = coded[0]
            part.reserve(count, sample.get_column(name))

    def encode(self, frame: pl.DataFrame) -> Array:
        """The words of each row's key (int64[rows, width])."""
        return self._rows(frame, find=False)

    def encode_columns(self, frame: pl.DataFrame) -> list[Array]:
        """The same words column by column (int64[rows] each), without a copy of those that have them.

        Example:
            >>> [c.tolist() for c in KeyCodec({"a": pl.Int64()}).encode_columns(pl.DataFrame({"a": [7, 9]}))]
            [[7, 9]]
        """
        return self._columns(frame, find=False)

    def lookup(self, frame: pl.DataFrame) -> Array:
        """Like `encode`, but remembers no new value: a row with one equals no row that was encoded."""
        return self._rows(frame, find=True)

    def decode(self, rows: Array) -> pl.DataFrame:
        """The key columns of encoded rows, also of rows from before a widening."""
        if not self._schema:
            return pl.DataFrame(height=len(rows))
        columns, at = [], 0
        for number, (name, part) in enumerate(self._parts.items()):
            words = rows[:, at : at + part.width]
            columns.append(part.decode(name, words, self._valid(rows, number)))
            at += part.width
        return to_frame(columns)

    def part(self, rows: Array, names: Iterable[str]) -> Array:
        """The words of some of the columns: equal where these columns are."""
        wanted = set(names)
        columns: list[Array] = []
        flags = np.zeros(self._flag_words, dtype=np.int64)
        at = 0
        for number, (name, part) in enumerate(self._parts.items()):
            if name in wanted:
                columns.extend(rows[:, at : at + part.width].T)
                flags[number // _FLAGS_PER_WORD] |= 1 << number % _FLAGS_PER_WORD
            at += part.width
        if rows.shape[1] > self._width:
            columns.extend((rows[:, self._width :] & flags).T)
        if not columns:
            return np.zeros((len(rows), 1), dtype=np.int64)
        return np.stack(columns, axis=1)

    def order(self, rows: Array, order: Iterable[Order]) -> KeyOrder:
        """How these rows compare, until a row is encoded; columns must be such as `can_order` says."""
        columns, dictionaries = [], []
        places = {name: (number, part) for number, (name, part) in enumerate(self._parts.items())}
        starts = np.cumsum([0, *(part.width for part in self._parts.values())]).tolist()
        has_flags = rows.shape[1] > self._width
        for name, descending, nulls_first in order:
            number, part = places[name]
            word, bit = divmod(number, _FLAGS_PER_WORD)
            flags = self._width + word if has_flags else -1
            columns.append((starts[number], part.kind, descending, nulls_first, flags, bit))
            dictionaries.append(part.dictionary.addresses if isinstance(part, _Coded) else (0, 0))
        return KeyOrder(
            rows,
            np.array(columns, np.int64).reshape(-1, 6),
            np.array(dictionaries, np.uint64).reshape(-1, 2),
        )

    def compact(self, rows: Array) -> None:
        """Forget strings that occur in none of these rows, where those outnumber the rows.

        The given rows keep their words; every other encoded row loses its meaning.
        """
        at = 0
        for part in self._parts.values():
            if isinstance(part, _Coded) and part.dictionary.count > 2 * len(rows):
                part.dictionary.retain(rows[:, at])
            at += part.width

    @property
    def _flag_words(self) -> int:
        return -(-len(self._parts) // _FLAGS_PER_WORD)

    def _coded(self) -> Iterable[_Coded]:
        return (part for part in self._parts.values() if isinstance(part, _Coded))

    def _valid(self, rows: Array, number: int) -> Array | None:
        if rows.shape[1] == self._width:
            return None
        word, bit = divmod(number, _FLAGS_PER_WORD)
        valid: Array = (rows[:, self._width + word] >> bit) & 1 == 0
        return valid

    def _rows(self, frame: pl.DataFrame, *, find: bool) -> Array:
        columns = self._columns(frame, find=find)
        if len(columns) == 1:
            return columns[0].reshape(-1, 1)
        rows = np.empty((frame.height, len(columns)), dtype=np.int64)
        for at, column in enumerate(columns):
            rows[:, at] = column
        return rows

    def _columns(self, frame: pl.DataFrame, *, find: bool) -> list[Array]:
        words: list[Array] = []
        missing: dict[int, Array] = {}
        for number, (name, part) in enumerate(self._parts.items()):
            encoded, validity = part.encode(frame.get_column(name), find=find)
            words += encoded
            if validity is not None and not validity.all():
                missing[number] = ~validity
        self._has_flags |= bool(missing)
        words += [np.zeros(frame.height, np.int64) for _ in range(self.width - len(words))]
        for number, absent in missing.items():
            word, bit = divmod(number, _FLAGS_PER_WORD)
            words[self._width + word] |= absent.astype(np.int64) << bit
        return words


def can_order(dtype: pl.DataType) -> bool:
    """Whether encoded values of the type compare as the values do."""
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return False
    return is_plain(dtype) or isinstance(dtype, (pl.Decimal, pl.String, pl.Binary))


class _Part(Protocol):
    """How one column becomes words; a validity is given only where the words cannot say NULL.

    Attributes:
        kind: how the words compare (key_order.py).
    """

    width: int
    kind: int

    def encode(self, series: pl.Series, *, find: bool) -> tuple[list[Array], Array | None]: ...

    def decode(self, name: str, words: Array, valid: Array | None) -> pl.Series: ...


def _part(dtype: pl.DataType) -> _Part:
    if is_plain(dtype):
        return _Plain(dtype)
    return _Decimal(dtype) if isinstance(dtype, pl.Decimal) else _Coded(dtype)


def _zeroed(words: Array, validity: Array | None) -> Array:
    """The words with one value for all NULLs."""
    return words if validity is None else np.where(validity, words, 0)


class _Plain:
    width = 1

    def __init__(self, dtype: pl.DataType) -> None:
        self._dtype, self._is_float = dtype, dtype.is_float()
        self.kind = FLOAT if self._is_float else UNSIGNED if dtype == pl.UInt64() else SIGNED

    def encode(self, series: pl.Series, *, find: bool) -> tuple[list[Array], Array | None]:
        values, validity = values_and_validity(series)
        return [_zeroed(canonical_words(values), validity)], validity

    def decode(self, name: str, words: Array, valid: Array | None) -> pl.Series:
        values = words[:, 0].copy()
        if self._is_float:
            values = values.view(np.float64)
        return to_polars(name, self._dtype, values, valid)


class _Decimal:
    width, kind = 2, DECIMAL

    def __init__(self, dtype: pl.DataType) -> None:
        self._dtype = dtype

    def encode(self, series: pl.Series, *, find: bool) -> tuple[list[Array], Array | None]:
        high, low, validity = limbs(series)
        return [_zeroed(high, validity), _zeroed(low, validity)], validity

    def decode(self, name: str, words: Array, valid: Array | None) -> pl.Series:
        return limbs_to_polars(name, self._dtype, words[:, 0], words[:, 1], valid)


class _Coded:
    """Strings and binaries by their bytes, categories by their text, the rest by canonical bytes."""

    width, kind = 1, BYTES

    def __init__(self, dtype: pl.DataType) -> None:
        self._dtype = dtype
        self._is_text = isinstance(dtype, (pl.String, pl.Categorical, pl.Enum))
        self.dictionary = Dictionary()

    def reserve(self, count: int, sample: pl.Series) -> None:
        self.dictionary.reserve(count, self._held(sample))

    def _held(self, series: pl.Series) -> pl.Series:
        if self._is_text:
            return series if isinstance(series.dtype, pl.String) else series.cast(pl.String)
        return series if isinstance(self._dtype, pl.Binary) else canonical_bytes(series)

    def encode(self, series: pl.Series, *, find: bool) -> tuple[list[Array], Array | None]:
        held = self._held(series)
        return [self.dictionary.find(held) if find else self.dictionary.encode(held)], None

    def decode(self, name: str, words: Array, valid: Array | None) -> pl.Series:
        codes = np.ascontiguousarray(words[:, 0])
        if self._is_text:
            text = self.dictionary.decode(codes, pl.String(), name)
            return text if isinstance(self._dtype, pl.String) else text.cast(self._dtype)
        held = self.dictionary.decode(codes, pl.Binary(), name)
        if isinstance(self._dtype, pl.Binary):
            return held
        return from_canonical_bytes(name, held, self._dtype)
