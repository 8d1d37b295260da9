"""Say to which partition a key belongs: our own hash, fixed for ever by its version.

The hash is a function of values, not of how they are held: integers, booleans, dates and times of any
width by their 64-bit value, decimals by their unscaled value, strings and binaries by their bytes, floats
with one NaN and one zero. NULL is a value of its own, also inside nested values. The order of columns
matters, their names do not.

Checkpoints address state by partition, so a change here is a change of format: raise `VERSION`. The test
holds golden values and a second implementation in plain Python.

Not here: equality of keys, which is never decided by a hash (keys.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.buffers import flags, is_plain, limbs, values_and_validity, views
from thalweg.columnar.canonical import canonical_bytes, canonical_words
from thalweg.columnar.compiled import helper, kernel, load_word

Array = np.ndarray[Any, Any]

VERSION = 1

SEED = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S29, _S32, _EIGHT, _TWELVE = np.uint64(29), np.uint64(32), np.uint64(8), np.uint64(12)
_LOW = np.uint64(0xFFFFFFFF)
_ZERO = np.uint64(0)
WORD_TAG, FLOAT_TAG, DECIMAL_TAG = np.uint64(1), np.uint64(2), np.uint64(3)
_BYTES_TAG, _NESTED_TAG, NULL_TAG = np.uint64(4), np.uint64(5), np.uint64(6)


def hash_rows(frame: pl.DataFrame, columns: Sequence[str]) -> Array:
    """A 64-bit hash of the named columns of each row (uint64).

    Example:
        >>> a = hash_rows(pl.DataFrame({"k": [1, 2]}), ["k"])
        >>> b = hash_rows(pl.DataFrame({"k": pl.Series([1, 2], dtype=pl.Int8)}), ["k"])
        >>> a.tolist() == b.tolist()
        True
    """
    hashes = np.full(frame.height, SEED, dtype=np.uint64)
    for name in columns:
        _add_column(hashes, frame.get_column(name))
    return hashes


def partitions(frame: pl.DataFrame, columns: Sequence[str], count: int = 256) -> Array:
    """The partition (int64, 0 to `count` - 1) of each row by the named columns."""
    hashes = hash_rows(frame, columns)
    if count & (count - 1) == 0:
        return (hashes & np.uint64(count - 1)).view(np.int64)
    return (hashes % np.uint64(count)).view(np.int64)


def _add_column(hashes: Array, series: pl.Series) -> None:
    dtype = series.dtype
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        series, dtype = series.cast(pl.String), pl.String()
    if isinstance(dtype, (pl.String, pl.Binary)):
        _add_views(hashes, series, _BYTES_TAG)
    elif isinstance(dtype, pl.Decimal):
        high, low, validity = limbs(series)
        _add_words(hashes, low.view(np.uint64), flags(validity), DECIMAL_TAG)
        _add_words(hashes, high.view(np.uint64), flags(validity), DECIMAL_TAG)
    elif is_plain(dtype):
        values, validity = values_and_validity(series)
        tag = FLOAT_TAG if values.dtype == np.float64 else WORD_TAG
        _add_words(hashes, canonical_words(values).view(np.uint64), flags(validity), tag)
    else:
        _add_views(hashes, canonical_bytes(series), _NESTED_TAG)


def _add_views(hashes: Array, series: pl.Series, tag: np.uint64) -> None:
    held = views(series)
    hash_views(hashes, held.words, held.addresses, held.validity, tag)


@helper
def mix(state, word):  # type: ignore[no-untyped-def]
    """The hash of what came before, and one word more."""
    mixed = (state ^ word) * _FIRST
    mixed ^= mixed >> _S29
    mixed *= _SECOND
    return mixed ^ (mixed >> _S32)


@kernel("void(uint64[::1], uint64[::1], boolean[::1], uint64)")
def _add_words(hashes: Array, words: Array, validity: Array, tag: np.uint64) -> None:
    all_valid = len(validity) == 0
    for i in range(len(words)):
        if all_valid or validity[i]:
            hashes[i] = mix(hashes[i] + tag, words[i])
        else:
            hashes[i] = mix(hashes[i] + NULL_TAG, _ZERO)


@kernel("void(uint64[::1], uint64[:, ::1], uint64[::1], boolean[::1], uint64)")
def hash_views(hashes: Array, words: Array, addresses: Array, validity: Array, tag: np.uint64) -> None:
    """Combine strings or binaries (see `buffers.Views`) into hashes, in place."""
    all_valid = len(validity) == 0
    for i in range(len(words)):
        if not (all_valid or validity[i]):
            hashes[i] = mix(hashes[i] + NULL_TAG, _ZERO)
            continue
        first, second = words[i, 0], words[i, 1]
        state = mix(hashes[i] + tag, first)
        length = first & _LOW
        if length <= _TWELVE:
            hashes[i] = mix(state, second)
            continue
        start = addresses[second & _LOW] + (second >> _S32)
        # Whole words from the start; the last one ends at the end of the value and may overlap.
        end = start + length - _EIGHT
        while start < end:
            state = mix(state, load_word(start))
            start += _EIGHT
        hashes[i] = mix(state, load_word(end))
