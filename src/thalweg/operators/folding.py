"""Fold changes to the table that they add up to.

A large table is kept in groups of rows by their hash, each folded by itself, and sorted by itself if there is
an order: no more than a group is ever in memory twice.

Not here: changes as operations (changelog.py), one order of sorted groups (merging.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import WEIGHT, Batch, consolidate
from thalweg.columnar.eager import beside, numbers, without
from thalweg.operators.changelog import in_order, repeat_rows
from thalweg.operators.merging import merged
from thalweg.operators.missing import check_present
from thalweg.plan.nodes import SortKey
from thalweg.protocols.keeping import Keeping
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import RowsSpec, RowStore, StateSpec

Array = np.ndarray[Any, Any]
_GROUP = "__group"
_GROUPS = 32
_SPLIT_FROM = 1 << 17
"""A table of so many rows is kept in groups, and put in order in parts of about so many."""


@dataclass(frozen=True)
class FoldSpec:
    """Add up all changes, and give the table at the end, in an order if there is one."""

    id: str
    columns: Mapping[str, pl.DataType]
    order: tuple[SortKey, ...] = ()

    def __hash__(self) -> int:
        return hash(self.id)

    def states(self) -> Iterable[StateSpec]:
        """The table so far, as changes."""
        columns = {**self.columns, WEIGHT: pl.Int64(), _GROUP: pl.Int64()}
        return [RowsSpec("rows", columns, _GROUP)]

    def keeps(self) -> Iterable[Keeping]:
        """The whole result."""
        yield Keeping("rows", "rows of the result", "the input ends")

    def build(self, context: Context) -> FoldOp:
        """The operator."""
        return FoldOp(self, context)

    def describe(self) -> str:
        """One line."""
        order = f", in the order {', '.join(map(str, self.order))}" if self.order else ""
        return f"fold to the final table{order}"


class FoldOp:
    """Keep the table that the changes add up to.

    Emits:      the rows of the table, once, at the end.
    State:      the table; changes of a group are added up when they outgrow it.
    Late rows:  are rows like any other.
    Batch mode: the table is what the query gives.
    """

    def __init__(self, spec: FoldSpec, context: Context, *, split_from: int = _SPLIT_FROM) -> None:
        self._names, self._order = list(spec.columns), spec.order
        self._rows: RowStore = context.state("rows")
        self._rows_max, self._split_from = context.rows_max, split_from
        known = self._rows.groups()
        self._count = _GROUPS if any(known) else 1
        self._waiting: Counter[int] = Counter()
        """By group, how many changes have come since it was folded, less the rows that it had then."""

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep the changes."""
        del port
        self._waiting.update(self._add(batch.packed().select(*self._names, WEIGHT)))
        # the next folding waits until as much has come as there is, so that the cost stays linear
        most = 4 * self._rows_max // (1 if self._count == 1 else 4)
        for group in [g for g, waiting in self._waiting.items() if waiting > most]:
            self._fold(group)
        return iter(())

    def _add(self, frame: pl.DataFrame) -> dict[int, int]:
        """Keep rows; returns how many of each group they are."""
        if self._count == 1:
            groups = np.zeros(frame.height, np.int64)
        else:
            # imported here: it loads the compiler, which small tables do without
            from thalweg.columnar.hash import hash_rows

            groups = (hash_rows(frame, self._names) % np.uint64(self._count)).astype(np.int64)
        found, counts = np.unique(groups, return_counts=True)
        if frame.height:
            self._rows.add(beside(frame, [numbers(_GROUP, groups)]))
        return dict(zip(found.tolist(), counts.tolist(), strict=True))

    def _fold(self, group: int) -> None:
        """Add up the changes of a group; what cancels is gone."""
        rows = without(self._rows.take(group), _GROUP)
        table = consolidate(Batch.unpacked(rows)).packed()
        del rows
        if self._count == 1 and table.height > self._split_from:
            self._count = _GROUPS
            self._waiting.clear()
        for changed, height in self._add(table).items():
            self._waiting[changed] = -height
        if not table.height:
            del self._waiting[group]

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Time does not matter."""
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """The table is published at the end."""
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """The final table."""
        del port
        for group in self._rows.groups():
            self._fold(group)
        groups = self._rows.groups()
        tables = (without(self._rows.take(group), _GROUP) for group in groups)
        for table in self._ordered(tables, len(groups)) if self._order else tables:
            yield from self._given(table)

    def _ordered(self, tables: Iterable[pl.DataFrame], count: int) -> Iterator[pl.DataFrame]:
        """So many folded tables as tables in the order, one behind the other."""
        runs = (in_order(table, self._order) for table in tables)
        return runs if count == 1 else merged(runs, self._order, count=count, range_rows=self._split_from)

    def _given(self, table: pl.DataFrame) -> Iterator[Output]:
        """The rows of a folded table, each as often as its weight says."""
        weight = table.get_column(WEIGHT)
        check_present(weight.to_numpy(), lambda some: table.drop(WEIGHT)[some])
        for part in Batch(table.drop(WEIGHT), weight).slices(self._rows_max):
            yield from Batch(repeat_rows(part)).slices(self._rows_max)
