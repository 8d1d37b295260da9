"""Aggregate over the rows around each row, in any order, and keep the results up to date.

Rows may be taken back, and may come at any place of the order. At a cut the partitions that were touched are
looked at once as they were and once as they are; rows whose results differ are emitted. What was emitted is
computed anew, from the same rows in the same order, and need not be kept.

Not here: rows that stay and come in the order of their times (over.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from thalweg.columnar.accumulate import add_counts
from thalweg.columnar.ascending import ascending
from thalweg.columnar.batch import WEIGHT, Batch
from thalweg.columnar.buffers import NO_FLAGS, NO_WORDS, values_and_validity
from thalweg.columnar.eager import beside, gather_rows, numbers, pick
from thalweg.columnar.index import KeyIndex
from thalweg.columnar.members import Members
from thalweg.operators.layout import weight_array
from thalweg.operators.over import OverSpec
from thalweg.operators.slider import Slider
from thalweg.operators.window_rank import WindowRankSpec, ordered_rows
from thalweg.plan.nodes import SortKey
from thalweg.plan.over import in_words
from thalweg.protocols.keeping import Keeping
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns, StateSpec

Array = np.ndarray[Any, Any]

_ROWS, _SHOWN = "__rows", "__shown"
_KEY, _SLOT, _TIED = "__key", "__slot", "__tied"
_BEFORE_ALL = -(1 << 61)


@dataclass(frozen=True)
class RunningOverSpec:
    """Aggregates over the rows around each row, kept up to date.

    Attributes:
        id: the step's name.
        columns: the input's columns and types (positions included, where rows carry them).
        order: the order within partitions; all columns break ties.
        calls: the partition, the frame and the aggregates.
    """

    id: str
    columns: Mapping[str, pl.DataType]
    order: tuple[SortKey, ...]
    calls: OverSpec

    def __hash__(self) -> int:
        return hash(self.id)

    def states(self) -> Iterable[StateSpec]:
        """The rows by all their columns, how often each is there, and how often it was at the last cut."""
        made = {n: ColumnSpec("int64") for n in (_ROWS, _SHOWN)}
        return [ColumnsSpec("rows", self.columns, made, partition=self.calls.partition)]

    def keeps(self) -> Iterable[Keeping]:
        """All rows."""
        keys = f" by {', '.join(self.calls.partition)}" if self.calls.partition else ""
        cures = ("the order of an event time over rows that stay, and a frame with an end",)
        yield Keeping("rows", f"rows, until they are taken back{keys}", cures=cures)

    def build(self, context: Context) -> RunningOverOp:
        """The operator."""
        return RunningOverOp(self, context)

    def describe(self) -> str:
        """One line."""
        calls = ", ".join(f"{n} = {c}" for n, c, _ in self.calls.calls)
        keys = ", ".join(self.calls.partition)
        return f"running over ({keys}){in_words(self.order)} {self.calls.frame}: {calls}"

    def in_order(self, frame: pl.DataFrame, first: tuple[str, ...]) -> pl.DataFrame:
        """Rows put in order within the columns `first`; those that tie share a number."""
        order = tuple(k for k in self.order if k.column not in first)
        shape = WindowRankSpec("", self.columns, (), order, "row_number", None, None, "", 0, ())
        return ordered_rows(frame.lazy(), shape, first).collect()

    def results(self, rows: pl.DataFrame, ties: Array) -> list[pl.Series]:
        """The aggregates of rows in order."""
        slider = Slider(self.calls)
        return slider.results(slider.take_whole(rows, np.array(self._peers(rows, ties))))

    def _peers(self, rows: pl.DataFrame, ties: Array) -> Array:
        """What a frame of time goes by: rows that tie see each other."""
        frame = self.calls.frame
        if frame.is_rows or not (frame.reach or frame.end):
            return ties
        times, validity = values_and_validity(rows.get_column(self.order[0].column))
        return times if validity is None else np.where(validity, times, _BEFORE_ALL)


class _Results(NamedTuple):
    """Rows as often as they are there, with their aggregates.

    Attributes:
        rows: which row each one is.
        starts: where the first copy of each row is.
        values: the aggregates of each.
    """

    rows: Array
    starts: Array
    values: list[pl.Series]


class RunningOverOp:
    """Keep aggregates over the rows around rows up to date.

    Emits:      at each cut, of the partitions that were touched, rows whose aggregates or weight have
                changed: as they were with -1, as they are with +1.
    State:      all rows, equal ones once with their weight.
    Late rows:  are rows like any other.
    Batch mode: the same over the whole table at once.
    """

    def __init__(self, spec: RunningOverSpec, context: Context) -> None:
        self._spec = spec
        self._state: KeyedColumns = context.state("rows")
        self._rows_max = context.rows_max
        self._partition = list(spec.calls.partition)
        self._keys = KeyIndex(1)
        self._members = Members()
        self._touched: list[Array] = []
        self._join(self._state.live())

    def _join(self, slots: Array) -> None:
        """Rows that are new: each becomes a member of its partition."""
        if len(slots):
            keys = self._keys.insert(self._state.words(slots, self._partition))
            self._members.add(slots, keys, self._state.capacity, self._keys.capacity)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Count rows; aggregates are computed at the cut."""
        del port
        slots = self._state.slots(pick(batch.frame, list(self._spec.columns)))
        weights = NO_WORDS if batch.weight is None else weight_array(batch.weight)
        self._join(self._state.last_new)
        add_counts(slots, NO_FLAGS, weights, self._state.column(_ROWS))
        self._touched.append(self._members.keys_of(slots))
        return iter(())

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Time does not matter."""
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """The changes since the last cut."""
        del number
        if not self._touched:
            return
        keys = ascending(np.concatenate(self._touched))
        self._touched = []
        slots, owners = self._members.of(keys)
        frame = beside(self._state.keys(slots), [numbers(_KEY, owners), numbers(_SLOT, slots)])
        ordered = self._spec.in_order(frame, (_KEY,))
        slots, ties = (ordered.get_column(n).to_numpy() for n in (_SLOT, _TIED))
        rows = pick(ordered, list(self._spec.columns))
        counts = [np.maximum(self._state.column(n)[slots], 0) for n in (_SHOWN, _ROWS)]
        before, now = (self._results(rows, ties, c) for c in counts)
        same = _same(before, now, np.minimum(*counts))
        for found, known, weight in zip((before, now), same, (-1, 1), strict=True):
            yield from self._batches(rows, found, np.flatnonzero(~known), weight)
        shown = self._state.column(_SHOWN)
        self._state.touch(slots[shown[slots] != counts[1]])
        shown[slots] = counts[1]
        gone = slots[self._state.column(_ROWS)[slots] == 0]
        self._members.remove(gone)
        self._state.free(gone)
        self._keys.free(self._members.without(keys))

    def _results(self, rows: pl.DataFrame, ties: Array, counts: Array) -> _Results:
        places = np.repeat(np.arange(len(counts)), counts)
        values = self._spec.results(gather_rows(rows, places), ties[places])
        return _Results(places, np.cumsum(counts) - counts, values)

    def _batches(self, rows: pl.DataFrame, found: _Results, some: Array, weight: int) -> Iterator[Output]:
        for at in range(0, len(some), self._rows_max):
            part = some[at : at + self._rows_max]
            values = gather_rows(pl.DataFrame(found.values), part)
            made = beside(gather_rows(rows, found.rows[part]), values.get_columns())
            yield Batch(made, numbers(WEIGHT, np.full(len(part), weight, np.int64)))

    def on_end(self, port: int) -> Iterator[Output]:
        """The last changes."""
        del port
        return self.on_cut(0)


def _same(before: _Results, now: _Results, common: Array) -> tuple[Array, Array]:
    """Which rows are there before and now with equal results; `common`: of how many copies of each to ask."""
    nth = np.arange(common.sum()) - np.repeat(np.cumsum(common) - common, common)
    places = [np.repeat(r.starts, common) + nth for r in (before, now)]
    equal = np.ones(len(nth), np.bool_)
    for old, new in zip(before.values, now.values, strict=True):
        equal &= old.gather(places[0]).eq_missing(new.gather(places[1])).to_numpy()
    found = np.zeros(len(before.rows), np.bool_), np.zeros(len(now.rows), np.bool_)
    for known, at in zip(found, places, strict=True):
        known[at[equal]] = True
    return found


def aggregate_whole(frame: pl.DataFrame, spec: RunningOverSpec) -> pl.DataFrame:
    """The whole table at once."""
    ordered = spec.in_order(frame, spec.calls.partition)
    rows = pick(ordered, list(spec.columns))
    return beside(rows, spec.results(rows, ordered.get_column(_TIED).to_numpy()))
