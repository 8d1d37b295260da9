"""Call a user's keyed function of columns: each call has many keys, and one row or one timer of each.

So a call sees its state as columns beside the rows, and the rows of a key come one after the other all the
same, whatever the batches were: in each round every key takes its next row or timer.

Not here: which rows and timers come (process_op.py), what the function asks for meanwhile (column_turns.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from thalweg.columnar.eager import gather_rows, pick
from thalweg.errors import DataError, ThalwegError
from thalweg.operators.column_turns import NEVER, ColumnTurns, DueTimers
from thalweg.operators.process import LAST, Given, ProcessSpec, side_port
from thalweg.operators.process_errors import Settings, raised
from thalweg.operators.process_failed import ROW_CODES, Failure, failed_rows
from thalweg.operators.process_state import read_values, write_values
from thalweg.operators.process_work import Rounds, Work
from thalweg.protocols.process import FAILED_PORT, FunctionState
from thalweg.protocols.state import BriefColumns

Array = np.ndarray[Any, Any]
_NO_KEYS = np.empty(0, np.int64)
_SHOWN_MAX = 200


class _Calls(NamedTuple):
    """Keys that the function is called for at once.

    Attributes:
        numbers: of the keys in their turn.
        slots: of their state.
        times: of each one's row or timer, in microseconds.
    """

    numbers: Array
    slots: Array
    times: Array

    def some(self, which: slice) -> _Calls:
        """Only these."""
        return _Calls(self.numbers[which], self.slots[which], self.times[which])


class ColumnCalls:
    """The user's function, called for one row of each of many keys at a time."""

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec, self.turns = spec, ColumnTurns(spec.function)
        self.function = spec.function.new()
        self.function.turn = self.turns
        self._states = spec.function.states
        self._handlers = [getattr(self.function, name) for name in spec.function.handlers]
        self._forgets = spec.function.forgets
        self._failures: list[Failure] = []
        self._settings = Settings(self.function, spec.function)
        self._kept: BriefColumns

    def run(self, work: Work | Rounds, kept: BriefColumns, rows_max: int) -> Iterator[Given]:
        """What the function gives.

        Raises:
            DataError: `data-python-function`, `data-python-result`, `data-timer-past`, `data-python-state`.
        """
        del rows_max
        self._kept, self.turns.keys_of = kept, work.keys_of
        yield from self._laid_rounds(work) if isinstance(work, Rounds) else self._rounds(work)
        if self._failures:
            yield FAILED_PORT, failed_rows(self._failures, work, self._spec.inputs)
            self._failures = []

    def _laid_rounds(self, work: Rounds) -> Iterator[Given]:
        """Rounds of rows that lie together."""
        rows = pick(work.rows[work.port], list(self._spec.inputs[work.port].shown))
        handler = self._handlers[work.port]
        for begin, end in pairwise(work.bounds.tolist()):
            calls = _Calls(work.slots[begin:end], work.slots[begin:end], work.times[begin:end])
            yield from self._taken(calls, handler, rows[begin:end], range(begin, end))

    def _rounds(self, work: Work) -> Iterator[Given]:
        """Each round is the next row or timer of every key that has one."""
        timers = DueTimers(len(work.slots), work.owners, work.due)
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
                yield from self._by_input(work, rows, with_row, at)
            if len(with_timer):
                due = timers.next_times(with_timer)
                timers.pop(with_timer)
                calls = _Calls(with_timer, work.slots[with_timer], due)
                yield from self._call(calls, self.function.on_timers, None)
            if self.turns.fresh:
                fresh, self.turns.fresh = self.turns.fresh, []
                timers.change(fresh)
            more = places[active] < ends[active] if has_rows else np.zeros(len(active), np.bool_)
            if timers.count:
                more |= timers.next_times(active) < NEVER
            active = active[more]

    def _by_input(self, work: Work, rows: list[pl.DataFrame], keys: Array, at: Array) -> Iterator[Given]:
        """Call the function for the rows at some places of the order, one of each of these keys."""
        numbers, ports, first = work.order[at], work.ports[at], 0
        for port, frame in enumerate(rows):
            mine: Any = slice(None) if len(rows) == 1 else ports == port
            if len(rows) == 1 or mine.any():
                found = gather_rows(frame, numbers[mine] - first)
                calls = _Calls(keys[mine], work.slots[keys[mine]], work.times[at[mine]])
                yield from self._taken(calls, self._handlers[port], found, at[mine])
            first += frame.height

    def _taken(
        self, calls: _Calls, handler: Callable[[pl.DataFrame], Any], rows: pl.DataFrame, places: Sequence[int]
    ) -> Iterator[Given]:
        """Call the function for rows; if it fails, for halves of them, until it is known for which rows."""
        call = partial(handler, rows)
        if not self._spec.is_tolerant:
            yield from self._call(calls, call, rows)
            return
        before = [(s, self._copy(s, read_values(s, self._kept, calls.slots))) for s in self._states]
        lasts = self._kept.column(LAST)[calls.slots] if self._forgets else None
        mark = self.turns.mark()
        try:
            given = list(self._call(calls, call, rows))
        except DataError as error:
            if error.code not in ROW_CODES:
                raise
            self.turns.back(mark)
            for state, column in before:
                write_values(self._spec.function, state, column, self._kept, calls.slots)
            if lasts is not None:
                self._kept.column(LAST)[calls.slots] = lasts
            if rows.height == 1:
                self._failures.append(Failure(int(places[0]), error))
                return
            middle = rows.height // 2
            for half in (slice(None, middle), slice(middle, None)):
                yield from self._taken(calls.some(half), handler, rows[half], places[half])
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

    def _call(self, calls: _Calls, call: Callable[[], Any], rows: pl.DataFrame | None) -> Iterator[Given]:
        """Call the function for rows, or for timers, of some keys."""
        function, turns, kept = self.function, self.turns, self._kept
        turns.numbers, turns.times_us, turns.is_timer = calls.numbers, calls.times, rows is None
        if self._forgets:
            self._expire(calls.slots, calls.times)
        for state in self._states:
            setattr(function, state.name, read_values(state, kept, calls.slots))
        try:
            made = call()
        except ThalwegError:
            raise
        except Exception as error:
            raise self._failed(error, rows) from error
        self._settings.check()
        for state in self._states:
            self._put(state, calls.slots)
        given, turns.given = turns.given, []
        if made is not None:
            yield None, self._spec.output.checked(made)
        yield from ((side_port(p), self._spec.sides[p].checked(frame)) for p, frame in given)

    def _expire(self, slots: Array, times: Array) -> None:
        """State whose time to live has passed begins anew."""
        lasts = self._kept.column(LAST)
        gaps = times - lasts[slots]
        for state in self._states:
            if state.ttl_us is not None:
                # objects begin with what is made for each key anew
                begin = state.begin() if state.fresh is None else None
                self._kept.column(state.name)[slots[gaps > state.ttl_us]] = begin
        lasts[slots] = times

    def _put(self, state: FunctionState, slots: Array) -> None:
        """The state of these keys as the function has left it."""
        held, column, count = getattr(self.function, state.name), self._kept.column(state.name), len(slots)
        if state.fresh is None:
            held = np.asarray(held)
            # one value for all keys
            held = np.full(count, held) if not held.ndim else held
        fits = hasattr(held, "__len__") and len(held) == count
        if fits and state.fresh is None:
            rule: Literal["safe", "same_kind"] = "safe" if column.dtype == np.bool_ else "same_kind"
            fits = np.can_cast(held.dtype, column.dtype, rule)
        if not fits:
            raise DataError(
                f'the state "{state.name}" of {self._spec.function.name} was given a column '
                "that it cannot hold",
                code="data-python-state",
                where=self._spec.function.place,
                expected=f"{count} values, one for each key, of {state.column.kind}",
                found=f"{held!r} of {getattr(held, 'dtype', type(held).__name__)}"[:_SHOWN_MAX],
            )
        if state.fresh is None:
            column[slots] = held
        else:
            write_values(self._spec.function, state, held, self._kept, slots)

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
