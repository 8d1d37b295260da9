"""Put rows in an order, number them, and aggregate over those before them.

Not here: other steps (dataset.py), how an order is written (ordering.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from thalweg.api.columns import Names, column_names, columns, plan_of, row_count
from thalweg.api.expressions import Expression
from thalweg.api.ordering import OrderBy, Span, checked_rows, reach_of, sort_keys
from thalweg.api.place import caller, located, stamped
from thalweg.api.results import Results
from thalweg.api.types import check_name
from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.errors import PlanError
from thalweg.plan import build
from thalweg.plan.nodes import Plan, Rank
from thalweg.plan.over import frame_of, over, sliding
from thalweg.plan.sets import first_rows
from thalweg.plan.sort import sort

_NUMBER = f"{SYSTEM_PREFIX}number"


@dataclass(frozen=True, eq=False, repr=False)
class Ordered(Results):
    """Rows that can be put in an order."""

    def _step(self, make: Callable[[], Plan], *others: object) -> Self:
        """A dataset one step further; the step and its mistakes get the place of the caller."""
        place = caller()
        with located(place):
            made = make()
        return replace(self, plan=stamped(made, place, (self.plan, *map(plan_of, others))))

    def sort(self, by: OrderBy, *, descending: bool = False) -> Self:
        """All rows in an order, which is that of what is collected or written next.

        Rows that end come when all are there. Rows that do not end can be sorted by their event time first,
        upwards: each comes when the watermark has passed it.

        Args:
            by: columns to order by.
            descending: greatest first, for those columns that do not say it themselves.

        Example:
            >>> import thalweg as tw
            >>> rows = tw.Session().from_iter([("a", 3), ("b", 1)], "k STRING, v INT")
            >>> rows.sort("v").collect().rows()
            [('b', 1), ('a', 3)]
        """
        return self._step(lambda: sort(self.plan, sort_keys(by, descending=descending)))

    def rank(
        self, name: str = "rank", *, by: OrderBy, descending: bool = False, partition: Names = ()
    ) -> Self:
        """Number the rows in an order; those that tie share a number, and leave a gap.

        Numbers of all rows change as rows come. Those of rows in windows are final: of `window(…).rows()`, or
        of a grouping by window, with `WINDOW` in the partition.

        Args:
            name: of the new column.
            by: columns to order by.
            descending: greatest first, for those columns that do not say it themselves.
            partition: number the rows with equal values of these columns apart.
        """
        return self._step(lambda: self._numbered("rank", name, by, descending, partition))

    def dense_rank(
        self, name: str = "dense_rank", *, by: OrderBy, descending: bool = False, partition: Names = ()
    ) -> Self:
        """Number the rows in an order; those that tie share a number, and leave no gap. See `rank`."""
        return self._step(lambda: self._numbered("dense_rank", name, by, descending, partition))

    def row_number(
        self, name: str = "row_number", *, by: OrderBy, descending: bool = False, partition: Names = ()
    ) -> Self:
        """Number the rows in an order, each differently: their position breaks ties. See `rank`."""
        return self._step(lambda: self._numbered("row_number", name, by, descending, partition))

    def top(
        self,
        n: int,
        *,
        by: OrderBy,
        descending: bool = True,
        partition: Names = (),
        with_ties: bool = False,
        offset: int = 0,
    ) -> Self:
        """The first rows in an order: by default those with the greatest values.

        They change as rows come, unless they are those of windows, as for `rank`.

        Args:
            n: how many, for each partition.
            by: columns to order by.
            descending: greatest first, for those columns that do not say it themselves.
            partition: take the first rows for each value of these columns.
            with_ties: also the rows that tie with the last one. Else the position decides.
            offset: how many rows to leave out before them, where no two tie: `ORDER BY … LIMIT n OFFSET m`.
        """

        def make() -> Plan:
            if row_count(n, "n") < 1:
                raise PlanError("the first rows are at least one", code="plan-negative-limit", found=str(n))
            if offset:
                if with_ties or column_names(partition):
                    raise PlanError(
                        "rows are left out of all rows in an order only, without ties or a partition",
                        code="plan-offset",
                        hint="row_number(…) and a filter take any part of each partition",
                    )
                return first_rows(self.plan, sort_keys(by, descending=descending), n, offset)
            kind = "rank" if with_ties else "row_number"
            ranked = self._numbered(kind, _NUMBER, by, descending, partition)
            return replace(ranked, output=None, limit=n)

        return self._step(make)

    def over(
        self,
        *aggregates: Expression,
        by: OrderBy = (),
        partition: Names = (),
        rows: int | tuple[int | None, int | None] | None = None,
        within: Span | tuple[Span | None, Span | None] | None = None,
        **by_name: Expression,
    ) -> Self:
        """Add aggregates over the rows around each row: those that come before it, and itself.

        In the order of an event time, rows that stay get their aggregates once, when time has passed them. In
        any other order, over rows that change, and where rows behind a row count, the aggregates are kept up
        to date.

        Args:
            aggregates: `count`, `sum`, `avg`, `min`, `max`, `first_value` or `last_value`; whatever the
                frame, `lag`, `lead`, `ntile`, `percent_rank` or `cume_dist`. Each with a name of its own.
            by: columns to order by; without `rows`, those that tie see each other. By default none: each row
                sees its whole partition.
            partition: look at rows with equal values of these columns only.
            rows: how many rows before the current one; by default all. A pair says how many before and how
                many behind it: `(1, 1)`; None is all, and less than 0 the other side: `(3, -1)`.
            within: how much time before that of the current row, such as `"10s"`; by default all. Or a pair,
                as of `rows`: `("3s", "-1s")`.
            by_name: the same, with names for their columns.

        Example:
            >>> import polars as pl
            >>> import thalweg as tw
            >>> rows = tw.Session().from_polars(pl.DataFrame({"k": [1, 1, 2], "v": [1, 3, 5]}))
            >>> rows.over(total=tw.sum("v"), by="v", rows=1).to_polars().sort("v").rows()
            [(1, 1, 1), (1, 3, 4), (2, 5, 8)]
        """

        def make() -> Plan:
            frame = frame_of(checked_rows(rows), reach_of(within))
            order = sort_keys(by, descending=False)
            items = columns(aggregates, by_name)
            return over(self.plan, column_names(partition), order, frame, sliding(items))

        return self._step(make)

    def _numbered(self, kind: str, name: str, by: OrderBy, descending: bool, partition: Names) -> Rank:
        if name != _NUMBER:
            check_name(name)
        order = sort_keys(by, descending=descending)
        made = build.rank(self.plan, column_names(partition), order, kind=kind, output=name)
        assert isinstance(made, Rank), "numbering makes a rank step"
        return made
