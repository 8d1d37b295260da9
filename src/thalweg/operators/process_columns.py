"""Call a user's keyed function of columns: each call has many keys, and one row or one timer of each.

So a call sees its state as columns beside the rows, and the rows of a key come one after the other all the
same, whatever the batches were: in each round every key takes its next row or timer.

Not here: which rows and timers come (process_op.py), what the function asks for meanwhile (column_turns.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.eager import gather_rows, pick
from thalweg.errors import DataError, ThalwegError
from thalweg.operators.column_turns import NEVER, ColumnTurns, DueTimers
from thalweg.operators.process import LAST, Given, ProcessSpec, side_port
from thalweg.operators.process_errors import Settings, raised
from thalweg.operators.process_failed import ROW_CODES, Failure, failed_rows
from thalweg.operators.process_state import read_values, write_values
from thalweg.operators.process_work import Work
from thalweg.protocols.process import FAILED_PORT, FunctionState
from thalweg.protocols.state import BriefColumns

Array = np.ndarray[Any, Any]
_NO_KEYS = np.empty(0, np.int64)
_SHOWN_MAX = 200


class ColumnCalls:
    """The user's function, called for one row of each of many keys at a time."""

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec, self.turns = spec, ColumnTurns(spec.function)
        self.function = spec.function.new()
        self.function.turn = self.turns
        self._states = spec.function.states
        self._handlers = [getattr(self.function, name) for name in spec.function.handlers]
        self._last: Array | None = None
        self._failures: list[Failure] = []
        self._settings = Settings(self.function, spec.function)

    def run(self, work: Work, kept: BriefColumns, rows_max: int) -> Iterator[Given]:
        """What the function gives.

        Raises:
            DataError: `data-python-function`, `data-python-result`, `data-timer-past`, `data-python-state`.
        """
        del rows_max
        values = {s.name: read_values(s, kept, work.slots) for s in self._states}
        self._last = kept.column(LAST)[work.slots] if self._spec.function.forgets else None
        self.turns.every = work.keys
        timers = DueTimers(len(work.slots), work.owners, work.due)
        yield from self._rounds(work, values, timers)
        if self._last is not None:
            kept.column(LAST)[work.slots] = self._last
        for state in self._states:
            write_values(self._spec.function, state, values[state.name], kept, work.slots)
        if self._failures:
            yield FAILED_PORT, failed_rows(self._failures, work, self._spec.inputs)
            self._failures = []

    def _rounds(self, work: Work, values: dict[str, Array], timers: DueTimers) -> Iterator[Given]:
        """Each round is the next row or timer of every key that has one."""
        rows = [pick(f, list(i.shown)) for f, i in zip(work.rows, self._spec.inputs, strict=True)]
        places, ends, active = work.bounds[:-1].copy(), work.bounds[1:], np.arange(len(work.slots))
        times = np.append(work.times, NEVER)
        has_rows = len(work.times) > 0
        while len(active):
            has_timers = timers.count > 0
            if has_rows and has_timers:
                row_times = np.where(places[active] < ends[active], times[places[active]], NEVER)
                # rows of the time of a timer come before it
                is_row = (row_times <= timers.next_times(active)) & (row_times < NEVER)
                with_row, with_timer = active[is_row], active[~is_row]
            else:
                with_row, with_timer = (_NO_KEYS, active) if has_timers else (active, _NO_KEYS)
            if len(with_row):
                at = places[with_row]
                places[with_row] += 1
                yield from self._by_input(work, values, rows, with_row, at)
            if len(with_timer):
                due = timers.next_times(with_timer)
                timers.pop(with_timer)
                yield from self._call(work, values, with_timer, due, self.function.on_timers, None)
            if self.turns.fresh:
                fresh, self.turns.fresh = self.turns.fresh, []
                timers.change(fresh)
            more = places[active] < ends[active] if has_rows else np.zeros(len(active), np.bool_)
            if timers.count:
                more |= timers.next_times(active) < NEVER
            active = active[more]

    def _by_input(
        self, work: Work, values: dict[str, Array], rows: list[pl.DataFrame], keys: Array, at: Array
    ) -> Iterator[Given]:
        """Call the function for the rows at some places of the order, one of each of these keys."""
        numbers, ports, first = work.order[at], work.ports[at], 0
        for port, frame in enumerate(rows):
            mine: Any = slice(None) if len(rows) == 1 else ports == port
            if len(rows) == 1 or mine.any():
                found = gather_rows(frame, numbers[mine] - first)
                call = partial(self._taken, work, values, self._handlers[port])
                yield from call(keys[mine], work.times[at[mine]], found, at[mine])
            first += frame.height

    def _taken(
        self,
        work: Work,
        values: dict[str, Array],
        handler: Callable[[pl.DataFrame], Any],
        keys: Array,
        times: Array,
        rows: pl.DataFrame,
        places: Array,
    ) -> Iterator[Given]:
        """Call the function for rows; if it fails, for halves of them, until it is known for which rows."""
        call = partial(handler, rows)
        if not self._spec.is_tolerant:
            yield from self._call(work, values, keys, times, call, rows)
            return
        before = [(s, self._copy(s, values[s.name][keys])) for s in self._states]
        lasts = None if self._last is None else self._last[keys]
        mark = self.turns.mark()
        try:
            given = list(self._call(work, values, keys, times, call, rows))
        except DataError as error:
            if error.code not in ROW_CODES:
                raise
            self.turns.back(mark)
            for state, column in before:
                values[state.name][keys] = column
            if lasts is not None and self._last is not None:
                self._last[keys] = lasts
            if len(keys) == 1:
                self._failures.append(Failure(int(places[0]), error))
                return
            middle = len(keys) // 2
            for half in (slice(None, middle), slice(middle, None)):
                yield from self._taken(
                    work, values, handler, keys[half], times[half], rows[half], places[half]
                )
        else:
            yield from given

    @staticmethod
    def _copy(state: FunctionState, column: Array) -> Array:
        """Values that the function cannot change: those of objects are other objects."""
        codec = state.column.codec
        if codec is None:
            return column
        found = np.empty(len(column), np.object_)
        for place, value in enumerate(column.tolist()):
            found[place] = codec.decode(codec.encode(value))
        return found

    def _call(
        self,
        work: Work,
        values: dict[str, Array],
        keys: Array,
        times: Array,
        call: Callable[[], Any],
        rows: pl.DataFrame | None,
    ) -> Iterator[Given]:
        """Call the function for rows, or for timers, of some keys."""
        function, turns = self.function, self.turns
        turns.numbers, turns.times_us, turns.is_timer = keys, times, rows is None
        if self._last is not None:
            self._expire(values, keys, times - self._last[keys])
            self._last[keys] = times
        for name, column in values.items():
            setattr(function, name, column[keys])
        try:
            made = call()
        except ThalwegError:
            raise
        except Exception as error:
            raise self._failed(error, rows) from error
        self._settings.check()
        for name, column in values.items():
            self._put(column, name, keys)
        given, turns.given = turns.given, []
        if made is not None:
            yield None, self._spec.output.checked(made)
        yield from ((side_port(p), self._spec.sides[p].checked(frame)) for p, frame in given)

    def _expire(self, values: dict[str, Array], keys: Array, gaps: Array) -> None:
        """State whose time to live has passed begins anew."""
        for state in self._states:
            if state.ttl_us is not None:
                for key in keys[gaps > state.ttl_us].tolist():
                    values[state.name][key] = state.begin()

    def _put(self, column: Array, name: str, keys: Array) -> None:
        """The state of these keys as the function has left it."""
        held = getattr(self.function, name)
        if column.dtype != np.object_:
            held = np.asarray(held)
            # one value for all keys
            held = np.full(len(keys), held) if not held.ndim else held
        state = next(s for s in self._states if s.name == name)
        fits = hasattr(held, "__len__") and len(held) == len(keys)
        if fits and column.dtype != np.object_:
            rule = "safe" if column.dtype == np.bool_ else "same_kind"
            fits = np.can_cast(held.dtype, column.dtype, rule)  # type: ignore[arg-type]
        if not fits:
            raise DataError(
                f'the state "{name}" of {self._spec.function.name} was given a column that it cannot hold',
                code="data-python-state",
                where=self._spec.function.place,
                expected=f"{len(keys)} values, one for each key, of {state.column.kind}",
                found=f"{held!r} of {getattr(held, 'dtype', type(held).__name__)}"[:_SHOWN_MAX],
            )
        column[keys] = held

    def _failed(self, error: Exception, rows: pl.DataFrame | None) -> DataError:
        """What the user's code raised, with a row that it was called for."""
        if rows is None:
            timers = len(self.turns.numbers)
            called = "a timer" if timers == 1 else f"{timers} timers, such as that"
            return raised(self._spec.function, error, f"{called} of key {self.turns.keys.row(0)}")
        many = f"{rows.height} rows, such as " if rows.height > 1 else ""
        return raised(self._spec.function, error, f"{many}{rows.row(0)}{self._such()}")

    def _such(self) -> str:
        keys = self.turns.keys
        return f", key {keys.row(0)}" if keys.height and keys.width else ""
