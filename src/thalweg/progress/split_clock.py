"""Keep the watermark of one split, row by row.

A split's watermark is the running maximum of an expression (usually event time minus a constant bound)
over the split's rows in their order, before any filter. Each row is judged by the watermark *before* it.
The answer must not depend on where batches were cut, so a clock keeps one number between batches and
goes through each batch row by row; most batches need only their greatest value and their least time.

Reads:    watermark values and times of one batch; the arrival time of live rows, handed in by the caller.
Changes:  only the clock that was asked to advance.
Not here: the minimum over splits (owner.py), what late means for an operator (lateness.py, windows.py),
          rows without an event time (the source takes them out before).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from thalweg.progress.lateness import Flags, Micros

AHEAD_MAX_US = 5 * 60 * 1_000_000
"""How far a live row may lie ahead of its arrival and still move the watermark."""

_HIGHEST = int(np.iinfo(np.int64).max)


class ClockData(TypedDict):
    """A `SplitClock` as plain data."""

    current: int | None
    ahead_count: int
    ahead_max_us: int


@dataclass(frozen=True)
class Advance:
    """What one batch did to the watermark of its split.

    Attributes:
        punctual: no row lies behind the watermark before it, so no row is late for anything.
        before: the watermark before each row; None if the batch is punctual (nobody needs it then).
        none_count: how many rows at the start had no watermark before them. What `before` holds for
            them means nothing; such rows are never late.
        after: the watermark after the batch, or None if there is still none.
        ahead_count: live rows too far ahead of their arrival, which moved nothing.
    """

    punctual: bool
    before: Micros | None
    none_count: int
    after: int | None
    ahead_count: int

    @property
    def known(self) -> Flags | None:
        """Which rows had a watermark before them; None says all of them, or that nobody needs it."""
        if self.before is None or self.none_count == 0:
            return None
        return np.arange(len(self.before)) >= self.none_count


class SplitClock:
    """The watermark of one split: the running maximum over its rows so far.

    Law: cutting or joining batches changes neither `current` nor any row's watermark before it.
    Checked by: tests/property/test_progress.py.

    Args:
        ahead_max_us: a live row whose time lies further than this ahead of its arrival does not move
            the watermark; rows of sources that are not live come without an arrival time.

    Example:
        >>> from thalweg.progress.lateness import minus
        >>> clock, times = SplitClock(), np.array([0, 100, 50])
        >>> moved = clock.advance(minus(times, 10), times)
        >>> moved.before.tolist(), moved.none_count, clock.current
        ([0, -10, 90], 1, 90)
    """

    def __init__(self, ahead_max_us: int = AHEAD_MAX_US) -> None:
        assert ahead_max_us >= 0, "a row can't be required to lie behind its arrival"
        self.current: int | None = None
        self.ahead_count = 0
        self._ahead_max_us = ahead_max_us

    def start_at(self, value: int | None) -> None:
        """Take over the value at which the owner lets the split start or wake; never goes back."""
        if value is not None and (self.current is None or value > self.current):
            self.current = value

    def advance(self, values: Micros, times: Micros, arrival: int | Micros | None = None) -> Advance:
        """Go through the next rows of the split, in order.

        Args:
            values: the watermark expression of each row.
            times: the event time of each row, without nulls.
            arrival: when the rows arrived, one time for all or one for each; None if the source is not live.
        """
        assert len(values) == len(times), "each row has one watermark value and one time"
        ahead = self._find_ahead(times, arrival)
        before_batch = self.current
        moving = values if ahead is None else values[~ahead]
        if len(moving):
            self.start_at(int(moving.max()))
        ahead_count = len(values) - len(moving)
        self.ahead_count += ahead_count
        # The watermark only rises, so a batch whose least time is not behind the last watermark is punctual.
        if len(times) == 0 or self.current is None or int(times.min()) >= self.current:
            return Advance(True, None, 0, self.current, ahead_count)
        before, none_count = _running(before_batch, values, ahead)
        if bool((times[none_count:] >= before[none_count:]).all()):
            return Advance(True, None, 0, self.current, ahead_count)
        return Advance(False, before, none_count, self.current, ahead_count)

    def _find_ahead(self, times: Micros, arrival: int | Micros | None) -> Flags | None:
        """Which rows lie too far ahead of their arrival; None if there are none."""
        if arrival is None or len(times) == 0:
            return None
        if isinstance(arrival, np.ndarray):
            limit: int | Micros = np.minimum(arrival, _HIGHEST - self._ahead_max_us) + self._ahead_max_us
        else:
            limit = min(arrival + self._ahead_max_us, _HIGHEST)
            if int(times.max()) <= limit:
                return None
        ahead: Flags = times > limit
        return ahead if ahead.any() else None

    def to_data(self) -> ClockData:
        """The clock as plain data; `from_data` gives an equal clock."""
        return {
            "current": self.current,
            "ahead_count": self.ahead_count,
            "ahead_max_us": self._ahead_max_us,
        }

    @staticmethod
    def from_data(data: ClockData) -> SplitClock:
        """The clock that `to_data` described."""
        clock = SplitClock(data["ahead_max_us"])
        clock.current, clock.ahead_count = data["current"], data["ahead_count"]
        return clock


def _running(start: int | None, values: Micros, ahead: Flags | None) -> tuple[Micros, int]:
    """The watermark before each row of a batch, and how many rows at its start have none."""
    if ahead is None:
        before = np.empty(len(values), np.int64)
        before[0] = 0 if start is None else start
        np.maximum.accumulate(values[:-1], out=before[1:])
        if start is not None:
            np.maximum(before, start, out=before)
        return before, 1 if start is None else 0
    # Row i stands behind the first `passed[i]` rows that move the watermark.
    moves = ~ahead
    passed: Micros = np.cumsum(moves, dtype=np.int64) - moves
    moving = values[moves]
    reached = np.empty(len(moving) + 1, np.int64)
    reached[0] = 0 if start is None else start
    np.maximum.accumulate(moving, out=reached[1:])
    if start is not None:
        np.maximum(reached, start, out=reached)
    none_count = int(np.searchsorted(passed, 1)) if start is None else 0
    return reached[passed], none_count
