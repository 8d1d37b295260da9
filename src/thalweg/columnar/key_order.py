"""Compare encoded keys by some of their columns, without decoding them.

Numbers compare by their words, strings and binaries by the bytes that their dictionary holds, so that the
order is that of the values: NaN is above everything, -0.0 is 0.0, text is ordered by its bytes (UTF-8).

Reads:    rows of words as `KeyCodec` makes them.
Not here: how values become words (keys.py), what is kept in order (trees.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thalweg.columnar.compiled import helper, load_word

Array = np.ndarray[Any, Any]

WORD, KIND, DESCENDING, NULLS_FIRST, FLAGS, BIT = range(6)
"""What is known of a column to order by: where its (first) word is, what that word means, how it is ordered,
and the word and bit that are set for NULL (no word: -1)."""
SIGNED, UNSIGNED, FLOAT, DECIMAL, BYTES = range(5)

_SIGN, _MOST = np.int64(-(2**63)), np.int64(2**63 - 1)
_LOW, _INLINE, _EIGHT, _FOUR = np.uint64(0xFFFFFFFF), np.uint64(12), np.uint64(8), np.uint64(4)
_ENTRY, _ONE_BYTE = np.uint64(16), np.uint64(0xFF)


Order = tuple[str, bool, bool]
"""A column to order by, whether its greatest value comes first, whether NULL does."""


class KeyOrder(NamedTuple):
    """How encoded keys compare, for as long as no key is added.

    Attributes:
        rows: the words of all keys, by slot (int64[slots, width]).
        columns: one row per column to order by, see `WORD` to `BIT` (int64[columns, 6]).
        dictionaries: for columns of bytes where entries and bytes begin in memory (uint64[columns, 2]).
    """

    rows: Array
    columns: Array
    dictionaries: Array


@helper
def _swapped(word):  # type: ignore[no-untyped-def]
    """The bytes of a word the other way round, so that words order as the bytes do."""
    made = np.uint64(0)
    for _ in range(8):
        made = (made << _EIGHT) | (word & _ONE_BYTE)
        word >>= _EIGHT
    return made


@helper
def _compare_bytes(dictionary, a, b):  # type: ignore[no-untyped-def]
    """Below, at or above 0 as the value of code `a` is before, at or after that of code `b`."""
    first, second = dictionary[0] + np.uint64(a) * _ENTRY, dictionary[0] + np.uint64(b) * _ENTRY
    first_length, second_length = load_word(first) & _LOW, load_word(second) & _LOW
    # twelve bytes sit in the entry, behind the length
    if first_length > _INLINE:
        first = dictionary[1] + load_word(first + _EIGHT)
    else:
        first += _FOUR
    if second_length > _INLINE:
        second = dictionary[1] + load_word(second + _EIGHT)
    else:
        second += _FOUR
    shared = min(first_length, second_length)
    at = np.uint64(0)
    while at < shared:
        shift = np.uint64(0)
        if shared < _EIGHT:
            shift = _EIGHT * (_EIGHT - shared)
        elif at + _EIGHT > shared:
            # the last words overlap what is known to be equal
            at = shared - _EIGHT
        one = _swapped(load_word(first + at)) >> shift
        other = _swapped(load_word(second + at)) >> shift
        if one != other:
            return -1 if one < other else 1
        at += _EIGHT
    return np.int64(first_length) - np.int64(second_length)


@helper
def _is_null(rows, slot, column):  # type: ignore[no-untyped-def]
    if column[KIND] == BYTES:
        return rows[slot, column[WORD]] < 0
    return column[FLAGS] >= 0 and (rows[slot, column[FLAGS]] >> column[BIT]) & 1 == 1


@helper
def _as_float(word):  # type: ignore[no-untyped-def]
    return word ^ _MOST if word < 0 else word


@helper
def compare(order, a, b, count):  # type: ignore[no-untyped-def]
    """Below, at or above 0 as slot `a` is before, level with or after slot `b` by the first columns."""
    rows, columns, dictionaries = order
    for i in range(count):
        column = columns[i]
        null_a, null_b = _is_null(rows, a, column), _is_null(rows, b, column)
        if null_a or null_b:
            if null_a and null_b:
                continue
            return -1 if null_a == (column[NULLS_FIRST] == 1) else 1
        at, kind = column[WORD], column[KIND]
        one, other = rows[a, at], rows[b, at]
        if one == other:
            if kind != DECIMAL or rows[a, at + 1] == rows[b, at + 1]:
                continue
            one, other = rows[a, at + 1] ^ _SIGN, rows[b, at + 1] ^ _SIGN
        elif kind == UNSIGNED:
            one, other = one ^ _SIGN, other ^ _SIGN
        elif kind == FLOAT:
            one, other = _as_float(one), _as_float(other)
        elif kind == BYTES:
            one, other = np.int64(_compare_bytes(dictionaries[i], one, other)), np.int64(0)
        found = -1 if one < other else 1
        return -found if column[DESCENDING] == 1 else found
    return 0
