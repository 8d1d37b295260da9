"""Call a user's keyed function key by key: its state becomes attributes, and its attributes state.

Not here: which rows and timers come (process_op.py), what the function asks for meanwhile (turns.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import polars as pl

from thalweg.base.collector import paused
from thalweg.columnar.eager import gather_rows, pick
from thalweg.columnar.outside import python_values
from thalweg.errors import DataError, ThalwegError
from thalweg.expr.python_rows import maker
from thalweg.operators.process import LAST, Given, ProcessSpec, side_port
from thalweg.operators.process_errors import Settings, raised
from thalweg.operators.process_failed import ROW_CODES, failed_rows
from thalweg.operators.process_missed import missed_rows
from thalweg.operators.process_state import read_values, write_values
from thalweg.operators.process_trial import RowTrial
from thalweg.operators.process_work import Rounds, Work
from thalweg.operators.turns import RowTurns, shown_time
from thalweg.protocols.process import FAILED_PORT, MISSED_PORT
from thalweg.protocols.state import BriefColumns


class RowCalls:
    """The user's function, and the loop that calls it."""

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec, self.turns = spec, RowTurns(spec.function, spec.output.take)
        self.turns.taking = {side: rows.take for side, rows in spec.sides.items()}
        self.function = spec.function.new()
        self.function.turn = self.turns
        self._states = spec.function.states
        self._rows = [maker("Row", side.shown) for side in spec.inputs]
        self.turns.to_key = maker("Key", [*spec.keys])
        self._handlers = [getattr(self.function, name) for name in spec.function.handlers]
        self._trial: RowTrial | None = None
        self._settings = Settings(self.function, spec.function)
        if spec.function.forgets:
            self.turns.ttls = [s for s in self._states if s.ttl_us is not None]

    def run(self, work: Work | Rounds, kept: BriefColumns, rows_max: int) -> Iterator[Given]:
        """What the function gives.

        Raises:
            DataError: `data-python-function`, `data-timer-past`, `data-python-state`.
        """
        assert isinstance(work, Work), "rounds are for functions of columns"
        with paused():
            if self._spec.is_tolerant:
                yield from self._tried(work, kept, rows_max)
            else:
                yield from self._run(work, kept, self._in_order(work), rows_max)

    def _tried(self, work: Work, kept: BriefColumns, rows_max: int) -> Iterator[Given]:
        """What the function gives, and the rows that it fails on."""
        rows = self._in_order(work)
        trial = self._trial = RowTrial(self._spec, self.function, work, rows, kept, self._failed)
        try:
            # nothing has been given before all rows have had their turn
            given = list(self._run(work, kept, rows, rows_max))
        except DataError as error:
            if error.code not in ROW_CODES or trial.is_careful:
                raise
            # rows and state that do not fit what is declared are seen in the end, or by a later timer
            trial.begin_anew()
            given = list(self._run(work, kept, rows, rows_max))
        yield from given
        if trial.failures:
            yield FAILED_PORT, failed_rows(trial.failures, work, self._spec.inputs)

    def _run(self, work: Work, kept: BriefColumns, rows: list[Any], rows_max: int) -> Iterator[Given]:
        values = {s.name: read_values(s, kept, work.slots).tolist() for s in self._states}
        lasts = kept.column(LAST)[work.slots].tolist() if self._spec.function.forgets else []
        self.turns.begin(work.keys)
        at = self.turns.at = [0]
        try:
            for part in self._loop(work, rows, values, lasts, rows_max, at):
                yield from ((None, frame) for frame in self._spec.output.frames(part, rows_max))
        except ThalwegError:
            raise
        except Exception as error:
            raise self._failed(error, rows, at[0]) from error
        self._settings.check()
        if lasts:
            kept.column(LAST)[work.slots] = lasts
        for state in self._states:
            write_values(self._spec.function, state, values[state.name], kept, work.slots)
        for side, made in self.turns.given.items():
            frames = self._spec.sides[side].frames(made, rows_max)
            yield from ((side_port(side), frame) for frame in frames)
            made.clear()
        if self.turns.missed:
            yield MISSED_PORT, missed_rows(self.turns.missed, work, self._spec.inputs[0])
            self.turns.missed.clear()

    def _moments(self, work: Work) -> list[int]:
        """How far event time is, row by row."""
        if self.turns.judged_us is not None and self._spec.function.takes_late:
            return [self.turns.judged_us] * len(work.times)
        found: list[int] = work.moments.tolist()
        return found

    def _loop(
        self,
        work: Work,
        rows: list[Any],
        values: dict[str, list[Any]],
        lasts: list[int],
        rows_max: int,
        at: list[int],
    ) -> Iterator[list[Any]]:
        """Call the function key by key, in lists of about so many rows; `at` tells the row that it is at.

        All that is done for each row is in here, and nothing else is.
        """
        function, turns, attributes, columns = (
            self.function,
            self.turns,
            vars(self.function),
            [*values.items()],
        )
        handlers, on_event = self._handlers, self._handlers[0]
        is_one = len(handlers) == 1
        times, moments, timers = work.times.tolist(), self._moments(work), _by_owner(work)
        ports = [] if is_one else work.ports.tolist()
        given: list[Any] = []
        first, trial, take = 0, self._trial, self._spec.output.take
        for number, end in enumerate(work.bounds[1:].tolist()):
            turns.number = number
            for name, column in columns:
                attributes[name] = column[number]
            if lasts:
                turns.last_us = lasts[number]
            if timers:
                turns.remind(timers)
            try:
                if trial is not None:
                    trial.begin(given)
                for place in range(first, end):
                    if turns.due:
                        turns.fire(function, moments[place], given)
                    if lasts:
                        turns.expire(function, times[place])
                    turns.time_us, turns.now_us = times[place], moments[place]
                    at[0] = place
                    made = on_event(rows[place]) if is_one else handlers[ports[place]](rows[place])
                    if made is not None:
                        take(made, given)
            except Exception:
                if trial is None:
                    raise
                trial.back(given, timers, lasts)
                trial.row_by_row(range(first, end), times, moments, ports, given, at)
            first = end
            if turns.due:
                turns.fire(function, turns.until, given)
            if lasts:
                lasts[number] = turns.last_us
            for name, column in columns:
                column[number] = attributes[name]
            if len(given) >= rows_max:
                yield given
                given = []
        yield given

    def _in_order(self, work: Work) -> list[Any]:
        """The rows as named tuples, in the order of the work."""
        frames = [pick(f, list(i.shown)) for f, i in zip(work.rows, self._spec.inputs, strict=True)]
        if len(frames) == 1:
            return _tuples(gather_rows(frames[0], work.order), self._rows[0])
        rows = [row for frame, make in zip(frames, self._rows, strict=True) for row in _tuples(frame, make)]
        return [rows[place] for place in work.order.tolist()]

    def _failed(self, error: Exception, rows: list[Any], at: int) -> DataError:
        """What the user's code raised, with the key and the row or timer that it was called for."""
        return raised(self._spec.function, error, self._called(rows, at), tuple(self.turns.key))

    def _called(self, rows: list[Any], at: int) -> str:
        turns = self.turns
        if not turns.is_timer:
            return repr(rows[at])
        what = "the timer of processing time" if turns.is_clock else "the timer of"
        return f"{what} {shown_time(turns.due_us)}"


def _tuples(frame: pl.DataFrame, make: Callable[[Iterable[Any]], Any]) -> list[Any]:
    columns = map(python_values, frame.get_columns())
    return list(map(make, zip(*columns, strict=True)))


def _by_owner(work: Work) -> dict[int, list[int]]:
    """The times of the timers that are due, by the number of their key, ascending."""
    found: dict[int, list[int]] = {}
    for number, time in zip(work.owners.tolist(), work.due.tolist(), strict=True):
        found.setdefault(number, []).append(time)
    return found
