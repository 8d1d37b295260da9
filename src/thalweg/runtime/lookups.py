"""Answer what operators look up: read tables, ask sources, keep answers for as long as the options say.

What is answered depends on when it is asked; what becomes of answers is the operators' business. Each task
has its own cache.

Reads:    the clock, the sources of tables.
Changes:  the caches.
Not here: the contract (protocols/lookup.py), the join (operators/lookup.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import Batch
from thalweg.columnar.buffers import NO_WORDS
from thalweg.columnar.eager import filter_rows, pick
from thalweg.protocols.calls import AsyncFunction, Calls
from thalweg.protocols.lookup import KeyedSource, Lookup, LookupTable, VersionedSource, inner_of
from thalweg.protocols.operator import Operator, OperatorSpec
from thalweg.protocols.source import Chunk, Split, bad_row, split_name
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, MultimapSpec
from thalweg.state.memory import KeyedColumns
from thalweg.state.multimap import Multimap

Array = np.ndarray[Any, Any]
Clock = Callable[[], float]

_READ_ROWS = 1 << 16
_PATIENCE = 0.01
"""Seconds until a source is asked again that has nothing just now, and does not say when it will."""
_AT_ONCE = 8
"""How many questions are under way at once, where a source is asked so."""


def make_lookup(table: LookupTable, clock: Clock) -> Lookup:
    """What answers for a table, as its options say."""
    return WholeTable(table, clock) if table.asked is None or table.cache == "FULL" else Answers(table, clock)


# Whole tables --------------------------------------------------------------------------------------


class WholeTable:
    """Holds all rows of a table by key, and reads them anew when they have changed."""

    def __init__(self, table: LookupTable, clock: Clock) -> None:
        self._table, self._clock = table, clock
        self._steps = _steps(table)
        self._rows: Multimap | None = None
        self._version: Hashable = None
        self._looked_at = -np.inf

    def ask(self, keys: pl.DataFrame) -> tuple[Multimap, Array]:
        """The rows of keys, from the table as it was when it was last looked at."""
        rows = self._current()
        return rows, rows.find(keys)

    def _current(self) -> Multimap:
        now = self._clock()
        if self._rows is None or now - self._looked_at >= self._interval:
            self._looked_at = now
            source = inner_of(self._table.source)
            version = source.version() if isinstance(source, VersionedSource) else object()
            if self._rows is None or version != self._version or self._table.cache == "NONE":
                self._rows, self._version = self._read(), version
        return self._rows

    @property
    def _interval(self) -> float:
        """Seconds until it is worth looking whether the table has changed."""
        if self._table.cache == "NONE":
            return 0.0
        given = self._table.options.reload_interval
        if given is not None:
            return given
        source = inner_of(self._table.source)
        return source.version_interval if isinstance(source, VersionedSource) else np.inf

    def _read(self) -> Multimap:
        made = _multimap(self._table)
        source = self._table.source
        for split in source.splits():
            for chunk in _chunks(self._table, split):
                if chunk.bad and not self._table.is_tolerant:
                    raise bad_row(split.id, chunk.bad[0], split_name(source, split.id))
                if chunk.frame is not None and chunk.frame.height:
                    _add(made, self._table, self._steps(chunk.frame))
        return made

    def close(self) -> None:
        """Forget the rows."""
        self._rows = None


def _chunks(table: LookupTable, split: Split) -> Iterator[Chunk]:
    reader = table.source.open(split, {}, table.fields)
    try:
        while True:
            chunk = reader.read(_READ_ROWS)
            yield chunk
            has_nothing = chunk.frame is None and not chunk.bad
            # what a source that goes on has now is all that there is for now
            if chunk.ended or (has_nothing and not table.source.is_bounded):
                return
            if has_nothing:
                time.sleep(chunk.wait or _PATIENCE)
    finally:
        reader.close()


# Answers by key ------------------------------------------------------------------------------------


class Answers:
    """Asks a source by key; a partial cache holds what it was answered."""

    def __init__(self, table: LookupTable, clock: Clock) -> None:
        assert table.asked is not None, "a source that can be asked"
        source = inner_of(table.source)
        assert isinstance(source, KeyedSource), "a source that can be asked"
        self._table, self._clock = table, clock
        self._steps = _steps(table)
        self._reader = source.open_keys(table.asked, table.fields)
        self._pool = ThreadPoolExecutor(_AT_ONCE) if table.options.is_async else None
        self._rows = _multimap(table)
        columns = {n: ColumnSpec("float64") for n in ("written", "used")}
        self._known = KeyedColumns(ColumnsSpec("known", self._types, columns))

    @property
    def _types(self) -> dict[str, pl.DataType]:
        return {n: self._table.columns[n] for n in self._table.keys}

    def ask(self, keys: pl.DataFrame) -> tuple[Multimap, Array]:
        """The rows of keys: those that are held and still hold, else what the source says now."""
        now = self._clock()
        self._make_room(now)
        distinct = keys.unique(maintain_order=True)
        known = self._known
        slots = known.find(distinct)
        missing = distinct if not known.count else filter_rows(distinct, pl.Series(slots < 0))
        if missing.height:
            _add(self._rows, self._table, self._asked(missing))
            made = known.slots(missing)
            known.column("written")[made] = now
        known.column("used")[known.find(distinct)] = now
        return self._rows, self._rows.find(keys)

    def _make_room(self, now: float) -> None:
        """Forget answers that hold no longer, and the least lately used of too many."""
        options, known = self._table.options, self._known
        live = known.live()
        if not len(live):
            return
        if self._table.cache == "NONE":
            self._forget(live)
            return
        gone = np.zeros(len(live), np.bool_)
        for name, seconds in (("written", options.expire_after_write), ("used", options.expire_after_access)):
            if seconds is not None:
                gone |= known.column(name)[live] + seconds <= now
        if not options.caches_missing:
            gone |= self._rows.find(known.keys(live)) < 0
        spare = int((~gone).sum()) - (options.rows_max if options.rows_max is not None else len(live))
        if spare > 0:
            kept = np.flatnonzero(~gone)
            oldest = np.argsort(known.column("used")[live[kept]], kind="stable")[:spare]
            gone[kept[oldest]] = True
        self._forget(live[gone])

    def _forget(self, slots: Array) -> None:
        if not len(slots):
            return
        found = self._rows.find(self._known.keys(slots))
        rows = [r for _, r in self._rows.pairs(found[found >= 0], _READ_ROWS)]
        for some in rows:
            self._rows.free(some)
        self._known.free(slots)
        self._rows.compact()
        self._known.compact()

    def _asked(self, keys: pl.DataFrame) -> pl.DataFrame:
        """What the source says, asked in parts."""
        asked = keys.clone()
        asked.columns = list(self._table.asked or ())
        size = self._table.options.batch_keys
        parts = [asked.slice(start, size) for start in range(0, asked.height, size)]
        ask = self._reader.ask
        answers = [ask(p) for p in parts] if self._pool is None else list(self._pool.map(ask, parts))
        return self._steps(pl.concat(answers))

    def close(self) -> None:
        """Stop asking."""
        if self._pool is not None:
            self._pool.shutdown()
        self._reader.close()


# Rows ----------------------------------------------------------------------------------------------


def _multimap(table: LookupTable) -> Multimap:
    return Multimap(MultimapSpec("rows", table.columns, table.keys, is_updating=False))


def _add(rows: Multimap, table: LookupTable, frame: pl.DataFrame) -> None:
    """Rows by their keys; a row with NULL in a key equals nothing."""
    keys = list(table.keys)
    for name in keys:
        column = frame.get_column(name)
        if column.null_count():
            frame = filter_rows(frame, column.is_not_null())
    if frame.height:
        rows.add(frame, rows.slots(pick(frame, keys)), NO_WORDS)


def _steps(table: LookupTable) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """What is done to the rows of a table, each by itself."""
    names = list(table.columns)
    if table.steps is None:
        return lambda frame: pick(frame, names)
    operator = _built(table.steps)

    def apply(frame: pl.DataFrame) -> pl.DataFrame:
        made = [out.frame for out in operator.on_batch(0, Batch(frame)) if isinstance(out, Batch)]
        return pl.concat(made).select(names) if made else pl.DataFrame(schema=dict(table.columns))

    return apply


@dataclass
class _Context:
    """What a row-wise step is built with: it needs nothing."""

    rows_max: int = _READ_ROWS
    inputs: int = 1

    def state(self, name: str) -> Any:
        raise AssertionError(f"a row-wise step has no state ({name})")

    def lookup(self, name: str) -> Lookup:
        raise AssertionError(f"a row-wise step looks nothing up ({name})")

    def calls(self, function: AsyncFunction) -> Calls:
        raise AssertionError(f"a row-wise step asks nobody ({function.name})")

    def split_name(self, number: int) -> str:
        return str(number)

    def wall(self) -> int:
        """Nobody looks at it."""
        return 0


def _built(spec: OperatorSpec) -> Operator:
    return spec.build(_Context())


def lookups_of(spec: OperatorSpec, clock: Clock) -> Mapping[str, Lookup]:
    """What answers for the tables that an operator looks rows up in."""
    declared = getattr(spec, "lookups", None)
    return {} if declared is None else {name: make_lookup(table, clock) for name, table in declared().items()}


__all__ = ["Answers", "WholeTable", "lookups_of", "make_lookup"]
