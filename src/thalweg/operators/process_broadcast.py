"""Give rows that concern all keys, such as rules, to a user's keyed function, in every task.

They wait until the watermark has passed them, as other rows do; then they change state that every task has,
and that holds for the rows of all keys from their time on. They give no rows of their own: each task would.

Not here: rows of keys (process_op.py), rows that come too late (on_time.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.eager import pick
from thalweg.columnar.outside import python_values
from thalweg.errors import DataError, PlanError, ThalwegError
from thalweg.expr.python_rows import maker
from thalweg.operators.event_times import event_times
from thalweg.operators.process import BROADCAST, RULES, ProcessSpec
from thalweg.operators.process_errors import raised
from thalweg.operators.process_work import in_turn
from thalweg.operators.waiting_rows import WaitingRows
from thalweg.protocols.operator import Context
from thalweg.protocols.state import KeyedColumns


class _RuleTurn:
    """What a function may ask about a row for all keys: its time, and nothing of a key."""

    def __init__(self, function: str) -> None:
        self._function = function
        self.time_us = 0

    def __getattr__(self, name: str) -> Any:
        raise PlanError(
            f"{self._function} asks in on_broadcast for what only the row of a key has",
            code="plan-process-function",
            found=name,
            hint="it has no key, sets no timers, and gives no rows: it changes Broadcast state",
        )


class BroadcastRows:
    """The input that every task gets, and the state that it makes.

    Args:
        spec: the step; it has such an input.
        context: where the state is.
        function: the user's.
    """

    def __init__(self, spec: ProcessSpec, context: Context, function: Any) -> None:
        assert spec.rules is not None, "it has such an input"
        self._spec, self._input, self._function = spec, spec.rules, function
        self._kept: KeyedColumns = context.state(BROADCAST)
        self._names = [s.name for s in spec.function.broadcast]
        self._turn = _RuleTurn(spec.function.name)
        self._row = maker("Row", self._input.shown)
        self._waiting: WaitingRows | None = None
        if spec.order == "time":
            assert self._input.time is not None, "the planner finds the time"
            self._waiting = WaitingRows(context.state(RULES), self._input.time, None)
        self._show(self._held())

    @property
    def least(self) -> int | None:
        """The time of the next row that waits."""
        return None if self._waiting is None else self._waiting.least

    def _held(self) -> dict[str, Any]:
        """The state by name: dicts, which are changed where they are."""
        slot = self._kept.find(pl.DataFrame(height=1))[0]
        held = {} if slot < 0 else {name: self._kept.column(name)[slot] for name in self._names}
        return {name: {} if held.get(name) is None else held[name] for name in self._names}

    def _show(self, held: dict[str, Any]) -> None:
        """The function may read the state while it is called for rows of keys."""
        for name, value in held.items():
            setattr(self._function, name, MappingProxyType(value))

    def hold(self, rows: pl.DataFrame) -> None:
        """Rows wait until the watermark has passed them."""
        assert self._waiting is not None, "rows that are taken at once do not wait"
        self._waiting.hold(pick(rows, list(self._input.columns)))

    def passed(self, until: int | None) -> Iterator[tuple[int, pl.DataFrame]]:
        """The rows with a time before `until` (None: all), time by time; they wait no more."""
        assert self._waiting is not None, "rows that are taken at once do not wait"
        assert self._input.time is not None, "rows that wait have a time"
        for second in self._waiting.passed(until):
            rows = in_turn(second, self._input.time, self._input.ties)
            times = event_times(rows, self._input.time)
            firsts = np.flatnonzero(np.diff(times, prepend=times[0] - 1))
            for first, end in zip(firsts.tolist(), [*firsts[1:].tolist(), len(times)], strict=True):
                yield int(times[first]), rows.slice(first, end - first)

    def take(self, rows: pl.DataFrame) -> None:
        """Call the function for each row.

        Raises:
            DataError: `data-python-function`.
        """
        slot = self._kept.slots(pl.DataFrame(height=1))
        for name, value in self._held().items():
            setattr(self._function, name, value)
        # what was there for the last key is none of its business
        for state in self._spec.function.states:
            setattr(self._function, state.name, state.begin())
        turn, self._function.turn = self._function.turn, self._turn
        columns = map(python_values, pick(rows, list(self._input.shown)).get_columns())
        row: Any = None
        try:
            for time, row in zip(self._times(rows), map(self._row, zip(*columns, strict=True)), strict=True):
                self._turn.time_us = time
                if self._function.on_broadcast(row) is not None:
                    raise TypeError("on_broadcast gives no rows, and is no generator")
        except ThalwegError:
            raise
        except Exception as error:
            raise self._failed(error, row) from error
        finally:
            self._function.turn = turn
        held = {name: getattr(self._function, name) for name in self._names}
        for name, value in held.items():
            if not isinstance(value, dict):
                raise self._failed(TypeError(f'the state "{name}" is a dict'), row)
            self._kept.column(name)[slot[0]] = value
        self._show(held)

    def _times(self, rows: pl.DataFrame) -> list[int]:
        if self._input.time is None:
            return [0] * rows.height
        return [int(time) for time in event_times(rows, self._input.time)]

    def _failed(self, error: Exception, row: Any) -> DataError:
        return raised(self._spec.function, error, f"the row for all keys {row!r}")
