"""One input of a join: its rows by key, and what has changed among them since the last cut.

Used by: join.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.accumulate import touch
from thalweg.columnar.allocation import grown
from thalweg.columnar.batch import BEFORE, Batch
from thalweg.columnar.buffers import NO_WORDS, values_and_validity
from thalweg.columnar.chains import add_at
from thalweg.columnar.eager import pick, plain
from thalweg.operators.deadlines import Deadlines
from thalweg.operators.join_spec import MATCHES, UNTIL, SideSpec
from thalweg.operators.missing import check_present
from thalweg.protocols.state import Multimap

Array = np.ndarray[Any, Any]
_NO_ROWS = np.empty(0, np.int64)
_NEVER = np.iinfo(np.int64).min
_LOOKS = 8
"""How often a row may be looked at in vain: more often keeps fewer rows that are of no use any more."""


@dataclass
class Taken:
    """Rows of a batch, as they are kept.

    Attributes:
        frame: the rows, without those that have NULL in a key column.
        weights: of the rows; empty if all are 1.
        keys: their key columns.
        slots: the slots of their keys.
        rows: their numbers in the state.
        without_key: the rows with NULL in a key column.
        begins: which rows were not there before, so that their partners are yet to be counted; None: all.
    """

    frame: pl.DataFrame
    weights: Array
    keys: pl.DataFrame
    slots: Array
    rows: Array
    without_key: Batch | None = None
    begins: Array | None = None

    def weights_at(self, places: Array) -> Array:
        """The weights of rows of the frame."""
        found: Array = self.weights[places] if len(self.weights) else np.ones(len(places), np.int64)
        return found


class JoinSide:
    """The rows of one input.

    Attributes:
        state: where they are kept.
        is_judged: whether the output depends on which of them have no partner.
    """

    def __init__(
        self, state: Multimap, spec: SideSpec, *, is_judged: bool, counts: bool, is_final: bool
    ) -> None:
        """Begin with what is kept.

        Args:
            state, spec, is_judged: as the attributes say.
            counts: whether the partners of each row are counted.
            is_final: whether rows are judged once, when they can find no partner any more.
        """
        self.state, self.is_judged = state, is_judged
        self._counts = is_judged and counts
        self._spec = spec
        self._names, self._keys = list(spec.columns), list(spec.keys)
        self._rows, self._slots = _Marks(), _Marks()
        self._added = 0
        self._due = _NO_ROWS
        self._deadlines = Deadlines() if is_judged and is_final else None
        if self._deadlines is not None:
            live = state.live()
            self._deadlines.add(live, state.counter(UNTIL)[live])

    # Taking rows -------------------------------------------------------------------------------

    def late(self, batch: Batch) -> pl.Series | None:
        """Which rows are behind their split's watermark, where that matters; None if none is."""
        late = self._spec.bound.late
        if late is None or BEFORE not in batch.frame.columns:
            return None
        time = plain(batch.frame.get_column(late.column)) + late.shift_us
        found = (time < batch.frame.get_column(BEFORE)).fill_null(value=False)
        return found if found.any() else None

    def take(self, batch: Batch) -> Taken:
        """The rows of a batch with the slots of their keys; nothing is kept yet."""
        frame = pick(batch.frame, self._names)
        without_key = None
        missing = self._missing_key(frame)
        if missing is not None:
            rows = Batch(frame, batch.weight)
            without_key, batch = rows.filter(missing), rows.filter(~missing)
            frame = batch.frame
        weights = NO_WORDS if batch.weight is None else values_and_validity(batch.weight)[0]
        keys = self._keys_of(frame)
        return Taken(frame, weights, keys, self.state.slots(keys), _NO_ROWS, without_key)

    def _missing_key(self, frame: pl.DataFrame) -> pl.Series | None:
        """Which rows have NULL in a key column; None if none has."""
        missing = None
        for name in self._keys:
            column = frame.get_column(name)
            if column.null_count():
                missing = column.is_null() if missing is None else missing | column.is_null()
        return missing

    def _keys_of(self, frame: pl.DataFrame) -> pl.DataFrame:
        return pick(frame, self._keys) if self._keys else pl.DataFrame(height=frame.height)

    def note_keys(self, taken: Taken) -> None:
        """Remember which keys had rows before these come."""
        fresh = self._slots.add(taken.slots, len(self.state.totals))
        self._slots.note(self.state.totals[fresh] > 0)

    def keep(self, taken: Taken) -> Taken:
        """Add the rows to the state; returns those that are left once equal ones are added up."""
        taken.rows = self.state.add(taken.frame, taken.slots, taken.weights)
        until = self._spec.bound.until
        if until is not None:
            times, validity = values_and_validity(taken.frame.get_column(until.column))
            times = times + until.shift_us
            if validity is not None:
                # without a time a row has no partner
                times = np.where(validity, times, _NEVER)
            known = self.state.counter(UNTIL)
            if self._deadlines is not None:
                # a row that comes again is due when it was before
                fresh = (known[taken.rows] != times) | (times == 0)
                self._deadlines.add(taken.rows[fresh], times[fresh])
            known[taken.rows] = times
            self.state.touch(taken.rows)
            self._added += len(times)
        if self.is_judged or self._spec.is_updating:
            self._touch(taken.rows)
        return self._netted(taken) if self._spec.is_updating else taken

    def _netted(self, taken: Taken) -> Taken:
        rows, places = np.unique(taken.rows, return_inverse=True)
        sums = np.zeros(len(rows), np.int64)
        add_at(np.ascontiguousarray(places), taken.weights, sums)
        left = sums != 0
        rows, weights = rows[left], sums[left]
        # of equal rows with unlike bits (0.0 and -0.0) one is kept, and always the same one is emitted
        frame = self.state.frame(rows)
        # of a row that is there already the partners are known, however often it comes again
        begins = self.state.weights(rows) == weights
        if self._counts:
            self.state.counter(MATCHES)[rows[begins]] = 0
        weights = NO_WORDS if (weights == 1).all() else weights
        return Taken(frame, weights, self._keys_of(frame), self.state.owners(rows), rows, begins=begins)

    # Partners ----------------------------------------------------------------------------------

    def present(self, keys: pl.DataFrame) -> Array:
        """Which keys have rows."""
        slots = self.state.find(keys)
        if not len(self.state.totals):
            return np.zeros(len(slots), np.bool_)
        found: Array = (slots >= 0) & (self.state.totals[slots] > 0)
        return found

    def count_own(self, taken: Taken, places: Array, amounts: Array) -> None:
        """Add to the partners of the rows just taken, of those that were not there before."""
        if taken.begins is not None:
            some = taken.begins[places]
            places, amounts = places[some], amounts[some]
        self.count(taken.rows[places], amounts)

    def count(self, rows: Array, amounts: Array) -> None:
        """Add to the partners of rows."""
        if self._counts:
            add_at(rows, amounts, self.state.counter(MATCHES))
            self.state.touch(rows)
            self._touch(rows)

    def flipped_keys(self) -> pl.DataFrame:
        """The keys that have rows now and had none at the last cut, or the other way round."""
        slots, had = self._slots.all(), self._slots.noted()
        return self.state.keys(slots[had != (self.state.totals[slots] > 0)])

    def note_chains(self, keys: pl.DataFrame, rows_max: int) -> None:
        """Look again at all rows of some keys."""
        for _, rows in self.state.pairs(self.state.find(keys), rows_max):
            self._touch(rows)

    def keys_of_rows(self, rows: Array) -> pl.DataFrame:
        """The keys of rows."""
        return self.state.keys(self.state.owners(rows))

    def _touch(self, rows: Array) -> None:
        self._rows.add(rows, self.state.capacity)

    def touched(self) -> Array:
        """The rows to look at again."""
        return self._rows.all()

    def due(self, watermark: int | None, *, is_end: bool) -> Array:
        """The rows that can find no partner any more; they are forgotten when the cut is settled."""
        assert self._deadlines is not None, "asked of rows that are judged once"
        if is_end:
            self._due = self.state.live()
        elif watermark is not None:
            rows = self._deadlines.passed(watermark, self.state.counter(UNTIL))
            self._due = rows[self.state.owners(rows) >= 0]
        return self._due

    def settle(self, watermark: int | None) -> None:
        """The end of a cut: forget rows that have gone, and those that can find no partner any more."""
        rows = self._rows.all()
        weights = self.state.weights(rows)
        if self._spec.is_updating:
            side = f"row of the {self._spec.name} input of a join"
            check_present(weights, lambda some: self.state.frame(rows[some]), side)
        gone = rows[weights == 0]
        self._rows.clear()
        self._slots.clear()
        if len(gone):
            self.state.free(gone)
        if self._deadlines is not None:
            self.state.free(self._due)
            self._due = _NO_ROWS
        elif self._spec.bound.until is not None and watermark is not None:
            self._expire(watermark)
        renumbered = self.state.compact()
        if renumbered is not None and self._deadlines is not None:
            self._deadlines.renumber(renumbered)

    def _expire(self, watermark: int) -> None:
        """Look at all rows, but only when many have come since the last time."""
        if self._added <= self.state.count // _LOOKS:
            return
        rows = self.state.live()
        self.state.free(rows[self.state.counter(UNTIL)[rows] < watermark])
        self._added = 0

    def nulls(self, height: int) -> pl.DataFrame:
        """This side's columns of rows without a partner."""
        return pl.DataFrame([pl.Series(n, [], dtype=t).extend_constant(None, height) for n, t in self._types])

    @property
    def _types(self) -> list[tuple[str, pl.DataType]]:
        return list(self._spec.columns.items())


class _Marks:
    """Numbers that were named since the last cut, each once, with what was noted of them."""

    def __init__(self) -> None:
        self._flags = np.zeros(0, np.bool_)
        self._added: list[Array] = []
        self._noted: list[Array] = []

    def add(self, some: Array, capacity: int) -> Array:
        """Add numbers below `capacity`; returns those that are new."""
        if len(self._flags) < capacity:
            self._flags = grown(self._flags, capacity)
        fresh = np.empty(len(some) + 1, np.int64)
        fresh = fresh[: touch(some, self._flags, fresh)]
        self._added.append(fresh)
        return fresh

    def note(self, values: Array) -> None:
        """What is known of the numbers just added."""
        self._noted.append(values)

    def all(self) -> Array:
        """Every number."""
        return np.concatenate(self._added) if self._added else _NO_ROWS

    def noted(self) -> Array:
        """What was noted of each."""
        return np.concatenate(self._noted) if self._noted else np.zeros(0, np.bool_)

    def clear(self) -> None:
        """Begin anew."""
        self._flags[self.all()] = False
        self._added, self._noted = [], []
