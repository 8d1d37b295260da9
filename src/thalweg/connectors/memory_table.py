"""Hold a table in the program's memory that the program may change while jobs read it or look rows up in it.

Not here: frames that stay as they are (memory.py).
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.files.select import check_file, expressions, pruned
from thalweg.connectors.frames import FrameReader
from thalweg.protocols.lookup import LookupOptions
from thalweg.protocols.source import Fields, Position, Reader, Replay, Split


class MemoryTable:
    """A table whose rows the program may replace; whoever looks rows up sees those of the moment.

    A job that reads it as a source reads the rows that it has when it is opened.

    Args:
        frame: the rows; later ones have the same columns.
        name: what messages call it.

    Example:
        >>> table = MemoryTable(pl.DataFrame({"k": [1], "v": ["a"]}), name="names")
        >>> table.update(pl.DataFrame({"k": [2], "v": ["b"]}), key="k")
        >>> table.frame.rows()
        [(1, 'a'), (2, 'b')]
    """

    is_bounded = True
    is_ordered = False
    is_live = False
    replay: Replay = "none"
    version_interval = 0.0

    def __init__(self, frame: Any, name: str = "table", *, lookup: LookupOptions | None = None) -> None:
        self._lock = threading.Lock()
        self._frame = _to_frame(frame)
        self._version = 0
        self.schema = Schema.from_polars(dict(self._frame.schema))
        self.name = name
        self.lookup = lookup or LookupOptions()

    @property
    def frame(self) -> pl.DataFrame:
        """The rows of this moment."""
        return self._frame

    def replace(self, frame: Any) -> None:
        """Other rows instead of all that are there."""
        made = _to_frame(frame)
        check_file(self.schema, made.schema, self.name)
        made = made.select(expressions(self.schema, made.schema))
        with self._lock:
            self._frame, self._version = made, self._version + 1

    def update(self, frame: Any, key: str | Sequence[str]) -> None:
        """Add rows; those that are there with the same values in the key columns go."""
        made = _to_frame(frame)
        check_file(self.schema, made.schema, self.name)
        made = made.select(expressions(self.schema, made.schema))
        with self._lock:
            kept = self._frame.join(made, on=key, how="anti", nulls_equal=True, maintain_order="left")
            self._frame, self._version = pl.concat([kept, made]), self._version + 1

    def version(self) -> Hashable:
        """How often the rows have changed."""
        return self._version

    def describe(self) -> str:
        """The name."""
        return self.name

    def splits(self) -> Sequence[Split]:
        """One."""
        return [Split("0")]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of the rows of this moment."""
        del split
        chosen = self._frame.select(expressions(pruned(self.schema, fields), self._frame.schema))
        return FrameReader(lambda row: iter([chosen[row:]]), position)

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        """The rows of this moment."""
        return self._frame.lazy().select(expressions(pruned(self.schema, fields), self._frame.schema))


def _to_frame(given: Any) -> pl.DataFrame:
    """A frame as Polars holds it; also of mappings and rows."""
    return given if isinstance(given, pl.DataFrame) else pl.DataFrame(given)
