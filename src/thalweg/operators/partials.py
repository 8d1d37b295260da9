"""Add up the rows of one batch before they are sent to another task.

Of many rows with few keys, few partial results remain: the exchange becomes cheap, and a key that
many rows share no longer burdens one task alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from thalweg.columnar.batch import FIRST, PANE, Batch
from thalweg.operators.aggregation import ROWS, GroupingSpec, key_frame
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, StateSpec

_COMPACT_AFTER = 64


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
        return PartialsOp(self.grouping, context)

    def describe(self) -> str:
        """One line."""
        return f"partial sums by {', '.join(self.grouping.keys) or '()'}"


class PartialsOp(Step):
    """Turn rows into one partial result per key.

    Emits:      for each batch one row per key: the parts of its aggregates.
    State:      none; the table is empty between calls.
    Late rows:  were turned away before.
    Batch mode: Polars does the same by itself.
    """

    def __init__(self, spec: GroupingSpec, context: Context) -> None:
        self._layout = spec.layout
        key = dict(spec.keys)
        if spec.has_panes:
            key |= {PANE: pl.Int64(), FIRST: pl.Int64()}
        self._keys = list(key)
        columns = {ROWS: ColumnSpec("int64")} | self._layout.columns
        self._table = context.scratch(ColumnsSpec("partials", key, columns))
        self._batches = 0

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The partial results of the batch."""
        del port
        table = self._table
        slots = table.slots(key_frame(batch.frame, self._keys))
        self._layout.update(table, slots, batch)
        used = table.live()
        made = self._layout.take(table, used)
        frame = table.keys(used).hstack([pl.Series(n, a) for n, a in made.items()])
        table.free(used)
        self._batches += 1
        if self._batches % _COMPACT_AFTER == 0:
            table.compact()
        yield Batch(frame)
