"""Add up the rows of one batch before they are sent to another task.

Of many rows with few keys, few partial results remain: the exchange becomes cheap, and a key that
many rows share no longer burdens one task alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import Batch
from thalweg.columnar.eager import gather_rows
from thalweg.columnar.groups import Groups, group_columns
from thalweg.columnar.keys import KeyCodec
from thalweg.operators.aggregation import GroupingSpec, key_frame
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import StateSpec

Array = np.ndarray[Any, Any]
_COMPACT_AFTER = 64
_FEW = 16
_EACH = np.arange(_FEW)
_NO_WORDS = np.empty((0, 1), np.int64)
_NO_COLUMNS = pl.DataFrame()


@dataclass(frozen=True)
class PartialsSpec:
    """Add up each batch by key."""

    id: str
    grouping: GroupingSpec

    def states(self) -> Iterable[StateSpec]:
        """None: nothing is kept from one batch to the next."""
        return ()

    def build(self, context: Context) -> PartialsOp:
        """The operator."""
        del context
        return PartialsOp(self.grouping)

    def describe(self) -> str:
        """One line."""
        return f"partial sums by {', '.join(self.grouping.keys) or '()'}"


class PartialsOp(Step):
    """Turn rows into one partial result per key.

    Emits:      for each batch one row per key, with the parts of its aggregates beside it.
    State:      none; what is added up goes out at once.
    Late rows:  were turned away before.
    Batch mode: Polars does the same by itself.
    """

    def __init__(self, spec: GroupingSpec) -> None:
        self._layout, self._cells = spec.layout, spec.key_cells
        self._keys = list(spec.row_keys)
        self._codec = KeyCodec(spec.row_keys)
        self._batches = 0

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The partial results of the batch."""
        del port
        if len(batch) <= _FEW:
            # one partial result per row: finding equal keys costs more than it saves
            groups = Groups(_EACH[: len(batch)], _EACH[: len(batch)])
            words = self._codec.encode(batch.frame) if self._cells is not None else _NO_WORDS
        else:
            columns = self._codec.encode_columns(batch.frame)
            groups = group_columns(columns)
            words = np.stack([c.take(groups.firsts) for c in columns], axis=1)
            self._batches += 1
            if self._batches % _COMPACT_AFTER == 0:
                self._codec.compact(np.stack(columns, axis=1))
        if self._cells is not None:
            yield self._with_words(words, groups, batch)
            return
        keys = gather_rows(key_frame(batch.frame, self._keys), groups.firsts)
        made = self._layout.accumulators(groups.height)
        self._layout.update(made, groups.ids, batch)
        yield Batch(keys, parts=made.whole)

    def _with_words(self, words: Array, groups: Groups, batch: Batch) -> Batch:
        """The rows of a batch added up by group, below the words of each group's key."""
        assert self._cells is not None, "keys without texts"
        made = self._layout.accumulators(groups.height, above=self._cells.height)
        self._cells.fill(words, made.whole)
        self._layout.update(made, groups.ids, batch)
        return Batch(_NO_COLUMNS, parts=made.whole)
