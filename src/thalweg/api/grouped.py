"""Group rows, and put them into windows.

Both are half of a step: `agg` completes them.

Not here: steps that are complete by themselves (dataset.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thalweg.api.columns import Names, column_names, columns
from thalweg.api.expressions import Expression, IntoColumn
from thalweg.api.ordering import OrderBy
from thalweg.api.place import caller, located
from thalweg.api.windows import WINDOW
from thalweg.errors import PlanError
from thalweg.expr.nodes import Column, Named
from thalweg.plan import queries
from thalweg.plan.grouping_sets import Sets, cube, rollup
from thalweg.plan.nodes import Late

if TYPE_CHECKING:
    from thalweg.api.dataset import Dataset


@dataclass(frozen=True, eq=False, repr=False)
class GroupedDataset:
    """Rows with the keys to group them by; made with `Dataset.group_by`."""

    _rows: Dataset
    _keys: tuple[Named, ...]
    _always: frozenset[str] = frozenset()
    """The keys that every set has: those of the window."""
    _sets: Sets | None = None

    def __repr__(self) -> str:
        keys = ", ".join(map(str, self._keys)) or "nothing"
        return f"rows of ({self._rows.schema}) grouped by {keys}; agg(…) follows"

    def rollup(self) -> GroupedDataset:
        """Group by all keys, also by all but the last, and so on to one group of all rows.

        Keys that a row is not grouped by are NULL; `grouping` tells them from values that are NULL.

        Example:
            >>> import polars as pl
            >>> import thalweg as tw
            >>> rows = tw.Session().from_polars(pl.DataFrame({"k": ["a", "b", "b"], "v": [1, 3, 5]}))
            >>> sums = rows.group_by("k").rollup().agg(v=tw.sum("v"), is_all=tw.grouping("k"))
            >>> sums.to_polars().sort("v").rows()
            [('a', 1, 0), ('b', 8, 0), (None, 9, 1)]
        """
        return self._by_sets(rollup)

    def cube(self) -> GroupedDataset:
        """Group by every choice of keys: all, some, none; see `rollup`."""
        return self._by_sets(cube)

    def sets(self, *sets: Names) -> GroupedDataset:
        """Group by each of some sets of keys, such as `sets(["a", "b"], "a", [])`; see `rollup`."""

        def make(own: Sequence[int]) -> Sets:
            places = {self._keys[n].name: n for n in own}
            return [[self._place(name, places) for name in column_names(each)] for each in sets]

        return self._by_sets(make)

    def _place(self, name: str, places: Mapping[str, int]) -> int:
        if name not in places:
            message = f'"{name}" is no key of the grouping'
            raise PlanError(message, code="plan-grouping", found=name, choices=[*places])
        return places[name]

    def _by_sets(self, make: Callable[[Sequence[int]], Sets]) -> GroupedDataset:
        places = list(enumerate(self._keys))
        always = [n for n, key in places if key.name in self._always]
        with located(caller()):
            made = make([n for n, key in places if key.name not in self._always])
        return replace(self, _sets=[[*each, *always] for each in made])

    def agg(self, *aggregates: Expression, **by_name: Expression) -> Dataset:
        """One row per group: the keys, then the aggregates.

        Args:
            aggregates: expressions over aggregates and keys, such as `sum("price") / count()`.
            by_name: the same, with names for their columns.
        """
        return self._rows._step(
            lambda: queries.group_by(
                self._rows.plan, self._keys, [*self._keys, *columns(aggregates, by_name)], self._sets
            )
        )


@dataclass(frozen=True, eq=False, repr=False)
class WindowedDataset:
    """Rows with the windows that they fall into; made with `Dataset.window`."""

    _rows: Dataset
    _by: tuple[str, ...] = ()
    """The columns whose values have windows of their own."""

    def __repr__(self) -> str:
        return f"rows of ({self._rows.schema}) in windows; group_by(…), agg(…) or rank(…) follows"

    def rows(self) -> Dataset:
        """The rows, once for each of their windows, with `window_start`, `window_end` and `window_time`."""
        return self._rows

    def late(self) -> Dataset:
        """The rows that came after one of their windows had closed, with that window, split and position."""
        return self._rows._step(lambda: Late(self._rows.plan))

    def group_by(self, *keys: IntoColumn, **by_name: IntoColumn) -> GroupedDataset:
        """Group by keys and window: `window_start` and `window_end` are keys without being named.

        So are the columns that sessions are made by.
        """
        own = columns(keys, by_name)
        before, after = (
            [Named(n, Column(n)) for n in names if all(k.name != n for k in own)]
            for names in (self._by, WINDOW)
        )
        always = frozenset(k.name for k in (*before, *after))
        return GroupedDataset(self._rows, (*before, *own, *after), always)

    def agg(self, *aggregates: Expression, **by_name: Expression) -> Dataset:
        """One row per window: its start and end (of sessions also the key), then the aggregates."""
        return self.group_by().agg(*aggregates, **by_name)

    def rank(
        self, name: str = "rank", *, by: OrderBy, descending: bool = False, partition: Names = ()
    ) -> Dataset:
        """Number the rows of each window; see `Dataset.rank`."""
        names = self._in_window(partition)
        return self._rows.rank(name, by=by, descending=descending, partition=names)

    def dense_rank(
        self, name: str = "dense_rank", *, by: OrderBy, descending: bool = False, partition: Names = ()
    ) -> Dataset:
        """Number the rows of each window without gaps; see `Dataset.dense_rank`."""
        names = self._in_window(partition)
        return self._rows.dense_rank(name, by=by, descending=descending, partition=names)

    def row_number(
        self, name: str = "row_number", *, by: OrderBy, descending: bool = False, partition: Names = ()
    ) -> Dataset:
        """Number the rows of each window, each differently; see `Dataset.row_number`."""
        names = self._in_window(partition)
        return self._rows.row_number(name, by=by, descending=descending, partition=names)

    def top(
        self,
        n: int,
        *,
        by: OrderBy,
        descending: bool = True,
        partition: Names = (),
        with_ties: bool = False,
    ) -> Dataset:
        """The first rows of each window in an order; see `Dataset.top`."""
        names = self._in_window(partition)
        return self._rows.top(n, by=by, descending=descending, partition=names, with_ties=with_ties)

    def _in_window(self, partition: Names) -> tuple[str, ...]:
        """The columns to number by apart, those of the window included."""
        with located(caller()):
            names = column_names(partition)
        return (*(n for n in self._by if n not in names), *names, *WINDOW)
