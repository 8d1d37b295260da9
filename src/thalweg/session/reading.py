"""Read bounded sources to their end, split by split, with their own readers."""

from __future__ import annotations

import polars as pl

from thalweg.plan.nodes import Scan
from thalweg.protocols.source import bad_row


def read_splits(plan: Scan) -> list[pl.LazyFrame]:
    """The rows of each split of a bounded source, read by its own readers."""
    return [_read_split(plan, i) for i in range(len(plan.source.splits()))]


def _read_split(plan: Scan, number: int) -> pl.LazyFrame:
    split = plan.source.splits()[number]
    reader = plan.source.open(split, {}, plan.fields)
    frames = [plan.schema.polars.to_frame()]
    try:
        ended = False
        while not ended:
            chunk = reader.read(1 << 17)
            for row in chunk.bad:
                raise bad_row(split.id, row)
            if chunk.frame is not None:
                frames.append(chunk.frame)
            ended = chunk.ended
    finally:
        reader.close()
    return pl.concat(frames).lazy()
