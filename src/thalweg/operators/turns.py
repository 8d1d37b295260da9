"""Answer what a user's function asks for about the row or timer that it is called for.

The timers of the key at work that are due before the turn ends are at hand as a heap; all others are noted,
and go to the state together, when all keys have had their turn.

Used by: process_calls.py. Not here: the timers in the state (event_timers.py), functions that are called for
many keys at once (column_turns.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from thalweg.errors import PlanError, did_you_mean
from thalweg.protocols.process import FunctionState, KeyedFunction, RowFunction

Array = np.ndarray[Any, Any]
Change = tuple[bool, Array, Array]
"""Whether timers are set, or deleted; the numbers of their keys, and their times."""
Take = Callable[[Iterable[Any], list[Any]], None]


class PastTimer(Exception):
    """A function has set a timer for a time that has passed."""

    def __init__(self, timer_us: int, now_us: int) -> None:
        super().__init__(f"a timer for {shown_time(timer_us)}, when it is {shown_time(now_us)}")


def shown_time(time_us: int) -> str:
    """An event time as messages show it."""
    return str(pl.Series([time_us]).cast(pl.Datetime("us")).cast(pl.String)[0])


def check_side(port: str, known: Collection[str]) -> None:
    """Refuse a side output that the function has not declared.

    Raises:
        PlanError: `plan-side-output`.
    """
    if port not in known:
        raise PlanError(
            f'the function has no side output "{port}"',
            code="plan-side-output",
            found=port,
            choices=[*known] or None,
            hint=did_you_mean(port, [*known]) or 'process(…, sides={"name": columns}) declares them',
        )


_TIME_MAX = 1 << 62


def check_timer(function: KeyedFunction, time_us: int, has_method: bool, method: str) -> None:
    """Refuse a timer that nobody is called for, or that no time can be.

    Raises:
        PlanError: `plan-process-function`.
    """
    if not has_method:
        raise PlanError(
            f"{function.name} sets a timer, and has no {method}",
            code="plan-process-function",
            where=function.place,
            hint=f"def {method}(self) is called when one is due",
        )
    if abs(time_us) > _TIME_MAX:
        raise OverflowError("a timer for a time that is too far away; without one it is never due")


class Mark(NamedTuple):
    """How it was before a row."""

    due: list[int]
    alive: set[int]
    last_us: int
    dropped: int


class RowTurns:
    """See `thalweg.protocols.process.Turn`; one object for all keys, one key at a time.

    Args:
        function: which it is.
        take: adds rows to others, as they are when they come.

    Attributes:
        taking: the same for rows of side outputs.
        until: timers before this time are due in this turn, also those that the function sets; None: all are.
        is_waiting: whether no timer is due in this turn, whenever it is set for.
        is_strict: whether a row may not set a timer for a time before its own.
        is_end: whether the input has ended: a timer that sets another one then would go on for ever.
        number: of the key at work.
        to_key: makes what the function sees of them.
        last_us: when something last happened to the key at work, where that is known.
        ttls: the states with a time to live.
        due: the times of the key's timers that are due, as a heap.
        later: by key number and time, the timers to set (True) and to delete (False) afterwards.
        is_clock: whether the timers that are due are those of processing time.
        clocked: as `later`, timers of processing time.
        wall: the processing time.
        given: by side output, the rows that were emitted to it.
        dropped: how many timers were set after the end of the input.
        at: which row is at work.
        missed: the rows that were late for a window, with its start and end, and whether they are gone.
        judged_us: where rows are taken as they arrive: how far event time is for all of them.
    """

    def __init__(self, function: KeyedFunction, take: Take) -> None:
        self._function, self._take = function, take
        self.taking: dict[str, Take] = {}
        self.time_us = self.now_us = self.due_us = self.lateness_us = self.number = 0
        self._keys = pl.DataFrame()
        self._rows_of_keys: list[tuple[Any, ...]] | None = None
        self.judged_us: int | None = None
        self.at = [0]
        self.missed: list[tuple[int, int, int, bool]] = []
        self.to_key: Callable[[tuple[Any, ...]], Any] = tuple
        self.is_timer = False
        self.until: int | None = None
        self.last_us = 0
        self.ttls: list[FunctionState] = []
        self.is_end = self.is_waiting = self.is_clock = False
        self.wall: Callable[[], int] = int
        self.clocked: dict[tuple[int, int], bool] = {}
        self.is_strict = True
        self.dropped = 0
        self.later: dict[tuple[int, int], bool] = {}
        self.given: dict[str, list[Any]] = {side: [] for side in function.sides}
        self.due: list[int] = []
        self._alive: set[int] = set()
        # of keys whose rows are taken one by one, what stands
        self._later: dict[tuple[int, int], bool] = {}
        self._clocked: dict[tuple[int, int], bool] = {}
        self._begun: list[int] = []
        self._marked: list[int] = []

    @property
    def key(self) -> Any:
        """The key at work."""
        if self._rows_of_keys is None:
            self._rows_of_keys = self._keys.rows()
        return self.to_key(self._rows_of_keys[self.number])

    def begin(self, keys: pl.DataFrame) -> None:
        """The keys that have their turns next; as Python's values only if they are asked for."""
        self._keys, self._rows_of_keys = keys, None

    def remind(self, timers: Mapping[int, list[int]]) -> None:
        """Take those of the key at work, of timers that are due by the numbers of keys, each ascending."""
        if self.number in timers:
            # in a list that is ascending the least is first, as in a heap
            self.due, self._alive = [*timers[self.number]], {*timers[self.number]}

    def expire(self, function: RowFunction, time_us: int) -> None:
        """Something happens to the key at work: state whose time to live has passed begins anew."""
        gap, self.last_us = time_us - self.last_us, time_us
        for state in self.ttls:
            if state.ttl_us is not None and gap > state.ttl_us:
                setattr(function, state.name, state.begin())

    def fire(self, function: RowFunction, before: int | None, given: list[Any]) -> None:
        """Call the function for the key's timers that are due before a time (None: all), in their order."""
        due, alive = self.due, self._alive
        self.is_timer = True
        while due and (before is None or due[0] < before):
            time = heappop(due)
            if time in alive:
                alive.discard(time)
                self.due_us = time
                made = function.on_clock() if self.is_clock else self._timed(function, time)
                if made is not None:
                    self._take(made, given)
        self.is_timer = False

    def _timed(self, function: RowFunction, time: int) -> Iterable[Any] | None:
        self.time_us = self.now_us = time
        if self.ttls:
            self.expire(function, time)
        return function.on_timer()

    @property
    def clock_us(self) -> int:
        """The processing time."""
        return self.wall()

    def set_clock_timer(self, time_us: int) -> None:
        check_timer(self._function, time_us, self._function.has_clock, "on_clock")
        if self.is_end and self.is_timer:
            self.dropped += 1
        else:
            self.clocked[self.number, time_us] = True

    def delete_clock_timer(self, time_us: int) -> None:
        check_timer(self._function, time_us, self._function.has_clock, "on_clock")
        self.clocked[self.number, time_us] = False

    def set_timer(self, time_us: int, *, comes_to_end: bool = False) -> None:
        check_timer(self._function, time_us, self._function.has_timers, "on_timer")
        is_past = time_us < self.now_us and self.is_strict
        if is_past or (self.is_timer and time_us <= self.now_us):
            raise PastTimer(time_us, self.now_us)
        if self.is_end and self.is_timer and not comes_to_end:
            self.dropped += 1
        elif not self.is_waiting and (self.until is None or time_us < self.until):
            if time_us not in self._alive:
                self._alive.add(time_us)
                heappush(self.due, time_us)
        else:
            self.later[self.number, time_us] = True

    def miss(self, start_us: int, end_us: int, *, is_gone: bool) -> None:
        self.missed.append((self.at[0], start_us, end_us, is_gone))

    def delete_timer(self, time_us: int) -> None:
        if time_us in self._alive:
            self._alive.discard(time_us)
        else:
            self.later[self.number, time_us] = False

    # -- rows that may fail (process_trial.py) ----------------------------------------------------

    def begin_key(self) -> None:
        """The turn of a key begins."""
        self._begun = self._lengths()

    def back_to_begin(self, timers: Mapping[int, list[int]]) -> None:
        """What was asked for in the turn of the key at work is undone; these timers are due again."""
        for noted in (self.later, self.clocked):
            # those of a key are the last ones
            while noted and next(reversed(noted))[0] == self.number:
                noted.popitem()
        self._cut_sides(self._begun)
        self.due, self._alive, self.is_timer = [], set(), False
        self.remind(timers)

    def mark(self) -> Mark:
        """How it is before a row of the key at work."""
        self.keep()
        self._marked = self._lengths()
        return Mark([*self.due], {*self._alive}, self.last_us, self.dropped)

    def keep(self) -> None:
        """What was asked for since the last mark stands."""
        for noted, fresh in ((self._later, self.later), (self._clocked, self.clocked)):
            noted.update(fresh)
        self.later, self.clocked = {}, {}

    def back(self, mark: Mark) -> None:
        """What was asked for since the mark is undone."""
        self.later, self.clocked = {}, {}
        self._cut_sides(self._marked)
        self.due, self._alive, self.last_us, self.dropped = mark

    def fresh_of_sides(self) -> Iterator[tuple[str, list[Any]]]:
        """The rows that side outputs got since the last mark."""
        for (side, rows), length in zip(self.given.items(), self._marked, strict=False):
            if len(rows) > length:
                yield side, rows[length:]

    def forget(self) -> None:
        """Everything that was asked for since the state was last written."""
        self.later, self.clocked = {}, {}
        self._later, self._clocked = {}, {}
        self._cut_sides([0] * (len(self.given) + 1))
        self.due, self._alive, self.is_timer = [], set(), False

    def _lengths(self) -> list[int]:
        return [len(rows) for rows in (*self.given.values(), self.missed)]

    def _cut_sides(self, lengths: Iterable[int]) -> None:
        aside: tuple[list[Any], ...] = (*self.given.values(), self.missed)
        for rows, length in zip(aside, lengths, strict=True):
            del rows[length:]

    # -- what goes on from here -------------------------------------------------------------------

    def emit(self, port: str, row: Any) -> None:
        check_side(port, self.given)
        self.taking[port]([row], self.given[port])

    def taken(self) -> Iterator[Change]:
        """The timers that go to the state."""
        return _changes(self.later, self._later)

    def taken_clocked(self) -> Iterator[Change]:
        """Those of processing time."""
        return _changes(self.clocked, self._clocked)


def _changes(noted: dict[tuple[int, int], bool], others: dict[tuple[int, int], bool]) -> Iterator[Change]:
    """What was noted by key number and time, the others before; it is forgotten."""
    if others:
        noted.update({**others, **noted})
        others.clear()
    if noted:
        numbers, times = np.array([*noted], np.int64).T
        is_set = np.fromiter(noted.values(), np.bool_, len(noted))
        noted.clear()
        for wanted in (False, True):
            some = is_set == wanted
            yield wanted, numbers[some], np.ascontiguousarray(times[some])
