"""Compute tables from tables: the one relational type, for data that ends and data that does not.

Every method gives a new dataset; nothing runs until rows are asked for. Names and types are checked
at once, and a mistake says which line of the program made it.

Reads:    the plan below.
Changes:  nothing.
Not here: ways to get rows (results.py), expressions (expressions.py), execution (session/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

import polars as pl

from thalweg.api.asynchronous import Asynchronous
from thalweg.api.columns import Names, column, column_name, column_names, columns, plan_of, row_count
from thalweg.api.expressions import Expression, IntoColumn, Value, all_of
from thalweg.api.frame_functions import frame_function, row_function
from thalweg.api.grouped import GroupedDataset, WindowedDataset
from thalweg.api.joining import How, join_latest, join_plans, late_rows
from thalweg.api.place import caller, located
from thalweg.api.process import BroadcastDataset, KeyedDataset, failed_rows, side_output
from thalweg.api.types import SchemaLike, check_name, schema_of
from thalweg.base.durations import microseconds
from thalweg.base.schema import unknown_column
from thalweg.errors import PlanError
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Call, Column, Named, QueryCall
from thalweg.expr.python_rows import Row
from thalweg.plan import build, queries
from thalweg.plan.keys import declare_key
from thalweg.plan.nodes import GroupBy, MapBatches, Plan, Project
from thalweg.plan.proctime import is_proctime
from thalweg.plan.properties import properties
from thalweg.plan.sets import intersect_or_except, limited
from thalweg.plan.unnest import unnest, unnest_with_numbers
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Asynchronous):
    """A table that is described, and computed when it is asked for; made by a session.

    The same methods work on data that ends and on data that does not, and give the same rows.

    Attributes:
        plan: what is to be computed.
        session: who computes it.
    """

    def name(self, step: str) -> Dataset:
        """Name the last step: in messages, in metrics, and for its state across changes of the program."""
        plan = replace(self.plan, name=step)
        if isinstance(plan, Project) and isinstance(plan.input, GroupBy) and plan.input.name is None:
            # the projection only computes from aggregates; the state is in the grouping below
            plan = plan.with_inputs((replace(plan.input, name=step),))
        return Dataset(plan, self.session)

    # Rows by themselves ------------------------------------------------------------------------

    def select(self, *exprs: IntoColumn, **by_name: IntoColumn | Value) -> Dataset:
        """Exactly these columns.

        Args:
            exprs: names of columns, or expressions.
            by_name: the same, with names for their columns.
        """
        return self._step(lambda: queries.project(self.plan, columns(exprs, by_name)))

    def with_columns(self, *exprs: IntoColumn, **by_name: IntoColumn | Value) -> Dataset:
        """All columns, and these added; those of the same name are replaced."""
        return self._step(lambda: queries.with_columns(self.plan, columns(exprs, by_name)))

    def drop(self, *names: IntoColumn) -> Dataset:
        """All columns but these."""

        def make() -> Plan:
            gone = column_names(names)
            self._check(gone)
            return build.select_names(self.plan, [n for n in self.columns if n not in gone])

        return self._step(make)

    def rename(self, names: Mapping[str, str]) -> Dataset:
        """Other names for some columns: old ones to new ones."""

        def make() -> Plan:
            self._check(names)
            items = [Named(check_name(names.get(n, n)), Column(n)) for n in self.columns]
            return build.project(self.plan, items)

        return self._step(make)

    def _check(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.columns:
                raise unknown_column(name, self.columns)

    def filter(self, *conditions: IntoColumn) -> Dataset:
        """The rows for which all conditions are true; NULL is not true."""

        def make() -> Plan:
            condition = all_of([column(c).expr for c in conditions])
            return queries.filter_rows(self.plan, condition, clause="filter")

        return self._step(make)

    def scalar(self) -> Expression:
        """The value of one column and at most one row, in expressions over other rows; NULL without a row.

        It follows the rows: when it changes, what was computed with it is taken back and comes anew. Several
        rows are an error.

        Example:
            >>> import thalweg as tw
            >>> rows = tw.Session().from_polars(pl.DataFrame({"v": [1, 2, 6]}))
            >>> rows.filter(tw.col("v") > rows.agg(tw.avg("v")).scalar()).to_polars().rows()
            [(6,)]
        """
        return Expression(QueryCall("value", self.plan))

    def exists(self) -> Expression:
        """Whether there are rows, in expressions over other rows. See `scalar`."""
        return Expression(QueryCall("exists", self.plan))

    def where(self, *conditions: IntoColumn) -> Dataset:
        """Another name for `filter`."""
        return self.filter(*conditions)

    def explode(
        self, column: IntoColumn, *, keep_empty: bool = False, position: str | None = None
    ) -> Dataset:
        """One row per item of a list column, or per entry (`key` and `value`) of a map.

        Args:
            column: the list; afterwards its item.
            keep_empty: whether a row with an empty list, or none, stays, with NULL as its item.
            position: the name of a column for the number of the item in its list, from 1.

        Example:
            >>> import thalweg as tw
            >>> rows = tw.Session().from_polars(pl.DataFrame({"k": [1, 2], "l": [["a", "b"], []]}))
            >>> rows.explode("l", keep_empty=True, position="n").to_polars().sort("k", "n").rows()
            [(1, 'a', 1), (1, 'b', 2), (2, None, None)]
        """

        def make() -> Plan:
            name = column_name(column)
            if position is None:
                return unnest(self.plan, name, keeps_empty=keep_empty)
            return unnest_with_numbers(self.plan, name, check_name(position), keeps_empty=keep_empty)

        return self._step(make)

    def map_batches(
        self, function: Callable[[pl.DataFrame], pl.DataFrame], schema: SchemaLike | None = None
    ) -> Dataset:
        """Apply a function of frames that treats every row by itself.

        It is called on arbitrary cuts of the rows, in any order, and may drop or add rows.

        Args:
            function: takes and returns a Polars frame.
            schema: the columns that it returns; by default those that it takes.
        """

        def make() -> Plan:
            result = self.schema if schema is None else schema_of(schema)
            return MapBatches(self.plan, frame_function(function, self.plan.schema, result), result)

        return self._step(make)

    def flat_map(self, function: Callable[[dict[str, Any]], Iterable[Row]], schema: SchemaLike) -> Dataset:
        """Apply a function that gives any number of rows for each row.

        Args:
            function: takes a row as a dict, and gives rows as dicts or as tuples.
            schema: the columns of the rows that it gives.
        """

        def make() -> Plan:
            result = schema_of(schema)
            return MapBatches(self.plan, row_function(function, self.plan.schema, result), result)

        return self._step(make)

    def cache(self, where: Literal["memory", "disk"] = "memory") -> Dataset:
        """These rows, which must end, kept once they have been computed, so that nobody computes them again.

        What is lost is computed again. The rows are those of the time when they were computed.

        Args:
            where: `memory`, or `disk`: a temporary file, read as far as it is needed.

        Example:
            >>> import thalweg as tw
            >>> rows = tw.Session().from_polars(pl.DataFrame({"n": [1, 2]}))
            >>> doubled = rows.select(n=tw.col("n") * 2).cache()
            >>> doubled.group_by().agg(n=tw.sum("n")).collect().item(), doubled.collect().height
            (6, 2)
        """
        return self._step(lambda: self.session.cached(self.plan, where))

    def uncache(self) -> Dataset:
        """Give back what `cache` keeps; returns the rows that it was computed from."""
        return Dataset(self.session.uncached(self.plan), self.session)

    def key_by(self, *keys: IntoColumn) -> KeyedDataset:
        """Rows by a key, for functions that keep state for each; see `ProcessFunction`."""
        return KeyedDataset(self, keys)

    def broadcast(self) -> BroadcastDataset:
        """These rows for all keys of others, such as rules; see `KeyedDataset.connect`."""
        return BroadcastDataset(self)

    def side(self, port: str) -> Dataset:
        """What the keyed function of the last step gives to one of its side outputs."""
        return self._step(lambda: side_output(self.plan, port))

    def failed(self) -> Dataset:
        """The rows that the keyed function of the last step fails on, which end the job otherwise.

        What the function had done for the row is undone. The columns: `split` and `position` where it has a
        place in a source, `event_time`, `code`, `error`, `place` (the line that failed), `row` (as JSON).
        """
        return self._step(lambda: failed_rows(self.plan))

    # Several tables, parts of one --------------------------------------------------------------

    def union(self, *others: Dataset) -> Dataset:
        """All rows of this and others; columns are matched by their order."""
        return self._step(lambda: build.union_all([self.plan, *map(plan_of, others)]), *others)

    def intersect(self, other: Dataset, *, copies: bool = False) -> Dataset:
        """The rows that this and another have; columns are matched by their order, NULL equals NULL.

        Args:
            other: with columns of the same types.
            copies: whether a row comes as often as both have it, instead of once (`INTERSECT ALL`).
        """
        return self._step(lambda: self._matched("intersect", other, copies=copies), other)

    def except_(self, other: Dataset, *, copies: bool = False) -> Dataset:
        """The rows that this has and another has not; see `intersect`.

        Args:
            other: with columns of the same types.
            copies: whether each row of `other` takes one away, instead of all equal ones (`EXCEPT ALL`).
        """
        return self._step(lambda: self._matched("except", other, copies=copies), other)

    def _matched(self, kind: Literal["intersect", "except"], other: Dataset, *, copies: bool) -> Plan:
        return intersect_or_except(kind, self.plan, plan_of(other), copies=copies)

    def join(self, other: Dataset, on: Names = (), how: How = "inner", *, suffix: str = "_right") -> Dataset:
        """Rows of this and another dataset put together where they belong together.

        On streams the result is kept up to date: a row that has lost or found its partner changes.

        Args:
            other: the right side.
            on: columns that both have, by name; they must be equal, and come once in the result. Or a
                condition over the columns of both, such as `col("seller") == col("id")`. NULL equals nothing.
            how: `inner`; `left`, `right` and `full` also keep rows without a partner; `semi` keeps the rows
                of this side that have a partner, `anti` those that have none; `cross` gives all pairs.
            suffix: what is added to the name of a column of `other` whose name this side has too.

        Example:
            >>> import thalweg
            >>> session = thalweg.Session()
            >>> people = session.from_polars(pl.DataFrame({"id": [1, 2], "name": ["Ada", "Bob"]}))
            >>> sales = session.from_polars(pl.DataFrame({"seller": [2, 2, 3], "item": ["a", "b", "c"]}))
            >>> found = sales.join(people, on=thalweg.col("seller") == thalweg.col("id"), how="left")
            >>> found.select("item", "name").to_polars().sort("item").rows()
            [('a', 'Bob'), ('b', 'Bob'), ('c', None)]
        """
        may_broadcast = self.session.may_broadcast
        return self._step(
            lambda: join_plans(self.plan, plan_of(other), on, how, suffix, may_broadcast=may_broadcast),
            other,
        )

    def join_asof(
        self,
        other: Dataset,
        on: IntoColumn,
        by: Names = (),
        how: Literal["left", "inner"] = "left",
        *,
        tolerance: str | timedelta | None = None,
        suffix: str = "_right",
    ) -> Dataset:
        """Each row of this dataset with the latest row of another one up to its time.

        The result stays as it is: a row waits until the watermarks of both datasets have passed its time.

        Args:
            other: the right side.
            on: the time column, if both call it alike; else how the times compare, such as
                `col("ts") >= col("since")`, or `>` for rows before this one only.
            by: columns that must be equal, by name, or conditions, as for `join`.
            how: `left` keeps rows without a partner, `inner` does not.
            tolerance: how much earlier a partner may be; none says any time.
            suffix: what is added to the name of a column of `other` whose name this side has too.

        Example:
            >>> import thalweg
            >>> session = thalweg.Session()
            >>> def rows(**columns): return session.from_polars(pl.DataFrame(columns).with_columns(
            ...     pl.from_epoch("at")))
            >>> trades = rows(at=[3, 7], of=["x", "x"])
            >>> quotes = rows(at=[1, 6, 9], of=["x", "x", "x"], price=[5, 6, 7])
            >>> trades.join_asof(quotes, "at", by="of").select("price").to_polars().sort("price").rows()
            [(5,), (6,)]
        """

        def make() -> Plan:
            reach = None if tolerance is None else microseconds(tolerance)
            return join_latest(self.plan, plan_of(other), on, by, how, reach=reach, suffix=suffix)

        return self._step(make, other)

    def late(self, side: Literal["left", "right"] = "left") -> Dataset:
        """The rows of one side of a join in time that came too late for it, with their split and position.

        Of `over` and `process` they are those of its only side, of windows those of `window(…).late()`.
        """
        return self._step(lambda: late_rows(self.plan, side))

    def lookup_join(
        self,
        table: Dataset,
        on: Names = (),
        how: Literal["inner", "left"] = "inner",
        *,
        suffix: str = "_right",
    ) -> Dataset:
        """Rows with the rows that a table has for them when they are looked up.

        Later changes of the table change nothing: a row keeps what it was answered.

        Args:
            table: files, a `MemoryTable`, or a source that can be asked by key; steps behind it treat each
                row by itself.
            on: as for `join`; at least one equality.
            how: `left` also keeps rows that the table has none for.
            suffix: as for `join`.

        Example:
            >>> import thalweg
            >>> session = thalweg.Session()
            >>> prices = session.from_source(thalweg.MemoryTable(pl.DataFrame({"item": ["a"], "price": [3]})))
            >>> sales = session.from_polars(pl.DataFrame({"item": ["a", "b"], "n": [2, 5]}))
            >>> sales.lookup_join(prices, on="item", how="left").collect(mode="stream").sort("item").rows()
            [('a', 2, 3), ('b', 5, None)]
        """
        return self._step(
            lambda: join_plans(self.plan, plan_of(table), on, how, suffix, looks_up=True), table
        )

    def limit(self, n: int, offset: int = 0) -> Dataset:
        """The first rows: behind `sort` in its order, else by position in the input.

        With the first rows by position, input that never ends is done with.

        Example:
            >>> import thalweg as tw
            >>> rows = tw.Session().from_iter([(5,), (1,), (3,)], "v BIGINT")
            >>> rows.sort("v").limit(2).collect().rows()
            [(1,), (3,)]
        """
        return self._step(lambda: limited(self.plan, row_count(n, "n"), row_count(offset, "offset")))

    def distinct(self) -> Dataset:
        """Each row once."""
        return self.group_by(*self.columns).agg()

    # Groups ------------------------------------------------------------------------------------

    def group_by(self, *keys: IntoColumn, **by_name: IntoColumn) -> GroupedDataset:
        """Group rows that are equal in some columns or expressions; `agg` follows.

        Without keys all rows are one group.
        """
        with located(caller()):
            return GroupedDataset(self, tuple(columns(keys, by_name)))

    def agg(self, *aggregates: Expression, **by_name: Expression) -> Dataset:
        """One row with aggregates over all rows."""
        return self.group_by().agg(*aggregates, **by_name)

    # Time --------------------------------------------------------------------------------------

    def assign_watermark(
        self, column: IntoColumn, delay: str | timedelta = "0s", *, lateness_max: str | timedelta = "0s"
    ) -> Dataset:
        """Declare a column the event time of the rows.

        Args:
            column: a TIMESTAMP or TIMESTAMP_LTZ; no row of a split is more than `delay` behind the
                greatest one before it. Rows that are come late: windows that have closed miss them.
            delay: such as `"4s"`.
            lateness_max: for how long rows that come late are still taken: windows are emitted when the
                watermark passes their end, and results that change afterwards are corrected.
        """

        def make() -> Plan:
            shift = microseconds(delay)
            mark = Column(column_name(column))
            shifted = Call("-", (mark, literal_of(timedelta(microseconds=shift))))
            lateness = microseconds(lateness_max)
            return build.assign_watermark(self.plan, mark.name, shifted if shift else mark, lateness)

        return self._step(make)

    def declare_key(self, *columns: IntoColumn) -> Dataset:
        """Say that no two rows, ever, have the same values in these columns; nobody checks it.

        Where a row of such a key finds partners for a limited time only, what is grouped or numbered by the
        key is forgotten after that time. Results do not change, but are wrong where the key does not hold.
        In SQL: `PRIMARY KEY (…) NOT ENFORCED` in a view.
        """
        return self._step(lambda: declare_key(self.plan, column_names(columns)))

    def window(self, spec: WindowSpec | SessionSpec, on: IntoColumn | None = None) -> WindowedDataset:
        """Put rows into windows of time; `group_by`, `agg` or `rank` follows.

        Args:
            spec: `tumbling`, `hopping`, `cumulating` or `sessions`.
            on: the time column; by default the event time, if there is one only, else the processing time.
        """

        def make() -> Plan:
            column = self._event_time() if on is None else column_name(on)
            if isinstance(spec, SessionSpec):
                return build.session(self.plan, column, spec)
            return build.window(self.plan, column, spec)

        keys = spec.partition if isinstance(spec, SessionSpec) else ()
        return WindowedDataset(self._step(make), keys)

    def _event_time(self) -> str:
        times = [n for n in self.columns if n in properties(self.plan).times]
        times = times or [n for n in self.columns if is_proctime(self.plan, n)]
        if len(times) == 1:
            return times[0]
        raise PlanError(
            "there are several event times to put windows on" if times else "no column is an event time",
            code="plan-no-event-time",
            choices=times or None,
            hint='window(…, on="column") names one' if times else 'assign_watermark("column") declares one',
        )
