"""Keep state in memory: the `columns` kind, accumulators as arrays by slot.

Slots that are not in use hold initial values, so that a new key costs nothing but its number.

Not here: what the accumulators mean (operators/), when state is saved (checkpoint/).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.allocation import in_parts
from thalweg.columnar.ascending import ascending
from thalweg.columnar.buffers import to_polars, values_and_validity
from thalweg.columnar.canonical import canonical_bytes
from thalweg.columnar.cells import Cells, addresses_of, put
from thalweg.columnar.dictionary import NULL_CODE, Dictionary
from thalweg.columnar.hash import hash_rows
from thalweg.columnar.key_order import KeyOrder, Order
from thalweg.columnar.keys import KeyCodec
from thalweg.protocols.increments import GONE
from thalweg.protocols.state import ColumnSpec, ColumnsSpec
from thalweg.state.marks import Marks, increment
from thalweg.state.objects import Objects
from thalweg.state.reading import bounded, matching

Array = np.ndarray[Any, Any]
_AHEAD = 4

_POLARS: dict[str, pl.DataType] = {
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "bool": pl.Boolean(),
    "bytes": pl.Binary(),
}


class KeyedColumns:
    """See `thalweg.protocols.state.KeyedColumns` and `StoredState`.

    Example:
        >>> spec = ColumnsSpec("counts", {"user": pl.String()}, {"n": ColumnSpec("int64")})
        >>> state = KeyedColumns(spec)
        >>> slots = state.slots(pl.DataFrame({"user": ["a", "b", "a"]}))
        >>> np.add.at(state.column("n"), slots, 1)
        >>> sorted(state.dump().rows())
        [('a', 2), ('b', 1)]
    """

    def __init__(self, spec: ColumnsSpec) -> None:
        self.spec = spec
        self._codec = KeyCodec(spec.key)
        self._index = self._codec.new_index()
        self._dictionaries = {n: Dictionary() for n, c in spec.columns.items() if c.kind == "bytes"}
        words = {n: c for n, c in spec.columns.items() if c.kind != "object"}
        self._layout = Cells({n: (c.kind, self._initial(n, c)) for n, c in words.items()})
        self._initials = np.array(list(self._layout.initials.values()), np.int64)
        self._objects = Objects({n: c for n, c in spec.columns.items() if n not in words})
        self._hold(list(self._layout.new(self.capacity)))
        self._marks: Marks | None = None
        self._gone: list[pl.DataFrame] = []

    @property
    def capacity(self) -> int:
        """How long the arrays are."""
        return self._index.capacity

    @property
    def count(self) -> int:
        """How many slots are in use."""
        return self._index.count

    @property
    def last_new(self) -> Array:
        """The slots that the last call of `slots` made, in the order of first appearance."""
        return self._index.new_slots

    @property
    def nbytes(self) -> int:
        """The memory held."""
        dictionaries = sum(d.nbytes for d in self._dictionaries.values())
        cells = self._addresses.nbytes * self.capacity + (0 if self._marks is None else self._marks.nbytes)
        return cells + dictionaries + self._index.nbytes + self._codec.nbytes

    def slots(self, frame: pl.DataFrame) -> Array:
        return self.slots_of(self._codec.encode(frame))

    def slots_of(self, words: Array) -> Array:
        return self._held(self._index.insert(words))

    def add(self, frame: pl.DataFrame) -> Array:
        return self._held(self._index.append(self._codec.encode(frame)))

    def _held(self, slots: Array) -> Array:
        """Cells for slots; what was just got is touched."""
        if self.capacity > self._length:
            self._hold(self._layout.grown(self._cells, self.capacity, ahead=_AHEAD))
        if self._marks is not None:
            self._marks.grow(self.capacity)
            self._marks.touch(slots)
        return slots

    def touch(self, slots: Array) -> None:
        if self._marks is not None:
            self._marks.touch(slots)

    def _hold(self, cells: list[Array]) -> None:
        self._objects.grow(self.capacity)
        self._cells, self._columns = cells, {**self._layout.named(cells), **self._objects.columns}
        self._addresses = addresses_of(cells)
        # cells grow ahead, objects do not
        self._length = min(map(len, (*cells, *self._objects.columns.values())), default=self.capacity)

    def find(self, frame: pl.DataFrame) -> Array:
        return self._index.find(self._codec.lookup(frame))

    def column(self, name: str) -> Array:
        return self._columns[name]

    @property
    def addresses(self) -> Array:
        return self._addresses

    def dictionary(self, name: str) -> Dictionary:
        return self._dictionaries[name]

    def free(self, slots: Array) -> None:
        if self._marks is not None:
            known = self._marks.forget(slots)
            if len(known):
                self._gone.append(self.keys(known))
        self._index.free(slots)
        put(self._addresses, slots, self._initials)
        self._objects.forget(slots)

    def keys(self, slots: Array) -> pl.DataFrame:
        return self._codec.decode(self._index.rows(slots))

    def words(self, slots: Array, names: Sequence[str]) -> Array:
        return self._codec.part(self._index.rows(slots), names)

    def order(self, order: Sequence[Order]) -> KeyOrder:
        return self._codec.order(self._index.words, order)

    def live(self) -> Array:
        return self._index.live()

    def parts(self, count: int) -> Iterator[Array]:
        live = self.live()
        return (live[first : first + count] for first in range(0, len(live), count))

    @property
    def has_texts(self) -> bool:
        """Whether keys or columns are told apart by the codes of a dictionary."""
        return self._codec.has_texts or bool(self._dictionaries)

    def dump(self) -> pl.DataFrame:
        """Every live row: keys, then columns, `bytes` decoded; ordered by the hash of the key."""
        live = self.live()
        keys = self.keys(live)
        order = _canonical_order(keys)
        return self.beside(keys[pl.Series(order)] if keys.width else keys, live[order])

    def beside(self, keys: pl.DataFrame, slots: Array) -> pl.DataFrame:
        columns = [self.decoded(name, slots) for name in self.spec.columns]
        if not self.spec.key:
            return pl.DataFrame(columns) if columns else keys
        return keys.hstack(columns)

    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Iterator[pl.DataFrame]:
        is_whole_key = keys is not None and keys.width == len(self.spec.key)
        if keys is None or not is_whole_key:
            slots = self.live()
        else:
            slots = ascending(self.find(keys))
            slots = slots[slots >= 0]
        for some in bounded(slots, rows_max):
            if keys is not None and not is_whole_key:
                some = some[matching(self.keys(some), keys)]
            yield self.beside(self.keys(some), some)

    def track(self, *, whole: bool) -> None:
        self._marks, self._gone = Marks(self.capacity), []
        (self._marks.touch if whole else self._marks.know)(self.live())

    def changes(self) -> pl.DataFrame:
        assert self._marks is not None, "changes are noted since `track`"
        slots = self._marks.take()
        gone, self._gone = self._gone, []
        return increment(in_parts(slots, lambda some: self.beside(self.keys(some), some)), gone)

    def reserve(self, count: int, sample: pl.DataFrame) -> None:
        """Room for so many keys like those of a sample: arrays do not grow one step after the other."""
        self._codec.reserve(count, sample)
        self._index.reserve(count)
        if self.capacity > self._length:
            self._hold(self._layout.grown(self._cells, self.capacity))

    def load(self, frame: pl.DataFrame) -> None:
        names = list(self.spec.key)
        if GONE in frame.columns:
            frame = self._without_gone(frame, names)
        slots = self.slots(frame.select(names) if names else pl.DataFrame(height=frame.height))
        for name in self.spec.columns:
            self._columns[name][slots] = self.encoded(name, frame.get_column(self.spec.stored(name)))

    def _without_gone(self, frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
        """Forget the keys that an increment says have gone; returns the other rows."""
        # where some tasks have rows that have gone, those of others are not marked at all
        has_gone = frame.get_column(GONE).fill_null(value=False)
        gone = frame.filter(has_gone)
        slots = self.find(gone.select(names) if names else pl.DataFrame(height=gone.height))
        self.free(ascending(slots[slots >= 0]))
        return frame.filter(~has_gone)

    def compact(self) -> None:
        if not self.has_texts:
            return
        live = self.live()
        if self._codec.has_texts:
            self._codec.compact(self._index.rows(live))
        for name, dictionary in self._dictionaries.items():
            if dictionary.count > 2 * self.count:
                initial = np.array([self._layout.initials[name]], dtype=np.int64)
                dictionary.retain(np.append(self._columns[name][live], initial))

    def _initial(self, name: str, spec: ColumnSpec) -> int | float | bool:
        initial = spec.initial
        if spec.kind != "bytes":
            assert isinstance(initial, (int, float)), "only a bytes column begins with bytes or NULL"
            return initial
        if not isinstance(initial, bytes):
            return NULL_CODE
        return int(self._dictionaries[name].encode(pl.Series([initial], dtype=pl.Binary))[0])

    def decoded(self, name: str, slots: Array) -> pl.Series:
        kind, stored = self.spec.columns[name].kind, self.spec.stored(name)
        values = self._columns[name][slots]
        if kind == "object":
            return self._objects.encoded(name, values, lambda place: self.keys(slots[[place]])).alias(stored)
        if kind == "bytes":
            return self._dictionaries[name].decode(values, pl.Binary(), stored)
        return to_polars(stored, _POLARS[kind], values)

    def encoded(self, name: str, series: pl.Series) -> Array:
        if name in self._dictionaries:
            return self._dictionaries[name].encode(series)
        if name in self._objects.columns:
            return self._objects.decoded(name, series)
        return values_and_validity(series)[0]


def _canonical_order(keys: pl.DataFrame) -> Array:
    """Positions by partition of 256, hash and, where hashes tie, canonical bytes of the key."""
    hashes = hash_rows(keys, keys.columns)
    order = np.lexsort((hashes, hashes & np.uint64(255)))
    ranked = hashes[order]
    if keys.width and len(ranked) and bool((ranked[1:] == ranked[:-1]).any()):
        tied = canonical_bytes(keys.to_struct("key")).to_list()
        order = np.array(
            sorted(order.tolist(), key=lambda i: (hashes[i] & np.uint64(255), hashes[i], tied[i]))
        )
    return order
