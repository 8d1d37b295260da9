"""Keep sums of decimals, as a part of aggregates.

Not here: the other parts, which part is used when (parts.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar import buffers
from thalweg.columnar.accumulate_decimals import add_decimals, merge_decimals
from thalweg.columnar.buffers import limbs_to_polars
from thalweg.columnar.merge_cells import ADD, FAR
from thalweg.protocols.state import Columns, ColumnSpec

Array = np.ndarray[Any, Any]

_BEYOND = np.array([10**38 >> 64, 10**38 % (1 << 64)], dtype=np.uint64).view(np.int64)
"""The limbs of the least number that has more than 38 digits."""


@dataclass(frozen=True)
class DecimalSumPart:
    """The sum of decimals, of any size on the way; one of more than 38 digits is shown as 10^38 unscaled."""

    prefix: str
    scale: int
    can_merge: bool = True

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        return {f"{self.prefix}{c}": ColumnSpec("int64") for c in ("far", "high", "low", "n")}

    @property
    def rules(self) -> tuple[tuple[int, int], ...]:
        return (FAR, 0), (ADD, 0)

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        assert values is not None, "a sum has an argument"
        far, high, low, counts = (state.column(c) for c in self.columns)
        highs, lows, validity = buffers.limbs(values)
        add_decimals(slots, (highs, lows), buffers.flags(validity), weights, (far, high, low), counts)

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        far, high, low, counts = (state.column(c) for c in self.columns)
        fars, highs, lows, adds = (made[c] for c in self.columns)
        merge_decimals(slots, (fars, highs, lows), adds, (far, high, low), counts)

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        far, high, low, counts = (taken[c] for c in self.columns)
        if far.any():
            high, low = np.where(far != 0, _BEYOND[0], high), np.where(far != 0, _BEYOND[1], low)
        return limbs_to_polars("sum", pl.Decimal(38, self.scale), high, low, counts != 0)
