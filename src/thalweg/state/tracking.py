"""Note which rows of a multimap have changed, and give rows that are only told apart by a number their own.

Row numbers of a multimap are given again and change when it is compacted; the numbers here never do.

Not here: which rows there are (multimap.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.allocation import copied, grown, zeros
from thalweg.state.marks import Marks

Array = np.ndarray[Any, Any]


class RowTracking:
    """What a multimap knows of its increments.

    Attributes:
        marks: the rows that have changed, by row number.
        gone: rows of increments that have gone since.
        names: by row number, the number that increments know it by; empty where rows have a name.
    """

    def __init__(self, capacity: int, *, is_numbered: bool) -> None:
        self.marks = Marks(capacity)
        self.gone: list[pl.DataFrame] = []
        self.names = zeros(capacity if is_numbered else 0)
        self._is_numbered, self._next = is_numbered, 0

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return self.marks.nbytes + self.names.nbytes

    def begin(self, live: Array, loaded: Sequence[tuple[Array, Array]], *, whole: bool) -> None:
        """Know the rows that are there, and by which numbers earlier increments know them."""
        if loaded and not whole:
            for rows, names in loaded:
                self.names[rows] = names
            self._next = 1 + max(int(names.max()) for _, names in loaded if len(names))
        else:
            self._name(live)
        (self.marks.touch if whole else self.marks.know)(live)

    def added(self, rows: Array, fresh: Array, capacity: int) -> None:
        """Rows were added, some of which are new."""
        self.marks.grow(capacity)
        if self._is_numbered and capacity > len(self.names):
            self.names = grown(self.names, capacity)
        self.marks.touch(rows)
        self._name(fresh)

    def _name(self, rows: Array) -> None:
        if self._is_numbered:
            self.names[rows] = np.arange(self._next, self._next + len(rows))
            self._next += len(rows)

    def keep(self, rows: Array) -> None:
        """Only these go on, under new row numbers, from 0."""
        self.marks.keep(rows)
        if self._is_numbered:
            self.names = copied(self.names, rows)
