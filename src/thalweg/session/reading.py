"""Read bounded sources to their end, split by split, with their own readers.

Changes:  the count of bad rows, as they are met.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import polars as pl

from thalweg.job.job import EventTime
from thalweg.plan.nodes import BAD_ROWS, Scan
from thalweg.protocols.source import Chunk, Split, bad_frame, bad_row, split_name
from thalweg.runtime.times import TimeReader

_ROWS = 1 << 17


class BoundedReading:
    """Reads the scans of the plans that run together.

    A scan is read once where both its rows and its bad rows are wanted: not every source can be read again.

    Args:
        times: the event time of scans that have one; tolerant scans keep rows without it apart.
        now: the processing time of all rows, which are read as one table.
    """

    def __init__(self, times: Mapping[Scan, EventTime], now: int) -> None:
        self._times = times
        self.now = now
        self._read: dict[Scan, tuple[list[pl.LazyFrame], pl.LazyFrame]] = {}
        self.bad_count = 0
        """How many rows were kept apart."""

    def splits(self, plan: Scan) -> list[pl.LazyFrame]:
        """The rows of each split; bad ones stop the query, or are left out by a tolerant scan."""
        return self._whole(plan)[0]

    def bad_rows(self, plan: Scan) -> pl.LazyFrame:
        """The rows that a tolerant scan keeps apart."""
        return self._whole(plan)[1]

    def _whole(self, plan: Scan) -> tuple[list[pl.LazyFrame], pl.LazyFrame]:
        if plan not in self._read:
            bad = [BAD_ROWS.polars.to_frame()]
            rows = [self._split(plan, split, bad) for split in plan.source.splits()]
            together = pl.concat(bad)
            self.bad_count += together.height
            self._read[plan] = rows, together.lazy()
        return self._read[plan]

    def _split(self, plan: Scan, split: Split, bad: list[pl.DataFrame]) -> pl.LazyFrame:
        frames = [plan.read.polars.to_frame()]
        for chunk in self._chunks(plan, split):
            if chunk.bad:
                if not plan.is_tolerant:
                    raise bad_row(split.id, chunk.bad[0], split_name(plan.source, split.id))
                bad.append(bad_frame(split.id, chunk.bad))
            if chunk.frame is not None:
                frames.append(chunk.frame)
        return pl.concat(frames).lazy()

    def _chunks(self, plan: Scan, split: Split) -> Iterator[Chunk]:
        time = self._times.get(plan) if plan.is_tolerant else None
        times = None if time is None else TimeReader(time, plan.schema)
        for chunk in _chunks(plan, split):
            has_rows = times is not None and chunk.frame is not None
            yield times.without_null(chunk) if times is not None and has_rows else chunk


def _chunks(plan: Scan, split: Split) -> Iterator[Chunk]:
    reader = plan.wanted.open(split, {}, plan.fields)
    try:
        while True:
            chunk = reader.read(_ROWS)
            yield chunk
            if chunk.ended:
                return
            if chunk.frame is None and not chunk.bad:
                time.sleep(chunk.wait or 0)
    finally:
        reader.close()
