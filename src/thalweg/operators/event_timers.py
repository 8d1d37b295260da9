"""Keep the timers of keys: which keys are to be called at which time.

A timer is a key and a time; the same one set twice is one timer. Those that are due are found without looking
at the others.

Used by: process_op.py. Not here: what is called (process_op.py), the timers of the key at work (turns.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from thalweg.columnar.ascending import ascending
from thalweg.columnar.eager import beside, numbers
from thalweg.operators.deadlines import Deadlines
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns

Array = np.ndarray[Any, Any]
TIME = "__timer"
_DUE = "due"
_NEVER = 1 << 62
_STALE, _FEW = 3, 1000


def timers_spec(keys: Mapping[str, pl.DataType], name: str = "timers") -> ColumnsSpec:
    """The state of the timers of some keys."""
    columns = {_DUE: ColumnSpec("int64", _NEVER)}
    return ColumnsSpec(name, {**keys, TIME: pl.Int64()}, columns, partition=tuple(keys))


class Due(NamedTuple):
    """Timers that are due.

    Attributes:
        keys: their keys.
        times: their times in microseconds, int64.
    """

    keys: pl.DataFrame
    times: Array


class EventTimers:
    """The timers of all keys of a task.

    Example:
        >>> from thalweg.state.memory import KeyedColumns as Columns
        >>> timers = EventTimers(Columns(timers_spec({"k": pl.String()})))
        >>> timers.set(pl.DataFrame({"k": ["a", "b", "a"]}), np.array([5, 7, 5]))
        >>> due = timers.take(6)
        >>> due.keys["k"].to_list(), due.times.tolist(), timers.least
        (['a'], [5], 7)
    """

    def __init__(self, state: KeyedColumns) -> None:
        self._state = state
        self._deadlines = Deadlines()
        # the next time and how many timers it has, so that whoever asks again costs no search; 0: not known
        self._least = self._firsts = 0
        self._know(state.live())

    def _know(self, slots: Array) -> None:
        self._deadlines.add(slots, self._state.column(_DUE)[slots])

    @property
    def count(self) -> int:
        """How many timers there are."""
        return self._state.count

    @property
    def least(self) -> int | None:
        """The time of the next timer; None if there is none."""
        if not self._firsts and self._state.count:
            first = self._deadlines.first(self._state.column(_DUE))
            assert first is not None, "each timer has a deadline"
            self._least, self._firsts = first
        return self._least if self._firsts else None

    def set(self, keys: pl.DataFrame, times: Array) -> None:
        """Timers for keys, row by row."""
        if not len(times):
            return
        slots = self._state.slots(beside(keys, [numbers(TIME, times)]))
        fresh = self._state.last_new
        self._state.column(_DUE)[slots] = times
        self._know(fresh.copy())
        self._add_firsts(self._state.column(_DUE)[fresh])
        # timers that were moved leave their old place behind, which may be days away
        if self._deadlines.count > _STALE * (self._state.count + _FEW):
            self._deadlines.forget(self._state.live(), self._state.column(_DUE))

    def _add_firsts(self, times: Array) -> None:
        """Where the next time is known, it stays known when there are more timers."""
        least = int(times.min(initial=_NEVER))
        if not self._firsts or least > self._least:
            return
        known = self._firsts if least == self._least else 0
        self._least, self._firsts = least, known + int(np.count_nonzero(times == least))

    def delete(self, keys: pl.DataFrame, times: Array) -> None:
        """No such timers any more; those that there are not do not matter."""
        if len(times):
            slots = self._state.find(beside(keys, [numbers(TIME, times)]))
            gone = ascending(slots[slots >= 0])
            if self._firsts:
                self._firsts -= int(np.count_nonzero(self._state.column(_DUE)[gone] == self._least))
            self._state.free(gone)

    def take(self, until: int | None) -> Due:
        """The timers with a time before `until` (None: all); they are timers no more."""
        least = self.least
        if least is None or (until is not None and least >= until):
            return self.none
        live = self._state.live() if until is None else None
        slots = self._deadlines.passed(until, self._state.column(_DUE)) if until is not None else live
        assert slots is not None, "one of both has been asked"
        keys = self._state.keys(slots)
        times = self._state.column(_DUE)[slots]
        self._state.free(slots)
        if len(slots):
            self._firsts = 0
        return Due(keys.drop(TIME), times)

    @cached_property
    def none(self) -> Due:
        """No timers at all."""
        empty = np.empty(0, np.int64)
        return Due(self._state.keys(empty).drop(TIME), empty)

    def compact(self) -> None:
        """Give back memory of timers that have gone."""
        self._state.compact()
