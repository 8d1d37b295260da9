"""Keep the parts that aggregates are made from, as columns of state by slot.

A part knows its columns, how rows change them, how columns made elsewhere are merged in, and what
it gives to the aggregate's `finish`. All work is done by kernels over whole batches.

Reads:    the kernels of columnar/.
Not here: which parts an aggregate needs (expr/aggregates.py), grouping (aggregation.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import polars as pl

from thalweg.base.types import BINARY, STRING, DataType, Decimal, Float
from thalweg.columnar import buffers
from thalweg.columnar.accumulate import (
    add_counts,
    add_sums,
    from_ordered_words,
    keep_extremes,
    order_mask,
    ordered_words,
)
from thalweg.columnar.buffers import NO_FLAGS, limbs_to_polars, to_polars
from thalweg.columnar.eager import numbers
from thalweg.columnar.merge import merge_sums
from thalweg.columnar.merge_cells import ADD, EXTREME, WIDE
from thalweg.operators.ordered_parts import PlacedPart
from thalweg.protocols.state import Columns, ColumnSpec

Array = np.ndarray[Any, Any]
NO_WEIGHTS = np.empty(0, np.int64)
ROWS = "__rows"
"""The column that counts the rows of a group: it exists while that is not 0."""


class Part(Protocol):
    """One accumulator; `prefix` sets its columns apart from those of other parts."""

    @property
    def prefix(self) -> str:
        """What the names of its columns begin with."""
        ...

    @property
    def columns(self) -> dict[str, ColumnSpec]:
        """The columns of state, by name."""
        ...

    @property
    def can_merge(self) -> bool:
        """Whether parts made elsewhere can be added."""
        ...

    @property
    def rules(self) -> tuple[tuple[int, int], ...] | None:
        """How its columns are added up one after the other, and what that needs to know (merge_cells.py).

        None: not so, or not exactly the same in whatever order.
        """
        ...

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        """Take rows: the slot, value and weight of each (no weights: all +1)."""
        ...

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        """Add parts made elsewhere, one per row."""
        ...

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        """What `finish` gets, from columns taken out of the state."""
        ...


@dataclass(frozen=True)
class CountPart:
    """How many values that are not NULL."""

    prefix: str
    can_merge: bool = True

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        return {f"{self.prefix}n": ColumnSpec("int64")}

    @property
    def rules(self) -> tuple[tuple[int, int], ...]:
        return ((ADD, 0),)

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        assert values is not None, "what counts all rows is CountedPart"
        add_counts(slots, buffers.presence(values), weights, state.column(f"{self.prefix}n"))

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        name = f"{self.prefix}n"
        add_counts(slots, NO_FLAGS, made[name], state.column(name))

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        return numbers("n", taken[f"{self.prefix}n"].copy())


@dataclass(frozen=True)
class CountedPart:
    """A count that another column holds anyway: of rows, or of the values that a sum has added.

    Attributes:
        column: the column that holds it.
    """

    prefix: str
    column: str = ROWS
    can_merge: bool = True

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        return {}

    @property
    def rules(self) -> tuple[tuple[int, int], ...]:
        return ()

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        pass

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        pass

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        return numbers("n", taken[self.column].copy())


@dataclass(frozen=True)
class SumPart:
    """The sum of integers, exact in 128 bits."""

    prefix: str
    can_merge: bool = True

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        return {f"{self.prefix}{c}": ColumnSpec("int64") for c in ("high", "low", "n")}

    @property
    def rules(self) -> tuple[tuple[int, int], ...]:
        return (WIDE, 0), (ADD, 0)

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        assert values is not None, "a sum has an argument"
        high, low, counts = (state.column(c) for c in self.columns)
        numbers, validity = buffers.values_and_validity(values)
        add_sums(slots, numbers, buffers.flags(validity), weights, high, low, counts)

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        highs, lows, adds = (made[c] for c in self.columns)
        merge_sums(slots, highs, lows, adds, *(state.column(c) for c in self.columns))

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        small = self.within_words(taken)
        if small is not None:
            return small.cast(pl.Int128())
        high, low, counts = (taken[c] for c in self.columns)
        return limbs_to_polars("sum", pl.Decimal(38, 0), high, low, counts != 0).to_physical()

    def within_words(self, taken: Mapping[str, Array]) -> pl.Series | None:
        """The sums as Int64, if all of them fit."""
        high, low, counts = (taken[c] for c in self.columns)
        return to_polars("sum", pl.Int64(), low, counts != 0) if (high == low >> 63).all() else None


@dataclass(frozen=True)
class ExtremePart:
    """The least or greatest value of a type that fits 64 bits; rows can only be added."""

    prefix: str
    greatest: bool
    held: DataType
    can_merge: bool = True

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        return {
            f"{self.prefix}v": ColumnSpec("int64"),
            f"{self.prefix}seen": ColumnSpec("int64"),
        }

    @property
    def rules(self) -> tuple[tuple[int, int], ...]:
        return ((EXTREME, int(self._mask)),)

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        assert values is not None, "an extreme has an argument"
        numbers, validity = buffers.values_and_validity(values)
        if isinstance(self.held, Float):
            numbers = ordered_words(numbers)
        self._keep(state, slots, numbers, buffers.flags(validity))

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        self._keep(state, slots, made[f"{self.prefix}v"], made[f"{self.prefix}seen"] != 0)

    def _keep(self, state: Columns, slots: Array, words: Array, seen: Array) -> None:
        keep_extremes(slots, words, seen, self._mask, *(state.column(c) for c in self.columns))

    @cached_property
    def _mask(self) -> np.int64:
        return order_mask(greatest=self.greatest, unsigned=self.held.polars == pl.UInt64)

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        words, seen = taken[f"{self.prefix}v"], taken[f"{self.prefix}seen"] != 0
        if isinstance(self.held, Float):
            return nullable(from_ordered_words(words), seen).cast(self.held.polars)
        return to_polars("v", self.held.polars, words, seen)


@dataclass(frozen=True)
class TextExtremePart:
    """The least or greatest string, bytes or decimal, compared by Polars once per batch."""

    prefix: str
    greatest: bool
    held: DataType
    can_merge: bool = False

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        return {f"{self.prefix}v": ColumnSpec("bytes", None)}

    @property
    def rules(self) -> None:
        return None

    def update(self, state: Columns, slots: Array, values: pl.Series | None, weights: Array) -> None:
        assert values is not None, "an extreme has an argument"
        name = f"{self.prefix}v"
        rows = pl.DataFrame({"s": slots, "v": values}).drop_nulls()
        if not rows.height:
            return
        best = pl.col("v").max() if self.greatest else pl.col("v").min()
        new = rows.group_by("s").agg(best)
        at = new.get_column("s").to_numpy()
        codes = state.column(name)
        known = self._decoded(state, codes[at])
        both = pl.DataFrame({"a": known, "b": new.get_column("v")})
        pick = pl.max_horizontal("a", "b") if self.greatest else pl.min_horizontal("a", "b")
        codes[at] = state.dictionary(name).encode(self._as_bytes(both.select(pick.alias("v"))["v"]))

    def carried(self, taken: Mapping[str, Array], state: Columns) -> dict[str, pl.Series]:
        """The column as another table can merge it: codes mean something in their own table only."""
        return {f"{self.prefix}v": self.value(taken, state)}

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Array]) -> None:
        carried: object = made[f"{self.prefix}v"]
        assert isinstance(carried, pl.Series), "extremes of texts are not split"
        self.update(state, slots, carried, NO_WEIGHTS)

    def _as_bytes(self, values: pl.Series) -> pl.Series:
        if isinstance(self.held, Decimal):
            values = values.cast(pl.String)
        return values.cast(pl.Binary)

    def _decoded(self, state: Columns, codes: Array) -> pl.Series:
        raw = state.dictionary(f"{self.prefix}v").decode(codes, pl.Binary(), "v")
        if self.held == BINARY:
            return raw
        text = raw.cast(pl.String)
        return text if self.held == STRING else text.cast(self.held.polars)

    def value(self, taken: Mapping[str, Array], state: Columns) -> pl.Series:
        return self._decoded(state, taken[f"{self.prefix}v"])


def make_part(kind: str, held: DataType | None, prefix: str) -> Part:
    """The part of that kind for an argument of that type."""
    if kind == "count":
        return CountedPart(prefix) if held is None else CountPart(prefix)
    assert held is not None, f"{kind} has an argument"
    if kind == "sum":
        if isinstance(held, Float):
            # imported here, as below: jobs without floats and decimals need not compile what adds them up
            from thalweg.operators.float_parts import FloatSumPart

            return FloatSumPart(prefix)
        if isinstance(held, Decimal):
            from thalweg.operators.decimal_parts import DecimalSumPart

            return DecimalSumPart(prefix, held.scale)
        return SumPart(prefix)
    if kind in ("first", "last"):
        return PlacedPart(prefix, kind == "last", held)
    if kind == "squares":
        from thalweg.operators.float_parts import SquaresPart

        return SquaresPart(prefix)
    assert kind in ("min", "max"), f"there is no part {kind}"
    if isinstance(held, Decimal) or held in (STRING, BINARY):
        return TextExtremePart(prefix, kind == "max", held)
    return ExtremePart(prefix, kind == "max", held)


def nullable(values: Array, some: Array) -> pl.Series:
    """Values, with NULL where there are none."""
    series = numbers("v", values)
    return series if some.all() else series.set(pl.Series(~some), None)
