"""The unit that operators see: some rows, each with a weight.

A batch is a change to a table (a Z-set, as in DBSP and differential dataflow): weight +1 inserts a
row, -1 retracts one. It is a set without order; equal rows add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.eager import (
    below,
    beside,
    compute_with,
    empty,
    filter_rows,
    gather_rows,
    pick,
    stacked,
    without,
)

Array = np.ndarray[Any, Any]

WEIGHT = "__weight"
BEFORE = "__before"
"""System column: the split's watermark before the row in microseconds; NULL before the first one.
A batch without the column is punctual: none of its rows is behind its split's watermark."""
SPLIT, OFFSET = "__split", "__offset"
"""System columns: the position of a source row."""
OTHER_SPLIT, OTHER_OFFSET = "__other_split", "__other_offset"
"""System columns: of a pair of source rows, the position of the second one."""
PANE, FIRST = "__pane", "__first"
"""System columns: the start of a row's pane, and the end of the first window that the row counts for. Where
windows of several kinds share panes, the latter is the start of the pane after which its windows end."""
MOMENT = "__moment"
"""System column: the event time of a row that is to join a session, in microseconds."""
_ONE = pl.Series(WEIGHT, [1], dtype=pl.Int64)

SYSTEM_COLUMNS = frozenset([WEIGHT, BEFORE, SPLIT, OFFSET, OTHER_SPLIT, OTHER_OFFSET, PANE, FIRST, MOMENT])
"""Columns that travel with rows through steps that do not name them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with weights.

    Attributes:
        frame: the rows.
        weight: Int64 per row, never null; None means that every row has weight +1.
        parts: of rows that were added up before an exchange, their accumulators as cells (int64[columns,
            rows]), and before them the keys where no column of the frame holds them (see `KeyCells`); None
            for plain rows. Only the grouping behind the exchange looks at them.
    """

    frame: pl.DataFrame
    weight: pl.Series | None = None
    parts: Array | None = None

    def __len__(self) -> int:
        return self.frame.height if self.parts is None else int(self.parts.shape[1])

    @property
    def nbytes(self) -> int:
        """The memory held."""
        parts = 0 if self.parts is None else self.parts.nbytes
        return int(self.frame.estimated_size()) + parts

    @property
    def is_append(self) -> bool:
        """Whether every row is an insertion."""
        return self.weight is None

    def weights(self) -> pl.Series:
        """The weights, also where all of them are +1."""
        if self.weight is not None:
            return self.weight
        # `pl.repeat` would be a query, of 200 microseconds
        return _ONE.new_from_index(0, self.frame.height)

    def filter(self, mask: pl.Series) -> Batch:
        """The rows for which the mask is true."""
        kept = None if self.weight is None else self.weight.filter(mask)
        return Batch(filter_rows(self.frame, mask), kept)

    def with_frame(self, frame: pl.DataFrame) -> Batch:
        """Other columns for the same rows."""
        assert frame.height == self.frame.height, "a row-wise step keeps the number of rows"
        return Batch(frame, self.weight)

    def gather(self, rows: Array) -> Batch:
        """The rows of these numbers (int64 or uint32), in this order."""
        kept = None if self.weight is None else self.weight.gather(rows)
        assert self.parts is None, "only an exchange divides rows that were added up"
        return Batch(gather_rows(self.frame, rows), kept)

    def empty(self) -> Batch:
        """No rows of the same columns, without a hold on the others' memory."""
        weight = None if self.weight is None else self.weight.clear()
        return Batch(empty(self.frame), weight, None if self.parts is None else self.parts[:, :0].copy())

    def slices(self, rows_max: int) -> Iterable[Batch]:
        """The same rows in batches of at most `rows_max`."""
        if self.frame.height <= rows_max:
            yield self
            return
        for start in range(0, self.frame.height, rows_max):
            kept = None if self.weight is None else self.weight.slice(start, rows_max)
            yield Batch(self.frame.slice(start, rows_max), kept)

    def packed(self) -> pl.DataFrame:
        """One frame with the weight as the last column."""
        return beside(self.frame, [self.weights().alias(WEIGHT)])

    @staticmethod
    def unpacked(frame: pl.DataFrame) -> Batch:
        """The inverse of `packed`; a column of ones becomes None."""
        weight = frame.get_column(WEIGHT)
        rows = without(frame, WEIGHT)
        return Batch(rows) if weight.min() == 1 == weight.max() else Batch(rows, weight)


def join_batches(batches: Sequence[Batch]) -> Batch:
    """Several batches of one schema as one (laws 2 and 10 allow it)."""
    if len(batches) == 1:
        return batches[0]
    if batches[0].parts is not None:
        return _joined_parts(batches)
    frames = _aligned([b.frame for b in batches])
    frame = below(frames)
    if all(b.weight is None for b in batches):
        return Batch(frame)
    return Batch(frame, stacked([b.weights() for b in batches]))


def _joined_parts(batches: Sequence[Batch]) -> Batch:
    frame = batches[0].frame
    if frame.width:
        frame = below([b.frame for b in batches])
    return Batch(frame, parts=np.concatenate([b.parts for b in batches if b.parts is not None], axis=1))


def _aligned(frames: Sequence[pl.DataFrame]) -> Sequence[pl.DataFrame]:
    """Frames of which only some carry the watermark column, made alike."""
    carrying = [BEFORE in f.columns for f in frames]
    if not any(carrying) or all(carrying):
        return frames
    none = pl.lit(None, dtype=pl.Int64).alias(BEFORE)
    order = frames[carrying.index(True)].columns
    return [
        f if has else pick(compute_with(f, [none]), order) for f, has in zip(frames, carrying, strict=True)
    ]


def consolidate(batch: Batch) -> Batch:
    """Equal rows added up; rows whose weights cancel are gone. Order is not kept.

    One equality for all: NULL = NULL, NaN = NaN, -0.0 = 0.0.

    Example:
        >>> b = Batch(pl.DataFrame({"a": [1, 1, 2]}), pl.Series([1, -1, 1]))
        >>> consolidate(b).frame["a"].to_list()
        [2]
    """
    if batch.weight is None or batch.frame.height == 0:
        return batch
    names = batch.frame.columns
    if not names:
        total = int(batch.weight.sum())
        return Batch(batch.frame.head(0) if total == 0 else batch.frame, batch.weight)
    summed = batch.packed().group_by(names, maintain_order=True).agg(pl.col(WEIGHT).sum())
    return Batch.unpacked(summed.filter(pl.col(WEIGHT) != 0))
