"""Group rows, and put them into windows.

Both are half of a step: `agg` completes them.

Not here: steps that are complete by themselves (dataset.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thalweg.api.columns import Names, column_names, columns
from thalweg.api.expressions import Expression, IntoColumn
from thalweg.api.ordering import OrderBy
from thalweg.api.place import caller, located
from thalweg.api.windows import WINDOW
from thalweg.expr.nodes import Column, Named
from thalweg.plan import queries
from thalweg.plan.nodes import Late

if TYPE_CHECKING:
    from thalweg.api.dataset import Dataset


@dataclass(frozen=True, eq=False, repr=False)
class GroupedDataset:
    """Rows with the keys to group them by; made with `Dataset.group_by`."""

    _rows: Dataset
    _keys: tuple[Named, ...]

    def __repr__(self) -> str:
        keys = ", ".join(map(str, self._keys)) or "nothing"
        return f"rows of ({self._rows.schema}) grouped by {keys}; agg(…) follows"

    def agg(self, *aggregates: Expression, **by_name: Expression) -> Dataset:
        """One row per group: the keys, then the aggregates.

        Args:
            aggregates: expressions over aggregates and keys, such as `sum("price") / count()`.
            by_name: the same, with names for their columns.
        """
        return self._rows._step(
            lambda: queries.group_by(
                self._rows.plan, self._keys, [*self._keys, *columns(aggregates, by_name)]
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
        return GroupedDataset(self._rows, (*before, *own, *after))

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
