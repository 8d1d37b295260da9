"""Answer what a user's function of columns asks for about the rows or timers that it is called for.

There are many keys in one call, each with one row or one timer. The timers that are due before the turn ends
lie sorted by key and time; all others are noted, and go to the state together.

Used by: process_columns.py. Not here: functions that are called for one row (turns.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.operators.turns import Change, PastTimer, check_side, check_timer
from thalweg.protocols.process import KeyedFunction

Array = np.ndarray[Any, Any]
NEVER = np.iinfo(np.int64).max
"""Later than any timer; it is compared, and nothing else."""


class DueTimers:
    """The timers that are due, of keys by number, each key's in the order of time.

    Example:
        >>> timers = DueTimers(2, np.array([0, 0, 1]), np.array([5, 7, 6]))
        >>> timers.next_times(np.array([0, 1])).tolist()
        [5, 6]
        >>> timers.pop(np.array([0, 1]))
        >>> timers.change([(True, np.array([1, 0]), np.array([9, 7])), (False, np.array([1]), np.array([9]))])
        >>> timers.next_times(np.array([0, 1])).tolist() == [7, NEVER]
        True
    """

    def __init__(self, keys: int, owners: Array, times: Array) -> None:
        self._keys = keys
        self._lay(owners, times)

    def _lay(self, owners: Array, times: Array) -> None:
        self._owners, self._times = owners, np.append(times, NEVER)
        bounds = np.zeros(self._keys + 1, np.int64)
        np.cumsum(np.bincount(owners, minlength=self._keys), out=bounds[1:])
        self._heads, self._ends = bounds[:-1].copy(), bounds[1:]

    @property
    def count(self) -> int:
        """How many there were when they were last laid out."""
        return len(self._owners)

    def next_times(self, keys: Array) -> Array:
        """The next timer of each of these keys, or `NEVER`."""
        heads = self._heads[keys]
        return np.where(heads < self._ends[keys], self._times[heads], NEVER)

    def pop(self, keys: Array) -> None:
        """The next timers of these keys are timers no more."""
        self._heads[keys] += 1

    def change(self, changes: list[Change]) -> None:
        """Set and delete timers, one change after the other; what is set twice is one timer."""
        places = np.arange(len(self._owners))
        alive = places >= self._heads[self._owners]
        owners, times = self._owners[alive], self._times[:-1][alive]
        for is_set, keys, at in changes:
            if is_set:
                owners, times = np.concatenate([owners, keys]), np.concatenate([times, at])
            else:
                gone = _pairs(keys, at)
                stays = ~np.isin(_pairs(owners, times), gone)
                owners, times = owners[stays], times[stays]
        found = np.unique(_pairs(owners, times))
        self._lay(np.ascontiguousarray(found["key"]), np.ascontiguousarray(found["time"]))


_PAIR = np.dtype([("key", np.int64), ("time", np.int64)])


def _pairs(keys: Array, times: Array) -> Array:
    found = np.empty(len(keys), _PAIR)
    found["key"], found["time"] = keys, times
    return found


class ColumnTurns:
    """See `thalweg.protocols.process.ColumnTurn`.

    Attributes:
        until: timers before this time are due in this turn, also those that the function sets; None: all are.
        is_waiting: whether no timer is due in this turn, whenever it is set for.
        is_strict: whether a row may not set a timer for a time before its own.
        is_end: whether the input has ended: a timer that sets another one then would go on for ever.
        keys_of: gives keys of the turn by their numbers.
        numbers: of the keys of this call.
        fresh: timers that were set or deleted in this call, and are due in this turn.
        given: what was emitted to side outputs.
        dropped: how many timers were set after the end of the input.
    """

    def __init__(self, function: KeyedFunction) -> None:
        self._function = function
        self.times_us = self.numbers = np.empty(0, np.int64)
        self.is_timer = self.is_end = self.is_waiting = self.is_clock = False
        self.is_strict = True
        self.until: int | None = None
        self.fresh: list[Change] = []
        self.given: list[tuple[str, pl.DataFrame]] = []
        self.dropped = 0
        self._sides = function.sides
        self.keys_of: Callable[[Array], pl.DataFrame]
        self._later: list[Change] = []

    @property
    def keys(self) -> pl.DataFrame:
        """The keys of this call, which few functions ask for."""
        return self.keys_of(self.numbers)

    def set_timers(self, times_us: Array, where: Array) -> None:
        check_timer(self._function, 0, self._function.has_timers, "on_timers")
        keys, times = self.numbers[where], times_us[where]
        now = self.times_us[where]
        is_past = times <= now if self.is_timer else (times < now) & self.is_strict
        if is_past.any():
            place = is_past.argmax()
            raise PastTimer(int(times[place]), int(now[place]))
        if self.is_end and self.is_timer:
            self.dropped += len(keys)
            return
        self._change(True, keys, times)

    def delete_timers(self, times_us: Array, where: Array) -> None:
        self._change(False, self.numbers[where], times_us[where])

    def _change(self, is_set: bool, keys: Array, times: Array) -> None:
        if self.is_waiting:
            now = np.zeros(len(times), np.bool_)
        else:
            now = np.ones(len(times), np.bool_) if self.until is None else times < self.until
        for changes, some in ((self.fresh, now), (self._later, ~now)):
            if some.any():
                changes.append((is_set, keys[some], times[some]))

    def emit(self, port: str, rows: pl.DataFrame) -> None:
        check_side(port, self._sides)
        self.given.append((port, rows))

    def mark(self) -> tuple[int, int, int]:
        """How it is before a call that may fail."""
        return len(self.fresh), len(self._later), self.dropped

    def back(self, mark: tuple[int, int, int]) -> None:
        """What was asked for since the mark is undone."""
        fresh, later, self.dropped = mark
        del self.fresh[fresh:], self._later[later:]
        self.given = []

    def taken(self) -> Iterator[Change]:
        """The timers that go to the state."""
        later, self._later = self._later, []
        return iter(later)

    def taken_clocked(self) -> Iterator[Change]:
        """Those of processing time: functions of columns have none."""
        return iter(())
