"""Call a keyed function so that a row that it fails on is as one that never came.

A key whose rows fail is taken again from the beginning, row by row: what the function has done for the row
that it fails on, to its state, its timers and its outputs, is taken back. Keys of which no row fails cost
nothing but a copy of their state.

Used by: process_calls.py. Not here: functions of columns (process_columns.py), timers that fail: they are no
row, and the job fails with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.errors import DataError, ThalwegError
from thalweg.operators.process import ProcessSpec
from thalweg.operators.process_failed import ROW_CODES, Failure, Saved
from thalweg.operators.process_state import check_value
from thalweg.operators.process_work import Work
from thalweg.protocols.process import RowFunction
from thalweg.protocols.state import BriefColumns

Array = np.ndarray[Any, Any]


class Careful(Exception):
    """Each row is to be looked at."""


class RowTrial:
    """The rows of some keys, of which some may fail.

    Args:
        spec: the step.
        function: the user's.
        work: the rows and timers.
        rows: the rows, in the order of the work.
        kept: the state.
        failed: the error of a row by what the function has raised, the rows, and which it is.

    Attributes:
        failures: the rows that have failed.
        is_careful: whether all rows are looked at one by one.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        function: RowFunction,
        work: Work,
        rows: list[Any],
        kept: BriefColumns,
        failed: Callable[[Exception, list[Any], int], DataError],
    ) -> None:
        self._spec, self._function, self._rows, self._failed = spec, function, rows, failed
        self._handlers = [getattr(function, name) for name in spec.function.handlers]
        self._states, self._kept = spec.function.states, kept
        self._saved = Saved(self._states, kept, work.slots)
        self._turns: Any = function.turn
        self._begun = 0
        self.failures: list[Failure] = []
        self.is_careful = False

    def begin(self, given: Sequence[Any]) -> None:
        """The turn of a key begins.

        Raises:
            Careful: its rows are to be taken one by one.
        """
        self._begun = len(given)
        self._turns.begin_key()
        if self.is_careful:
            raise Careful

    def begin_anew(self) -> None:
        """All is as before the first row, and from now on each row is looked at."""
        self._saved.restore()
        self._turns.forget()
        self.failures, self.is_careful = [], True

    def back(self, given: list[Any], timers: Mapping[int, list[int]], lasts: Sequence[int]) -> None:
        """The key at work is as it was before its turn."""
        turns = self._turns
        del given[self._begun :]
        turns.back_to_begin(timers)
        if lasts:
            turns.last_us = lasts[turns.number]
        for state in self._states:
            setattr(self._function, state.name, self._saved.value(state, turns.number))

    def row_by_row(
        self,
        places: range,
        times: Sequence[int],
        moments: Sequence[int],
        ports: Sequence[int],
        given: list[Any],
        at: list[int],
    ) -> None:
        """Take the rows of the key at work; those that fail leave nothing behind."""
        turns, function = self._turns, self._function
        for place in places:
            if turns.due:
                turns.fire(function, moments[place], given)
            at[0] = place
            before, mark = self._values(), turns.mark()
            try:
                if turns.ttls:
                    turns.expire(function, times[place])
                turns.time_us, turns.now_us = times[place], moments[place]
                made = self._handlers[ports[place] if ports else 0](self._rows[place])
                found: list[Any] = []
                if made is not None:
                    self._spec.output.take(made, found)
                self._check(found)
            except Exception as error:
                if isinstance(error, ThalwegError) and error.code not in ROW_CODES:
                    raise
                told = error if isinstance(error, DataError) else self._failed(error, self._rows, place)
                self.failures.append(Failure(place, told))
                turns.back(mark)
                self._put_back(before)
            else:
                given.extend(found)
        turns.keep()

    def _check(self, made: list[Any]) -> None:
        """Refuse rows and state that do not fit what is declared."""
        if made:
            for _ in self._spec.output.frames(made, len(made)):
                pass
        for side, rows in self._turns.fresh_of_sides():
            for _ in self._spec.sides[side].frames(rows, len(rows)):
                pass
        for state in self._states:
            check_value(self._spec.function, state, getattr(self._function, state.name), self._kept)

    def _values(self) -> list[Any]:
        """The state of the key at work, so that it can be put back: objects as bytes."""
        found = []
        for state in self._states:
            value, codec = getattr(self._function, state.name), state.column.codec
            found.append(value if codec is None else codec.encode(value))
        return found

    def _put_back(self, before: Sequence[Any]) -> None:
        for state, value in zip(self._states, before, strict=True):
            codec = state.column.codec
            setattr(self._function, state.name, value if codec is None else codec.decode(value))
