"""Number strings and binaries densely: each different value has one int64 code, exactly and incrementally.

The bytes of a value are kept once. Values of up to twelve bytes sit in their entry, as in Polars' own
layout; longer ones in one growing byte array. Values are equal if their bytes are; the hash only says where
to look. Codes never change; those given back by `retain` go to values that come later.

Not here: keys of several columns (keys.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.allocation import copied, grown, zeros
from thalweg.columnar.arrow import Column, to_series
from thalweg.columnar.ascending import ascending
from thalweg.columnar.buffers import Views, views
from thalweg.columnar.compiled import helper, kernel, load_word, store_word
from thalweg.columnar.hash import hash_views
from thalweg.columnar.table import (
    AHEAD,
    BYTES,
    CREATE,
    FREE,
    HIGH,
    META_LENGTH,
    NEW,
    SMALLEST,
    START,
    fill_table,
    grown_table,
    new_table,
    place,
    prefetch_place,
    take_number,
)

Array = np.ndarray[Any, Any]

NULL_CODE = -1
MISSING = -2
_BUFFER_MAX = 2**31 - 1


class Dictionary:
    """A map from strings or binaries to codes.

    Example:
        >>> words = Dictionary()
        >>> words.encode(pl.Series(["a", None, "b", "a"])).tolist()
        [0, -1, 1, 0]
        >>> words.decode(np.array([1, -1]), pl.String()).to_list()
        ['b', None]
    """

    def __init__(self) -> None:
        self._entries = np.zeros((SMALLEST, 2), dtype=np.uint64)
        self._arena = np.zeros(SMALLEST, dtype=np.uint8)
        self._links = np.full(SMALLEST, -1, dtype=np.int64)
        self._table = new_table(SMALLEST)
        self._meta = np.zeros(META_LENGTH, dtype=np.int64)
        self._meta[FREE] = -1
        self._count = 0

    @property
    def count(self) -> int:
        """How many values there are."""
        return self._count

    @property
    def nbytes(self) -> int:
        """The memory held."""
        held = (self._entries, self._arena, self._links, self._table)
        return sum(array.nbytes for array in held)

    @property
    def addresses(self) -> tuple[int, int]:
        """Where entries (of 16 bytes, by code) and the bytes of long values begin, until a value is added."""
        return self._entries.ctypes.data, self._arena.ctypes.data

    def reserve(self, count: int, sample: pl.Series) -> None:
        """Room for so many values in all, as long as those of a sample on average."""
        if count > len(self._links):
            self._make_room(count)
        if sample.len():
            lengths = views(sample).words[:, 0] & _LOW
            needed = int(lengths[lengths > _INLINE].sum()) * count // sample.len()
            if needed > len(self._arena):
                self._arena = grown(self._arena, needed)

    def encode(self, series: pl.Series) -> Array:
        """The code of each value, -1 for NULL; a value without one gets one."""
        held = views(series)
        codes = np.empty(series.len(), dtype=np.int64)
        words = _hashes(held)
        self._meta[CREATE], self._meta[NEW], self._meta[START] = 1, 0, 0
        self._probe(words, held, codes)
        while self._meta[START] < len(codes):
            self._grow(held)
            self._probe(words, held, codes)
        self._count += int(self._meta[NEW])
        return codes

    def find(self, series: pl.Series) -> Array:
        """The code of each value, -1 for NULL, -2 for those that have none."""
        held = views(series)
        codes = np.empty(series.len(), dtype=np.int64)
        self._meta[CREATE], self._meta[START] = 0, 0
        self._probe(_hashes(held), held, codes)
        return codes

    def decode(self, codes: Array, dtype: pl.DataType, name: str = "") -> pl.Series:
        """The values of codes as a String or Binary column; a negative code is NULL."""
        codes = np.ascontiguousarray(codes, dtype=np.int64)
        long_bytes, has_null = self._measured(codes)
        if long_bytes > _BUFFER_MAX and len(codes) > 1:
            half = len(codes) // 2
            parts = (self.decode(codes[:half], dtype, name), self.decode(codes[half:], dtype, name))
            return pl.concat(parts)
        words, data = np.empty((len(codes), 2), dtype=np.uint64), np.empty(long_bytes, dtype=np.uint8)
        _gather(codes, (self._entries, self._arena), words, data, np.uint64(32))
        bits = np.packbits(codes >= 0, bitorder="little") if has_null else None
        sizes = np.array([long_bytes], dtype=np.int64)
        layout = "vz" if isinstance(dtype, pl.Binary) else "vu"
        return to_series(name, Column(layout, len(codes), [bits, words, data, sizes]))

    def retain(self, live_codes: Array) -> None:
        """Forget every value but these. Their codes stay; the others' memory and codes are used again."""
        live = ascending(live_codes[live_codes >= 0])
        arena = zeros(max(SMALLEST, self._measured(live)[0]), np.uint8)
        words = np.empty((len(live), 2), dtype=np.uint64)
        self._meta[BYTES] = _gather(live, (self._entries, self._arena), words, arena, np.uint64(0))
        self._entries[live], self._arena = words, arena
        self._forget(live)

    def _forget(self, live: Array) -> None:
        high = int(live[-1]) + 1 if len(live) else 0
        is_live = np.zeros(len(self._links), dtype=np.bool_)
        is_live[live] = True
        kept = self._table[self._table[:, 1] > 0]
        kept = np.ascontiguousarray(kept[is_live[kept[:, 1] - 1]])
        capacity = SMALLEST
        while capacity < high:
            capacity *= 2
        self._entries, self._links = (
            copied(self._entries, slice(capacity)),
            copied(self._links, slice(capacity)),
        )
        self._table = new_table(capacity)
        fill_table(kept, self._table)
        dead = np.flatnonzero(~is_live[:high])
        self._links[dead] = np.append(dead[1:], -1) if len(dead) else dead
        self._meta[FREE] = dead[0] if len(dead) else -1
        self._meta[HIGH] = high
        self._count = len(live)

    def _probe(self, words: Array, held: Views, codes: Array) -> None:
        batch = (words, held.words, held.addresses, held.validity)
        store = (self._entries, self._arena, self._table, self._links, self._meta)
        _probe_bytes(batch, store, codes)

    def _measured(self, codes: Array) -> tuple[int, bool]:
        """The bytes that values take outside their entries, and whether there is a NULL."""
        long_bytes, null_count = _measure(codes, self._entries)
        return long_bytes, null_count > 0

    def _grow(self, held: Views) -> None:
        """Room for at least the value at which the kernel stopped."""
        length = int(held.words[self._meta[START], 0] & _LOW)
        needed = int(self._meta[BYTES]) + length
        if needed > len(self._arena):
            self._arena = grown(self._arena, max(needed, 2 * len(self._arena)))
        if self._meta[FREE] == -1 and self._meta[HIGH] == len(self._links):
            self._make_room(len(self._links) + 1)

    def _make_room(self, count: int) -> None:
        capacity = max(2 * len(self._links), count)
        self._entries = grown(self._entries, capacity)
        self._links = grown(self._links, capacity, -1)
        self._table = grown_table(self._table, capacity)


_LOW, _HALF, _INLINE, _EIGHT = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(12), np.uint64(8)


def _hashes(held: Views) -> Array:
    hashes = np.zeros(len(held.words), dtype=np.uint64)
    hash_views(hashes, held.words, held.addresses, held.validity, np.uint64(0))
    return hashes.view(np.int64)


@helper
def _same_bytes(a, b, length):  # type: ignore[no-untyped-def]
    """Whether two runs of more than eight bytes are the same; the last words may overlap."""
    end = a + length - _EIGHT
    last = b + length - _EIGHT
    while a < end:
        if load_word(a) != load_word(b):
            return False
        a += _EIGHT
        b += _EIGHT
    return load_word(end) == load_word(last)


@helper
def copy_bytes(source, target, length):  # type: ignore[no-untyped-def]
    """Copy more than eight bytes from one address to another; the last words may overlap."""
    end = source + length - _EIGHT
    last = target + length - _EIGHT
    while source < end:
        store_word(target, load_word(source))
        source += _EIGHT
        target += _EIGHT
    store_word(last, load_word(end))


@helper
def _find_entry(word, first, second, source, store):  # type: ignore[no-untyped-def]
    """The code of a value or -1, and where the search ended."""
    entries, arena, table, _links, _meta = store
    mask = len(table) - 1
    at = place(word, mask)
    code = table[at, 1] - 1
    while code >= 0:
        if table[at, 0] == word and entries[code, 0] == first:
            length = first & _LOW
            if length <= _INLINE:
                if entries[code, 1] == second:
                    return code, at
            elif _same_bytes(np.uint64(arena.ctypes.data) + entries[code, 1], source, length):
                return code, at
        at = (at + 1) & mask
        code = table[at, 1] - 1
    return code, at


@helper
def _add_entry(first, second, source, store):  # type: ignore[no-untyped-def]
    """A new code, or -1 if there is no room for its bytes or its entry."""
    entries, arena, _table, links, meta = store
    length = first & _LOW
    is_long = length > _INLINE
    if is_long and meta[BYTES] + np.int64(length) > len(arena):
        return np.int64(-1)
    code = take_number(links, meta)
    if code >= 0:
        meta[NEW] += 1
        entries[code, 0], entries[code, 1] = first, second
        if is_long:
            entries[code, 1] = np.uint64(meta[BYTES])
            copy_bytes(source, np.uint64(arena.ctypes.data) + np.uint64(meta[BYTES]), length)
            meta[BYTES] += np.int64(length)
    return code


@kernel(
    "void(Tuple((int64[::1], uint64[:, ::1], uint64[::1], boolean[::1])), "
    "Tuple((uint64[:, ::1], uint8[::1], int64[:, ::1], int64[::1], int64[::1])), int64[::1])"
)
def _probe_bytes(batch: tuple[Any, ...], store: tuple[Any, ...], codes: Array) -> None:
    """Look up or make values from `meta[START]` on; stops early when there is no room left."""
    words, views_, addresses, validity = batch
    table, meta = store[2], store[4]
    mask = len(table) - 1
    for i in range(meta[START], len(words)):
        if i + AHEAD < len(words):
            prefetch_place(table, place(words[i + AHEAD], mask))
        if len(validity) > 0 and not validity[i]:
            codes[i] = NULL_CODE
            continue
        first, second = views_[i, 0], views_[i, 1]
        source = np.uint64(0)
        if first & _LOW > _INLINE:
            source = addresses[second & _LOW] + (second >> _HALF)
        code, at = _find_entry(words[i], first, second, source, store)
        if code < 0:
            code = np.int64(MISSING)
            if meta[CREATE] == 1:
                code = _add_entry(first, second, source, store)
                if code < 0:
                    meta[START] = i
                    return
                table[at, 0], table[at, 1] = words[i], code + 1
        codes[i] = code
    meta[START] = len(words)


@kernel("UniTuple(int64, 2)(int64[::1], uint64[:, ::1])")
def _measure(codes: Array, entries: Array) -> tuple[int, int]:
    """The bytes of all values that are not in their entries, and how many codes are no value."""
    long_bytes = np.int64(0)
    missing = np.int64(0)
    for i in range(len(codes)):
        if codes[i] < 0:
            missing += 1
        else:
            length = entries[codes[i], 0] & _LOW
            if length > _INLINE:
                long_bytes += np.int64(length)
    return long_bytes, missing  # type: ignore[return-value]


@kernel("int64(int64[::1], Tuple((uint64[:, ::1], uint8[::1])), uint64[:, ::1], uint8[::1], uint64)")
def _gather(codes: Array, store: tuple[Array, Array], words: Array, data: Array, shift: np.uint64) -> int:
    """Copy values out; the place of long ones goes into the upper bits (`shift` 32) or the whole word."""
    entries, arena = store
    used = np.uint64(0)
    for i in range(len(codes)):
        words[i, 0], words[i, 1] = np.uint64(0), np.uint64(0)
        if codes[i] >= 0:
            first, second = entries[codes[i], 0], entries[codes[i], 1]
            words[i, 0], words[i, 1] = first, second
            length = first & _LOW
            if length > _INLINE:
                source = np.uint64(arena.ctypes.data) + second
                copy_bytes(source, np.uint64(data.ctypes.data) + used, length)
                words[i, 1] = used << shift
                used += length
    return np.int64(used)  # type: ignore[return-value]
