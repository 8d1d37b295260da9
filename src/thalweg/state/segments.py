"""Keep rows that are only added as a few frames, read by number.

Rows are numbered as they come. Frames are joined while there are many, small ones first, so that a row is
copied a few times at most and Polars can still read from all of them in one pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.eager import gather_rows

Array = np.ndarray[Any, Any]

_SEGMENTS_MAX = 8
"""Up to so many, Polars gathers from all of them without joining them first."""
_COPY_BELOW = 4096


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
        self._whole: pl.DataFrame | None = None
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
        self._parts.append(gather_rows(frame, np.arange(frame.height)) if small else frame)
        self.height += frame.height
        self._whole = None
        if len(self._parts) >= _SEGMENTS_MAX:
            self._join()
        return numbers

    def _join(self) -> None:
        """Join the last frames: two at least, and every one that is no larger than what follows it."""
        first = len(self._parts) - 2
        size = self._parts[first].height + self._parts[first + 1].height
        while first > 0 and self._parts[first - 1].height <= size:
            first -= 1
            size += self._parts[first].height
        self._parts[first:] = [_joined(self._parts[first:])]

    def rows(self, numbers: Array) -> pl.DataFrame:
        """The rows of these numbers, in this order."""
        if not self._parts:
            return self._schema.to_frame()
        if self._whole is None:
            self._whole = self._parts[0] if len(self._parts) == 1 else pl.concat(self._parts, rechunk=False)
        return gather_rows(self._whole, numbers)

    def keep(self, numbers: Array) -> None:
        """Forget all rows but these (ascending), which are numbered anew from 0."""
        frame = self.rows(numbers)
        self._parts = [frame] if frame.height else []
        self._whole = None
        self.height = frame.height


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, rechunk=True)
