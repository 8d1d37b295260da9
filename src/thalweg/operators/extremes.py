"""Keep the values of each group in order, so that the least and the greatest survive a removal.

A removal costs the logarithm of the group's values, however many there are.

Not here: lists of values (multiset.py), extremes of rows that are never taken back (parts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import DataType
from thalweg.columnar.accumulate import add_counts
from thalweg.columnar.allocation import grown
from thalweg.columnar.ascending import ascending
from thalweg.columnar.batch import Batch
from thalweg.columnar.buffers import NO_FLAGS, values_and_validity
from thalweg.columnar.eager import gather_rows
from thalweg.columnar.key_order import KeyOrder
from thalweg.operators.missing import check_present
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns

Array = np.ndarray[Any, Any]
COUNT = "__rows"
_NO_WEIGHTS = np.empty(0, np.int64)


@dataclass(frozen=True)
class Ordered:
    """The values of one argument that groups keep in order.

    Attributes:
        argument: the column of the values.
        type: what it holds.
        kinds: which ends are asked for: `min`, `max` or both.
    """

    argument: str
    type: DataType
    kinds: tuple[str, ...]

    @property
    def state(self) -> str:
        """The name of the state."""
        return f"order {self.argument}"

    def declared(self, keys: Mapping[str, pl.DataType], partition: tuple[str, ...]) -> ColumnsSpec:
        """The state: how often each value is there."""
        key = {**keys, self.argument: self.type.polars}
        return ColumnsSpec(self.state, key, {COUNT: ColumnSpec("int64")}, partition=partition)

    def build(self, state: KeyedColumns, groups: KeyedColumns, keys: Iterable[str]) -> Extremes:
        """The values of all groups."""
        return Extremes(self, state, groups, keys)


class Extremes:
    """The values of one argument by group, each with the sum of its weights."""

    def __init__(self, kept: Ordered, state: KeyedColumns, groups: KeyedColumns, keys: Iterable[str]) -> None:
        self._kept, self._state, self._keys = kept, state, list(keys)
        self._names = [*self._keys, kept.argument]
        # imported here: groupings without such values compile no trees
        from thalweg.columnar.trees import Trees

        self._trees = Trees()
        self._owners = np.empty(0, np.int64)
        self._taken_back: list[Array] = []
        live = state.live()
        if len(live):
            known = state.keys(live)
            owners = known.select(self._keys) if self._keys else pl.DataFrame(height=len(live))
            self._add(live, groups.find(owners))

    def _order(self) -> KeyOrder:
        return self._state.order([(self._kept.argument, False, False)])

    def _add(self, slots: Array, groups: Array) -> None:
        if len(self._owners) < self._state.capacity:
            self._owners = grown(self._owners, self._state.capacity)
        self._owners[slots] = groups
        self._trees.add(slots, groups, self._order())

    def update(self, batch: Batch, groups: Array) -> None:
        """Take rows, with the slot of each row's group; NULL is not a value."""
        some = batch.frame.get_column(self._kept.argument).is_not_null()
        if not some.all():
            batch, groups = batch.filter(some), groups[some.to_numpy()]
        slots = self._state.slots(batch.frame.select(self._names))
        fresh = self._state.last_new.copy()
        if len(fresh):
            known, firsts = np.unique(slots, return_index=True)
            self._add(fresh, groups[firsts[np.searchsorted(known, fresh)]])
        weights = _NO_WEIGHTS if batch.weight is None else values_and_validity(batch.weight)[0]
        add_counts(slots, NO_FLAGS, weights, self._state.column(COUNT))
        if len(weights):
            self._taken_back.append(slots)

    def values(self, groups: Array) -> dict[tuple[str, str], pl.Series]:
        """The ends that are asked for, of each of these groups; after `forget_gone`."""
        found = {}
        for kind in self._kept.kinds:
            members = self._trees.ends(groups, last=kind == "max")
            some = members >= 0
            known = self._state.keys(members[some]).select(self._kept.argument)
            if not some.all():
                known = pl.concat([known, pl.DataFrame({self._kept.argument: [None]}, schema=known.schema)])
                known = gather_rows(known, np.where(some, np.cumsum(some) - 1, known.height - 1))
            found[kind, self._kept.argument] = known.get_column(self._kept.argument)
        return found

    def forget_gone(self) -> None:
        """Drop values whose weights cancel; at a cut, before groups are freed."""
        if self._taken_back:
            slots, self._taken_back = ascending(np.concatenate(self._taken_back)), []
            counts = self._state.column(COUNT)[slots]
            check_present(counts, lambda some: self._state.keys(slots[some]), "value of a group")
            gone = slots[counts == 0]
            if len(gone):
                self._trees.remove(gone, self._owners[gone], self._order())
                self._state.free(gone)

    def forget(self, groups: Array) -> None:
        """Drop the values of whole groups."""
        members, owners = self._trees.members(groups)
        if len(members):
            self._trees.remove(members, owners, self._order())
            self._state.free(members)
