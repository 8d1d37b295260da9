"""Keep the open sessions of keys as state: their bounds, and what an operator keeps beside them.

The state is a row per session, addressed by its key and a time within it, which no other session of the key
has; and a row per key that has sessions. Lists and heap (columnar/sessions.py) follow from it.

Not here: what is kept beside the bounds (session_group.py, session_rows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.ascending import ascending
from thalweg.columnar.eager import beside, numbers
from thalweg.columnar.sessions import FIRST, KEY, LAST, SLOT, OpenSessions
from thalweg.operators.aggregation import key_frame
from thalweg.protocols.operator import Context
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns, StateSpec

Array = np.ndarray[Any, Any]

_MANY = 4096
_ANCHOR, _FIRST, _LAST = "__anchor", "__session_first", "__session_last"


def session_states(keys: Mapping[str, pl.DataType], columns: Mapping[str, ColumnSpec]) -> Iterator[StateSpec]:
    """The state of a `SessionTable`, with columns beside the bounds."""
    bounds = {_FIRST: ColumnSpec("int64"), _LAST: ColumnSpec("int64")}
    known = {**keys, _ANCHOR: pl.Int64()}
    yield ColumnsSpec("sessions", known, {**columns, **bounds}, partition=tuple(keys))
    yield ColumnsSpec("keys", keys, {}, partition=tuple(keys))


class SessionTable:
    """The open sessions of one task.

    Attributes:
        state: a slot per session.
        keys: a slot per key that has sessions.
        open: their lists and when they end.
    """

    def __init__(self, context: Context, keys: Mapping[str, pl.DataType], gap_us: int) -> None:
        self.state: KeyedColumns = context.state("sessions")
        self.keys: KeyedColumns = context.state("keys")
        self.open = OpenSessions(gap_us)
        self._names = list(keys)
        live = self.state.live()
        if len(live):
            owners = self.keys.slots(self.own(live))
            firsts, lasts = (self.state.column(n)[live] for n in (_FIRST, _LAST))
            found = self.open.merge(owners, firsts, lasts, keys_max=self.keys.capacity)
            self.open.cells[found.targets, SLOT] = live
            self.open.changed()
        self._emptied: list[Array] = []
        self._emptied_count = 0

    def own(self, slots: Array) -> pl.DataFrame:
        """The keys of sessions."""
        return key_frame(self.state.keys(slots), self._names)

    def bounds(self, slots: Array) -> tuple[Array, Array]:
        """The first and last times of sessions, where they are written at once."""
        return self.state.column(_FIRST)[slots], self.state.column(_LAST)[slots]

    def take(
        self,
        owners: Array,
        firsts: Array,
        lasts: Array,
        note: Callable[[Array, Array], None] | None = None,
    ) -> tuple[Array, Array, Array]:
        """Put stretches of time into sessions.

        Args:
            owners: the slot of each stretch's key.
            firsts, lasts: the times of its first and last row.
            note: sees the slots of their sessions, and those that will be freed, before any bounds change;
                they are written at once then, and otherwise when the table settles.

        Returns:
            The slots of their sessions; slots whose sessions were taken in by others, to be freed;
            and the slots of these others.
        """
        merged = self.open.merge(owners, firsts, lasts, keys_max=self.keys.capacity)
        if len(merged.new):
            self._make(merged.new)
        slots = self.open.slots(merged.targets)
        gone, into = (self.open.slots(n) for n in merged.gone)
        # what is kept beside the bounds changes too, also of those that take others in
        self.state.touch(slots)
        if note is not None:
            note(slots, gone)
            self._write_bounds()
        return slots, gone, into

    def _write_bounds(self) -> None:
        """The state is told the bounds, which are at hand in the lists meanwhile."""
        slots, firsts, lasts = self.open.changed()
        self.state.column(_FIRST)[slots] = firsts
        self.state.column(_LAST)[slots] = lasts

    def settle(self) -> None:
        """The state is that of a cut: bounds are written, and keys without sessions are forgotten."""
        self._write_bounds()
        if self._emptied:
            # most have sessions again
            emptied = ascending(np.concatenate(self._emptied))
            self.keys.free(emptied[self.open.are_empty(emptied)])
            self._emptied, self._emptied_count = [], 0

    def _make(self, new: Array) -> None:
        """Give new sessions a slot."""
        cells = self.open.cells[new]
        keys = self.keys.keys(np.ascontiguousarray(cells[:, KEY]))
        anchors = numbers(_ANCHOR, np.ascontiguousarray(cells[:, FIRST]))
        frame = beside(keys, [anchors]) if keys.width else anchors.to_frame()
        self.open.cells[new, SLOT] = self.state.add(frame)

    def closed(self, until: int | None, count_max: int) -> Iterator[tuple[Array, Array, Array]]:
        """Slots, first and last times of sessions that end before `until`, some at a time.

        Each is forgotten when the next ones are asked for.
        """
        while True:
            closed, emptied = self.open.close(until, count_max)
            if not len(closed):
                return
            slots = np.ascontiguousarray(closed[:, SLOT])
            yield slots, closed[:, FIRST], closed[:, LAST]
            self.state.free(slots)
            self._emptied.append(emptied)
            self._emptied_count += len(emptied)
            if self._emptied_count > self.keys.count + _MANY:
                self.settle()
