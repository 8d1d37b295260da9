"""A source that gives what a test pushes, when it pushes it.

Not here: stepping the job (harness.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.files.select import expressions, pruned
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Replay, Split


@dataclass(eq=False)
class ScriptedSource:
    """Splits whose rows come when they are pushed; every row can be read again.

    Attributes:
        schema: the columns.
        name: what messages call it.
        rows: of each split what was pushed so far.
        ended: the splits that will get no more.
    """

    schema: Schema
    name: str
    rows: dict[str, pl.DataFrame] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    is_bounded: bool = False
    replay: Replay = "exact"
    is_ordered: bool = False
    is_live: bool = False

    def describe(self) -> str:
        """The name."""
        return self.name

    def splits(self) -> Sequence[Split]:
        """Those that are known."""
        return [Split(name, {}) for name in self.rows]

    def add_split(self, name: str) -> None:
        """A split without rows yet."""
        self.rows.setdefault(name, self.schema.polars.to_frame())

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of a split."""
        return _ScriptedReader(self, split.id, int(position.get("row", 0)), fields)


class _ScriptedReader:
    def __init__(self, source: ScriptedSource, split: str, row: int, fields: Fields | None) -> None:
        self._source, self._split, self._row = source, split, row
        self._target = pruned(source.schema, fields)

    @property
    def position(self) -> Position:
        return {"row": self._row}

    def read(self, rows_max: int) -> Chunk:
        held = self._source.rows[self._split]
        frame, offset = held[self._row : self._row + rows_max], self._row
        self._row += frame.height
        has_ended = self._split in self._source.ended and self._row == held.height
        if not frame.height:
            return Chunk(None, offset=offset, ended=has_ended)
        return Chunk(frame.select(expressions(self._target, held.schema)), offset=offset, ended=has_ended)

    def close(self) -> None:
        """Nothing is held."""
