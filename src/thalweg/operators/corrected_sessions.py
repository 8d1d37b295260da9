"""Emit sessions when their time has passed, and correct them while rows that are late may change them.

A late row makes a session longer, or one of two: what was emitted of them is taken back, and what they have
become is emitted once its own time has passed.

Not here: sessions that are emitted once, and how rows are added up (session_group.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.ascending import ascending
from thalweg.columnar.batch import Batch
from thalweg.operators.aggregation import SHOWN
from thalweg.operators.corrections import Corrections
from thalweg.operators.parts import ROWS
from thalweg.operators.session_group import SessionGroupOp, SessionGroupSpec
from thalweg.protocols.operator import Context, Output

Array = np.ndarray[Any, Any]
_NO_SLOTS = np.empty(0, np.int64)


class CorrectedSessionsOp(SessionGroupOp):
    """One row per key and session, as of now.

    Emits:      a session with its aggregates once the watermark has passed its end; at each cut, what was
                emitted of sessions that have changed since with weight -1, and what they are now with +1.
    State:      per session its bounds and the parts of the aggregates, until no row can join it any more.
    Late rows:  were turned away, later than allowed, before the exchange.
    Batch mode: each key sorted by time and cut at the gaps.
    """

    def __init__(self, spec: SessionGroupSpec, context: Context) -> None:
        super().__init__(spec, context)
        assert spec.lag_us is not None, "the planner puts this where sessions may change"
        self._lag_us = spec.lag_us
        self._owed = Corrections(context.rows_max)
        self._passed: int | None = None
        self._again: list[Array] = []
        """Sessions whose time has passed, to be looked at again at the cut."""
        self._next_shown = _least(self._ends(self._hidden()))

    @property
    def due(self) -> int | None:
        """The watermark that emits the next session."""
        return None if self._next_shown is None else self._next_shown + self._lag_us + 1

    def _hidden(self) -> Array:
        live = self.table.state.live()
        return live[~self.table.state.column(SHOWN)[live]]

    def _ends(self, slots: Array) -> Array:
        ends: Array = self.table.bounds(slots)[1] + self.spec.gap_us
        return ends

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows, or stretches of them."""
        del port
        if not len(batch):
            return iter(())
        slots, gone, into = self.table.take(*self.stretches(batch), self._remember)
        self.add(batch, slots, gone, into)
        ends = self._ends(slots)
        if self._passed is not None and ends.min() < self._passed:
            self._again.append(slots[ends < self._passed])
            ends = ends[ends >= self._passed]
        least = _least(ends)
        if least is not None:
            self._next_shown = least if self._next_shown is None else min(self._next_shown, least)
        return iter(())

    def _remember(self, slots: Array, gone: Array) -> None:
        """Sessions that were emitted are about to change."""
        shown = self.table.state.column(SHOWN)
        found = ascending(np.concatenate([slots, gone]))
        found = found[shown[found]]
        if len(found):
            self._owed.take_back(self._emitted(found))
            shown[found] = False
            self.table.state.touch(found)

    def _emitted(self, slots: Array) -> pl.DataFrame:
        firsts, lasts = self.table.bounds(slots)
        return self.rows(slots, firsts, lasts + self.spec.gap_us)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the sessions whose time has passed; forget those that no row can join any more."""
        self._passed = time - self._lag_us
        if self._next_shown is not None and self._next_shown < self._passed:
            yield from self._emit(self._passed)
        final = time - self.spec.slack_us
        if self.table.open.is_due(final):
            yield from self._settle()
            for _ in self.table.closed(final, self.rows_max):
                pass

    def _emit(self, until: int | None) -> Iterator[Output]:
        """The sessions that end before a time and were not emitted yet."""
        hidden = self._hidden()
        ends = self._ends(hidden)
        due = np.full(len(hidden), True) if until is None else ends < until
        self._next_shown = _least(ends[~due])
        yield from self._show(hidden[due])

    def _show(self, slots: Array) -> Iterator[Output]:
        """Sessions as they are now, and what was emitted in their place before."""
        if len(slots) or self._owed.are_owed:
            self.table.state.column(SHOWN)[slots] = True
            self.table.state.touch(slots)
            yield from self._owed.emitted([self._emitted(slots)])

    def _settle(self) -> Iterator[Output]:
        """The sessions that have changed since they were emitted."""
        slots = ascending(np.concatenate(self._again)) if self._again else _NO_SLOTS
        self._again = []
        state = self.table.state
        # slots of sessions that were taken in are free, or stand for others
        slots = slots[(state.column(ROWS)[slots] != 0) & ~state.column(SHOWN)[slots]]
        if self._passed is not None:
            slots = slots[self._ends(slots) < self._passed]
        yield from self._show(slots)

    def on_cut(self, number: int) -> Iterator[Output]:
        """What has changed since the last cut."""
        del number
        yield from self._settle()
        self.table.settle()

    def on_end(self, port: int) -> Iterator[Output]:
        """Every session is complete."""
        del port
        yield from self._emit(None)


def _least(ends: Array) -> int | None:
    """The end of the session that comes first."""
    return int(ends.min()) if len(ends) else None
