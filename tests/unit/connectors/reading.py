"""Drain readers, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from thalweg.protocols.source import Fields, Source


@dataclass
class Drained:
    """Everything that a split gave."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    stops: list[tuple[Mapping[str, Any], int, int]] = field(default_factory=list)
    """After each read: the position, how many rows and how many bad rows there were so far."""

    @property
    def frame(self) -> pl.DataFrame:
        return pl.concat(self.frames)

    def rows(self) -> list[tuple[Any, ...]]:
        return [row for f in self.frames for row in f.rows()]


def drain(
    source: Source,
    rows_max: int = 1000,
    position: Mapping[str, Any] | None = None,
    fields: Fields | None = None,
    split: int = 0,
) -> Drained:
    """Read a split to its end, in reads of `rows_max`."""
    reader = source.open(source.splits()[split], position or {}, fields)
    drained = Drained()
    try:
        for _ in range(100_000):
            chunk = reader.read(rows_max)
            if chunk.frame is not None:
                height = chunk.frame.height
                assert 0 < height <= rows_max
                drained.frames.append(chunk.frame)
                counted = range(chunk.offset, chunk.offset + height)
                drained.offsets += counted if chunk.offsets is None else chunk.offsets.to_list()
            drained.bad += [(b.offset, b.message) for b in chunk.bad]
            drained.stops.append((reader.position, len(drained.offsets), len(drained.bad)))
            if chunk.ended:
                return drained
    finally:
        reader.close()
        reader.close()
    raise AssertionError("the split never ends")


def check_positions(source: Source, rows_max: int, fields: Fields | None = None) -> Drained:
    """Stop after each read and go on with a new reader: the same rows, offsets and bad rows."""
    whole = drain(source, rows_max, fields=fields)
    for position, rows, bad in whole.stops[:-1]:
        rest = drain(source, rows_max + 1, position, fields)
        assert rest.offsets == whole.offsets[rows:]
        assert rest.bad == whole.bad[bad:]
        assert rest.rows() == whole.rows()[rows:]
    return whole
