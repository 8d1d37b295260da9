"""Keep the values of each group, so that the least and the greatest survive a removal."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.accumulate import add_counts
from thalweg.columnar.batch import Batch
from thalweg.columnar.buffers import NO_FLAGS
from thalweg.operators.aggregation import weight_array
from thalweg.operators.parts import NO_WEIGHTS, ROWS
from thalweg.protocols.state import KeyedColumns

_EVERYTHING = "__all"


class Multiset:
    """The values of one argument by group, each with the sum of its weights."""

    def __init__(self, state: KeyedColumns, keys: list[str], argument: str) -> None:
        self._state, self._keys, self._argument = state, keys, argument
        self._touched: list[np.ndarray[Any, Any]] = []

    def update(self, batch: Batch) -> None:
        """Take rows; NULL is not a value."""
        some = batch.frame.get_column(self._argument).is_not_null()
        batch = batch if some.all() else batch.filter(some)
        slots = self._state.slots(batch.frame.select([*self._keys, self._argument]))
        weights = NO_WEIGHTS if batch.weight is None else weight_array(batch.weight)
        add_counts(slots, NO_FLAGS, weights, self._state.column(ROWS))
        self._touched.append(slots)

    def extremes(self, keys: pl.DataFrame) -> list[pl.Series]:
        """The least and the greatest value of each of these groups, as `min …` and `max …`."""
        live = self._state.live()
        live = live[self._state.column(ROWS)[live] != 0]
        everything = pl.lit(0).alias(_EVERYTHING)
        values = self._state.keys(live).with_columns(everything)
        value = pl.col(self._argument)
        greatest = value.max()
        if values.schema[self._argument].is_float():
            greatest = pl.when(value.is_nan().any()).then(float("nan")).otherwise(value.max())
        names = [*self._keys, _EVERYTHING]
        wanted = (
            keys.with_columns(everything) if self._keys else pl.DataFrame({_EVERYTHING: [0] * keys.height})
        )
        found = values.join(wanted, on=names, how="semi", nulls_equal=True).group_by(names)
        best = found.agg(value.min().alias("min"), greatest.alias("max"))
        joined = wanted.join(best, on=names, how="left", nulls_equal=True, maintain_order="left")
        return [joined.get_column(k).alias(f"{k} {self._argument}") for k in ("min", "max")]

    def forget_gone(self) -> None:
        """Drop values whose weights cancel; at a cut."""
        if not self._touched:
            return
        slots = np.unique(np.concatenate(self._touched))
        self._touched = []
        gone = slots[self._state.column(ROWS)[slots] == 0]
        if len(gone):
            self._state.free(gone)
