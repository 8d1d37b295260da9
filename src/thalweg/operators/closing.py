"""Know when keys get no more rows, so that what is kept of them can be forgotten.

Used by: operators whose plan says so (plan/keys.py).
Not here: groups, which keep the time as one of their parts (running.py).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import polars as pl

from thalweg.columnar.allocation import grown
from thalweg.columnar.buffers import values_and_validity

Array = np.ndarray[Any, Any]

_NEVER = 1 << 62
_NO_KEYS = np.empty(0, np.int64)
LOOKS = 8
"""How often a key may be looked at in vain: more often keeps fewer keys that are of no use any more."""


class Slots(Protocol):
    """Slots of keys, or of rows that belong to keys."""

    @property
    def count(self) -> int:
        """How many are in use."""
        ...

    def live(self) -> Array:
        """Those in use."""
        ...


class ClosingTimes:
    """The times at which keys close, by their slots.

    Attributes:
        watermark: how far time has come; None: it has not begun.

    Example:
        >>> from thalweg.columnar.index import KeyIndex
        >>> index, times = KeyIndex(1), ClosingTimes(("end", 0))
        >>> rows = pl.DataFrame({"end": [5, 9]})
        >>> times.note(rows, index.insert(np.array([[7], [8]])), index.capacity)
        >>> times.watermark = 6
        >>> times.closed(index).tolist()
        [0]
    """

    def __init__(self, closes: tuple[str, int] | None) -> None:
        """`closes`: the column of the time and a slack in microseconds; None: no key ever closes."""
        self._closes = closes
        self._times = np.zeros(0, np.int64)
        self._open = 0
        self.watermark: int | None = None

    def note(self, frame: pl.DataFrame, slots: Array, capacity: int) -> None:
        """Rows of keys; all rows of a key have one time."""
        if self._closes is None:
            return
        if len(self._times) < capacity:
            self._times = grown(self._times, capacity)
        column, slack = self._closes
        times, validity = values_and_validity(frame.get_column(column))
        self._times[slots] = times + slack
        if validity is not None:
            self._times[slots[~validity]] = _NEVER

    def closed(self, index: Slots) -> Array:
        """Keys for the caller to forget; all are looked at, but only when many have come meanwhile."""
        if self._closes is None or self.watermark is None or index.count - self._open <= index.count // LOOKS:
            return _NO_KEYS
        live = index.live()
        closed: Array = live[self._times[live] < self.watermark]
        self._open = index.count - len(closed)
        return closed
