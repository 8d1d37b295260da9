"""Read bounded sources to their end, split by split, with their own readers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import polars as pl

from thalweg.plan.nodes import BAD_ROWS, Scan
from thalweg.protocols.source import Chunk, Split, bad_frame, bad_row

_ROWS = 1 << 17


def read_splits(plan: Scan) -> list[pl.LazyFrame]:
    """The rows of each split; bad ones stop the query, or are left out by a tolerant scan."""
    return [_rows_of(plan, split) for split in plan.source.splits()]


def read_bad_rows(plan: Scan) -> pl.LazyFrame:
    """The rows of a tolerant scan that cannot be read."""
    frames = [BAD_ROWS.polars.to_frame()]
    for split in plan.source.splits():
        frames += [bad_frame(split.id, chunk.bad) for chunk in _chunks(plan, split) if chunk.bad]
    return pl.concat(frames).lazy()


def _rows_of(plan: Scan, split: Split) -> pl.LazyFrame:
    frames = [plan.schema.polars.to_frame()]
    for chunk in _chunks(plan, split):
        if chunk.bad and not plan.is_tolerant:
            raise bad_row(split.id, chunk.bad[0])
        if chunk.frame is not None:
            frames.append(chunk.frame)
    return pl.concat(frames).lazy()


def _chunks(plan: Scan, split: Split) -> Iterator[Chunk]:
    reader = plan.source.open(split, {}, plan.fields)
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
