"""Keep the first or the last value of a group, by the position of its row in the source.

Not here: parts that know no order (parts.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import BINARY, STRING, DataType, Float
from thalweg.columnar import buffers
from thalweg.columnar.accumulate import keep_placed
from thalweg.columnar.buffers import is_plain, to_polars
from thalweg.columnar.merge_cells import PLACED
from thalweg.protocols.state import Columns, ColumnSpec

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PlacedPart:
    """The first or last value that is not NULL; rows can only be added.

    Values of 64 bits are kept as they are, all others as bytes.
    """

    prefix: str
    is_last: bool
    held: DataType

    @property
    def can_merge(self) -> bool:
        """Codes of bytes mean something in their own table only."""
        return self._is_plain

    @cached_property
    def _is_plain(self) -> bool:
        return is_plain(self.held.polars)

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        value = ColumnSpec("int64") if self._is_plain else ColumnSpec("bytes", None)
        places = {f"{self.prefix}{c}": ColumnSpec("int64") for c in ("split", "offset", "seen")}
        return {f"{self.prefix}v": value, **places}

    @property
    def rules(self) -> tuple[tuple[int, int], ...] | None:
        return ((PLACED, int(self.is_last)),) if self._is_plain else None

    @property
    def hidden(self) -> tuple[str, ...]:
        """The columns that no result shows."""
        return f"{self.prefix}split", f"{self.prefix}offset"

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        raise AssertionError("rows of this part have places")

    def update_placed(
        self, state: Columns, slots: Array, values: pl.Series, places: tuple[Array, Array]
    ) -> None:
        """Take rows with the split and offset of each."""
        if self._is_plain:
            words, validity = buffers.values_and_validity(values)
            words = words.view(np.int64) if isinstance(self.held, Float) else words
            self._keep(state, slots, words, buffers.flags(validity), places)
            return
        codes = state.dictionary(f"{self.prefix}v").encode(self._as_bytes(values))
        self._keep(state, slots, codes, buffers.presence(values), places)

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        split, offset, seen = (made[f"{self.prefix}{c}"] for c in ("split", "offset", "seen"))
        words: Array | pl.Series = made[f"{self.prefix}v"]
        if isinstance(words, pl.Series):
            words = state.dictionary(f"{self.prefix}v").encode(self._as_bytes(words))
        self._keep(state, slots, words, seen != 0, (split, offset))

    def carried(self, taken: Mapping[str, Array], state: Columns) -> dict[str, pl.Series]:
        """The column as another table can merge it."""
        return {} if self._is_plain else {f"{self.prefix}v": self.value(taken, state)}

    def _keep(
        self, state: Columns, slots: Array, words: Array, some: Array, places: tuple[Array, Array]
    ) -> None:
        word, split, offset, seen = (state.column(c) for c in self.columns)
        keep_placed(slots, words, some, places, self.is_last, (word, split, offset, seen))

    def _as_bytes(self, values: pl.Series) -> pl.Series:
        if values.dtype not in (pl.String, pl.Binary):
            values = values.cast(pl.String)
        return values.cast(pl.Binary)

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        words, seen = taken[f"{self.prefix}v"], taken[f"{self.prefix}seen"] != 0
        if self._is_plain:
            held = words.view(np.float64) if isinstance(self.held, Float) else words
            return to_polars("v", self.held.polars, np.ascontiguousarray(held), seen)
        raw = state.dictionary(f"{self.prefix}v").decode(words, pl.Binary(), "v")
        if self.held == BINARY:
            return raw
        text = raw.cast(pl.String)
        return text if self.held == STRING else text.cast(self.held.polars)
