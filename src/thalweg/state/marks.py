"""Note which numbered rows have changed since the last increment, and which are in one at all.

Not here: what an increment is (protocols/increments.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.allocation import copied, grown, zeros
from thalweg.protocols.increments import GONE

Array = np.ndarray[Any, Any]


class Marks:
    """Two bits per number.

    Example:
        >>> marks = Marks(8)
        >>> marks.touch(np.array([3, 5, 3]))
        >>> marks.take().tolist(), marks.take().tolist()
        ([3, 5], [])
        >>> marks.forget(np.array([3, 4])).tolist()
        [3]
    """

    def __init__(self, capacity: int) -> None:
        self._dirty, self._known = zeros(capacity, np.bool_), zeros(capacity, np.bool_)

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return self._dirty.nbytes + self._known.nbytes

    def grow(self, capacity: int) -> None:
        """Room for more numbers."""
        if capacity > len(self._dirty):
            self._dirty, self._known = grown(self._dirty, capacity), grown(self._known, capacity)

    def touch(self, numbers: Array) -> None:
        """These have changed."""
        self._dirty[numbers] = True

    def know(self, numbers: Array) -> None:
        """These are in an increment as they are."""
        self._known[numbers] = True

    def forget(self, numbers: Array) -> Array:
        """These have gone; returns those that are in an increment."""
        known: Array = numbers[self._known[numbers]]
        self._dirty[numbers] = self._known[numbers] = False
        return known

    def take(self) -> Array:
        """What has changed, ascending: it goes into an increment."""
        changed = np.flatnonzero(self._dirty)
        self._dirty[changed] = False
        self._known[changed] = True
        return changed

    def keep(self, numbers: Array) -> None:
        """Only these go on, numbered anew from 0; room for others is made by `grow`."""
        self._dirty, self._known = copied(self._dirty, numbers), copied(self._known, numbers)


def increment(rows: pl.DataFrame, gone: list[pl.DataFrame]) -> pl.DataFrame:
    """Rows that have changed, behind what is known of those that have gone."""
    if not gone:
        return rows
    height = sum(f.height for f in gone)
    marks = pl.DataFrame({GONE: pl.repeat(True, height, eager=True)})
    left = pl.concat(gone).hstack(marks) if gone[0].width else marks
    marked = rows.with_columns(pl.lit(False).alias(GONE))
    return pl.concat([left, marked], how="diagonal").select(marked.columns)
