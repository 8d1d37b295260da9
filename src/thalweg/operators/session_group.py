"""Group rows by the sessions of their keys, and emit a session when it is over.

Before the exchange the rows of a batch are added up per key and stretch of time; behind it, stretches
are merged into the open sessions. Two sessions that a row connects become one, with the sum of what both
have. Aggregates that cannot be added up elsewhere get their rows one by one.

Reads:    the kernels of columnar/sessions.py.
Not here: which rows are late (sessions.py), the parts of aggregates (parts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import MOMENT, Batch
from thalweg.columnar.buffers import values_and_validity
from thalweg.columnar.eager import beside, gather_rows, numbers, pick
from thalweg.columnar.groups import group_rows
from thalweg.columnar.keys import KeyCodec
from thalweg.columnar.sessions import FIRST, KEY, LAST, SLOT, Merged, OpenSessions, find_runs
from thalweg.operators.aggregation import GroupingSpec, key_frame
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME
from thalweg.plan.properties import WINDOW_TIME_US
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns, StateSpec

Array = np.ndarray[Any, Any]

_ANCHOR, _FIRST, _LAST = "__anchor", "__session_first", "__session_last"
_COMPACT_AFTER = 64
_NO_WORDS = np.empty((0, 1), np.int64)
_NO_COLUMNS = pl.DataFrame()


@dataclass(frozen=True)
class SessionPartialsSpec:
    """Add up each batch by key and stretch of time."""

    id: str
    grouping: GroupingSpec
    gap_us: int

    def states(self) -> Iterable[StateSpec]:
        """None: nothing is kept from one batch to the next."""
        return ()

    def build(self, context: Context) -> SessionPartialsOp:
        """The operator."""
        del context
        return SessionPartialsOp(self)

    def describe(self) -> str:
        """One line."""
        return f"partial sessions by {', '.join(self.grouping.keys) or '()'}"


class SessionPartialsOp(Step):
    """Turn rows into one partial result per key and stretch of time.

    Emits:      for each batch the stretches of each key: first and last time, and the parts beside them.
    State:      none; what is added up goes out at once.
    Late rows:  were turned away before.
    Batch mode: Polars sorts and counts instead.
    """

    def __init__(self, spec: SessionPartialsSpec) -> None:
        self._layout, self._cells, self._gap = spec.grouping.layout, spec.grouping.key_cells, spec.gap_us
        self._keys = list(spec.grouping.keys)
        self._codec = KeyCodec(spec.grouping.keys)
        self._batches = 0

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The stretches of the batch."""
        del port
        keys = key_frame(batch.frame, self._keys)
        words = self._codec.encode(keys)
        groups = group_rows(words)
        times = _times(batch)
        runs = find_runs(groups.ids, groups.height, times, self._gap)
        self._batches += 1
        if self._batches % _COMPACT_AFTER == 0:
            self._codec.compact(words)
        above = 0 if self._cells is None else self._cells.height
        made = self._layout.accumulators(len(runs.rows), above=above + 2)
        if self._cells is not None:
            self._cells.fill(words[runs.rows], made.whole)
        made.whole[above], made.whole[above + 1] = runs.firsts, runs.lasts
        self._layout.update(made, runs.ids, batch)
        shown = _NO_COLUMNS if self._cells is not None else gather_rows(keys, runs.rows)
        yield Batch(shown, parts=made.whole)


def _times(batch: Batch) -> Array:
    return values_and_validity(batch.frame.get_column(MOMENT))[0]


@dataclass(frozen=True)
class SessionGroupSpec:
    """Group rows by key and session.

    Attributes:
        id: the step's name.
        grouping: keys, aggregates and output columns; its keys are those of the sessions.
        gap_us: the gap that ends a session.
        slack_us: how far the time may lag behind the watermark.
        time: the type of the bounds.
    """

    id: str
    grouping: GroupingSpec
    gap_us: int
    slack_us: int
    time: pl.DataType

    def states(self) -> Iterable[StateSpec]:
        """Sessions by key and a time within them; and the keys that have any."""
        keys = dict(self.grouping.keys)
        bounds = {_FIRST: ColumnSpec("int64"), _LAST: ColumnSpec("int64")}
        columns = {**self.grouping.layout.stored, **bounds}
        yield ColumnsSpec("sessions", {**keys, _ANCHOR: pl.Int64()}, columns, partition=tuple(keys))
        yield ColumnsSpec("keys", keys, {}, partition=tuple(keys))

    def build(self, context: Context) -> SessionGroupOp:
        """The operator."""
        return SessionGroupOp(self, context)

    def describe(self) -> str:
        """One line."""
        return f"{self.grouping.describe()} in sessions"


class SessionGroupOp:
    """One row per key and session.

    Emits:      a session with its aggregates once the watermark has passed its end.
    State:      per open session its bounds and the parts of the aggregates; forgotten when it is emitted.
    Late rows:  were turned away before the exchange.
    Batch mode: `End` closes every session, so the result equals sorting each key by time and cutting
                it at the gaps.
    """

    def __init__(self, spec: SessionGroupSpec, context: Context) -> None:
        self._spec, self._grouping, self._layout = spec, spec.grouping, spec.grouping.layout
        self._rows_max = context.rows_max
        self._state: KeyedColumns = context.state("sessions")
        self._keys: KeyedColumns = context.state("keys")
        # the lists and the heap follow from the state
        self._sessions = OpenSessions(spec.gap_us)
        live = self._state.live()
        if len(live):
            owners = self._keys.slots(self._own(live))
            firsts, lasts = (self._state.column(n)[live] for n in (_FIRST, _LAST))
            found = self._sessions.merge(owners, firsts, lasts, keys_max=self._keys.capacity)
            self._sessions.cells[found.targets, SLOT] = live

    def _own(self, slots: Array) -> pl.DataFrame:
        """The keys of sessions."""
        return key_frame(self._state.keys(slots), self._grouping.keys)

    @property
    def due(self) -> int | None:
        """The watermark that closes the next session."""
        end = self._sessions.first_end
        return None if end is None else end + self._spec.slack_us + 1

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows, or stretches of them."""
        del port
        if len(batch):
            owners, firsts, lasts = self._stretches(batch)
            merged = self._sessions.merge(owners, firsts, lasts, keys_max=self._keys.capacity)
            self._make(merged.new)
            self._add(batch, merged)
        return iter(())

    @cached_property
    def _height(self) -> int:
        """How many rows of what came from partials hold keys."""
        return 0 if self._grouping.key_cells is None else self._grouping.key_cells.height

    def _stretches(self, batch: Batch) -> tuple[Array, Array, Array]:
        """Keys, first and last times."""
        parts, cells = batch.parts, self._grouping.key_cells
        if parts is None or cells is None:
            owners = self._keys.slots(key_frame(batch.frame, self._grouping.keys))
        else:
            owners = self._keys.slots_of(cells.words(parts))
        if parts is None:
            times = _times(batch)
            return owners, times, times
        return owners, parts[self._height], parts[self._height + 1]

    def _make(self, new: Array) -> None:
        """Give new sessions a place in the state. A time within the session tells it from others of its key."""
        if not len(new):
            return
        cells = self._sessions.cells[new]
        keys = self._keys.keys(np.ascontiguousarray(cells[:, KEY]))
        anchors = numbers(_ANCHOR, np.ascontiguousarray(cells[:, FIRST]))
        frame = beside(keys, [anchors]) if keys.width else anchors.to_frame()
        self._sessions.cells[new, SLOT] = self._state.slots(frame)

    def _add(self, batch: Batch, merged: Merged) -> None:
        cells, state = self._sessions.cells, self._state
        touched = cells[merged.targets]
        slots = np.ascontiguousarray(touched[:, SLOT])
        state.column(_FIRST)[slots], state.column(_LAST)[slots] = touched[:, FIRST], touched[:, LAST]
        if batch.parts is None:
            self._layout.update(state, slots, batch)
        else:
            self._layout.merge(state, slots, self._layout.cells.named(batch.parts[self._height + 2 :]))
        gone, into = merged.gone
        if len(gone):
            old, new = (np.ascontiguousarray(cells[n, SLOT]) for n in (gone, into))
            found = self._layout.take(state, old)
            self._layout.merge(state, new, self._layout.carried(state, found))
            state.free(old)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the sessions that are over."""
        until = time - self._spec.slack_us
        return self._close(until) if self._sessions.is_due(until) else iter(())

    def _close(self, until: int | None) -> Iterator[Output]:
        while True:
            closed, emptied = self._sessions.close(until, self._rows_max)
            if not len(closed):
                return
            made = self._rows(closed)
            self._state.free(np.ascontiguousarray(closed[:, SLOT]))
            self._keys.free(emptied)
            yield Batch(made)

    def _rows(self, closed: Array) -> pl.DataFrame:
        slots = np.ascontiguousarray(closed[:, SLOT])
        outputs = self._layout.outputs(self._state, self._layout.take(self._state, slots))
        start, end = closed[:, FIRST], closed[:, LAST] + self._spec.gap_us
        bounds = {WINDOW_START: start, WINDOW_END: end, WINDOW_TIME: end - WINDOW_TIME_US}
        made = {s.name: s for s in (*self._own(slots).get_columns(), *outputs.get_columns())}
        made |= {n: numbers(n, b.copy()).cast(self._spec.time) for n, b in bounds.items()}
        return pick(pl.DataFrame(list(made.values())), self._grouping.columns)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: open sessions are state."""
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """Every session is complete."""
        del port
        return self._close(None)
