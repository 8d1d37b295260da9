"""Number the rows of each key in an order, and keep the numbers up to date whatever happens to the rows.

Rows may be taken back, may be there several times, and need no position: equal rows are one row with a
weight. At a cut the keys that were touched are put in order again, others are not looked at.

Not here: the first rows where none is ever taken back (top_rows.py), rows of windows (window_rank.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.accumulate import add_counts
from thalweg.columnar.batch import WEIGHT, Batch
from thalweg.columnar.buffers import NO_FLAGS, NO_WORDS
from thalweg.columnar.eager import beside, gather_rows, numbers, pick
from thalweg.columnar.index import KeyIndex
from thalweg.columnar.members import Members
from thalweg.operators.aggregation import weight_array
from thalweg.operators.closing import ClosingTimes
from thalweg.operators.window_rank import WindowRankSpec, ordered_rows
from thalweg.plan.nodes import SortKey
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns, StateSpec

Array = np.ndarray[Any, Any]

_ROWS, _FIRST, _SHOWN = "__rows", "__first", "__shown"
_KEY, _TIED = "__key", "__tied"
_NO_LIMIT = 1 << 62


@dataclass(frozen=True)
class RunningRankSpec:
    """Number the rows of each key.

    Attributes:
        id: the step's name.
        columns: the input's columns and types, positions included where rows carry them.
        partition: what to number within.
        order: the order of the numbers.
        kind: `rank`, `dense_rank` or `row_number`.
        output: the column of the number, or None.
        limit: the greatest number kept, or None.
        is_updating: whether rows may be taken back.
        closes: the column of the time at which a key gets no more rows, the same in all its rows, and a slack
            in microseconds.
        window: for rows of windows, how far the end of a window may lag in rows that are in time, and in all.
    """

    id: str
    columns: Mapping[str, pl.DataType]
    partition: tuple[str, ...]
    order: tuple[SortKey, ...]
    kind: str
    output: str | None
    limit: int | None
    is_updating: bool
    window: tuple[int, int] | None = None
    closes: tuple[str, int] | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    def states(self) -> Iterable[StateSpec]:
        """The rows by all their columns, how often each is there, and under which numbers it was shown."""
        made = {n: ColumnSpec("int64") for n in (_ROWS, _FIRST, _SHOWN)}
        return [ColumnsSpec("rows", self.columns, made, partition=self.partition)]

    def build(self, context: Context) -> RunningRankOp:
        """The operator."""
        if self.window is None:
            return RunningRankOp(self, context)
        from thalweg.operators.corrected_rank import CorrectedRankOp

        return CorrectedRankOp(self, context)

    def describe(self) -> str:
        """One line."""
        limit = "" if self.limit is None else f" <= {self.limit}"
        keys = ", ".join(self.partition) or "()"
        how = "running" if self.window is None else "corrected"
        return f"{how} {self.kind}{limit} by {keys} order {', '.join(map(str, self.order))}"

    def in_order(self, frame: pl.DataFrame, first: str) -> pl.DataFrame:
        """Rows put in order within each value of the column `first`."""
        spec = WindowRankSpec(
            "", self.columns, (), self.order, self.kind, self.output, self.limit, 0, self.partition
        )
        return ordered_rows(frame.lazy(), spec, (first,)).collect()


class RunningRankOp:
    """Keep numbered rows up to date.

    Emits:      at each cut, of the keys that were touched, rows whose number or weight has changed: as
                they were with -1, as they are with +1.
    State:      all rows, equal ones once with their weight; of rows that stay, those within the limit only;
                a key that gets no more rows is forgotten, what was shown of it stays.
    Late rows:  are rows like any other.
    Batch mode: one sort.
    """

    def __init__(self, spec: RunningRankSpec, context: Context) -> None:
        self._spec = spec
        self._state: KeyedColumns = context.state("rows")
        self._rows_max = context.rows_max
        self._partition = list(spec.partition)
        self._keys = KeyIndex(1)
        self._members = Members()
        self._touched: list[Array] = []
        self._closing = ClosingTimes(spec.closes)
        self._join(self._state.live())

    def _join(self, slots: Array) -> None:
        """Rows that are new: each becomes a member of its key."""
        if len(slots):
            keys = self._keys.insert(self._state.words(slots, self._partition))
            self._members.add(slots, keys, self._state.capacity, self._keys.capacity)
            self._closing.note(self._state.keys(slots), keys, self._keys.capacity)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Count rows; numbers are given at the cut."""
        del port
        self._touched.append(self._members.keys_of(self.take(batch)))
        return iter(())

    def take(self, batch: Batch) -> Array:
        """Count rows, and give their slots."""
        slots = self._state.slots(pick(batch.frame, list(self._spec.columns)))
        weights = NO_WORDS if batch.weight is None else weight_array(batch.weight)
        self._join(self._state.last_new)
        add_counts(slots, NO_FLAGS, weights, self._state.column(_ROWS))
        return slots

    def on_watermark(self, time: int) -> Iterator[Output]:
        """At the next cut, keys are forgotten that get no more rows."""
        self._closing.watermark = time
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """The changes since the last cut."""
        del number
        yield from self._changed()
        closed = self._closing.closed(self._keys)
        if len(closed):
            slots, _ = self._members.of(closed)
            self._members.remove(slots)
            self._state.free(slots)
            self._keys.free(closed)

    def _changed(self) -> Iterator[Output]:
        if not self._touched:
            return
        keys = np.unique(np.concatenate(self._touched))
        self._touched = []
        yield from self._renumber(keys)

    def _renumber(self, keys: Array) -> Iterator[Output]:
        """What has changed of some keys."""
        slots, owners = self._members.of(keys)
        frame = beside(self._state.keys(slots), [numbers(_KEY, owners), numbers("__slot", slots)])
        ordered = self._spec.in_order(frame, _KEY)
        slots = ordered.get_column("__slot").to_numpy()
        frame = pick(ordered, list(self._spec.columns))
        now = self._numbers(ordered, slots)
        yield from self._emitted(frame, slots, now)
        first, count = now
        self._state.column(_FIRST)[slots], self._state.column(_SHOWN)[slots] = first, count
        gone = self._state.column(_ROWS)[slots] == 0
        if not self._spec.is_updating:
            gone |= count == 0
        self._forget(slots[gone], keys)

    def _forget(self, slots: Array, keys: Array) -> None:
        """Rows that are gone, of these keys."""
        self._members.remove(slots)
        self._state.free(slots)
        self._keys.free(self._members.without(keys))

    def _numbers(self, ordered: pl.DataFrame, slots: Array) -> tuple[Array, Array]:
        """The first number of each row, and how many numbers or copies are within the limit."""
        weights = np.maximum(self._state.column(_ROWS)[slots], 0)
        keys, ties = ordered.get_column(_KEY).to_numpy(), ordered.get_column(_TIED).to_numpy()
        before = np.cumsum(weights) - weights
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        spans = np.diff(np.append(starts, len(keys)))
        first = before - np.repeat(before[starts], spans) + 1
        limit = _NO_LIMIT if self._spec.limit is None else self._spec.limit
        if self._spec.kind == "row_number":
            return first, np.clip(limit + 1 - first, 0, weights)
        present = weights > 0
        firsts = np.flatnonzero(np.diff(ties, prepend=-1))
        widths = np.diff(np.append(firsts, len(ties)))
        if self._spec.kind == "rank":
            shared = np.repeat(first[firsts], widths)
        else:
            # only values that some row has count
            counts = np.repeat(np.add.reduceat(present.astype(np.int64), firsts) > 0, widths)
            is_first = np.zeros(len(ties), np.int64)
            is_first[firsts] = 1
            nth = np.cumsum(is_first & counts)
            shared = nth - np.repeat(nth[starts] - (is_first & counts)[starts], spans)
        return shared, np.where(shared <= limit, weights, 0)

    def _emitted(self, frame: pl.DataFrame, slots: Array, now: tuple[Array, Array]) -> Iterator[Output]:
        first, count = now
        old_first, old_count = self._state.column(_FIRST)[slots], self._state.column(_SHOWN)[slots]
        if self._spec.output is None:
            rows = np.flatnonzero(count != old_count)
            yield from self._batches(frame, rows, (count - old_count)[rows], None)
            return
        differs = (first != old_first) | (count != old_count)
        minus, plus = np.flatnonzero(differs & (old_count > 0)), np.flatnonzero(differs & (count > 0))
        for rows, firsts, counts, sign in ((minus, old_first, old_count, -1), (plus, first, count, 1)):
            if self._spec.kind == "row_number":
                repeated = np.repeat(rows, counts[rows])
                ends = np.cumsum(counts[rows])
                nth = np.arange(len(repeated)) - np.repeat(ends - counts[rows], counts[rows])
                weights = np.full(len(repeated), sign, np.int64)
                yield from self._batches(frame, repeated, weights, firsts[repeated] + nth)
            else:
                yield from self._batches(frame, rows, sign * counts[rows], firsts[rows])

    def _batches(
        self, frame: pl.DataFrame, rows: Array, weights: Array, places: Array | None
    ) -> Iterator[Output]:
        for at in range(0, len(rows), self._rows_max):
            end = at + self._rows_max
            made = gather_rows(frame, rows[at:end])
            if self._spec.output is not None and places is not None:
                made = beside(made, [numbers(self._spec.output, places[at:end].copy())])
            yield Batch(made, numbers(WEIGHT, weights[at:end].copy()))

    def on_end(self, port: int) -> Iterator[Output]:
        """The last changes."""
        del port
        return self.on_cut(0)
