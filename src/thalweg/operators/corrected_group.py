"""Group rows that carry the bounds of their window, emit a window when its time has passed, and correct it.

Rows that are allowed to be late, and what is taken back of results below, change windows that were emitted:
the old row is taken back and the new one emitted at the next cut, until no row can come any more.

Reads:    the bounds of windows, as columns of the keys.
Not here: windows that are emitted once (window_group.py, pane_group.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.ascending import ascending
from thalweg.columnar.batch import Batch
from thalweg.columnar.eager import pick
from thalweg.operators.aggregation import SHOWN, GroupingSpec, least_key
from thalweg.operators.corrections import Corrections
from thalweg.operators.missing import check_present
from thalweg.operators.parts import ROWS
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import KeyedColumns

Array = np.ndarray[Any, Any]
_NO_SLOTS = np.empty(0, np.int64)


class CorrectedGroupOp:
    """One row per key and window, as of now.

    Emits:      the groups of a window once the watermark passes the window's end; at each cut, of groups that
                have changed since, the row emitted before with weight -1 and the new one with +1.
    State:      the parts of each group, until no row of its window can come any more.
    Late rows:  were turned away, later than allowed, where the window was assigned.
    Batch mode: one group-by.
    """

    def __init__(self, spec: GroupingSpec, context: Context) -> None:
        assert spec.window is not None, "the planner puts this on windows"
        assert spec.window.lag_us is not None, "the planner puts this where windows may change"
        self._spec, self._layout = spec, spec.layout
        self._lag_us, self._slack_us = spec.window.lag_us, spec.window.slack_us
        self._end = spec.window.end
        self._state: KeyedColumns = context.state("groups")
        self._values = spec.values(context)
        self._owed = Corrections(context.rows_max)
        self._passed: int | None = None
        self._again: list[Array] = []
        """Groups of windows that have been emitted, to be looked at again at the cut."""
        live = self._state.live()
        self._next_shown = _least(self._ends(live[~self._state.column(SHOWN)[live]]))
        self._next_gone = _least(self._ends(live))

    @property
    def due(self) -> int | None:
        """The watermark that emits the next window."""
        return None if self._next_shown is None else self._next_shown + self._lag_us

    def _ends(self, slots: Array) -> Array:
        return self._state.words(slots, (self._end,))[:, 0] if len(slots) else _NO_SLOTS

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows."""
        del port
        slots = self._spec.take(self._state, batch, self._remember)
        if batch.parts is None:
            for values in self._values:
                values.update(batch, slots)
        least = least_key(self._spec, batch, self._end)
        if least is None:
            return iter(())
        self._next_gone = least if self._next_gone is None else min(self._next_gone, least)
        if self._passed is not None and least <= self._passed:
            self._again.append(slots[self._ends(slots) <= self._passed])
            least = _least(self._ends(slots[self._ends(slots) > self._passed]))
        if least is not None:
            self._next_shown = least if self._next_shown is None else min(self._next_shown, least)
        return iter(())

    def _remember(self, slots: Array) -> None:
        """Groups that were emitted are about to change."""
        shown = self._state.column(SHOWN)
        found = slots[shown[slots]]
        if len(found):
            found = ascending(found)
            self._owed.take_back(self._rows(found))
            shown[found] = False
            self._again.append(found)

    def _rows(self, slots: Array) -> pl.DataFrame:
        kept = {k: v for values in self._values for k, v in values.values(slots).items()}
        outputs = self._layout.outputs(self._state, self._layout.take(self._state, slots), kept)
        return pick(self._state.keys(slots).hstack(outputs), self._spec.columns)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the windows whose time has passed; forget those that no row can change any more."""
        self._passed = time - self._lag_us
        if self._next_shown is not None and self._next_shown <= self._passed:
            yield from self._emit(self._passed)
        final = time - self._slack_us
        if self._next_gone is not None and self._next_gone <= final:
            yield from self._settle(final)
            self._forget(final)

    def _emit(self, until: int | None) -> Iterator[Output]:
        """The windows up to an end that were not emitted yet."""
        live = self._state.live()
        hidden = live[~self._state.column(SHOWN)[live]]
        ends = self._ends(hidden)
        due = np.full(len(hidden), True) if until is None else ends <= until
        self._next_shown = _least(ends[~due])
        yield from self._show(hidden[due])

    def _show(self, slots: Array) -> Iterator[Output]:
        """Groups as they are now, and what was emitted in their place before."""
        for values in self._values:
            values.forget_gone()
        slots = slots[self._state.column(ROWS)[slots] > 0]
        if len(slots) or self._owed.are_owed:
            self._state.column(SHOWN)[slots] = True
            self._state.touch(slots)
            yield from self._owed.emitted([self._rows(slots)])

    def _settle(self, until: int | None = None) -> Iterator[Output]:
        """The groups of windows up to an end, or all, that have changed since they were emitted.

        Between cuts a group may have got what one of its inputs sends and not yet what another one does:
        it may seem to have no rows.
        """
        slots = ascending(np.concatenate(self._again)) if self._again else _NO_SLOTS
        self._again = []
        if until is not None and len(slots):
            is_final = self._ends(slots) <= until
            self._again = [slots[~is_final]]
            slots = slots[is_final]
        self._check(slots)
        if len(slots):
            yield from self._show(slots[~self._state.column(SHOWN)[slots]])
        empty = slots[self._state.column(ROWS)[slots] == 0]
        if len(empty):
            self._state.free(empty)

    def _forget(self, final: int) -> None:
        live = self._state.live()
        ends = self._ends(live)
        gone = live[ends <= final]
        self._check(gone)
        self._next_gone = _least(ends[ends > final])
        for values in self._values:
            values.forget(gone)
        self._state.free(gone)

    def _check(self, slots: Array) -> None:
        if self._spec.is_updating:
            counts = self._state.column(ROWS)[slots]
            check_present(counts, lambda some: self._state.keys(slots[some]), "row of a window")

    def on_cut(self, number: int) -> Iterator[Output]:
        """What has changed since the last cut."""
        del number
        return self._settle()

    def on_end(self, port: int) -> Iterator[Output]:
        """Every window is complete."""
        del port
        yield from self._emit(None)
        yield from self._settle()
        self._check(self._state.live())


def _least(ends: Array) -> int | None:
    """The end of the window that comes first."""
    return int(ends.min()) if len(ends) else None
