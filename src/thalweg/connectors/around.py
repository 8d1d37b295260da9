"""What every source around another source has in common: it says of itself what the other one says.

Not here: what such a source does to the rows (required.py, journaled.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.base.schema import Schema
from thalweg.protocols.source import Replay, Source, Split, discovery_interval


@dataclass(frozen=True)
class SourceAround:
    """Another source, with the same columns and splits; whoever extends this opens it.

    Attributes:
        inner: the source that reads.
    """

    inner: Source

    @property
    def schema(self) -> Schema:
        """That of the inner source, as all that follows."""
        return self.inner.schema

    @property
    def is_bounded(self) -> bool:
        return self.inner.is_bounded

    @property
    def replay(self) -> Replay:
        return self.inner.replay

    @property
    def is_ordered(self) -> bool:
        return self.inner.is_ordered

    @property
    def is_live(self) -> bool:
        return self.inner.is_live

    @property
    def interval(self) -> float | None:
        return discovery_interval(self.inner)

    def describe(self) -> str:
        return self.inner.describe()

    def splits(self) -> Sequence[Split]:
        return self.inner.splits()
