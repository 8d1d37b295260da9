"""What the runtime and a user's keyed function know of each other.

A function is an object of the user's class. The engine sets its state as attributes, for one key after the
other, calls it, and reads the attributes back; what else the function wants it asks of its `Turn`.

Not here: how state is kept (state/), which rows come when (operators/process.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl

from thalweg.protocols.state import ColumnSpec

Array = np.ndarray[Any, Any]

FAILED_PORT = "failed"
"""The port of a step for the rows that its function has failed on."""
MISSED_PORT = "late windows"
"""The port of a step for the rows that its function has missed, each with the window that was over."""

# Any: rows are named tuples of the user's own columns, and what comes back is for the function to say


class Turn(Protocol):
    """What a function may ask about the row or timer that it is called for."""

    time_us: int
    """The event time of the row or timer, in microseconds since the epoch."""
    now_us: int
    """How far event time is; of a row that came late, further than its own time."""
    lateness_us: int
    """For how long after that rows are still taken."""
    due_us: int
    """The time for which the timer was set, on either clock."""
    key: Any
    """The values of the key columns, as a named tuple."""

    def set_timer(self, time_us: int, *, comes_to_end: bool = False) -> None:
        """Call `on_timer` for this key when event time has reached this.

        Args:
            time_us: the time.
            comes_to_end: whether timers that set one another do so for a while only: then they do it also
                when the input has ended.
        """
        ...

    def delete_timer(self, time_us: int) -> None:
        """Do not."""
        ...

    def miss(self, start_us: int, end_us: int, *, is_gone: bool) -> None:
        """The row is late for this window; `is_gone`: and for all others."""
        ...

    def set_clock_timer(self, time_us: int) -> None:
        """Call `on_clock` for this key when processing time has reached this."""
        ...

    def delete_clock_timer(self, time_us: int) -> None:
        """Do not."""
        ...

    clock_us: int
    """The processing time, in microseconds since the epoch."""

    def emit(self, port: str, row: Any) -> None:
        """A row for a side output."""
        ...


class ColumnTurn(Protocol):
    """What a function of columns may ask about the rows or timers that it is called for, one of each key."""

    times_us: Array
    """The event time of each, in microseconds since the epoch."""

    @property
    def keys(self) -> pl.DataFrame:
        """The key of each."""
        ...

    def set_timers(self, times_us: Array, where: Any) -> None:
        """Call `on_timers` for these keys when event time has reached this."""
        ...

    def delete_timers(self, times_us: Array, where: Any) -> None:
        """Do not."""
        ...

    def emit(self, port: str, rows: pl.DataFrame) -> None:
        """Rows for a side output."""
        ...


class RowFunction(Protocol):
    """An instance of a user's keyed function, which is called for each row."""

    turn: Turn

    def on_event(self, row: Any) -> Iterable[Any] | None:
        """Take a row; give rows."""
        ...

    def on_timer(self) -> Iterable[Any] | None:
        """A timer of the key is due; give rows."""
        ...

    def on_clock(self) -> Iterable[Any] | None:
        """A timer of processing time is due; give rows."""
        ...


class ColumnFunction(Protocol):
    """An instance of a user's keyed function that is called for one row of each of many keys."""

    turn: ColumnTurn

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Take rows; give rows."""
        ...

    def on_timers(self) -> pl.DataFrame | None:
        """Timers of the keys are due; give rows."""
        ...


Order = Literal["time", "arrival"]
"""Whether a function takes rows in the order of event time, or as they arrive."""


@dataclass(frozen=True)
class FunctionState:
    """One state of a function.

    Attributes:
        name: of the attribute.
        column: how it is kept.
        fresh: makes the value for a key that has none; None: `column.initial` is the value.
        ttl_us: after so many microseconds of event time in which nothing happens to a key, its value is again
            what a key begins with; None: it stays.
    """

    name: str
    column: ColumnSpec
    fresh: Callable[[], Any] | None = None
    ttl_us: int | None = None

    def begin(self) -> Any:
        """The value that a key begins with."""
        return self.column.initial if self.fresh is None else self.fresh()


@dataclass(frozen=True)
class KeyedFunction:
    """A user's keyed function, as a value in a plan.

    Attributes:
        name: what messages call it.
        states: its attributes that are kept by key.
        new: makes an instance, a `RowFunction` or a `ColumnFunction`; every task has one of its own.
        has_timers: whether it is called when timers are due.
        has_clock: whether it is called at processing times.
        handlers: the methods that take rows, one for each input.
        by: whether it is called for each row, or for one row of each of many keys at once.
        sides: the names of its side outputs.
        place: where it was written.
        broadcast: its attributes that hold for all keys.
        takes_late: whether it judges by itself which rows are late: in the order of time such a row has its
            turn when the watermark of its split was told that it had passed it.
        retracts: whether it takes back rows that it has given: its rows have a weight at their end.
    """

    name: str
    states: tuple[FunctionState, ...]
    new: Callable[[], Any]
    has_timers: bool
    has_clock: bool
    handlers: tuple[str, ...]
    by: Literal["row", "column"] = "row"
    sides: tuple[str, ...] = ()
    place: str | None = None
    broadcast: tuple[FunctionState, ...] = ()
    takes_late: bool = False
    retracts: bool = False

    @property
    def ttl_us(self) -> int | None:
        """How long a key is kept to which nothing happens; None: for ever."""
        lengths = [s.ttl_us for s in self.states]
        return max((n for n in lengths if n is not None), default=None) if None not in lengths else None

    @property
    def forgets(self) -> bool:
        """Whether some state has a time to live: then it is known when something last happened to a key."""
        return any(s.ttl_us is not None for s in self.states)
