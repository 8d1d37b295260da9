"""Keep more rows than memory holds: the `rocksdb` backend of columns whose slots are used batch by batch.

The rows in use are arrays, as in memory: the *working set*. A call of `slots` reads those that are missing,
all at once. When the working set is full, a part of it goes: what has changed is written, sorted, in one go.
First go the rows that were asked for by one call only, then those whose last call but one is the longest ago
(LRU-2: O'Neil, O'Neil, Weikum, "The LRU-K Page Replacement Algorithm", SIGMOD 1993). So keys that come again
and again stay, however many others come between, and cost what they do in memory.

What is forgotten is hidden until the next write, so that a key that comes and goes is no write at all.

Not here: how rows become bytes (row_bytes.py), how bytes are kept (rocksdb_store.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.allocation import allocating, kept
from thalweg.columnar.ascending import ascending
from thalweg.columnar.dictionary import Dictionary
from thalweg.columnar.eager import gather_rows
from thalweg.protocols.increments import GONE
from thalweg.protocols.state import ColumnsSpec
from thalweg.state.marks import increment
from thalweg.state.memory import KeyedColumns
from thalweg.state.reading import matching
from thalweg.state.rocksdb_store import RocksStore
from thalweg.state.row_bytes import KeyBytes, RowBytes

Array = np.ndarray[Any, Any]
UNSAVED, CHANGED, STORED = np.uint8(1), np.uint8(2), np.uint8(4)
"""The store has another row, or none; the next increment has it; the store has some row."""
_LONG_AGO = np.uint64(1)
_STEP = 65_536
"""So many rows at a time are bytes."""
_SAMPLE = 16
_HELD = 4
"""A value takes about so many times its bytes, as an object of Python or in a dictionary."""
_GOES_MOST, _GOES_LEAST = 1 / 2, 1 / 16
"""The part of the working set that goes at once."""
_SLOT_BYTES = 8 + 1 + 4 + 8
"""What a slot takes beside its words and its place in the table: link, bits, birth, calls."""


class RocksColumns:
    """See `thalweg.protocols.state.BriefColumns` and `StoredState`.

    Args:
        spec: the declaration; `is_brief`.
        store: where rows lie that are not in use; it is empty.
        budget: the bytes that rows in use may take.

    Attributes:
        spec: the declaration.
        rows_max: how many rows are in use at most, but for those of one call.

    Example:
        >>> from thalweg.protocols.state import ColumnSpec
        >>> from thalweg.state.rocksdb_store import RocksDirectory
        >>> directory = RocksDirectory()
        >>> spec = ColumnsSpec("n", {"k": pl.Int64()}, {"n": ColumnSpec("int64")}, is_brief=True)
        >>> state = RocksColumns(spec, RocksStore(directory.path + "/n", 1 << 20), budget=1000)
        >>> for first in range(0, 10_000, 2000):
        ...     slots = state.slots(pl.DataFrame({"k": range(first, first + 2000)}))
        ...     state.column("n")[slots] = range(first, first + 2000)
        >>> state.count, int(state.column("n")[state.slots(pl.DataFrame({"k": [77]}))][0])
        (10000, 77)
        >>> state.close(); _ = directory.close()
    """

    def __init__(self, spec: ColumnsSpec, store: RocksStore, budget: int) -> None:
        self.spec, self._store, self._budget = spec, store, budget
        rows_max = _rows_within(budget, _SLOT_BYTES + 8 * (len(spec.key) + len(spec.columns)))
        self._rows_doubled = 1 << (rows_max.bit_length() - 1)
        with allocating(None):
            self._used = KeyedColumns(spec)
            self._hidden = KeyedColumns(ColumnsSpec("hidden", spec.key))
        self._keys, self._rows = KeyBytes(spec), RowBytes(spec)
        # what texts take differs from row to row; the others have arrays that are as long as they may be
        self.rows_max = self._rows_doubled if self._is_texts() else rows_max
        self._bits = np.zeros(0, np.uint8)
        self._calls, self._born = np.zeros(0, np.uint64), np.zeros(0, np.uint32)
        """By slot in use the last call but one that asked for it, and in the lower half the last one."""
        self._asked = self._missed = 0
        """How many keys were asked for, and were not in use, since rows went."""
        self._clock, self._increment, self._count = 1, 1, 0
        self._last_new = np.empty(0, np.int64)
        self._highest: int | None = None
        self._is_tracked = self._is_whole = False
        self._gone: list[pl.DataFrame] = []
        self._text_bytes, self._sample = 0.0, np.empty(0, np.int64)
        self._grow()

    # What operators ask -------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        return self._used.capacity

    @property
    def count(self) -> int:
        return self._count

    @property
    def last_new(self) -> Array:
        return self._last_new

    @property
    def nbytes(self) -> int:
        own = self._bits.nbytes + self._calls.nbytes + self._born.nbytes
        return own + self._used.nbytes + self._hidden.nbytes + self._store.nbytes

    def column(self, name: str) -> Array:
        return self._used.column(name)

    @property
    def addresses(self) -> Array:
        return self._used.addresses

    def dictionary(self, name: str) -> Dictionary:
        return self._used.dictionary(name)

    def keys(self, slots: Array) -> pl.DataFrame:
        return self._used.keys(slots)

    def slots(self, frame: pl.DataFrame) -> Array:
        with allocating(None):
            count = frame.height
            if self._used.count + count > self.rows_max and count < self.rows_max * _GOES_LEAST:
                # rows need not go for keys that are there; if some do, there is room for all keys
                count = int(np.count_nonzero(self._used.find(frame) < 0))
            self._make_room(count)
            slots = self._used.slots(frame)
            made = self._used.last_new.copy()
            self._grow()
            self._bits[made], self._calls[made] = 0, 0
            self._asked, self._missed = self._asked + len(slots), self._missed + len(made)
            is_there = self._read(made)
            self._last_new = made[~is_there]
            self._born[self._last_new] = self._increment
            self._count += len(self._last_new)
            self._note_use(slots)
            self.touch(slots)
        return slots

    def find(self, frame: pl.DataFrame) -> Array:
        with allocating(None):
            found = self._used.find(frame)
            missing = np.flatnonzero(found < 0)
            if not len(missing) or not self._highest_reached():
                return found
            asked = gather_rows(frame, missing)
            asked = gather_rows(asked, np.flatnonzero(self._hidden.find(asked) < 0))
            keys = self._keys.encode(asked, self._keys.places(asked))
            values = self._store.get(keys)
            there = np.array([n for n, v in enumerate(values) if v is not None], np.int64)
            if not len(there):
                return found
            self._take(gather_rows(asked, there), [v for v in values if v is not None])
            return self._used.find(frame)

    def touch(self, slots: Array) -> None:
        self._bits[slots] |= UNSAVED | CHANGED if self._is_tracked else UNSAVED

    def free(self, slots: Array) -> None:
        with allocating(None):
            bits = self._bits[slots]
            if self._is_tracked and not self._is_whole:
                known = slots[self._born[slots] < self._increment]
                if len(known):
                    self._gone.append(self._used.keys(known))
            stored = slots[bits & STORED != 0]
            if len(stored):
                self._hidden.slots(self._used.keys(stored))
            self._bits[slots], self._calls[slots] = 0, 0
            self._count -= len(slots)
            self._used.free(slots)

    def parts(self, count: int) -> Iterator[Array]:
        self._save(self._unsaved())
        for keys, values in self._store.parts(max(1, min(count, self.rows_max, _STEP))):
            with allocating(None):
                self._make_room(len(keys))
                slots = self._take(self._keys.decode(keys), values)
                # they are not in use: they go before the others
                self._calls[slots[self._bits[slots] == STORED]] = _LONG_AGO
            yield slots

    def compact(self) -> None:
        with allocating(None):
            if len(self._hidden.live()) > max(1024, self.rows_max // 4):
                self._save(self._unsaved())
            self._hidden.compact()
            if self._is_texts():
                self._used.compact()

    # What the runtime asks ----------------------------------------------------------------------

    def reserve(self, count: int, sample: pl.DataFrame) -> None:
        """Room is for rows in use only."""
        del count, sample

    def dump(self) -> pl.DataFrame:
        """Every live row: keys, then columns; ordered by partition, hash and bytes of the key."""
        self._save(self._unsaved())
        none = self._rows.frame(self._keys.decode([]), [])
        parts = [kept(self._rows.frame(self._keys.decode(k), v)) for k, v in self._store.parts(_STEP)]
        return pl.concat([none, *parts], rechunk=False) if parts else none

    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Iterator[pl.DataFrame]:
        yield self._rows.frame(self._keys.decode([]), [])
        if keys is not None and keys.width == len(self.spec.key):
            for part in keys.iter_slices(max(1, min(rows_max, self.rows_max // 2))):
                slots = ascending(self.find(part))
                slots = slots[slots >= 0]
                yield self._used.beside(self._used.keys(slots), slots)
            return
        self._save(self._unsaved())
        for names, rows in self._store.parts(min(rows_max, _STEP)):
            frame = self._rows.frame(self._keys.decode(names), rows)
            yield frame if keys is None else gather_rows(frame, matching(frame, keys))

    def load(self, frame: pl.DataFrame) -> None:
        names, step = list(self.spec.key), max(1, min(_STEP, self.rows_max // 2))
        for part in frame.iter_slices(step):
            rows = part
            if GONE in part.columns:
                # where some tasks have rows that have gone, those of others are not marked at all
                has_gone = part.get_column(GONE).fill_null(value=False)
                gone = part.filter(has_gone)
                slots = self.find(gone.select(names) if names else pl.DataFrame(height=gone.height))
                self.free(ascending(slots[slots >= 0]))
                rows = part.filter(~has_gone)
            slots = self.slots(rows.select(names) if names else pl.DataFrame(height=rows.height))
            for name in self.spec.columns:
                column = rows.get_column(self.spec.stored(name))
                self._used.column(name)[slots] = self._used.encoded(name, column)

    def track(self, *, whole: bool) -> None:
        self._is_tracked, self._is_whole, self._gone = True, whole, []
        self._forget_changes()

    def changes(self) -> pl.DataFrame:
        assert self._is_tracked, "changes are noted since `track`"
        rows = self.dump() if self._is_whole else self._changed()
        gone, self._gone = self._gone, []
        self._is_whole = False
        self._forget_changes()
        return increment(rows, gone)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def _forget_changes(self) -> None:
        self._increment += 1
        self._bits &= ~CHANGED
        self._store.forget_noted()

    def _changed(self) -> pl.DataFrame:
        """The rows that have changed: those in use, and those that were noted when they went."""
        live = self._used.live()
        live = live[self._bits[live] & CHANGED != 0]
        some = (live[first : first + _STEP] for first in range(0, len(live), _STEP))
        parts = [kept(self._used.beside(self._used.keys(slots), slots)) for slots in some]
        for keys in self._store.noted(_STEP):
            frame = self._keys.decode(keys)
            slots = self._used.find(frame)
            skipped = (slots >= 0) & (self._bits[np.maximum(slots, 0)] & CHANGED != 0)
            skipped |= self._hidden.find(frame) >= 0
            # a hidden key that is there again is in use, and has changed
            values = self._store.get(keys)
            there = [n for n in np.flatnonzero(~skipped).tolist() if values[n] is not None]
            rows = [value for n in there if (value := values[n]) is not None]
            parts.append(kept(self._rows.frame(gather_rows(frame, np.array(there, np.int64)), rows)))
        none = self._rows.frame(self._keys.decode([]), [])
        return pl.concat([none, *parts], rechunk=False)

    # The working set ----------------------------------------------------------------------------

    def _grow(self) -> None:
        capacity = self._used.capacity
        if capacity > len(self._bits):
            for name in ("_bits", "_calls", "_born"):
                old = getattr(self, name)
                longer = np.zeros(capacity, old.dtype)
                longer[: len(old)] = old
                setattr(self, name, longer)

    def _note_use(self, slots: Array) -> None:
        self._calls[slots] = self._calls[slots] << np.uint64(32) | np.uint64(self._clock)
        self._sample = slots[:_SAMPLE]
        self._clock += 1
        if self._clock == np.iinfo(np.uint32).max:
            self._calls[self._used.live()], self._clock = _LONG_AGO, 1

    def _is_texts(self) -> bool:
        return self._used.has_texts or bool(self._rows.texts)

    def _highest_reached(self) -> bool:
        """Whether the store has any key."""
        return self._highest is not None

    def _read(self, slots: Array) -> Array:
        """Fill new slots with the rows that there are; says which those are."""
        is_there = np.zeros(len(slots), np.bool_)
        if self._highest is None or not len(slots):
            return is_there
        keys = self._used.keys(slots)
        places = self._keys.places(keys)
        hidden = self._hidden.find(keys)
        again = hidden >= 0
        if again.any():
            self._hidden.free(hidden[again])
            # the store has an old row, which the next write replaces or removes
            self._bits[slots[again]] = STORED
        # keys that are loaded in their order are above all that there are
        asked = np.flatnonzero(~again & (places <= np.uint64(self._highest)))
        if not len(asked):
            return is_there
        asked = asked[np.argsort(places[asked])]
        values = self._store.get(self._keys.encode(gather_rows(keys, asked), places[asked]))
        found = [v for v in values if v is not None]
        if len(found) < len(values):
            asked = asked[np.fromiter((v is not None for v in values), np.bool_, len(values))]
        self._fill(slots[asked], found)
        is_there[asked] = True
        return is_there

    def _take(self, frame: pl.DataFrame, values: list[bytes]) -> Array:
        """The slots of keys that the store has; those that are not in use are filled."""
        place = self._used.find(frame)
        slots = self._used.slots(frame)
        made = self._used.last_new.copy()
        self._grow()
        self._bits[made], self._calls[made] = 0, 0
        missing = np.flatnonzero(place < 0)
        filled, firsts = np.unique(slots[missing], return_index=True)
        self._fill(filled, [values[n] for n in missing[firsts].tolist()])
        self._note_use(made)
        return slots

    def _fill(self, slots: Array, rows: list[bytes]) -> None:
        """Put the rows of the store into slots."""
        if not rows:
            return
        born, words, texts = self._rows.decode(rows)
        self._born[slots], self._bits[slots] = born, STORED
        for at, name in enumerate(self._rows.words):
            column = self._used.column(name)
            column[slots] = words[:, at].view(np.float64) if column.dtype == np.float64 else words[:, at]
        for name, text in zip(self._rows.texts, texts, strict=True):
            self._used.column(name)[slots] = self._used.encoded(name, text)

    def _make_room(self, count: int) -> None:
        """Make room for so many more rows; if they do not fit, some go.

        The fewer keys are missing, the fewer rows go, so that those that are asked for again stay. For each
        key that is asked for, rows go no more often than if all were missing, and half of the rows went.
        """
        there = self._used.count
        if self._rows_doubled < min(there + count, self.rows_max):
            # arrays double otherwise
            self._used.reserve(self.rows_max, self._used.keys(np.empty(0, np.int64)))
        if there + count <= self.rows_max and self._weigh() * there <= self._budget:
            return
        part = max(_GOES_LEAST, _GOES_MOST * self._missed / max(1, self._asked))
        self._asked = self._missed = 0
        wanted = min(there, max(int(there * part), there + count - self.rows_max))
        if not wanted:
            return
        leaving = self._longest_ago(wanted)
        self._save(leaving[self._bits[leaving] & (UNSAVED | CHANGED) != 0], leaving=True)
        self._bits[leaving], self._calls[leaving] = 0, 0
        self._used.free(leaving)
        if self._is_texts():
            self._used.compact()

    def _longest_ago(self, count: int) -> Array:
        """So many slots of those whose last calls are the longest ago."""
        calls = self._calls[self._calls > 0]
        calls.partition(count - 1)
        last = calls[count - 1]
        before = np.flatnonzero((self._calls < last) & (self._calls > 0))
        same = np.flatnonzero(self._calls == last)[: count - len(before)]
        return np.concatenate([before, same])

    def _weigh(self) -> float:
        """About how many bytes a row has beside its words, by some of those that were last asked for."""
        some, self._sample = self._sample, np.empty(0, np.int64)
        some = some[self._bits[some] != 0]
        if len(some) and self._is_texts():
            size = self._used.keys(some).estimated_size()
            for name in self._rows.texts:
                size += int(self._used.decoded(name, some).bin.size().sum() or 0)
            mean = _HELD * size / len(some)
            self._text_bytes += (mean - self._text_bytes) / (4 if self._text_bytes else 1)
        return self._text_bytes

    def _unsaved(self) -> Array:
        live = self._used.live()
        found: Array = live[self._bits[live] & UNSAVED != 0]
        return found

    def _save(self, slots: Array, *, leaving: bool = False) -> None:
        """Write rows in use, and that others have gone; what leaves is noted for the next increment."""
        hidden = self._hidden.live()
        if not len(slots) and not len(hidden):
            return
        if len(hidden):
            frame = self._hidden.keys(hidden)
            self._store.write([], [], self._keys.encode(frame, self._keys.places(frame)))
            self._hidden.free(hidden)
        keys = self._used.keys(slots)
        places = self._keys.places(keys)
        order = np.argsort(places)
        for first in range(0, len(slots), _STEP):
            some = order[first : first + _STEP]
            encoded = self._keys.encode(gather_rows(keys, some), places[some])
            self._store.write(encoded, self._encoded(slots[some]), [])
            if leaving and self._is_tracked:
                is_noted = (self._bits[slots[some]] & CHANGED != 0).tolist()
                self._store.note([k for k, noted in zip(encoded, is_noted, strict=True) if noted])
        # what is much must not be in memory twice
        self._store.flush(wait=len(slots) > self.rows_max // 4)
        if len(slots):
            self._highest = max(self._highest or 0, int(places.max()))
        self._bits[slots] = (self._bits[slots] & CHANGED) | STORED

    def _encoded(self, slots: Array) -> list[bytes]:
        """The rows of slots as bytes."""
        words = np.empty((len(slots), len(self._rows.words)), np.int64)
        for at, name in enumerate(self._rows.words):
            values = self._used.column(name)[slots]
            words[:, at] = values.view(np.int64) if values.dtype == np.float64 else values
        texts = [self._used.decoded(name, slots) for name in self._rows.texts]
        return self._rows.encode(self._born[slots], words, texts)


def _rows_within(budget: int, row_bytes: int) -> int:
    """How many rows fit; the table by which they are found is a power of two, and at most two thirds full."""
    tables = [1 << bits for bits in range(1, max(2, (budget // 16).bit_length()))]
    return max(1, *(min(2 * table // 3, (budget - 16 * table) // row_bytes) for table in tables))
