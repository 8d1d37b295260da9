"""Turn a bounded plan into one Polars lazy query.

The second way to execute a plan. It must agree with the operators: every scalar and aggregate is
computed through the same registry entries. No row is late here (`lateness="ignore"`).

Not here: the operators' way (planner.py).
"""

from __future__ import annotations

from typing import Protocol

import polars as pl

from thalweg.base.schema import STAMP, Schema
from thalweg.base.types import TIMESTAMP_LTZ, DataType
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.errors import DataError
from thalweg.expr import aggregates
from thalweg.expr.collected import unboxed
from thalweg.expr.evaluate import Predicate
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Aggregate, Column
from thalweg.expr.python import carry
from thalweg.operators.changelog import in_order
from thalweg.operators.limit import position_order
from thalweg.operators.rowwise import apply_frame_function, projection_with
from thalweg.operators.window_rank import WindowRankSpec, number_rows
from thalweg.physical import needs
from thalweg.physical.common_panes import find_common_panes
from thalweg.physical.joining import as_of_spec
from thalweg.physical.lazy_joins import as_of_frames, join_frames
from thalweg.physical.lazy_sessions import group_sessions, session_rows
from thalweg.physical.lazy_sharing import CommonFrame, can_share, group_common_panes
from thalweg.physical.lazy_windows import group_panes, window_rows
from thalweg.physical.over import over_spec, running_spec
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.keys import DeclaredKey
from thalweg.plan.late import Behind
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import (
    AssignWatermark,
    BadRows,
    Explode,
    Filter,
    GroupBy,
    Join,
    Late,
    Limit,
    MapBatches,
    Plan,
    Project,
    Rank,
    Scan,
    SessionWindow,
    Union,
    Values,
    Window,
)
from thalweg.plan.over import Over
from thalweg.plan.properties import recomputes
from thalweg.plan.sort import Sort
from thalweg.protocols.source import LazySource

_SYSTEM = (SPLIT, OFFSET)


class Reading(Protocol):
    """Reads the scans that Polars cannot read by itself."""

    @property
    def now(self) -> int:
        """The processing time of all rows, in microseconds."""
        ...

    def splits(self, plan: Scan) -> list[pl.LazyFrame]:
        """The rows of each split that can be read."""
        ...

    def bad_rows(self, plan: Scan) -> pl.LazyFrame:
        """The rows that a tolerant scan keeps apart, as letters."""
        ...


class LazyBuilder:
    """Builds the lazy queries of one set of plans; what they share is built once."""

    def __init__(
        self,
        roots: list[Plan],
        reading: Reading,
    ) -> None:
        self._reading = reading
        self._needs = needs.find(roots)
        self._built: dict[Plan, pl.LazyFrame] = {}
        self.common_panes = find_common_panes(roots, self._needs, can_share)
        self.panes_built: dict[int, CommonFrame] = {}
        self._scans = 0

    def build(self, plan: Plan) -> pl.LazyFrame:
        """The rows of a plan, with positions where a step above needs them."""
        frame = self._built.get(plan)
        if frame is None:
            frame = self._build(plan)
            self._built[plan] = frame
        return frame

    def result(self, plan: Plan) -> pl.LazyFrame:
        """The rows of a plan as the user sees them."""
        return self.build(plan).select(list(plan.schema.names))

    def _build(self, plan: Plan) -> pl.LazyFrame:
        if isinstance(plan, Scan):
            return self._scan(plan)
        if isinstance(plan, Values):
            self._scans += 1
            return self._stamped(self._positioned(plan.frame.lazy(), plan, 0), plan)
        if isinstance(plan, (AssignWatermark, DeclaredKey)):
            return self.build(plan.input)
        if isinstance(plan, Union):
            columns = self._columns(plan)
            return pl.concat([self.build(p).select(columns) for p in plan.parts])
        if isinstance(plan, BadRows):
            assert isinstance(plan.input, Scan), "bad rows come from a scan"
            return self._reading.bad_rows(plan.input).select(plan.schema.names)
        if isinstance(plan, (Behind, Late)):
            return plan.schema.polars.to_frame().lazy()
        if isinstance(plan, GroupBy):
            return self._group_by(plan)
        if isinstance(plan, LookupJoin):
            left = self.build(plan.left).select(self._columns(plan.left))
            return join_frames(plan, left, self.result(plan.right), self._kept(plan))
        if isinstance(plan, Join):
            return self._join(plan)
        if isinstance(plan, AsOfJoin):
            return self._as_of_join(plan)
        if isinstance(plan, SessionWindow):
            return session_rows(self, plan)
        below = self.build(plan.inputs[0])
        if isinstance(plan, Project):
            return projection_with(plan.items, plan.input.schema, self._kept(plan.input)).lazy(below)
        if isinstance(plan, Filter):
            return Predicate(plan.condition, plan.input.schema).lazy(below)
        if isinstance(plan, Explode):
            return below.filter(pl.col(plan.column).list.len() > 0).explode(plan.column)
        if isinstance(plan, MapBatches):
            return self._map(plan, below)
        if isinstance(plan, Window):
            return window_rows(checked_time(below, plan.column), plan)
        if isinstance(plan, Rank):
            return self._rank(plan, below)
        if isinstance(plan, Over):
            return self._over(plan, below)
        if isinstance(plan, Sort):
            return in_order(below.select(list(plan.schema.names)), plan.order)
        assert isinstance(plan, Limit), f"no lazy form of {type(plan).__name__}"
        held = {f.name: f.type.polars for f in plan.input.schema}
        first = below.sort(position_order(held)) if needs.has_positions(plan.input, self._needs) else below
        return first.slice(plan.offset, plan.count)

    def _join(self, plan: Join) -> pl.LazyFrame:
        if plan not in self._needs.pairs:
            return join_frames(plan, self.result(plan.left), self.result(plan.right))
        left, right = (self.build(p).select(*p.schema.names, *_SYSTEM) for p in plan.inputs)
        right = right.rename(dict(zip(_SYSTEM, needs.PLACES_OF_PAIRS[2:], strict=True)))
        return join_frames(plan, left, right, needs.PLACES_OF_PAIRS)

    def _kept(self, plan: Plan) -> list[str]:
        return list(needs.places(plan, self._needs))

    def _columns(self, plan: Plan) -> list[str]:
        return [*plan.schema.names, *self._kept(plan)]

    def _scan(self, plan: Scan) -> pl.LazyFrame:
        source = plan.wanted
        self._scans += 1
        if isinstance(source, LazySource) and not self._kept(plan) and not plan.is_tolerant:
            return self._stamped(source.lazy(plan.fields).select(list(plan.read.names)), plan)
        frames = self._reading.splits(plan)
        numbered = [self._positioned(f, plan, i) for i, f in enumerate(frames)]
        return self._stamped(pl.concat(numbered) if numbered else plan.read.polars.to_frame().lazy(), plan)

    def _stamped(self, frame: pl.LazyFrame, plan: Scan | Values) -> pl.LazyFrame:
        if plan.stamp is None:
            return frame
        now = pl.lit(self._reading.now, dtype=pl.Int64).cast(TIMESTAMP_LTZ.polars)
        return frame.with_columns(now.alias(STAMP))

    def _positioned(self, frame: pl.LazyFrame, plan: Plan, split: int) -> pl.LazyFrame:
        if not self._kept(plan):
            return frame
        number = pl.lit((self._scans << 32) + split, dtype=pl.Int64).alias(SPLIT)
        return frame.with_columns(number, pl.int_range(pl.len(), dtype=pl.Int64).alias(OFFSET))

    def _map(self, plan: MapBatches, below: pl.LazyFrame) -> pl.LazyFrame:
        names = list(plan.input.schema.names)

        def call(frame: pl.DataFrame) -> pl.DataFrame:
            return apply_frame_function(frame, plan.function, plan.result, names)

        return below.select(names).map_batches(call, schema=plan.result.polars, streamable=True)

    def _group_by(self, plan: GroupBy) -> pl.LazyFrame:
        from thalweg.physical.arguments import over_columns

        common = self.common_panes.get(plan)
        if common is not None:
            return group_common_panes(self, plan, common)
        plan = over_columns(plan)
        for by_window in (group_panes, group_sessions):
            made = by_window(self, plan)
            if made is not None:
                return made
        below = self.build(plan.input)
        is_placed = needs.has_positions(plan.input, self._needs)
        calls = [
            lazy_call(a.expr, plan.input.schema, is_placed=is_placed).alias(a.name) for a in plan.aggregates
        ]
        if not plan.keys:
            return below.select(calls)
        return below.group_by(plan.keys).agg(calls).select(list(plan.schema.names))

    def _over(self, plan: Over, below: pl.LazyFrame) -> pl.LazyFrame:
        spec = over_spec(plan, self._needs, "")
        whole = None
        if recomputes(plan):
            whole = running_spec(plan, self._needs, "")
        else:
            assert plan.order is not None, "rows without an order are aggregated anew"
            below = checked_time(below, plan.order, NO_PLACE)

        def call(frame: pl.DataFrame) -> pl.DataFrame:
            from thalweg.operators.over import slide_whole
            from thalweg.operators.running_over import aggregate_whole

            return slide_whole(frame, spec) if whole is None else aggregate_whole(frame, whole)

        made = {f.name: f.type.polars for f in plan.schema if f.name not in spec.columns}
        return below.select(list(spec.columns)).map_batches(call, schema={**spec.columns, **made})

    def _as_of_join(self, plan: AsOfJoin) -> pl.LazyFrame:
        left, right = (
            checked_time(self.build(p), n, NO_PLACE) for p, n in zip(plan.inputs, plan.times, strict=True)
        )
        is_placed = needs.has_positions(plan.right, self._needs)
        return as_of_frames(as_of_spec(plan, "", is_placed=is_placed), left, right)

    def _rank(self, plan: Rank, below: pl.LazyFrame) -> pl.LazyFrame:
        columns = {f.name: f.type.polars for f in plan.input.schema}
        columns |= dict.fromkeys(self._kept(plan.input), pl.Int64())
        spec = WindowRankSpec(
            "", columns, plan.partition, plan.order, plan.kind, plan.output, plan.limit, "", 0, ()
        )
        return number_rows(below, spec)


def lazy_call(expr: object, below: Schema, *, is_placed: bool = False) -> pl.Expr:
    """An aggregate over the rows of a group, whose arguments are columns."""
    assert isinstance(expr, Aggregate), "a grouping holds aggregates"
    assert all(isinstance(a, Column) for a in expr.args[:1]), "arguments are computed before"
    held = type_of(expr.args[0], below) if expr.args else type_of(expr, below)
    entry = aggregates.of_call(expr)
    columns = [pl.col(str(a)) for a in expr.args[:1]]
    if expr.distinct:
        columns = [c.unique() for c in columns]
    if entry.is_ordered:
        columns = [_ordered(c, held, by_place=is_placed and not expr.distinct) for c in columns]
    return entry.lazy(columns, held)


def _ordered(values: pl.Expr, held: DataType, *, by_place: bool) -> pl.Expr:
    """Values as they stand in a list: those of rows that count, by position or by value."""
    if by_place:
        # rows that were made from one row of the source share its position
        values = values.sort_by(SPLIT, OFFSET, values)
    values = unboxed(values.drop_nulls(), held)
    return values if by_place else values.sort()


NO_PLACE = "has no place in the order"
"""What becomes of a row without event time where rows are ordered by it."""


def checked_time(frame: pl.LazyFrame, column: str, fate: str = "falls into no window") -> pl.LazyFrame:
    """The rows; one without event time is a bad row, as it is in a stream: `fate` says what becomes of it."""

    def check(series: pl.Series) -> pl.Series:
        if series.null_count():
            error = DataError(
                f'the event time "{column}" is NULL, so that the row {fate}',
                code="data-null-time",
            )
            raise carry(error)
        return series

    return frame.with_columns(pl.col(column).map_batches(check, is_elementwise=True))
