"""Group rows for ever, and emit how the result changes.

Changes are netted per cut: however often a group changed between two cuts, its old row goes and
its new row comes once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import WEIGHT, Batch
from thalweg.columnar.eager import numbers
from thalweg.operators.aggregation import DONE, GroupingSpec, key_frame
from thalweg.operators.multiset import Multiset
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
                rows is forgotten. The row emitted before follows from the state before the cut.
    Late rows:  are rows like any other.
    Batch mode: one group-by.
    """

    def __init__(self, spec: GroupingSpec, context: Context) -> None:
        self._spec, self._layout = spec, spec.layout
        self._state: KeyedColumns = context.state("groups")
        self._values = {
            name: Multiset(context.state(f"values {name}"), list(spec.keys), name)
            for name in (self._layout.undone if spec.is_updating else ())
        }
        self._rows_max = context.rows_max
        self._keys = list(spec.keys)
        self._is_touched = np.zeros(0, np.bool_)
        self._touched: list[Array] = []
        self._had: list[Array] = []
        self._before: list[Mapping[str, Array]] = []
        self._extremes_before: list[pl.DataFrame] = []

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows; what they change is emitted at the cut."""
        del port
        keys = key_frame(batch.frame, self._keys)
        slots = self._state.slots(keys)
        self._remember(slots)
        if self._spec.partials:
            self._layout.merge(self._state, slots, self._layout.made(batch.frame))
        else:
            self._layout.update(self._state, slots, batch)
            for values in self._values.values():
                values.update(batch)
        return iter(())

    def _remember(self, slots: Array) -> None:
        """Keep what the groups touched for the first time since the cut were like before."""
        from thalweg.columnar.accumulate import touch
        from thalweg.columnar.table import grown

        if len(self._is_touched) < self._state.capacity:
            self._is_touched = grown(self._is_touched, self._state.capacity)
        # one place more than there are slots: the kernel writes before it knows whether the slot counts
        fresh = np.empty(len(slots) + 1, np.int64)
        fresh = fresh[: touch(slots, self._is_touched, fresh)]
        if not len(fresh):
            return
        self._touched.append(fresh.copy() if 2 * len(fresh) < len(slots) else fresh)
        # what a group without rows was like matters to nobody, and most groups may be new
        had = self._state.column(ROWS if self._keys else DONE)[fresh] != 0
        self._had.append(had)
        known = fresh if self._values or had.all() else fresh[had]
        self._before.append(self._layout.take(self._state, known))
        if self._values:
            self._extremes_before.append(self._extremes(fresh))

    def _extremes(self, slots: Array) -> pl.DataFrame:
        keys = self._state.keys(slots) if self._keys else pl.DataFrame(height=len(slots))
        columns = [s for v in self._values.values() for s in v.extremes(keys)]
        return pl.DataFrame(columns)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Time does not matter."""
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """The changes since the last cut."""
        del number
        if not self._keys and self._state.count == 0:
            # without rows there is a result too: a count of 0 (law 9 holds from the first cut on)
            self._remember(self._state.slots(pl.DataFrame(height=1)))
        if not self._touched:
            return
        slots, had = np.concatenate(self._touched), np.concatenate(self._had)
        before = {n: np.concatenate([b[n] for b in self._before]) for n in self._before[0]}
        extremes = pl.concat(self._extremes_before) if self._values else _NOTHING
        self._touched, self._had, self._before, self._extremes_before = [], [], [], []
        self._is_touched[slots] = False
        yield from self._changes(slots, had, before, extremes)
        if self._keys:
            gone = slots[self._state.column(ROWS)[slots] == 0]
            if len(gone):
                self._state.free(gone)
        for values in self._values.values():
            values.forget_gone()

    def _changes(
        self, slots: Array, had: Array, before: dict[str, Array], extremes: pl.DataFrame
    ) -> Iterator[Output]:
        """The old row of each group that had one and has another now, and the new row."""
        layout, state = self._layout, self._state
        now = layout.take(state, slots)
        if self._keys:
            has = now[ROWS] != 0
        else:
            # a group of all rows has one result from the first row on, also when all rows are gone again
            has = np.ones(len(slots), np.bool_)
            state.column(DONE)[slots] = True
        # what was kept of before: of all groups, or of those alone that had a row
        kept = np.arange(len(slots)) if len(before[ROWS]) == len(slots) else had.cumsum() - 1
        changed = ~(had & has)
        both = (had & has).nonzero()[0]
        changed[both] = _differs(before, kept[both], now, both, layout.shown)
        latest = self._extremes(slots) if self._values else extremes
        for name in extremes.columns:
            changed |= extremes.get_column(name).ne_missing(latest.get_column(name)).to_numpy()
        minus, plus = (had & changed).nonzero()[0], (has & changed).nonzero()[0]
        old = kept[minus]
        if len(old) == len(before[ROWS]) and len(plus) == len(slots):
            # every group that had a row has another one: the most common case takes everything as it is
            found = {n: np.concatenate([before[n], now[n]]) for n in now}
        else:
            found = {n: np.concatenate([before[n][old], now[n][plus]]) for n in now}
        ends = pl.concat([extremes[minus], latest[plus]]) if self._values else extremes
        made = layout.outputs(state, found, _by_part(ends))
        keys = state.keys(np.concatenate([slots[minus], slots[plus]])) if self._keys else made
        yield from self._emitted(keys, made, len(minus))

    def _emitted(self, keys: pl.DataFrame, made: pl.DataFrame, minus: int) -> Iterator[Output]:
        """Rows of keys and results as changes: so many removals, then insertions."""
        columns = {c.name: c for c in (*keys.get_columns(), *made.get_columns())}
        frame = to_frame([columns[n] for n in self._spec.columns])
        weight = np.ones(frame.height, np.int64)
        weight[:minus] = -1
        batch = Batch(frame, numbers(WEIGHT, weight) if minus else None)
        yield from batch.slices(self._rows_max) if len(batch) else ()

    def on_end(self, port: int) -> Iterator[Output]:
        """The last changes."""
        del port
        yield from self.on_cut(0)


def _differs(
    before: Mapping[str, Array], old: Array, now: Mapping[str, Array], new: Array, names: Iterable[str]
) -> Array:
    """Which groups have other parts than before; `old` and `new` are their places in both."""
    found = np.zeros(len(new), np.bool_)
    for name in names if len(new) else ():
        found |= before[name][old] != now[name][new]
        if found.all():
            break
    return found


def _by_part(frame: pl.DataFrame) -> dict[tuple[str, str], pl.Series]:
    """Extremes as `outputs` takes them; their columns are named `min argument`, `max argument`."""
    return {(n[:3], n[4:]): frame.get_column(n) for n in frame.columns}
