"""Find the event time and the watermark of every row that a scan reads.

A row without event time is a bad row: it stops the job, or a tolerant scan keeps it apart. Both modes
read rows through this module, so that they keep apart the same ones.

Not here: what a watermark does to the split's clock (source_task.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import Field
from thalweg.columnar.arrow import to_frame
from thalweg.columnar.eager import beside
from thalweg.errors import DataError
from thalweg.expr.evaluate import ComputedColumn
from thalweg.expr.nodes import Column, columns_of, transform
from thalweg.job.job import EventTime
from thalweg.protocols.source import BadRow, Chunk

_TIME, _MARK = "__time", "__mark"
_NEVER = -(1 << 62)
"""Where a watermark expression is NULL, the row moves nothing: it is before every possible time."""


class TimeReader:
    """Finds event time and watermark of each row of a scan.

    Args:
        event_time: both expressions, over the columns of the scan.
        schema: those columns.
    """

    def __init__(self, event_time: EventTime, schema: Schema) -> None:
        self._message = f'the event time "{event_time.column}" is NULL'
        time = event_time.time
        self._time = ComputedColumn(_TIME, time, schema)
        # mostly it is the time less a constant: then the time, which may be dear, is computed once
        mark = transform(event_time.watermark, lambda e: Column(_TIME) if e == time else e)
        schema = Schema((*schema.fields, Field(_TIME, self._time.type)))
        self._mark = ComputedColumn(_MARK, mark, schema)
        self._reads_time_alone = columns_of(mark) <= {_TIME}

    def without_null(self, chunk: Chunk) -> Chunk:
        """The chunk with rows that have no event time among the bad ones."""
        frame = chunk.frame
        assert frame is not None, "a chunk with rows"
        missing = self._time.values(frame).is_null()
        if not missing.any():
            return chunk
        return chunk.told_apart(missing, "data-null-time", lambda _: self._message)

    def of_rows(self, rows: Sequence[BadRow]) -> list[int | None]:
        """The event time of rows that were kept apart, as far as it is known."""
        return [None if r.row is None else self._of_row(r.row) for r in rows]

    def _of_row(self, row: pl.DataFrame) -> int | None:
        try:
            time = self._time.values(row)
        except DataError:
            # it cannot be computed of such a row
            return None
        return None if time.null_count() else int(_int64(time)[0])

    def read(self, chunk: Chunk, *, split: str, name: str) -> tuple[Any, Any]:
        """Two int64 arrays in microseconds; a row without event time is a bad row."""
        frame = chunk.frame
        assert frame is not None, "a chunk with rows"
        times = self._time.values(frame)
        if times.null_count():
            row = int(times.is_null().arg_max() or 0)
            offset = chunk.offsets_of(frame)[row]
            raise DataError(
                self._message,
                code="data-null-time",
                split=split,
                offset=offset,
                where=f"{name}, {chunk.unit} {offset}",
                sample=str(frame.row(row, named=True)),
            )
        known = to_frame([times]) if self._reads_time_alone else beside(frame, [times])
        marks = self._mark.values(known)
        # a constant has one value
        marks = marks if len(marks) == len(times) else marks.new_from_index(0, len(times))
        return _int64(times), _int64(marks)


def _int64(series: pl.Series) -> np.ndarray[Any, Any]:
    """Times in microseconds; where there is none, before every possible time."""
    from thalweg.columnar.buffers import values_and_validity

    values, is_there = values_and_validity(series)
    return values if is_there is None else np.where(is_there, values, _NEVER)
