"""Say when each row of a paced source is due, whatever happened before.

A reader that fell behind catches up: the time between due and done is the latency, queueing included.

Reads:    nothing; the clock is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Schedule:
    """When each event of one split is due.

    Attributes:
        origin: when the schedule began, in seconds of some clock.
        rate: events per second over all splits.
        stride: how many events of the whole stream there are per event of the split.
        phase: place of the split's first event in the whole stream.
        first: the split's event that the schedule begins with.

    Example:
        >>> schedule = Schedule(origin=10.0, rate=2.0)
        >>> schedule.due_at(3), schedule.count_due(11.0), schedule.times(0, 2).tolist()
        (11.5, 3, [10.0, 10.5])
    """

    origin: float
    rate: float
    stride: int = 1
    phase: int = 0
    first: int = 0

    def due_at(self, row: int) -> float:
        """When an event of the split is due."""
        return self.origin + ((row - self.first) * self.stride + self.phase) / self.rate

    def times(self, row: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """When each of `count` events from `row` on is due."""
        numbers = np.arange(row - self.first, row - self.first + count, dtype=np.float64)
        return self.origin + (numbers * self.stride + self.phase) / self.rate

    def count_due(self, now: float) -> int:
        """How many events have been due so far; the next one is number `first + count_due`."""
        passed = (now - self.origin) * self.rate - self.phase
        # The tiny addition keeps an event that is due exactly now from being lost to rounding.
        return int(passed / self.stride + 1e-9) + 1 if passed >= -1e-9 else 0
