"""Read any source at a pace that the world chooses: few rows at a time, and now and then nothing yet.

Not here: the sources (connectors/), what is done with the rows (runtime/source_task.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from thalweg.base.schema import Schema
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Replay, Source, Split


@dataclass(frozen=True, eq=False)
class PacedSource:
    """A source whose readers give what chance decides of what they have.

    Attributes:
        source: what is read.
        random: decides; it goes on from reader to reader.
        is_ordered: whether splits follow one another in time.
        silence: how often there is nothing just now, from 0 to 1.
    """

    source: Source
    random: Random = field(repr=False)
    is_ordered: bool = False
    silence: float = 0.1

    @property
    def schema(self) -> Schema:
        """That of the source."""
        return self.source.schema

    @property
    def is_bounded(self) -> bool:
        """As the source."""
        return self.source.is_bounded

    @property
    def replay(self) -> Replay:
        """As the source."""
        return self.source.replay

    @property
    def is_live(self) -> bool:
        """As the source."""
        return self.source.is_live

    def describe(self) -> str:
        """As the source."""
        return self.source.describe()

    def splits(self) -> Sequence[Split]:
        """Those of the source."""
        return self.source.splits()

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of a split, at a pace."""
        return _PacedReader(self.source.open(split, position, fields), self)


class _PacedReader:
    def __init__(self, reader: Reader, source: PacedSource) -> None:
        self._reader, self._random, self._silence = reader, source.random, source.silence

    @property
    def position(self) -> Any:
        return self._reader.position

    def read(self, rows_max: int) -> Chunk:
        if self._random.random() < self._silence:
            return Chunk(None, wait=self._random.choice([0.0, 0.05, 0.5]))
        return self._reader.read(self._random.randint(1, rows_max))

    def close(self) -> None:
        self._reader.close()
