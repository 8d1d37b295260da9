"""Keep the parts of aggregates of floats: sums that do not drift, and squared distances from the mean.

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
from thalweg.columnar.accumulate import add_counts
from thalweg.columnar.accumulate_floats import (
    add_floats,
    add_squares,
    float_sums,
    merge_squares,
    squared_deviations,
)
from thalweg.columnar.buffers import NO_FLAGS
from thalweg.columnar.eager import numbers
from thalweg.operators.parts import NO_WEIGHTS, nullable
from thalweg.protocols.state import Columns, ColumnSpec

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class FloatSumPart:
    """The sum of floats as a double-double, with NaN and infinities counted apart."""

    prefix: str
    can_merge: bool = True

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        sums = {f"{self.prefix}{c}": ColumnSpec("float64", 0.0) for c in ("high", "low")}
        return sums | {f"{self.prefix}{c}": ColumnSpec("int64") for c in ("nan", "plus", "minus", "n")}

    @property
    def rules(self) -> None:
        return None

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        assert values is not None, "a sum has an argument"
        numbers, validity = buffers.values_and_validity(values)
        high, low, nan, plus, minus, counts = (state.column(c) for c in self.columns)
        add_floats(slots, numbers, buffers.flags(validity), weights, (high, low), (nan, plus, minus), counts)

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        high, low, nan, plus, minus, counts = (state.column(c) for c in self.columns)
        scratch = np.zeros(len(counts), np.int64)
        for name in ("high", "low"):
            halves = made[f"{self.prefix}{name}"]
            add_floats(slots, halves, NO_FLAGS, NO_WEIGHTS, (high, low), (nan, plus, minus), scratch)
        for name, column in (("nan", nan), ("plus", plus), ("minus", minus), ("n", counts)):
            add_counts(slots, NO_FLAGS, made[f"{self.prefix}{name}"], column)

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        high, low, nan, plus, minus, counts = (taken[c] for c in self.columns)
        return nullable(float_sums((high, low), (nan, plus, minus)), counts != 0)


@dataclass(frozen=True)
class SquaresPart:
    """The sum of squared distances from the mean, by sums of values and of squares as double-doubles."""

    prefix: str
    can_merge: bool = True

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        sums = ("high", "low", "square_high", "square_low")
        return {f"{self.prefix}{c}": ColumnSpec("float64", 0.0) for c in sums} | {
            f"{self.prefix}{c}": ColumnSpec("int64") for c in ("odd", "n")
        }

    @property
    def rules(self) -> None:
        return None

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        assert values is not None, "a variance has an argument"
        numbers, validity = buffers.values_and_validity(values)
        sums, counts = _squares([state.column(c) for c in self.columns])
        add_squares(slots, numbers, buffers.flags(validity), weights, sums, counts)

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        sums, counts = _squares([state.column(c) for c in self.columns])
        more, adds = _squares([made[c] for c in self.columns])
        merge_squares(slots, more, sums, (*adds, *counts))

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        sums, counts = _squares([np.ascontiguousarray(taken[c]) for c in self.columns])
        found = np.zeros(len(counts[0]))
        squared_deviations(sums, counts, found)
        return numbers("v", found)


def _squares(columns: list[Array]) -> tuple[tuple[Array, Array, Array, Array], tuple[Array, Array]]:
    """The columns of `SquaresPart`: sums, and counts."""
    high, low, square_high, square_low, odd, total = columns
    return (high, low, square_high, square_low), (odd, total)
