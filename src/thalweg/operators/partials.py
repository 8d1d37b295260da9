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
from thalweg.columnar.groups import group_rows
from thalweg.columnar.keys import KeyCodec
from thalweg.operators.aggregation import GroupingSpec, key_frame
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import StateSpec

Array = np.ndarray[Any, Any]
_COMPACT_AFTER = 64
_FEW = 16
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
        keys = key_frame(batch.frame, self._keys)
        if len(batch) <= _FEW:
            # one partial result per row: finding equal keys costs more than it saves
            words = self._codec.encode(keys) if self._cells is not None else _NO_WORDS
            yield self._partials(keys, words, np.arange(len(batch)), batch)
            return
        words = self._codec.encode(keys)
        groups = group_rows(words)
        self._batches += 1
        if self._batches % _COMPACT_AFTER == 0:
            self._codec.compact(words)
        if self._cells is not None:
            yield self._partials(keys, words[groups.firsts], groups.ids, batch)
        else:
            yield self._partials(gather_rows(keys, groups.firsts), _NO_WORDS, groups.ids, batch)

    def _partials(self, keys: pl.DataFrame, words: Array, ids: Array, batch: Batch) -> Batch:
        """The rows of a batch added up by group, beside the key of each group."""
        if self._cells is None:
            made = self._layout.accumulators(keys.height)
            self._layout.update(made, ids, batch)
            return Batch(keys, parts=made.whole)
        made = self._layout.accumulators(len(words), above=self._cells.height)
        self._cells.fill(words, made.whole)
        self._layout.update(made, ids, batch)
        return Batch(_NO_COLUMNS, parts=made.whole)
