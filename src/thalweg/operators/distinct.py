"""Aggregate the different values of a column: count each value by group, and pass on which come and go.

Rows are added up by (group, value) in the task that read them, values are counted by the tasks that
own them, whatever their group, and only what came or went is sent on to the group: a group of all
rows burdens every task alike. Equal arguments share one set of values, with one count per condition.

A value is in an aggregate while its count is not 0. Counts may pass through other numbers between two
cuts, in any order; what comes and goes adds up.

Reads:    partial counts of values (partials.py).
Not here: the aggregates themselves, which take values that come or go like any rows (parts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.ascending import ascending
from thalweg.columnar.batch import Batch
from thalweg.columnar.eager import gather_rows
from thalweg.columnar.groups import group_rows
from thalweg.columnar.keys import KeyCodec
from thalweg.columnar.presence import count_presence
from thalweg.operators.aggregation import GroupingSpec, key_frame
from thalweg.operators.missing import check_present
from thalweg.operators.partials import PartialsOp
from thalweg.operators.parts import ROWS
from thalweg.protocols.keeping import Keeping, watermark_passes
from thalweg.protocols.operator import Context, Output, Side, Step
from thalweg.protocols.state import ColumnsSpec, KeyedColumns, StateSpec

Array = np.ndarray[Any, Any]
_NO_COLUMNS = pl.DataFrame()


@dataclass(frozen=True)
class SpreadSpec:
    """Send rows on twice: to their groups, and to the tasks that own their values.

    Attributes:
        id: the step's name.
        grouping: the groups; rows are added up for them if they can be.
        columns: what the rows of groups carry if they are not added up.
        adds_up: whether they are.
        pairs: for each argument of which values are counted, the port and the grouping by (group, value).
    """

    id: str
    grouping: GroupingSpec
    columns: tuple[str, ...]
    adds_up: bool
    pairs: tuple[tuple[str, GroupingSpec], ...]

    def states(self) -> Iterable[StateSpec]:
        """None: nothing is kept from one batch to the next."""
        return ()

    def build(self, context: Context) -> SpreadOp:
        """The operator."""
        del context
        return SpreadOp(self)

    def describe(self) -> str:
        """One line."""
        how = "partial sums" if self.adds_up else "rows"
        pairs = "; ".join(f"{port} by {', '.join(p.keys)}" for port, p in self.pairs)
        return f"{how} by {', '.join(self.grouping.keys) or '()'}; {pairs}"


class SpreadOp(Step):
    """Partial results by group, and on a port for each argument the counts of its values.

    Emits:      for each batch one row per key and one per (key, value), or the rows themselves.
    State:      none; what is added up goes out at once.
    Late rows:  were turned away before.
    Batch mode: Polars does the same by itself.
    """

    def __init__(self, spec: SpreadSpec) -> None:
        self._main = PartialsOp(spec.grouping) if spec.adds_up else None
        self._columns = spec.columns
        self._pairs = [(port, PartialsOp(grouping)) for port, grouping in spec.pairs]

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The batch in each of its forms."""
        for name, op in self._pairs:
            for out in op.on_batch(port, batch):
                assert isinstance(out, Batch), "partial results have no side outputs"
                yield Side(name, out, pairs=0)
        if self._main is not None:
            yield from self._main.on_batch(port, batch)
        else:
            yield batch.with_frame(key_frame(batch.frame, self._columns))


@dataclass(frozen=True)
class DistinctSpec:
    """Count values by group, and pass on which come and go.

    Attributes:
        id: the step's name.
        pairs: the grouping by (group, value), whose aggregates are counts, one per condition.
        grouping: the groups that take what comes and goes.
        value: the column of the values.
        fed: for each count of `pairs` the argument of `grouping` that it decides about.
    """

    id: str
    pairs: GroupingSpec
    grouping: GroupingSpec
    value: str
    fed: tuple[str, ...]

    def states(self) -> Iterable[StateSpec]:
        """The counts of each value."""
        yield ColumnsSpec("values", self.pairs.keys, self.pairs.layout.stored, partition=self.pairs.partition)

    def keeps(self) -> Iterable[Keeping]:
        """Pairs of a group and a value, for as long as the group."""
        window = self.grouping.window
        until = None if window is None else watermark_passes(window.end, window.slack_us)
        value = self.value.removeprefix("__arg ")
        what = f"one pair of ({', '.join(self.grouping.keys)}) and a value of {value}"
        yield Keeping("values", what, until, cures=("a window in GROUP BY", "APPROX_COUNT_DISTINCT"))

    def build(self, context: Context) -> DistinctOp:
        """The operator."""
        return DistinctOp(self, context)

    def describe(self) -> str:
        """One line."""
        return f"values of {self.value} by {', '.join(self.grouping.keys) or '()'}: {', '.join(self.fed)}"


class DistinctOp:
    """Which values of a group come and go.

    Emits:      for each batch, by group, what the values that came or went add to its aggregates.
    State:      per (group, value) one count for each condition; forgotten with the last row, or when the
                window is complete.
    Late rows:  were turned away where the window was assigned.
    Batch mode: Polars does the same by itself.
    """

    def __init__(self, spec: DistinctSpec, context: Context) -> None:
        self._spec, self._pairs, self._groups = spec, spec.pairs, spec.grouping
        self._state: KeyedColumns = context.state("values")
        self._keys = list(spec.grouping.keys)
        self._codec = KeyCodec(spec.grouping.row_keys)
        self._emptied: list[Array] = []
        stored = list(spec.pairs.layout.stored)
        self._counts = [stored.index(c) for c in spec.pairs.layout.count_columns]
        layout = spec.grouping.layout
        self._fed = [
            [part for (_, argument), part in layout.parts.items() if argument == label] for label in spec.fed
        ]
        window = spec.grouping.window
        self._closes = None if window is None else window.slack_us
        self._end = "" if window is None else window.end
        self._next_end = None if self._closes is None else self._least_end(self._state.live())

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take counts of values."""
        del port
        assert batch.parts is not None, "values were counted before the exchange"
        cells = self._pairs.key_cells
        if cells is None:
            slots, adds = self._state.slots(key_frame(batch.frame, self._pairs.keys)), batch.parts
        else:
            slots, adds = self._state.slots_of(cells.words(batch.parts)), batch.parts[cells.height :]
        rows, differences = count_presence(slots, adds, self._state.addresses)
        if self._closes is not None:
            self._note_ends()
        if self._pairs.is_updating:
            self._emptied.append(slots[self._state.column(ROWS)[slots] <= 0])
        if len(rows):
            yield self._changes(slots[rows], differences)

    def _changes(self, slots: Array, differences: Array) -> Batch:
        """What values that come (1) or go (-1) add to their groups."""
        groups = group_rows(self._state.words(slots, self._keys))
        known = self._state.keys(slots)
        values = known.get_column(self._spec.value)
        keys = gather_rows(key_frame(known, self._keys), groups.firsts)
        layout, cells = self._groups.layout, self._groups.key_cells
        made = layout.accumulators(groups.height, above=0 if cells is None else cells.height)
        for at, parts in zip(self._counts, self._fed, strict=True):
            weights = differences[at].copy()
            for part in parts:
                part.update(made, groups.ids, values, weights)
        if cells is None:
            return Batch(keys, parts=made.whole)
        cells.fill(self._codec.encode(keys), made.whole)
        return Batch(_NO_COLUMNS, parts=made.whole)

    def _note_ends(self) -> None:
        end = self._least_end(self._state.last_new)
        if end is not None and (self._next_end is None or end < self._next_end):
            self._next_end = end

    def _least_end(self, slots: Array) -> int | None:
        if not len(slots):
            return None
        return int(self._state.words(slots, (self._end,))[:, 0].min())

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Forget the values of windows that are complete."""
        if self._closes is not None and self._next_end is not None and self._next_end <= time - self._closes:
            live = self._state.live()
            closed = self._state.words(live, (self._end,))[:, 0] <= time - self._closes
            self._state.free(live[closed])
            self._next_end = self._least_end(live[~closed])
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """Forget values without rows; nothing is owed."""
        del number
        if self._emptied:
            slots, self._emptied = ascending(np.concatenate(self._emptied)), []
            counts = self._state.column(ROWS)[slots]
            check_present(counts, lambda some: self._state.keys(slots[some]), "value of a group")
            self._state.free(slots[counts == 0])
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """Nothing is open."""
        del port
        return iter(())
