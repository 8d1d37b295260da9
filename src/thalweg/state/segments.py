"""Keep rows that are only added as frames, read by number.

Rows are numbered as they come. Small frames are joined with their neighbours, so that there are never many
of them; large ones stay as they are, and a row is never copied again once it is in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.allocation import kept
from thalweg.columnar.eager import gather_below, gather_rows, pick
from thalweg.columnar.pinned import owned

Array = np.ndarray[Any, Any]

_LARGE = 16_384
"""A frame of so many rows stays as it is."""
_COPY_BELOW = 4096
_KEPT = 1 << 20
"""So many rows at a time are written anew."""


class Segments:
    """Rows by number.

    Example:
        >>> kept = Segments({"a": pl.Int64()})
        >>> kept.append(pl.DataFrame({"a": [5, 6]})).tolist(), kept.append(pl.DataFrame({"a": [7]})).tolist()
        ([0, 1], [2])
        >>> kept.rows(np.array([2, 0]))["a"].to_list()
        [7, 5]
    """

    def __init__(self, columns: dict[str, pl.DataType]) -> None:
        self._schema = pl.Schema(columns)
        self._parts: list[pl.DataFrame] = []
        self._starts: list[int] = []
        self.height = 0

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return sum(int(part.estimated_size()) for part in self._parts)

    def append(self, frame: pl.DataFrame) -> Array:
        """Keep rows; returns their numbers."""
        numbers = np.arange(self.height, self.height + frame.height)
        if not frame.height:
            return numbers
        # a few rows must not keep the large batch alive that they were cut from
        small = frame.height < _COPY_BELOW
        self._parts.append(owned(gather_rows(frame, np.arange(frame.height)) if small else frame))
        self._starts.append(self.height)
        self.height += frame.height
        join_last(self._parts)
        del self._starts[len(self._parts) :]
        return numbers

    def rows(self, numbers: Array, names: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of these numbers, in this order; only the columns of some names, in their order."""
        if not len(numbers):
            none = self._schema.to_frame()
            return none if names is None else pick(none, names)
        if len(self._parts) == 1 or bool((numbers[1:] >= numbers[:-1]).all()):
            return self._sorted_rows(numbers, names)
        order = np.argsort(numbers)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return gather_rows(self._sorted_rows(numbers[order], names), back)

    def _sorted_rows(self, numbers: Array, names: Sequence[str] | None) -> pl.DataFrame:
        """The rows of numbers that ascend, or all lie in one part."""
        starts = np.array(self._starts)
        counts = np.diff(np.searchsorted(numbers, starts), append=len(numbers))
        met = np.flatnonzero(counts)
        parts, counts = [self._parts[n] for n in met.tolist()], counts[met]
        return gather_below(parts, counts, numbers - np.repeat(starts[met], counts), names)

    def keep(self, numbers: Array) -> None:
        """Forget all rows but these (ascending), which are numbered anew from 0."""
        anew = Segments(dict(self._schema))
        for first in range(0, len(numbers), _KEPT):
            anew.append(self.rows(numbers[first : first + _KEPT]))
        self._parts, self._starts, self.height = anew._parts, anew._starts, anew.height


def join_last(parts: list[pl.DataFrame]) -> None:
    """Join small frames at the end, each with those that are no larger than what follows them.

    What is joined goes where the job keeps its memory.
    """
    first, size = len(parts) - 1, parts[-1].height
    while first > 0 and parts[first - 1].height <= min(size, _LARGE):
        first -= 1
        size += parts[first].height
    if first < len(parts) - 1:
        parts[first:] = [pl.concat(parts[first:], rechunk=True)]
    parts[-1] = kept(parts[-1])
