"""Read bounded sources to their end, split by split, with their own readers.

Changes:  the count of bad rows, as they are met.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from thalweg.job.job import EventTime
from thalweg.plan.nodes import Scan
from thalweg.protocols.letters import LETTERS, Origin, letters
from thalweg.protocols.source import BadRow, Chunk, Split, bad_row, split_name
from thalweg.runtime.breaker import Kept, QuarantineLimit, too_many
from thalweg.runtime.times import TimeReader

_ROWS = 1 << 17
_UNLIMITED = QuarantineLimit(rate_max=1.0)


class BoundedReading:
    """Reads the scans of the plans that run together.

    A scan is read once where both its rows and its bad rows are wanted: not every source can be read again.

    Args:
        times: the event time of scans that have one; tolerant scans keep rows without it apart.
        now: the processing time of all rows, which are read as one table.
        limit: how many rows of a scan may be kept apart.
    """

    def __init__(
        self, times: Mapping[Scan, EventTime], now: int, limit: QuarantineLimit = _UNLIMITED
    ) -> None:
        self._times, self._limit = times, limit
        self.now = now
        self._read: dict[Scan, tuple[list[pl.LazyFrame], pl.LazyFrame]] = {}
        self.bad_count = 0
        """How many rows were kept apart."""

    def splits(self, plan: Scan) -> list[pl.LazyFrame]:
        """The rows of each split; bad ones stop the query, or are left out by a tolerant scan."""
        return self._whole(plan)[0]

    def bad_rows(self, plan: Scan) -> pl.LazyFrame:
        """The rows that a tolerant scan keeps apart, as letters."""
        return self._whole(plan)[1]

    def _whole(self, plan: Scan) -> tuple[list[pl.LazyFrame], pl.LazyFrame]:
        if plan not in self._read:
            times = None
            if plan.is_tolerant and plan in self._times:
                times = TimeReader(self._times[plan], plan.schema)
            apart = _Apart(plan, times, self.now)
            rows = [self._split(plan, split, apart) for split in plan.source.splits()]
            apart.check(self._limit)
            together = pl.concat([LETTERS.polars.to_frame(), *apart.letters])
            self.bad_count += together.height
            self._read[plan] = rows, together.lazy()
        return self._read[plan]

    def _split(self, plan: Scan, split: Split, apart: _Apart) -> pl.LazyFrame:
        frames = [plan.read.polars.to_frame()]
        for chunk in _chunks(plan, split):
            good = apart.taken(chunk, split)
            if good is not None:
                frames.append(good)
        return pl.concat(frames).lazy()


class _Apart:
    """The bad rows of one scan, as they are met."""

    def __init__(self, plan: Scan, times: TimeReader | None, now: int) -> None:
        self._plan, self._times, self._now = plan, times, now
        self.letters: list[pl.DataFrame] = []
        self._rows = 0
        self._last: Kept | None = None

    def taken(self, chunk: Chunk, split: Split) -> pl.DataFrame | None:
        """The good rows of a chunk.

        Raises:
            DataError: there are others, and the scan is not tolerant.
        """
        if self._times is not None and chunk.frame is not None:
            chunk = self._times.without_null(chunk)
        if chunk.bad:
            self._keep(chunk.bad, split)
        self._rows += 0 if chunk.frame is None else chunk.frame.height
        return chunk.frame

    def _keep(self, bad: Sequence[BadRow], split: Split) -> None:
        name = split_name(self._plan.source, split.id)
        if not self._plan.is_tolerant:
            raise bad_row(split.id, bad[0], name)
        origin = Origin(self._plan.source.describe(), split.id, "read", self._now)
        times = () if self._times is None else self._times.of_rows(bad)
        self.letters.append(letters(origin, bad, times))
        self._last = Kept(name, bad[-1])

    def check(self, limit: QuarantineLimit) -> None:
        """Raise if there are too many of them."""
        count = sum(frame.height for frame in self.letters)
        if limit.is_over(self._rows + count, count):
            raise too_many(self._plan.source.describe(), limit, self._rows + count, count, self._last)


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
