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

from thalweg.columnar.batch import FIRST, PANE, Batch
from thalweg.columnar.eager import gather_rows
from thalweg.operators.accumulators import Accumulators
from thalweg.operators.aggregation import GroupingSpec, key_frame
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import StateSpec

Array = np.ndarray[Any, Any]
_COMPACT_AFTER = 64
_FEW = 16


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
        from thalweg.columnar.keys import KeyCodec

        self._layout = spec.layout
        key = dict(spec.keys)
        if spec.has_panes:
            key |= {PANE: pl.Int64(), FIRST: pl.Int64()}
        self._keys, self._columns = list(key), self._layout.stored
        self._codec = KeyCodec(key)
        self._batches = 0

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The partial results of the batch."""
        from thalweg.columnar.groups import group_rows

        del port
        keys = key_frame(batch.frame, self._keys)
        if len(batch) <= _FEW:
            # one partial result per row: finding equal keys costs more than it saves
            yield self._partials(keys, np.arange(len(batch)), batch)
            return
        words = self._codec.encode(keys)
        groups = group_rows(words)
        self._batches += 1
        if self._batches % _COMPACT_AFTER == 0:
            self._codec.compact(words)
        yield self._partials(gather_rows(keys, groups.firsts), groups.ids, batch)

    def _partials(self, keys: pl.DataFrame, ids: Array, batch: Batch) -> Batch:
        """The rows of a batch added up by group, beside the key of each group."""
        made = Accumulators(self._columns, keys.height)
        self._layout.update(made, ids, batch)
        return Batch(keys, parts=made.cells)
