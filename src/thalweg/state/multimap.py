"""Keep rows by key in memory: the *multimap* kind of state.

A row has a number. Rows that are only added are kept as frames (segments.py); rows that can be taken back are
keys themselves, so that a removal finds the very row. Either way the rows of one key form a chain
(columnar/chains.py), and everything else about a row is an array by its number.

Not here: what a match is (operators/join.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl

from thalweg.columnar.allocation import copied, grown, in_parts
from thalweg.columnar.ascending import ascending
from thalweg.columnar.buffers import values_and_validity
from thalweg.columnar.chains import NEW, add_at, first_places, follow, link, link_forward, renumber, unlink
from thalweg.columnar.eager import numbers, pick
from thalweg.columnar.keys import KeyCodec
from thalweg.protocols.increments import ROW
from thalweg.protocols.state import COUNTER, WEIGHT, MultimapSpec
from thalweg.state.marks import increment
from thalweg.state.reading import bounded, matching
from thalweg.state.segments import Segments
from thalweg.state.tracking import RowTracking

Array = np.ndarray[Any, Any]

_COMPACT_FROM = 4096
"""Rows that have gone are left where they are until there are so many, and half as many as others."""


class Multimap:
    """See `thalweg.protocols.state.Multimap` and `StoredState`.

    Example:
        >>> from thalweg.columnar.buffers import NO_WORDS
        >>> spec = MultimapSpec("bids", {"k": pl.Int64(), "v": pl.String()}, ("k",))
        >>> state = Multimap(spec)
        >>> bids = pl.DataFrame({"k": [1, 2, 1], "v": ["a", "b", "c"]})
        >>> rows = state.add(bids, state.slots(bids.select("k")), NO_WORDS)
        >>> found = [r for _, r in state.pairs(state.find(pl.DataFrame({"k": [1]})), 10)]
        >>> sorted(state.frame(np.concatenate(found))["v"])
        ['a', 'c']
    """

    def __init__(self, spec: MultimapSpec) -> None:
        self.spec = spec
        self._codec = KeyCodec({str(i): spec.columns[n] for i, n in enumerate(spec.key)})
        self._index = self._codec.new_index()
        self._heads = np.full(self._index.capacity, -1, np.int64)
        self._totals = np.zeros(self._index.capacity, np.int64)
        self._columns = dict(spec.columns)
        self._store: _Store = _Distinct(self._columns) if spec.is_updating else _Appended(self._columns)
        self._links = _Links()
        self._weights = np.empty(0, np.int64)
        self._counters = {name: np.empty(0, np.int64) for name in spec.counters}
        self._tracking: RowTracking | None = None
        self._loaded: list[tuple[Array, Array]] = []
        """Rows that were loaded, with the numbers that they have in increments."""

    # Keys --------------------------------------------------------------------------------------

    def slots(self, keys: pl.DataFrame) -> Array:
        """The slot of each key; a key without one gets one."""
        slots = self._index.insert(self._codec.encode(self._named(keys)))
        if self._index.capacity > len(self._heads):
            self._heads = grown(self._heads, self._index.capacity, -1)
            self._totals = grown(self._totals, self._index.capacity)
        return slots

    def find(self, keys: pl.DataFrame) -> Array:
        """The slot of each key, or -1."""
        return self._index.find(self._codec.lookup(self._named(keys)))

    def keys(self, slots: Array) -> pl.DataFrame:
        """The keys of slots, as columns in the order of `key`."""
        return self._codec.decode(self._index.rows(slots))

    def _named(self, keys: pl.DataFrame) -> pl.DataFrame:
        if not keys.width:
            return keys
        named = keys.clone()
        named.columns = [str(i) for i in range(keys.width)]
        return named

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._store.live_count

    @property
    def totals(self) -> Array:
        """The sum of weights by slot."""
        return self._totals

    def owners(self, rows: Array) -> Array:
        """The slots of the keys of rows."""
        found: Array = self._links.owners[rows]
        return found

    # Rows --------------------------------------------------------------------------------------

    def add(self, frame: pl.DataFrame, slots: Array, weights: Array) -> Array:
        """Add rows to keys."""
        assert len(slots) == frame.height, "each row has a key"
        rows, fresh, places = self._store.add(pick(frame, list(self._columns)))
        self._make_room()
        links, fresh_slots = self._links, slots if places is None else slots[places]
        if self.spec.forgets:
            link(fresh, fresh_slots, self._heads, links.following, links.before, links.owners)
            add_at(rows, weights, self._weights)
        else:
            link_forward(fresh, fresh_slots, self._heads, links.following)
        add_at(slots, weights, self._totals)
        if self._tracking is not None:
            self._tracking.added(rows, fresh, self.capacity)
        return rows

    def _make_room(self) -> None:
        wanted = self._store.capacity
        if wanted <= self.capacity:
            return
        self._links.grow(wanted, both_ways=self.spec.forgets)
        if self.spec.forgets:
            self._counters = {n: grown(a, wanted) for n, a in self._counters.items()}
            self._weights = grown(self._weights, wanted)

    def pairs(self, slots: Array, rows_max: int) -> Iterator[tuple[Array, Array]]:
        """(place in `slots`, row) for each row of each key, in bounded parts."""
        cursor = np.array([0, NEW], np.int64)
        while cursor[0] < len(slots):
            places, rows = np.empty(rows_max, np.int64), np.empty(rows_max, np.int64)
            count = follow(slots, self._heads, self._links.following, cursor, places, rows)
            if count:
                yield places[:count], rows[:count]

    def frame(self, rows: Array, names: Sequence[str] | None = None) -> pl.DataFrame:
        """The columns of rows, in this order; only those of some names, in their order."""
        return self._store.rows(rows, names)

    def weights(self, rows: Array) -> Array:
        """The weights of rows."""
        found: Array = self._weights[rows] if self.spec.forgets else np.ones(len(rows), np.int64)
        return found

    def counter(self, name: str) -> Array:
        """A counter by row number."""
        return self._counters[name]

    def touch(self, rows: Array) -> None:
        """The counters of these rows change, or may."""
        if self._tracking is not None:
            self._tracking.marks.touch(rows)

    def free(self, rows: Array) -> None:
        """Forget rows; keys without rows are forgotten too."""
        if self._tracking is not None:
            self._note_gone(self._tracking, rows)
        add_at(self.owners(rows), -self._weights[rows], self._totals)
        emptied = np.empty(len(rows), np.int64)
        links = self._links
        count = unlink(rows, self._heads, links.following, links.before, links.owners, emptied)
        for array in (self._weights, *self._counters.values()):
            array[rows] = 0
        links.owners[rows] = -1
        if count:
            self._index.free(emptied[:count])
        self._store.free(rows)

    @property
    def capacity(self) -> int:
        """More than any row number."""
        return len(self._links.following)

    def live(self) -> Array:
        """The numbers of all rows, ascending."""
        if not self.spec.forgets:
            return np.arange(self._store.height)
        return np.flatnonzero(self._links.owners >= 0)

    @property
    def nbytes(self) -> int:
        """The memory held."""
        arrays = (*self._links.arrays, *self._counters.values(), self._weights, self._heads, self._totals)
        own = sum(array.nbytes for array in arrays)
        tracked = 0 if self._tracking is None else self._tracking.nbytes
        return own + tracked + self._index.nbytes + self._codec.nbytes + self._store.nbytes

    # The runtime's -----------------------------------------------------------------------------

    def dump(self) -> pl.DataFrame:
        """Every row, its weight and its counters."""
        return self._written(self.live())

    def _written(self, rows: Array) -> pl.DataFrame:
        counters = [numbers(COUNTER + n, a[rows]) for n, a in self._counters.items()]
        return self.frame(rows).hstack([numbers(WEIGHT, self.weights(rows)), *counters])

    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Iterator[pl.DataFrame]:
        """The rows, their weights and counters, in parts; of some keys, those that are linked to them."""
        if keys is not None and keys.width == len(self.spec.key):
            slots = ascending(self.find(keys.select(self.spec.key)))
            found = [rows for _, rows in self.pairs(slots[slots >= 0], rows_max)]
            yield from map(self._written, found or bounded(np.empty(0, np.int64), rows_max))
            return
        for rows in bounded(self.live(), rows_max):
            if keys is not None:
                rows = rows[matching(self.frame(rows, keys.columns), keys)]
            yield self._written(rows)

    def load(self, frame: pl.DataFrame) -> None:
        """Add rows that `dump` gave."""
        if not frame.height:
            return
        weights = _words(frame.get_column(WEIGHT))
        rows = self.add(frame, self.slots(_key_columns(frame, self.spec.key)), weights)
        for name, array in self._counters.items():
            array[rows] = _words(frame.get_column(COUNTER + name))
        if ROW in frame.columns:
            self._loaded.append((rows, _words(frame.get_column(ROW))))

    def track(self, *, whole: bool) -> None:
        """Note what changes from now on."""
        self._tracking = RowTracking(self.capacity, is_numbered=self._is_numbered)
        self._tracking.begin(self.live(), self._loaded, whole=whole)
        self._loaded = []

    @property
    def _is_numbered(self) -> bool:
        """Whether a number is all that tells equal rows apart."""
        return ROW in self.spec.identity.columns

    def _note_gone(self, tracking: RowTracking, rows: Array) -> None:
        known = tracking.marks.forget(rows)
        if len(known):
            named = numbers(ROW, tracking.names[known]).to_frame() if self._is_numbered else self.frame(known)
            tracking.gone.append(named)

    def changes(self) -> pl.DataFrame:
        """The rows that have gone since the last increment, and those that came or changed."""
        tracking = self._tracking
        assert tracking is not None, "changes are noted since `track`"
        rows = tracking.marks.take()
        gone, tracking.gone = tracking.gone, []
        return increment(in_parts(rows, self._with_names), gone)

    def _with_names(self, rows: Array) -> pl.DataFrame:
        """Rows as increments hold them."""
        assert self._tracking is not None, "only increments have names of rows"
        frame = self._written(rows)
        return frame.hstack([numbers(ROW, self._tracking.names[rows])]) if self._is_numbered else frame

    def compact(self) -> Array | None:
        """Give back memory; rows that were only added are numbered anew where that pays."""
        if not self.spec.forgets:
            return None
        live_count = self._store.live_count
        gone = self._store.height - live_count
        if gone < _COMPACT_FROM or 2 * gone <= live_count:
            return None
        slots = self._index.live()
        self._codec.compact(self._index.rows(slots))
        live = self.live()
        return self._renumber(live) if self._store.compact(live) else None

    def _renumber(self, live: Array) -> Array:
        anew = np.full(self.capacity, -1, np.int64)
        anew[live] = np.arange(len(live))
        renumber(self._heads, anew)
        self._links.keep(live, anew)
        self._weights = copied(self._weights, live)
        self._counters = {n: copied(a, live) for n, a in self._counters.items()}
        if self._tracking is not None:
            self._tracking.keep(live)
        return anew


class _Links:
    """The chains of rows: the row that follows, the row before, and the slot of the key; by row number."""

    def __init__(self) -> None:
        self.following, self.before, self.owners = (np.empty(0, np.int64) for _ in range(3))

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        return self.following, self.before, self.owners

    def grow(self, capacity: int, *, both_ways: bool) -> None:
        self.following = grown(self.following, capacity)
        if both_ways:
            self.before = grown(self.before, capacity)
            self.owners = grown(self.owners, capacity, -1)

    def keep(self, live: Array, anew: Array) -> None:
        """Only some rows, under new numbers."""
        self.following, self.before, self.owners = (copied(a, live) for a in self.arrays)
        renumber(self.following, anew)
        renumber(self.before, anew)


def _words(series: pl.Series) -> Array:
    return np.ascontiguousarray(values_and_validity(series)[0])


def _key_columns(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    return pick(frame, names) if names else pl.DataFrame(height=frame.height)


class _Store(Protocol):
    """Where the columns of rows are kept."""

    @property
    def capacity(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def live_count(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def add(self, frame: pl.DataFrame) -> tuple[Array, Array, Array | None]:
        """The number of each row, the numbers that are new, and where each of those is first (None: all)."""
        ...

    def rows(self, numbers: Array, names: Sequence[str] | None = None) -> pl.DataFrame: ...

    def free(self, numbers: Array) -> None: ...

    def compact(self, live: Array) -> bool:
        """Give back memory; whether the rows left have new numbers, from 0."""
        ...


class _Appended:
    """Every row by itself."""

    def __init__(self, columns: dict[str, pl.DataType]) -> None:
        self._segments = Segments(columns)
        self._capacity = 1024
        self._gone = 0

    @property
    def capacity(self) -> int:
        while self._capacity < self._segments.height:
            self._capacity *= 2
        return self._capacity

    @property
    def height(self) -> int:
        return self._segments.height

    @property
    def live_count(self) -> int:
        return self._segments.height - self._gone

    @property
    def nbytes(self) -> int:
        return self._segments.nbytes

    def add(self, frame: pl.DataFrame) -> tuple[Array, Array, Array | None]:
        rows = self._segments.append(frame)
        return rows, rows, None

    def rows(self, numbers: Array, names: Sequence[str] | None = None) -> pl.DataFrame:
        return self._segments.rows(numbers, names)

    def free(self, numbers: Array) -> None:
        self._gone += len(numbers)

    def compact(self, live: Array) -> bool:
        self._segments.keep(live)
        self._capacity, self._gone = 1024, 0
        return True


class _Distinct:
    """Equal rows once: a row is a key of its own."""

    def __init__(self, columns: dict[str, pl.DataType]) -> None:
        self._codec = KeyCodec(columns)
        self._index = self._codec.new_index()

    @property
    def capacity(self) -> int:
        return self._index.capacity

    @property
    def height(self) -> int:
        return self._index.high

    @property
    def live_count(self) -> int:
        return self._index.count

    @property
    def nbytes(self) -> int:
        return self._index.nbytes + self._codec.nbytes

    def add(self, frame: pl.DataFrame) -> tuple[Array, Array, Array | None]:
        rows = self._index.insert(self._codec.encode(frame))
        fresh = np.array(self._index.new_slots)
        if len(fresh) == len(rows):
            return rows, fresh, None
        places = np.empty(len(fresh), np.int64)
        first_places(rows, fresh, places)
        return rows, fresh, places

    def rows(self, numbers: Array, names: Sequence[str] | None = None) -> pl.DataFrame:
        frame = self._codec.decode(self._index.rows(numbers))
        return frame if names is None else pick(frame, names)

    def free(self, numbers: Array) -> None:
        self._index.free(numbers)

    def compact(self, live: Array) -> bool:
        self._codec.compact(self._index.rows(live))
        return False
