"""Group rows for ever, and emit how the result changes.

Changes are netted per cut: however often a group changed between two cuts, its old row goes and
its new row comes once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import WEIGHT, Batch
from thalweg.columnar.cells import Changes, Touched
from thalweg.columnar.eager import below, gather_rows, numbers
from thalweg.operators.aggregation import DONE, GroupingSpec
from thalweg.operators.closing import LOOKS
from thalweg.operators.missing import check_present
from thalweg.operators.parts import ROWS
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import KeyedColumns

Array = np.ndarray[Any, Any]
_NOTHING = pl.DataFrame()


class RunningGroupOp:
    """Keep one row per key up to date.

    Emits:      at each cut, for every group that changed, the row emitted before with weight -1
                and the new row with +1.
    State:      the parts of each group's aggregates, and the number of its rows; a group without
                rows is forgotten, and one that gets no more rows, whose result stays. The row emitted
                before follows from the state before the cut.
    Late rows:  are rows like any other.
    Batch mode: one group-by.
    """

    def __init__(self, spec: GroupingSpec, context: Context) -> None:
        self._spec, self._layout = spec, spec.layout
        self._state: KeyedColumns = context.state("groups")
        self._values = spec.values(context)
        self._rows_max = context.rows_max
        self._keys = list(spec.keys)
        # the number of rows comes first, DONE last; a group of all rows has one result from the first row on,
        # also when all rows are gone again
        mark = 0 if self._keys else len(self._layout.stored)
        columns = len(self._layout.stored) + (0 if self._keys else 1)
        self._touched = Touched(columns=columns, mark=mark, shown=self._layout.shown_places)
        self._kept_before: list[pl.DataFrame] = []
        self._watermark: int | None = None
        self._open = 0

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows; what they change is emitted at the cut."""
        del port
        slots = self._spec.take(self._state, batch, self._remember)
        if batch.parts is None:
            for values in self._values:
                values.update(batch, slots)
        return iter(())

    def _remember(self, slots: Array) -> None:
        """Keep what the groups touched for the first time since the cut were like before."""
        known = self._touched.count
        self._touched.note(slots, self._state.addresses, self._state.capacity)
        if self._values and self._touched.count > known:
            self._kept_before.append(self._kept(self._touched.places[known:]))

    def _kept(self, slots: Array) -> pl.DataFrame:
        """What is made of the values that groups keep, in columns named by `_column`."""
        made = {k: v for values in self._values for k, v in values.values(slots).items()}
        return pl.DataFrame([v.alias(_column(*k)) for k, v in made.items()])

    def on_watermark(self, time: int) -> Iterator[Output]:
        """At the next cut, groups are forgotten that get no more rows."""
        self._watermark = time
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """The changes since the last cut."""
        del number
        yield from self._changed()
        if self._spec.closes is not None and self._watermark is not None:
            self._forget_closed(self._watermark)

    def _forget_closed(self, watermark: int) -> None:
        """Look at all groups, but only when many have come since the last time."""
        state = self._state
        if state.count - self._open <= state.count // LOOKS:
            return
        closed = self._spec.layout.closed(state, state.live(), watermark)
        for values in self._values:
            values.forget(closed)
        state.free(closed)
        self._open = state.count

    def _changed(self) -> Iterator[Output]:
        state = self._state
        if not self._keys:
            if state.count == 0:
                # without rows there is a result too: a count of 0 (law 9 holds from the first cut on)
                self._remember(state.slots(pl.DataFrame(height=1)))
            state.column(DONE)[self._touched.places] = True
        if not self._touched.count:
            return
        if self._spec.is_updating:
            places = self._touched.places
            check_present(
                state.column(ROWS)[places], lambda some: self._keys_of(places[some]), "row of a group"
            )
        for values in self._values:
            values.forget_gone()
        before, latest = self._kept_of_touched()
        odd = None if not before.width else _differs(before, latest)
        gone = []
        for changes in self._touched.net(state.addresses, odd):
            if len(changes.places):
                yield from self._emitted(changes, before, latest)
            if len(changes.gone):
                gone.append(changes.gone.copy())
        # a group that goes has no values any more
        for slots in gone:
            state.free(slots)

    def _keys_of(self, slots: Array) -> pl.DataFrame:
        return self._state.keys(slots) if self._keys else _NOTHING

    def _kept_of_touched(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What is made of the values that groups keep, of those touched, before and now."""
        if not self._values:
            return _NOTHING, _NOTHING
        before, self._kept_before = pl.concat(self._kept_before), []
        return before, self._kept(self._touched.places)

    def _emitted(self, changes: Changes, before: pl.DataFrame, latest: pl.DataFrame) -> Iterator[Output]:
        """Changes as rows: so many removals, then insertions."""
        state, layout = self._state, self._layout
        kept = _NOTHING
        if before.width:
            old, new = changes.numbers[: changes.minus], changes.numbers[changes.minus :]
            kept = below([gather_rows(before, old), gather_rows(latest, new)])
        made = layout.outputs(state, layout.cells.named(changes.cells), _by_part(kept))
        columns = {c.name: c for c in made.get_columns()}
        if self._keys:
            columns |= {c.name: c for c in state.keys(changes.places).get_columns()}
        frame = to_frame([columns[n] for n in self._spec.columns])
        weight = numbers(WEIGHT, changes.weights.copy()) if changes.minus else None
        yield from Batch(frame, weight).slices(self._rows_max)

    def on_end(self, port: int) -> Iterator[Output]:
        """The last changes."""
        del port
        yield from self.on_cut(0)


def _differs(before: pl.DataFrame, latest: pl.DataFrame) -> Array:
    """In which rows some column differs, NULL from NULL not."""
    pairs = zip(before.get_columns(), latest.get_columns(), strict=True)
    return reduce(pl.Series.__or__, [old.ne_missing(new) for old, new in pairs]).to_numpy()


def _column(kind: str, argument: str) -> str:
    return f"{kind} {argument}"


def _by_part(frame: pl.DataFrame) -> dict[tuple[str, str], pl.Series]:
    """What `outputs` takes, from columns named by `_column`."""
    return {(kind, name): frame.get_column(n) for n in frame.columns for kind, _, name in [n.partition(" ")]}
