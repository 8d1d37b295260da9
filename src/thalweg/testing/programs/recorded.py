"""Read the beginning of a source once, and give it again as often as is wanted, in any pieces.

Reads:    the source, up to a number of rows.
Not here: which sources a job has (subject.py), how the pieces are chosen (disturbances.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.files.select import expressions, pruned
from thalweg.protocols.letters import Unit
from thalweg.protocols.source import (
    BadRow,
    Chunk,
    Fields,
    Position,
    Reader,
    Replay,
    SizedSource,
    Source,
    Split,
)

_PATIENCE = 5.0
"""Seconds for which a source that gives nothing is asked again."""
_PAUSE_MAX = 0.05


@dataclass(frozen=True)
class RecordedSplit:
    """The beginning of a split, in order.

    Attributes:
        split: which one.
        frame: the rows.
        offsets: where each stood.
        bad: the rows that could not be read.
        unit: what offsets count.
    """

    split: Split
    frame: pl.DataFrame
    offsets: pl.Series
    bad: tuple[BadRow, ...] = ()
    unit: Unit = "row"


@dataclass(frozen=True)
class Pace:
    """How readers give what they have.

    Attributes:
        random: decides; it goes on from reader to reader.
        is_cut: whether a reader gives any number of rows, or as many as it is asked for.
        silence: how often there is nothing just now, from 0 to 1.
    """

    random: Random
    is_cut: bool
    silence: float


@dataclass(frozen=True, eq=False)
class RecordedSource:
    """The beginning of a source, which ends there.

    Attributes:
        source: what was read.
        recorded: what it gave.
        is_cut_off: whether it had more.
        pace: how readers give it; None: as they are asked.
    """

    source: Source = field(repr=False)
    recorded: tuple[RecordedSplit, ...] = field(repr=False)
    is_cut_off: bool
    pace: Pace | None = None
    is_bounded: bool = True
    replay: Replay = "exact"
    is_live: bool = False

    @property
    def schema(self) -> Schema:
        """That of the source."""
        return self.source.schema

    @property
    def is_ordered(self) -> bool:
        """As the source."""
        return self.source.is_ordered

    @property
    def rows(self) -> int:
        """How many rows there are, those that could not be read among them."""
        return sum(s.frame.height + len(s.bad) for s in self.recorded)

    def size(self) -> Any:
        """That of the source, so that joins are planned as they would be over it."""
        return self.source.size() if isinstance(self.source, SizedSource) else None

    def describe(self) -> str:
        """As the source."""
        return self.source.describe()

    def splits(self) -> Sequence[Split]:
        """Those that were read."""
        return [s.split for s in self.recorded]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of one split."""
        found = next(s for s in self.recorded if s.split.id == split.id)
        target = pruned(self.schema, fields)
        frame = found.frame.select(expressions(target, found.frame.schema))
        return _RecordedReader(found, frame, int(position.get("next", 0)), self.pace)


class _RecordedReader:
    def __init__(self, split: RecordedSplit, frame: pl.DataFrame, at: int, pace: Pace | None) -> None:
        self._split, self._frame, self._at, self._pace = split, frame, at, pace
        offsets = split.offsets.to_list()
        bad = [b.offset for b in split.bad]
        # what was read and what was not, in the order in which it stood
        self._order = sorted([(o, True, i) for i, o in enumerate(offsets)] + _numbered(bad))

    @property
    def position(self) -> dict[str, Any]:
        return {"next": self._at}

    def read(self, rows_max: int) -> Chunk:
        pace = self._pace
        if pace is not None and pace.random.random() < pace.silence:
            return Chunk(None, wait=pace.random.choice([0.0, 0.05, 0.5]))
        wanted = pace.random.randint(1, rows_max) if pace is not None and pace.is_cut else rows_max
        items = self._order[self._at : self._at + wanted]
        if not items:
            return Chunk(None, ended=True)
        self._at += len(items)
        rows = [i for _, is_row, i in items if is_row]
        frame = self._frame[rows[0] : rows[-1] + 1] if rows else None
        offsets = self._split.offsets[rows[0] : rows[-1] + 1] if rows else None
        bad = tuple(self._split.bad[i] for _, is_row, i in items if not is_row)
        return Chunk(frame, items[0][0], offsets, bad, unit=self._split.unit)

    def close(self) -> None:
        """Nothing is held open."""


def _numbered(offsets: list[int]) -> list[tuple[int, bool, int]]:
    return [(offset, False, i) for i, offset in enumerate(offsets)]


def recorded(source: Source, rows_max: int) -> RecordedSource:
    """The first rows of a source, a share of each split, as its readers give them.

    Args:
        source: what is read.
        rows_max: how many rows at most, all splits together.

    Example:
        >>> from thalweg.connectors.memory import frame_source
        >>> found = recorded(frame_source([pl.DataFrame({"a": [1, 2, 3]}), pl.DataFrame({"a": [4]})]), 3)
        >>> [s.frame["a"].to_list() for s in found.recorded], found.is_cut_off
        ([[1, 2], [4]], True)
    """
    splits = source.splits()
    parts: list[RecordedSplit] = []
    left, is_cut_off = rows_max, False
    for number, split in enumerate(splits):
        if source.is_ordered:
            share = left
        else:
            share = -(-left // (len(splits) - number))
        part, has_more = _recorded_split(source, split, share)
        parts.append(part)
        left -= part.frame.height + len(part.bad)
        is_cut_off = is_cut_off or has_more
    return RecordedSource(source, tuple(parts), is_cut_off)


def _recorded_split(source: Source, split: Split, rows_max: int) -> tuple[RecordedSplit, bool]:
    """The beginning of one split, and whether there was more."""
    reader = source.open(split, {}, None)
    frames, offsets = [], []
    bad: list[BadRow] = []
    unit: Unit = "row"
    left, silent_since = rows_max, time.monotonic()
    has_more = True
    try:
        while left > 0:
            chunk = reader.read(left)
            unit = chunk.unit
            if chunk.frame is not None and chunk.frame.height:
                frames.append(chunk.frame)
                offsets.append(chunk.offsets_of(chunk.frame).cast(pl.Int64))
            bad += chunk.bad
            count = len(chunk.bad) + (0 if chunk.frame is None else chunk.frame.height)
            left -= count
            if chunk.ended:
                has_more = False
                break
            if count:
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > _PATIENCE:
                break
            else:
                time.sleep(_PAUSE_MAX if chunk.wait is None else min(chunk.wait, _PAUSE_MAX))
        else:
            has_more = not _is_at_end(reader)
    finally:
        reader.close()
    none = pl.DataFrame(schema=source.schema.polars)
    frame = pl.concat(frames) if frames else none
    numbers = pl.concat(offsets) if offsets else pl.Series(dtype=pl.Int64)
    return RecordedSplit(split, frame, numbers, tuple(bad), unit), has_more


def _is_at_end(reader: Reader) -> bool:
    """Whether a reader has nothing more; of one that has nothing just now nobody knows."""
    chunk = reader.read(1)
    return chunk.ended and chunk.frame is None and not chunk.bad
