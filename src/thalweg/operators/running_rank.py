"""Number the rows of each key in an order, and keep the numbers up to date whatever happens to the rows.

Rows may be taken back, may be there several times, and need no position: equal rows are one row with a
weight. At a cut the beginnings of the orders of the keys that were touched are looked at, up to the limit.

Not here: the order (rank_order.py), the first rows where none is ever taken back (top_rows.py), rows of
windows (window_rank.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.accumulate import add_counts
from thalweg.columnar.ascending import ascending
from thalweg.columnar.batch import WEIGHT, Batch
from thalweg.columnar.buffers import NO_FLAGS, NO_WORDS
from thalweg.columnar.eager import beside, numbers, pick
from thalweg.operators.closing import ClosingTimes
from thalweg.operators.layout import weight_array
from thalweg.operators.missing import check_present
from thalweg.operators.rank_order import FIRST, ROWS, SHOWN, Leading, rank_order
from thalweg.operators.window_rank import tie_columns
from thalweg.plan.nodes import SortKey
from thalweg.protocols.keeping import JOIN_ENDS, Keeping, watermark_passes
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns, StateSpec

Array = np.ndarray[Any, Any]

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
        window: for rows of windows, the column of the window's end, and how far it may lag in rows that are
            in time, and in all.
    """

    id: str
    columns: Mapping[str, pl.DataType]
    partition: tuple[str, ...]
    order: tuple[SortKey, ...]
    kind: str
    output: str | None
    limit: int | None
    is_updating: bool
    window: tuple[str, int, int] | None = None
    closes: tuple[str, int] | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    def states(self) -> Iterable[StateSpec]:
        """The rows by all their columns, how often each is there, and under which numbers it was shown."""
        made = {n: ColumnSpec("int64") for n in (ROWS, FIRST, SHOWN)}
        return [ColumnsSpec("rows", self.columns, made, partition=self.partition)]

    def keeps(self) -> Iterable[Keeping]:
        """All rows; of rows that stay the first ones, and of windows those that may still change."""
        keys = f" by {', '.join(self.partition)}" if self.partition else ""
        cures = ("window_start and window_end in PARTITION BY", "a limit of the numbers")
        if self.window is not None:
            end, _, slack = self.window
            yield Keeping("rows", "rows of windows that may change", watermark_passes(end, slack))
        elif self.closes is not None:
            yield Keeping("rows", f"rows{keys}", JOIN_ENDS)
        elif self.limit is not None and not self.is_updating and self.kind == "row_number":
            what = f"at most {self.limit} rows{keys}"
            yield Keeping("rows", what, is_limited=not self.partition, cures=cures[:1])
        else:
            what = "rows, until they are taken back" if self.is_updating else "rows"
            yield Keeping("rows", f"{what}{keys}", cures=cures)

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

    @property
    def ties(self) -> list[str]:
        """The columns that tell rows apart that tie."""
        return tie_columns(self.columns, [k.column for k in self.order])


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
        self._order = rank_order(spec, self._state)
        self._touched: list[Array] = []
        self._closing = ClosingTimes(spec.closes)
        self._note(self._state.live())

    def _note(self, slots: Array) -> None:
        """When the keys of new rows close."""
        if self._spec.closes is not None and len(slots):
            self._closing.note(self._state.keys(slots), slots, self._state.capacity)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Count rows; numbers are given at the cut."""
        del port
        self._touched.append(self.take(batch))
        return iter(())

    def take(self, batch: Batch) -> Array:
        """Count rows, and give their slots."""
        slots = self._state.slots(pick(batch.frame, list(self._spec.columns)))
        weights = NO_WORDS if batch.weight is None else weight_array(batch.weight)
        self._order.add_new()
        self._note(self._state.last_new)
        add_counts(slots, NO_FLAGS, weights, self._state.column(ROWS))
        return slots

    def on_watermark(self, time: int) -> Iterator[Output]:
        """At the next cut, keys are forgotten that get no more rows."""
        self._closing.watermark = time
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """The changes since the last cut."""
        del number
        yield from self._changed()
        self._forget(self._closing.closed(self._state))

    def _changed(self) -> Iterator[Output]:
        if not self._touched:
            return
        touched, self._touched = ascending(np.concatenate(self._touched)), []
        yield from self._renumber(touched)

    def _renumber(self, touched: Array) -> Iterator[Output]:
        """What has changed of the keys of some rows, each named once."""
        if self._spec.is_updating:
            counts = self._state.column(ROWS)[touched]
            check_present(counts, lambda some: self._state.keys(touched[some]))
        leading = self._order.leading(ascending(self._order.keys_of(touched)))
        slots, state = leading.slots, self._state
        first, count = self._numbers(leading)
        yield from self._emitted(slots, (first, count))
        self._order.shown(leading.keys, (count > 0).astype(np.int64) - (state.column(SHOWN)[slots] > 0))
        firsts, shown = state.column(FIRST), state.column(SHOWN)
        state.touch(slots[(firsts[slots] != first) | (shown[slots] != count)])
        firsts[slots], shown[slots] = first, count
        seen = np.union1d(touched, slots)
        gone = state.column(ROWS)[seen] == 0
        if not self._spec.is_updating:
            gone |= state.column(SHOWN)[seen] == 0
        self._forget(seen[gone])

    def _forget(self, slots: Array) -> None:
        """Rows that are gone."""
        if len(slots):
            self._order.remove(slots)
            self._state.free(slots)

    def _numbers(self, leading: Leading) -> tuple[Array, Array]:
        """The first number of each row, and how many numbers or copies are within the limit."""
        slots, keys, ties = leading
        weights = np.maximum(self._state.column(ROWS)[slots], 0)
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

    def _emitted(self, slots: Array, now: tuple[Array, Array]) -> Iterator[Output]:
        first, count = now
        old_first, old_count = self._state.column(FIRST)[slots], self._state.column(SHOWN)[slots]
        if self._spec.output is None:
            rows = np.flatnonzero(count != old_count)
            yield from self._batches(slots[rows], (count - old_count)[rows], None)
            return
        differs = (first != old_first) | (count != old_count)
        minus, plus = np.flatnonzero(differs & (old_count > 0)), np.flatnonzero(differs & (count > 0))
        for rows, firsts, counts, sign in ((minus, old_first, old_count, -1), (plus, first, count, 1)):
            if self._spec.kind == "row_number":
                repeated = np.repeat(rows, counts[rows])
                ends = np.cumsum(counts[rows])
                nth = np.arange(len(repeated)) - np.repeat(ends - counts[rows], counts[rows])
                weights = np.full(len(repeated), sign, np.int64)
                yield from self._batches(slots[repeated], weights, firsts[repeated] + nth)
            else:
                yield from self._batches(slots[rows], sign * counts[rows], firsts[rows])

    def _batches(self, slots: Array, weights: Array, places: Array | None) -> Iterator[Output]:
        for at in range(0, len(slots), self._rows_max):
            end = at + self._rows_max
            made = self._state.keys(slots[at:end])
            if self._spec.output is not None and places is not None:
                made = beside(made, [numbers(self._spec.output, places[at:end].copy())])
            yield Batch(made, numbers(WEIGHT, weights[at:end].copy()))

    def on_end(self, port: int) -> Iterator[Output]:
        """The last changes."""
        del port
        return self.on_cut(0)
