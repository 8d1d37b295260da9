"""Give numbered events on a fixed schedule, and find out how late each of them reached a callback.

Event n of the stream is due `n / rate` seconds after the origin, whether or not the job keeps up (an open
loop): waiting in queues counts. Each result names its event, so that its latency is its own and exact.

Not here: the queries (delays.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, TIMESTAMP
from thalweg.cli.latency import Latencies, distribution
from thalweg.columnar.arrow import to_frame
from thalweg.columnar.eager import numbers
from thalweg.connectors.schedule import Schedule
from thalweg.protocols.source import Chunk, Fields, Position, Replay, Split

KEYS = 10_000
_STEP = 7919
"""Neighbouring events have keys far apart; all keys come once in `KEYS` events."""
_ROOM = 1 << 20
_BEGIN_US = 1_700_000_000_000_000
SCHEMA = Schema.of({"id": INT64, "key": INT64, "v": INT64, "ts": TIMESTAMP})


@dataclass(frozen=True)
class Ticks:
    """Numbered events in two splits, odd and even, each row handed out as soon as it is due.

    Attributes:
        count: how many events.
        rate: events per second of the clock.
        origin: when event 0 is due, on the monotonic clock.
    """

    count: int
    rate: float
    origin: float
    schema: Schema = SCHEMA
    is_bounded: bool = True
    replay: Replay = "exact"
    is_ordered: bool = False
    is_live: bool = True

    def describe(self) -> str:
        """Its name."""
        return "ticks"

    def splits(self) -> list[Split]:
        """The even and the odd events."""
        return [Split("0"), Split("1")]

    def open(self, split: Split, position: Position, fields: Fields | None) -> TickReader:
        """A reader of one split."""
        names = [n for n, _ in fields] if fields is not None else list(SCHEMA.names)
        return TickReader(self, int(split.id), int(position.get("row", 0)), names)


class TickReader:
    """Hands out what is due of one split."""

    def __init__(self, ticks: Ticks, phase: int, row: int, names: list[str]) -> None:
        self._ticks, self._phase, self._row = ticks, phase, row
        self._schedule = Schedule(ticks.origin, ticks.rate, stride=2, phase=phase)
        self._rows = (ticks.count - phase + 1) // 2
        self._made = [_COLUMNS[n] for n in names]

    def read(self, rows_max: int) -> Chunk:
        """The rows that are due by now."""
        first, now = self._row, time.monotonic()
        count = min(self._schedule.count_due(now), self._rows, first + rows_max) - first
        ended = first + max(count, 0) >= self._rows
        if count <= 0:
            return Chunk(None, first, ended=ended, wait=self._schedule.due_at(first) - now)
        self._row += count
        return Chunk(self._frame(first, count), first, ended=ended)

    def _frame(self, first: int, count: int) -> pl.DataFrame:
        ids = np.arange(2 * first + self._phase, 2 * (first + count), 2)
        return to_frame([make(ids, int(self._ticks.rate)) for make in self._made])

    @property
    def position(self) -> Position:
        """The next row."""
        return {"row": self._row}

    def close(self) -> None:
        """Nothing is held open."""


def _times(ids: np.ndarray[Any, Any], rate: int) -> pl.Series:
    return numbers("ts", _BEGIN_US + ids * 1_000_000 // rate).cast(pl.Datetime("us"))


_COLUMNS: dict[str, Callable[[np.ndarray[Any, Any], int], pl.Series]] = {
    "id": lambda ids, rate: numbers("id", ids),
    "key": lambda ids, rate: numbers("key", ids * _STEP % KEYS),
    "v": lambda ids, rate: numbers("v", ids % 1000),
    "ts": _times,
}


class Arrivals:
    """A callback that notes when which events came, and holds on to nothing of what it was given.

    Example:
        >>> arrivals = Arrivals("id", lambda: 2.0)
        >>> arrivals(pl.DataFrame({"id": [0, 2, 0]}))
        >>> arrivals.first(3).tolist()
        [2.0, nan, 2.0]
    """

    def __init__(self, column: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._column, self._clock = column, clock
        self._full: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = []
        self._begin()

    def _begin(self) -> None:
        self._ids, self._times = np.empty(_ROOM, np.int64), np.empty(_ROOM)
        self._count = 0

    def __call__(self, frame: pl.DataFrame) -> None:
        at, end = self._count, self._count + frame.height
        if end > _ROOM:
            self._full.append((self._ids[:at], self._times[:at]))
            self._begin()
            at, end = 0, frame.height
        self._times[at:end] = self._clock()
        self._ids[at:end] = frame.get_column(self._column).to_numpy()
        self._count = end

    def first(self, count: int) -> np.ndarray[Any, Any]:
        """When each of so many events came first; NaN for those that never came."""
        found = np.full(count, np.nan)
        noted = [*self._full, (self._ids[: self._count], self._times[: self._count])]
        for ids, times in reversed(noted):
            # of several times for one event the one written last stays
            found[ids[::-1]] = times[::-1]
        return found


def latencies(arrived: np.ndarray[Any, Any], origin: float, rate: float, skip: int) -> Latencies:
    """The distribution of latencies.

    Args:
        arrived: when each event came, NaN where it did not.
        origin: when event 0 was due.
        rate: events per second.
        skip: leave out so many events of the beginning.
    """
    every = (arrived - (origin + np.arange(len(arrived)) / rate))[skip:]
    return distribution(every[~np.isnan(every)])
