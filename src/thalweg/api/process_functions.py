"""Write functions that are called for the rows of a key, with state and timers: Flink's process functions.

A function is a class. Its annotated attributes are its state: each key has its own, from one row to the next
and over restarts. Rows and timers come in the order of event time.

Not here: how a class becomes a value in a plan (function_states.py), the steps (process.py), functions of
rows without state (frame_functions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import polars as pl

from thalweg.api.ordering import Span
from thalweg.base.durations import microseconds
from thalweg.expr.python_rows import Row
from thalweg.protocols.process import ColumnTurn, Turn

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_SHOWN_MAX = 200
MISSING = ...


@dataclass(frozen=True)
class Declared:
    """What a class says of one of its states besides its type."""

    begin: Any
    ttl_us: int | None
    migrate: Callable[[Any], Any] | None = None


# Any: it stands for a value of the state's own type
def keep(
    begin: Any = MISSING, *, ttl: Span | None = None, migrate: Callable[[Any], Any] | None = None
) -> Any:
    """Say more of a state of a function than what a key begins with.

    Args:
        begin: what a key begins with; lists, dicts and sets need not say it.
        ttl: how long, in event time, it is kept for a key to which nothing happens; then the key begins anew.
        migrate: makes a value of one that an earlier program has kept as another type. It gets numbers,
            texts, lists and dicts as they are; of a class a dict of its fields; of times and decimals texts.

    Example:
        >>> import thalweg as tw
        >>> class Visits(tw.ProcessFunction):
        ...     count: int = tw.keep(0, ttl="1 day")
    """
    return Declared(begin, None if ttl is None else microseconds(ttl), migrate)


class ProcessFunction:
    """A function that is called for every row of a key; `Dataset.key_by` says what the key is.

    Annotated attributes of the class are state: every key begins with the value that is written there (lists,
    dicts and sets may be left out: they begin empty), and finds what it has left behind. Anything else on
    `self` is configuration, and does not change. State that is what it began with costs nothing.

    Example:
        >>> import polars as pl
        >>> import thalweg as tw
        >>> class Third(tw.ProcessFunction):
        ...     count: int = 0
        ...
        ...     def on_event(self, row):
        ...         self.count += 1
        ...         if self.count == 3:
        ...             yield row.user, self.time
        >>> schema = {"user": pl.String, "ts": pl.Datetime("us")}
        >>> rows = pl.DataFrame({"user": list("abaa"), "ts": range(4)}, schema)
        >>> clicks = tw.Session().from_polars(rows)
        >>> found = clicks.key_by("user").process(Third(), "user STRING, at TIMESTAMP", time="ts")
        >>> found.collect().rows()
        [('a', datetime.datetime(1970, 1, 1, 0, 0, 0, 3))]
    """

    turn: ClassVar[Turn]
    _zone: ClassVar[bool] = False
    _takes_late: ClassVar[bool] = False
    _retracts: ClassVar[bool] = False

    def on_event(self, row: Any) -> Iterable[Row] | None:
        """Take a row, a named tuple; give any number of rows, as dicts or tuples."""
        raise NotImplementedError

    def on_timer(self) -> Iterable[Row] | None:
        """A timer is due: `self.time` says which. Give any number of rows."""
        raise NotImplementedError

    def on_clock(self) -> Iterable[Row] | None:
        """A timer of processing time is due. Give any number of rows."""
        raise NotImplementedError

    @property
    def clock(self) -> datetime:
        """The processing time, in UTC: what depends on it is another result another time."""
        return (_EPOCH + timedelta(microseconds=self.turn.clock_us)).replace(tzinfo=UTC)

    def set_clock_timer(self, at: datetime | timedelta) -> None:
        """Have `on_clock` called for this key once processing time has reached a time.

        Args:
            at: the time; or how long from now.
        """
        self.turn.set_clock_timer(self._clock_micros(at))

    def delete_clock_timer(self, at: datetime) -> None:
        """Call off a timer of processing time."""
        self.turn.delete_clock_timer(self._clock_micros(at))

    def _clock_micros(self, at: datetime | timedelta) -> int:
        return self.turn.clock_us + at // _MICROSECOND if isinstance(at, timedelta) else self._micros(at)

    @property
    def time(self) -> datetime:
        """The event time of the row, or of the timer."""
        found = _EPOCH + timedelta(microseconds=self.turn.time_us)
        return found.replace(tzinfo=UTC) if self._zone else found

    @property
    def key(self) -> Any:
        """The values of the key columns, a named tuple."""
        return self.turn.key

    def set_timer(self, at: datetime | timedelta) -> None:
        """Have `on_timer` called for this key once event time has reached a time.

        Set twice for one time, it is called once. Rows of that time come before.

        Args:
            at: the time; or how long after the row or timer that this is.
        """
        self.turn.set_timer(self._micros(at))

    def delete_timer(self, at: datetime | timedelta) -> None:
        """Call off a timer; one that is not set does not matter."""
        self.turn.delete_timer(self._micros(at))

    def emit(self, port: str, row: Row) -> None:
        """Give a row to a side output."""
        self.turn.emit(port, row)

    def _micros(self, at: datetime | timedelta) -> int:
        if isinstance(at, timedelta):
            return self.turn.time_us + at // _MICROSECOND
        if not isinstance(at, datetime):
            raise TypeError(f"a timer takes a datetime or a timedelta, and not {at!r}"[:_SHOWN_MAX])
        naive = at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)
        return (naive - _EPOCH) // _MICROSECOND


class ColumnFunction:
    """A function like a `ProcessFunction` that is called for many keys at once, with one row of each.

    Its state is columns then: numpy arrays beside the rows, one value for each. The rows of a key come one
    after the other, whatever the batches were; the fewer rows a key has, the more keys are in one call.

    Example:
        >>> import polars as pl
        >>> import thalweg as tw
        >>> class Third(tw.ColumnFunction):
        ...     count: int = 0
        ...
        ...     def on_events(self, rows):
        ...         self.count = self.count + 1
        ...         return rows.filter(self.count == 3)
        >>> clicks = tw.Session().from_polars(pl.DataFrame({"user": list("abaa"), "n": range(4)}))
        >>> clicks.key_by("user").process(Third(), clicks.schema, order="arrival").collect().rows()
        [('a', 3)]
    """

    turn: ClassVar[ColumnTurn]
    _zone: ClassVar[bool] = False

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Take a row of each of some keys; give any number of rows."""
        raise NotImplementedError

    def on_timers(self) -> pl.DataFrame | None:
        """A timer is due of each of some keys: `self.keys` and `self.times`. Give any number of rows."""
        raise NotImplementedError

    @property
    def times(self) -> pl.Series:
        """The event time of each row, or timer."""
        return pl.Series("time", self.turn.times_us).cast(pl.Datetime("us", "UTC" if self._zone else None))

    @property
    def keys(self) -> pl.DataFrame:
        """The key of each row, or timer."""
        return self.turn.keys

    def set_timers(self, at: pl.Series | timedelta, where: pl.Series | None = None) -> None:
        """Have `on_timers` called for these keys once event time has reached a time of each.

        Args:
            at: the times, or how long after the row or timer they are.
            where: for which of the rows; None: for all.
        """
        self.turn.set_timers(*self._asked(at, where))

    def delete_timers(self, at: pl.Series | timedelta, where: pl.Series | None = None) -> None:
        """Call off timers; those that are not set do not matter."""
        self.turn.delete_timers(*self._asked(at, where))

    def emit(self, port: str, rows: pl.DataFrame) -> None:
        """Give rows to a side output."""
        self.turn.emit(port, rows)

    def _asked(self, at: pl.Series | timedelta, where: pl.Series | None) -> tuple[Any, Any]:
        """Times in microseconds, and for which rows."""
        places: Any = slice(None) if where is None else _chosen(where)
        if isinstance(at, timedelta):
            return self.turn.times_us + at // _MICROSECOND, places
        if not isinstance(at, pl.Series) or not at.dtype.is_temporal():
            found = at.dtype if isinstance(at, pl.Series) else type(at).__name__
            raise TypeError(
                f"timers take a polars.Series of times or of durations, or a timedelta; not {found}"
            )
        if at.is_null().to_numpy()[places].any():
            raise ValueError("a timer without a time; where=… says for which rows there is one")
        if isinstance(at.dtype, pl.Duration):
            return self.turn.times_us + at.dt.total_microseconds().fill_null(0).to_numpy(), places
        times = at.cast(pl.Datetime("us", at.dtype.time_zone)).to_physical()  # type: ignore[attr-defined]
        return times.fill_null(0).to_numpy(), places


def _chosen(where: pl.Series) -> Any:
    """Which rows are meant; NULL is none."""
    return (where.fill_null(value=False) if where.null_count() else where).to_numpy()


class CoProcessFunction(ProcessFunction):
    """A `ProcessFunction` over two inputs whose rows of equal keys meet; see `KeyedDataset.connect`.

    Rows of both come in the order of event time, of one time those of the left input first.
    """

    def on_left(self, row: Any) -> Iterable[Row] | None:
        """Take a row of the left input; give any number of rows."""
        raise NotImplementedError

    def on_right(self, row: Any) -> Iterable[Row] | None:
        """Take a row of the right input; give any number of rows."""
        raise NotImplementedError


class CoColumnFunction(ColumnFunction):
    """A `ColumnFunction` over two inputs whose rows of equal keys meet; see `KeyedDataset.connect`."""

    def on_left(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Take a row of the left input for each of some keys; give any number of rows."""
        raise NotImplementedError

    def on_right(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Take a row of the right input for each of some keys; give any number of rows."""
        raise NotImplementedError


Key = TypeVar("Key")
Held = TypeVar("Held")


class Broadcast(MutableMapping[Key, Held]):
    """The type of state that holds for all keys: `rules: tw.Broadcast[str, Rule]`.

    It is a dict in `on_broadcast`, and can be read, but not changed, wherever rows of keys are taken.
    """


class BroadcastProcessFunction(ProcessFunction):
    """A `ProcessFunction` with rows that concern all keys, such as rules; see `KeyedDataset.connect`.

    In the order of event time such a row holds from its time on, also for rows of that time.
    """

    def on_broadcast(self, row: Any) -> None:
        """Take a row for all keys: change state of the type `Broadcast`. It is called in every task."""
        raise NotImplementedError


class BroadcastColumnFunction(ColumnFunction):
    """A `ColumnFunction` with rows that concern all keys; see `BroadcastProcessFunction`."""

    def on_broadcast(self, row: Any) -> None:
        """Take a row for all keys: change state of the type `Broadcast`. It is called in every task."""
        raise NotImplementedError
