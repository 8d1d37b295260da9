"""Call a user's keyed function key by key: its state becomes attributes, and its attributes state.

The loop over keys and rows is written out for the function's own states, as dataclasses write their
`__init__`: it is all that is done for each row.

Not here: which rows and timers come (process_rows.py), what the function asks for meanwhile (turns.py).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator
from traceback import extract_tb
from typing import Any

import numpy as np
import polars as pl

from thalweg.errors import DataError, ThalwegError
from thalweg.operators.event_times import event_times
from thalweg.operators.process import ProcessSpec
from thalweg.operators.turns import PastTimer, Turns
from thalweg.protocols.process import FunctionState
from thalweg.protocols.state import KeyedColumns

Array = np.ndarray[Any, Any]
_SHOWN_MAX = 200


class Work:
    """The rows and timers of some keys.

    Args:
        keys: the keys, one after the other.
        slots: of their state.
        rows: key by key, in the order of time.
        groups: the number of each row's key, ascending.

    Attributes:
        timers: by the number of a key, the times of its timers that are due, ascending.
    """

    def __init__(self, keys: pl.DataFrame, slots: Array, rows: pl.DataFrame, groups: Array) -> None:
        self.keys, self.slots, self.rows, self.groups = keys, slots, rows, groups
        self.timers: dict[int, list[int]] = {}

    def remind(self, times: Array, owners: Array) -> None:
        """Timers that are due, with the numbers of their keys."""
        order = np.lexsort([times, owners])
        for number, time in zip(owners[order].tolist(), times[order].tolist(), strict=True):
            self.timers.setdefault(number, []).append(time)

    @property
    def ends(self) -> list[int]:
        """Behind the last row of each key."""
        found: list[int] = np.searchsorted(self.groups, np.arange(len(self.slots)), side="right").tolist()
        return found


class Calls:
    """The user's function, and the loop that calls it."""

    def __init__(self, spec: ProcessSpec, turns: Turns) -> None:
        self._spec, self._turns = spec, turns
        self._function = spec.function.new()
        self._function.turn = turns
        self._states = spec.function.states
        self._row = namedtuple("Row", list(spec.shown), rename=True)._make
        self._key = namedtuple("Key", list(spec.keys), rename=True)._make
        self._loop = loop_over([s.name for s in self._states], has_timers=spec.function.has_timers)

    def run(self, work: Work, kept: KeyedColumns, rows_max: int) -> Iterator[list[Any]]:
        """What the function gives, in lists of about so many rows.

        Raises:
            DataError: `data-python-function`, `data-timer-past`, `data-python-state`.
        """
        columns = (work.rows.get_column(n).to_list() for n in self._spec.shown)
        rows = list(map(self._row, zip(*columns, strict=True)))
        keys = list(map(self._key, work.keys.iter_rows()))
        times = event_times(work.rows, self._spec.time).tolist()
        values = [self._values(state, kept, work.slots) for state in self._states]
        at = [0, 0]
        loop = self._loop(
            self._function, self._turns, rows, times, work.ends, keys, work.timers, values, rows_max, at
        )
        try:
            yield from loop
        except ThalwegError:
            raise
        except Exception as error:
            raise self._failed(error, keys[at[0]], rows, at[1]) from error
        for state, column in zip(self._states, values, strict=True):
            self._keep(state, column, kept, work.slots)

    def _values(self, state: FunctionState, kept: KeyedColumns, slots: Array) -> list[Any]:
        found: list[Any] = kept.column(state.name)[slots].tolist()
        fresh = state.fresh
        return found if fresh is None else [fresh() if v is None else v for v in found]

    def _keep(self, state: FunctionState, values: list[Any], kept: KeyedColumns, slots: Array) -> None:
        column = kept.column(state.name)
        if state.fresh is not None:
            # an array of lists would have two dimensions
            held = np.empty(len(values), np.object_)
            held[:] = values
            column[slots] = held
            return
        try:
            held = np.array(values)
            is_right = np.can_cast(
                held.dtype, column.dtype, "safe" if column.dtype == np.bool_ else "same_kind"
            )
        except (ValueError, OverflowError):
            is_right = False
        if not is_right:
            raise self._misfit(state, values)
        column[slots] = held

    def _misfit(self, state: FunctionState, values: list[Any]) -> DataError:
        kinds: dict[str, tuple[type, ...]] = {"int64": (int,), "float64": (int, float), "bool": (bool,)}
        allowed = kinds[state.column.kind]
        bad = next((v for v in values if not isinstance(v, allowed) or abs(v) >= 1 << 63), values[0])
        return DataError(
            f'the state "{state.name}" of {self._spec.function.name} was given a value that it cannot hold',
            code="data-python-state",
            where=self._spec.function.place,
            expected={"int64": "an int of 64 bits", "float64": "a float", "bool": "True or False"}[
                state.column.kind
            ],
            found=f"{bad!r} of Python type {type(bad).__name__}"[:_SHOWN_MAX],
        )

    def _failed(self, error: Exception, key: Any, rows: list[Any], at: int) -> DataError:
        """What the user's code raised, with the key and the row or timer that it was called for."""
        name, turns = self._spec.function.name, self._turns
        called = f"timer {turns.time_us}" if turns.is_timer else repr(rows[at])
        place = _place(error) or self._spec.function.place
        if isinstance(error, PastTimer):
            return DataError(
                f"{name} sets a timer for a time that has passed",
                code="data-timer-past",
                where=place,
                found=f"{error} at {called}"[:_SHOWN_MAX],
                hint="a row may set one for its own time or later, a timer only for a later one",
            )
        return DataError(
            f"{name} raised {type(error).__name__}: {str(error)[:_SHOWN_MAX]}",
            code="data-python-function",
            where=place,
            found=f"{called}, key {tuple(key)}"[:_SHOWN_MAX],
            hint=f"the step is written at {self._spec.function.place}" if self._spec.function.place else None,
        )

    def idle(self, kept: KeyedColumns, slots: Array) -> Array:
        """The keys whose state is what a key begins with."""
        is_idle = np.ones(len(slots), np.bool_)
        for state in self._states:
            values = kept.column(state.name)[slots]
            if state.fresh is None:
                is_idle &= values == state.column.initial
            else:
                begin = state.fresh()
                is_idle &= np.fromiter((v is None or v == begin for v in values), np.bool_, len(values))
        return slots[is_idle]


def _place(error: Exception) -> str | None:
    """Where the user's code raised: the innermost frame that is not ours."""
    import thalweg

    own = thalweg.__path__[0]
    frames = [f for f in extract_tb(error.__traceback__) if not f.filename.startswith((own, "<"))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


Loop = Callable[..., Iterator[list[Any]]]

_LOOP = """
def loop(function, turns, rows, times, ends, keys, timers, values, rows_max, at):
    on_event, given, first = function.on_event, [], 0
    {columns} = values
    for number, end in enumerate(ends):
        at[0] = number
        turns.begin(number, keys[number], timers)
        {load}
        for place in range(first, end):
            at[1] = place
            {before_row}
            turns.time_us = times[place]
            made = on_event(rows[place])
            if made is not None:
                given.extend(made)
        first = end
        {behind_rows}
        {keep}
        if len(given) >= rows_max:
            yield given
            given = []
    yield given
"""


def loop_over(states: list[str], *, has_timers: bool) -> Loop:
    """The loop for a function with these states.

    Its arguments are the function, its `Turns`, the rows with their times, the end of each key's rows, the keys,
    the timers that are due, the values of each state by key, how many rows one list may have, and where the
    loop notes the key and the row that it is at.
    """
    names = [f"state{n}" for n in range(len(states))]
    pairs = list(zip(names, states, strict=True))
    source = _LOOP.format(
        columns=", ".join(names) + "," if names else "_",
        load="; ".join(f"function.{s} = {n}[number]" for n, s in pairs) or "pass",
        keep="; ".join(f"{n}[number] = function.{s}" for n, s in pairs) or "pass",
        before_row="if turns.due: turns.fire(function, times[place], given)" if has_timers else "pass",
        behind_rows="if turns.due: turns.fire(function, turns.until, given)" if has_timers else "pass",
    )
    made: dict[str, Any] = {}
    exec(compile(source, "<loop of a keyed function>", "exec"), made)  # noqa: S102 - names of attributes only
    found: Loop = made["loop"]
    return found
