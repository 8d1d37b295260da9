"""Call a user's keyed function key by key: its state becomes attributes, and its attributes state.

The loop over keys and rows is written out for the function's own states, as dataclasses write their
`__init__`: it is all that is done for each row.

Not here: which rows and timers come (process_op.py), what the function asks for meanwhile (turns.py).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from traceback import extract_tb
from typing import Any

import polars as pl

from thalweg.base.collector import paused
from thalweg.columnar.eager import gather_rows, pick
from thalweg.errors import DataError, ThalwegError
from thalweg.operators.process import LAST, Given, ProcessSpec
from thalweg.operators.process_state import read_values, write_values
from thalweg.operators.process_work import Work
from thalweg.operators.turns import PastTimer, RowTurns, shown_time
from thalweg.protocols.state import KeyedColumns

_SHOWN_MAX = 200


class RowCalls:
    """The user's function, and the loop that calls it."""

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec, self.turns = spec, RowTurns(spec.function.sides)
        self.function = spec.function.new()
        self.function.turn = self.turns
        self._states = spec.function.states
        self._rows = [maker("Row", side.shown) for side in spec.inputs]
        self.turns.to_key = maker("Key", [*spec.keys])
        function = spec.function
        if function.forgets:
            self.turns.ttls = [s for s in self._states if s.ttl_us is not None]
        names = [s.name for s in self._states]
        inputs, has_timers = len(spec.inputs), function.has_timers or function.has_clock
        self._loop = loop_over(names, inputs, has_timers=has_timers, forgets=function.forgets)

    def run(self, work: Work, kept: KeyedColumns, rows_max: int) -> Iterator[Given]:
        """What the function gives.

        Raises:
            DataError: `data-python-function`, `data-timer-past`, `data-python-state`.
        """
        with paused():
            yield from self._run(work, kept, rows_max)
        for side, made in self.turns.given.items():
            yield from ((side, frame) for frame in self._spec.sides[side].frames(made, rows_max))
            made.clear()

    def _run(self, work: Work, kept: KeyedColumns, rows_max: int) -> Iterator[Given]:
        rows = self._in_order(work)
        values = [read_values(state, kept, work.slots).tolist() for state in self._states]
        if self._spec.function.forgets:
            values.append(kept.column(LAST)[work.slots].tolist())
        at = [0]
        self.turns.keys = work.keys.rows()
        given = self._loop(
            self.function,
            [getattr(self.function, name) for name in self._spec.function.handlers],
            self.turns,
            rows,
            work.ports.tolist(),
            work.times.tolist(),
            work.bounds[1:].tolist(),
            _by_owner(work),
            values,
            rows_max,
            at,
        )
        try:
            for part in given:
                yield from ((None, frame) for frame in self._spec.output.frames(part, rows_max))
        except ThalwegError:
            raise
        except Exception as error:
            raise self._failed(error, rows, at[0]) from error
        if self._spec.function.forgets:
            kept.column(LAST)[work.slots] = values.pop()
        for state, column in zip(self._states, values, strict=True):
            write_values(self._spec.function, state, column, kept, work.slots)

    def _in_order(self, work: Work) -> list[Any]:
        """The rows as named tuples, in the order of the work."""
        frames = [pick(f, list(i.shown)) for f, i in zip(work.rows, self._spec.inputs, strict=True)]
        if len(frames) == 1:
            return _tuples(gather_rows(frames[0], work.order), self._rows[0])
        rows = [row for frame, make in zip(frames, self._rows, strict=True) for row in _tuples(frame, make)]
        return [rows[place] for place in work.order.tolist()]

    def _failed(self, error: Exception, rows: list[Any], at: int) -> DataError:
        """What the user's code raised, with the key and the row or timer that it was called for."""
        name, turns = self._spec.function.name, self.turns
        called = f"the timer of {shown_time(turns.time_us)}" if turns.is_timer else repr(rows[at])
        place = user_place(error) or self._spec.function.place
        if isinstance(error, PastTimer):
            return DataError(
                f"{name} sets a timer for a time that has passed",
                code="data-timer-past",
                where=place,
                found=f"{error}, at {called}"[:_SHOWN_MAX],
                hint="a row may set one for its own time or later, a timer only for a later one",
            )
        return DataError(
            f"{name} raised {type(error).__name__}: {str(error)[:_SHOWN_MAX]}",
            code="data-python-function",
            where=place,
            found=f"{called}, key {tuple(turns.key)}"[:_SHOWN_MAX],
            hint=f"the step is written at {self._spec.function.place}" if self._spec.function.place else None,
        )


def _tuples(frame: pl.DataFrame, make: Callable[[Iterable[Any]], Any]) -> list[Any]:
    columns = (c.to_list() for c in frame.get_columns())
    return list(map(make, zip(*columns, strict=True)))


def _by_owner(work: Work) -> dict[int, list[int]]:
    """The times of the timers that are due, by the number of their key, ascending."""
    found: dict[int, list[int]] = {}
    for number, time in zip(work.owners.tolist(), work.due.tolist(), strict=True):
        found.setdefault(number, []).append(time)
    return found


def maker(name: str, fields: Sequence[str]) -> Callable[[Iterable[Any]], Any]:
    """Makes named tuples; a column whose name is no name of Python is found by its place."""
    # their fields are data, which no checker of types can know
    kind: Any = namedtuple(name, list(fields), rename=True)  # type: ignore[misc]
    # a third of the time of its own `_make`, which is written in Python
    return partial(tuple.__new__, kind)


def user_place(error: Exception) -> str | None:
    """Where the user's code raised: the innermost frame that is not ours."""
    import thalweg

    own = thalweg.__path__[0]
    frames = [f for f in extract_tb(error.__traceback__) if not f.filename.startswith((own, "<"))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


Loop = Callable[..., Iterator[list[Any]]]

_LOOP = """
def loop(function, handlers, turns, rows, ports, times, ends, timers, values, rows_max, at):
    on_event, given, first = handlers[0], [], 0
    {columns} = values
    for number, end in enumerate(ends):
        turns.number = number
        {load}
        for place in range(first, end):
            {before_row}
            {expire}
            turns.time_us = times[place]
            at[0] = place
            made = {on_event}(rows[place])
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


def loop_over(states: list[str], inputs: int, *, has_timers: bool, forgets: bool) -> Loop:
    """The loop for a function with these states.

    Its arguments are the function, what it takes the rows of each input with, its `RowTurns`, the rows with
    their inputs and times, the end of each key's rows, the timers that are due, the values of each state by
    key (and, if it forgets, when something last happened to it), how many rows one list may have, and where
    the loop notes the row that it is at.
    """
    names = [f"state{n}" for n in range(len(states))]
    remind = "turns.remind(timers)" if has_timers else "pass"
    pairs = [(n, f"function.{s}") for n, s in zip(names, states, strict=True)]
    if forgets:
        names.append("last")
        pairs.append(("last", "turns.last_us"))
    source = _LOOP.format(
        columns=", ".join(names) + "," if names else "_",
        load="; ".join([*(f"{s} = {n}[number]" for n, s in pairs), remind]),
        keep="; ".join(f"{n}[number] = {s}" for n, s in pairs) or "pass",
        on_event="on_event" if inputs == 1 else "handlers[ports[place]]",
        expire="turns.expire(function, times[place])" if forgets else "pass",
        before_row="if turns.due: turns.fire(function, times[place], given)" if has_timers else "pass",
        behind_rows="if turns.due: turns.fire(function, turns.until, given)" if has_timers else "pass",
    )
    made: dict[str, Any] = {}
    exec(compile(source, "<loop of a keyed function>", "exec"), made)  # noqa: S102 - names of attributes only
    found: Loop = made["loop"]
    return found
