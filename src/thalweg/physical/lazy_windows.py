"""Windows in a lazy query: rows repeated per window, or groups put together from panes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import DataType
from thalweg.expr import aggregates
from thalweg.expr.nodes import Aggregate, Named
from thalweg.physical.panes import ADDED, pane_window
from thalweg.plan.nodes import (
    WINDOW_TIME,
    Filter,
    GroupBy,
    Project,
    Window,
)
from thalweg.plan.properties import WINDOW_TIME_US, bound_type
from thalweg.plan.window_columns import Bound, WindowColumns
from thalweg.progress.windows import WindowSpec

if TYPE_CHECKING:
    from thalweg.physical.lazy import LazyBuilder

PANE, _END = "__pane", "__end"
_MERGED = ("count", "sum", "min", "max")
"""The aggregates of which the value of a window follows from those of its panes."""


def window_rows(frame: pl.LazyFrame, plan: Window) -> pl.LazyFrame:
    """Each row once per window that it falls into."""
    window = plan.window
    time = pl.col(plan.column).to_physical()
    first, last = _first_end(time, window), _last_end(time, window)
    if window.kind == "tumbling":
        ended = frame.with_columns(first.alias(_END))
    else:
        ends = pl.int_ranges(first, last + 1, window.slide_us)
        ended = frame.with_columns(ends.alias(_END)).explode(_END)
    return ended.with_columns(_bounds(pl.col(_END), plan, ADDED.bounds)).drop(_END)


def _bounds(end: pl.Expr, plan: Window, names: Mapping[str, Bound]) -> list[pl.Expr]:
    """The columns of the window, from its end in microseconds."""
    held = plan.schema.type_of(WINDOW_TIME).polars
    values = {"start": _start_of(end, plan.window), "end": end, "time": end - WINDOW_TIME_US}
    return [values[bound].cast(bound_type(bound, held)).alias(name) for name, bound in names.items()]


def _floor(value: pl.Expr, step: int, origin: int) -> pl.Expr:
    origin %= step
    return (value - origin) // step * step + origin


def _first_end(time: pl.Expr, window: WindowSpec) -> pl.Expr:
    return _floor(time, window.slide_us, window.offset_us + window.size_us) + window.slide_us


def _last_end(time: pl.Expr, window: WindowSpec) -> pl.Expr:
    step = window.size_us if window.kind == "cumulating" else window.slide_us
    return _floor(time, step, window.offset_us) + window.size_us


def _start_of(end: pl.Expr, window: WindowSpec) -> pl.Expr:
    if window.kind == "cumulating":
        return _floor(end - 1, window.size_us, window.offset_us)
    return end - window.size_us


def group_panes(builder: LazyBuilder, plan: GroupBy) -> pl.LazyFrame | None:
    """A grouping by overlapping windows from panes; None where panes cannot stand for windows."""
    from thalweg.physical.lazy import checked_time

    found = pane_window(plan)
    if found is None or not isinstance(found.window, Window) or not can_merge(plan):
        return None
    window = found.window
    if window.window.kind == "tumbling":
        return None
    below = checked_time(builder.build(window.input), window.column)
    frame = below.with_columns(pane_of(window.column, window.window))
    for step in found.steps:
        frame = _apply(frame, step)
    keys = found.keys(plan)
    calls = [part_call(a.expr, plan.input.schema).alias(a.name) for a in plan.aggregates]
    panes = frame.group_by([*keys, PANE]).agg(calls)
    return of_panes(panes, plan, window, found.columns, keys)


def of_panes(
    panes: pl.LazyFrame, plan: GroupBy, window: Window, columns: WindowColumns, keys: Sequence[str]
) -> pl.LazyFrame:
    """The windows of a grouping, from its aggregates by pane."""
    start = pl.col(PANE)
    first, last = _first_end(start, window.window), _last_end(start, window.window)
    if window.window.kind == "tumbling":
        ended = panes.with_columns(first.alias(_END))
    else:
        ends = pl.int_ranges(first, last + 1, window.window.slide_us)
        ended = panes.with_columns(ends.alias(_END)).explode(_END)
    merged = ended.group_by([*keys, _END]).agg(
        [merged_call(a, plan.schema.type_of(a.name)) for a in plan.aggregates]
    )
    made = merged.with_columns(_bounds(pl.col(_END), window, columns.bounds))
    return made.select(list(plan.schema.names))


def pane_of(column: str, window: WindowSpec) -> pl.Expr:
    """The pane of each row."""
    return _floor(pl.col(column).to_physical(), window.pane_us, window.offset_us).alias(PANE)


def _apply(frame: pl.LazyFrame, step: Project | Filter) -> pl.LazyFrame:
    from thalweg.expr.evaluate import Predicate
    from thalweg.operators.rowwise import projection_with

    if isinstance(step, Filter):
        return Predicate(step.condition, step.input.schema).lazy(frame)
    return projection_with(step.items, step.input.schema, [PANE]).lazy(frame)


def can_merge(plan: GroupBy) -> bool:
    """Whether every aggregate of a window follows from those of its panes."""
    for named in plan.aggregates:
        call = named.expr
        assert isinstance(call, Aggregate), "a grouping holds aggregates"
        if call.distinct or aggregates.lookup(call.function).name not in _MERGED:
            return False
        held = plan.schema.type_of(named.name).polars
        if call.function != "count" and not held.is_integer():
            return False
    return True


def part_call(expr: object, below: Schema) -> pl.Expr:
    """An aggregate of a pane; a sum stays wide, since only that of a window must fit its type."""
    from thalweg.physical.lazy import lazy_call

    assert isinstance(expr, Aggregate), "a grouping holds aggregates"
    if aggregates.lookup(expr.function).name != "sum":
        return lazy_call(expr, below)
    value = pl.col(str(expr.args[0]))
    return pl.when(value.count() > 0).then(value.cast(pl.Int128).sum())


def merged_call(named: Named, held: DataType) -> pl.Expr:
    """An aggregate of a window, from the values of its panes."""
    call = named.expr
    assert isinstance(call, Aggregate), "a grouping holds aggregates"
    name = aggregates.lookup(call.function).name
    value = pl.col(named.name)
    if name == "sum":
        # the wide parts as the values of a sum: it is NULL of NULLs, and must fit its type
        value = aggregates.of_call(call).lazy([value], held)
    else:
        value = {"count": value.sum, "min": value.min, "max": value.max}[name]()
    return value.alias(named.name)
