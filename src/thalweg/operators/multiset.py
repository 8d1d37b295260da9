"""Keep the values of each group, for lists of them.

What a group's values are is found through chains from the group, so that a cut costs what the groups that
changed hold, whatever else there is.

Not here: the least and the greatest value (extremes.py), aggregates that need no values (parts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import DataType, Struct
from thalweg.columnar.accumulate import add_counts
from thalweg.columnar.ascending import ascending
from thalweg.columnar.batch import OFFSET, SPLIT, Batch
from thalweg.columnar.buffers import NO_FLAGS, values_and_validity
from thalweg.columnar.eager import gather_rows
from thalweg.operators.missing import check_present
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns

Array = np.ndarray[Any, Any]
COUNT = "__rows"
_GROUP, _VALUE = "__group", "__value"
_NO_WEIGHTS = np.empty(0, np.int64)


@dataclass(frozen=True)
class Kept:
    """The values of one argument that groups keep.

    Attributes:
        argument: the column of the values.
        type: what it holds; of a struct of one member, that member is the value, which may be NULL.
        kinds: what is made of the values: `first`, `last`, `list` or `set`.
        is_placed: whether each value is kept with its position, which orders the list.
    """

    argument: str
    type: DataType
    kinds: tuple[str, ...]
    is_placed: bool

    @property
    def state(self) -> str:
        """The name of the state."""
        return f"{'places' if self.is_placed else 'values'} {self.argument}"

    def declared(self, keys: Mapping[str, pl.DataType], partition: tuple[str, ...]) -> ColumnsSpec:
        """The state: how often each value is there."""
        places = {SPLIT: pl.Int64(), OFFSET: pl.Int64()} if self.is_placed else {}
        key = {**keys, self.argument: self.type.polars, **places}
        return ColumnsSpec(self.state, key, {COUNT: ColumnSpec("int64")}, partition=partition)

    def build(self, state: KeyedColumns, groups: KeyedColumns, keys: Iterable[str]) -> Multiset:
        """The values of all groups."""
        return Multiset(self, state, groups, keys)


class Multiset:
    """The values of one argument by group, each with the sum of its weights."""

    def __init__(self, kept: Kept, state: KeyedColumns, groups: KeyedColumns, keys: Iterable[str]) -> None:
        self._kept, self._state, self._groups, self._keys = kept, state, groups, list(keys)
        self._names = [*self._keys, kept.argument, *((SPLIT, OFFSET) if kept.is_placed else ())]
        # imported here: jobs without distinct values need not compile what holds them
        from thalweg.columnar.value_chains import Chains

        self._chains = Chains()
        self._taken_back: list[Array] = []
        live = state.live()
        if len(live):
            known = state.keys(live)
            owners = known.select(self._keys) if self._keys else pl.DataFrame(height=len(live))
            self._chains.link(live, groups.find(owners))

    def update(self, batch: Batch, groups: Array) -> None:
        """Take rows, with the slot of each row's group; NULL is not a value."""
        some = batch.frame.get_column(self._kept.argument).is_not_null()
        if not some.all():
            batch, groups = batch.filter(some), groups[some.to_numpy()]
        slots = self._state.slots(batch.frame.select(self._names))
        self._chains.link(slots, groups)
        weights = _NO_WEIGHTS if batch.weight is None else values_and_validity(batch.weight)[0]
        add_counts(slots, NO_FLAGS, weights, self._state.column(COUNT))
        if len(weights):
            self._taken_back.append(groups)

    def values(self, groups: Array) -> dict[tuple[str, str], pl.Series]:
        """What is made of the values of each of these groups."""
        members, lengths = self._chains.members(groups)
        counts = self._state.column(COUNT)[members]
        check_present(counts, lambda some: self._state.keys(members[some]), "value of a group")
        numbers = np.repeat(np.arange(len(groups)), lengths)
        # the columns are taken by slot: `keys` wants each slot once, in any order
        known = self._state.keys(members)
        value = known.get_column(self._kept.argument).alias(_VALUE)
        if isinstance(self._kept.type, Struct):
            value = value.struct.unnest().to_series().alias(_VALUE)
        columns = [pl.Series(_GROUP, numbers), value]
        columns += [known.get_column(n) for n in (SPLIT, OFFSET) if self._kept.is_placed]
        frame = pl.DataFrame(columns)
        rows = np.repeat(np.arange(len(members)), np.maximum(counts, 0))
        whole = gather_rows(frame, rows)
        every = pl.DataFrame({_GROUP: np.arange(len(groups))})
        found = {}
        for kind in self._kept.kinds:
            made = whole.filter(pl.struct(_GROUP, _VALUE).is_first_distinct()) if kind == "set" else whole
            best = made.group_by(_GROUP).agg(self._made(kind).alias(_VALUE))
            joined = every.join(best, on=_GROUP, how="left", maintain_order="left")
            found[kind, self._kept.argument] = joined.get_column(_VALUE)
        return found

    def _made(self, kind: str) -> pl.Expr:
        value = pl.col(_VALUE)
        if kind == "set" or not self._kept.is_placed:
            return value.sort()
        # rows that were made from one row of the source share its position
        ordered = value.sort_by(SPLIT, OFFSET, _VALUE)
        return {"first": ordered.first(), "last": ordered.last()}.get(kind, ordered)

    def forget_gone(self) -> None:
        """Drop values whose weights cancel; at a cut, before groups are freed."""
        if self._taken_back:
            owners, self._taken_back = ascending(np.concatenate(self._taken_back)), []
            self._free(owners, self._state.column(COUNT))

    def forget(self, groups: Array) -> None:
        """Drop the values of whole groups."""
        self._free(groups, np.zeros(self._state.capacity, np.int64))

    def _free(self, owners: Array, counts: Array) -> None:
        gone = self._chains.unlink(owners, counts)
        if len(gone):
            self._state.free(gone)
