"""Hand keys from task to task as words, beside accumulators in one array.

Keys of numbers, times and booleans are the same words in every task; their frame need not be made, divided
and taken apart again. Texts are codes of each task's own dictionary, and travel as columns.

Layout, a row of the array each: the hash of the key, the words of flags of NULL, the words of the key.

Not here: how values become words (keys.py), what follows them in the array (operators/partials.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.buffers import is_plain
from thalweg.columnar.compiled import kernel
from thalweg.columnar.hash import DECIMAL_TAG, FLOAT_TAG, NULL_TAG, SEED, WORD_TAG, mix

Array = np.ndarray[Any, Any]
_FLAGS_PER_WORD = 63


class KeyCells:
    """Where the words of a key lie.

    Attributes:
        height: how many rows of the array they take.

    Example:
        >>> from thalweg.columnar.keys import KeyCodec
        >>> schema = {"a": pl.Int64(), "b": pl.Int32()}
        >>> words = KeyCodec(schema).encode(pl.DataFrame({"a": [7, 8], "b": [1, None]}))
        >>> cells, keys = np.empty((4, 2), np.int64), KeyCells(schema, ["a"])
        >>> keys.fill(words, cells)
        >>> keys.height, keys.words(cells).tolist(), keys.column(cells, "a").tolist()
        (4, [[7, 1, 0], [8, 0, 2]], [7, 8])
    """

    def __init__(self, schema: Mapping[str, pl.DataType], hashed: Iterable[str]) -> None:
        """`hashed`: the columns that the hash is of, in the order of the exchange."""
        flags = -(-len(schema) // _FLAGS_PER_WORD)
        self._first = 1 + flags
        self._places: dict[str, int] = {}
        at = self._first
        for name, dtype in schema.items():
            self._places[name] = at
            at += 2 if isinstance(dtype, pl.Decimal) else 1
        self.height = at
        names = list(schema)
        words = [w for n in hashed for w in _hashed(self._places[n], names.index(n), schema[n])]
        self._hashed = np.array(words, np.int64).reshape(-1, 3)

    @staticmethod
    def can_hold(schema: Mapping[str, pl.DataType]) -> bool:
        """Whether the keys are words that mean the same in every task."""
        return all(is_plain(d) or isinstance(d, pl.Decimal) for d in schema.values())

    def fill(self, words: Array, cells: Array) -> None:
        """Write keys, as `KeyCodec.encode` gives them, to the rows of an array."""
        _fill(words, cells, self._first, self.height, self._hashed)

    def words(self, cells: Array) -> Array:
        """The keys as `KeyCodec.encode` gives them: int64[rows, width]."""
        keys = cells[self._first : self.height]
        if not len(keys):
            return np.zeros((cells.shape[1], 1), np.int64)
        if np.count_nonzero(cells[1 : self._first]):
            return np.ascontiguousarray(np.concatenate([keys, cells[1 : self._first]]).T)
        return keys.reshape(-1, 1) if len(keys) == 1 else np.ascontiguousarray(keys.T)

    def column(self, cells: Array, name: str) -> Array:
        """The words of one column of a single word."""
        return cells[self._places[name]]


def _hashed(at: int, number: int, dtype: pl.DataType) -> list[tuple[int, int, int]]:
    """The words of a column in the order in which they are hashed: place, number of the column, tag."""
    if isinstance(dtype, pl.Decimal):
        return [(at + 1, number, int(DECIMAL_TAG)), (at, number, int(DECIMAL_TAG))]
    return [(at, number, int(FLOAT_TAG if dtype.is_float() else WORD_TAG))]


@kernel("void(int64[:, ::1], int64[:, ::1], int64, int64, int64[:, ::1])")
def _fill(words: Array, cells: Array, first: int, height: int, hashed: Array) -> None:
    own = height - first
    for j in range(own):
        for i in range(len(words)):
            cells[first + j, i] = words[i, j]
    has_flags = words.shape[1] > own
    for j in range(1, first):
        for i in range(len(words)):
            cells[j, i] = words[i, own + j - 1] if has_flags else 0
    for i in range(len(words)):
        state = SEED
        for k in range(len(hashed)):
            number = hashed[k, 1]
            flag = (cells[1 + number // _FLAGS_PER_WORD, i] >> (number % _FLAGS_PER_WORD)) & 1
            if flag:
                state = mix(state + NULL_TAG, np.uint64(0))
            else:
                state = mix(state + np.uint64(hashed[k, 2]), np.uint64(cells[hashed[k, 0], i]))
        cells[0, i] = np.int64(state)
