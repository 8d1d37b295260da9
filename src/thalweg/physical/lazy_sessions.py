"""Sessions in a lazy query: rows sorted by key and time, and cut at the gaps.

Not here: fixed windows (lazy_windows.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from thalweg.physical.lazy_windows import can_merge, merged_call, part_call
from thalweg.physical.panes import ADDED, pane_window
from thalweg.plan.nodes import WINDOW_TIME, GroupBy, SessionWindow
from thalweg.plan.properties import WINDOW_TIME_US, bound_type
from thalweg.plan.window_columns import Bound

if TYPE_CHECKING:
    from thalweg.physical.lazy import LazyBuilder

_NUMBER, _STRETCH = "__session", "__stretch"
_FIRST, _LAST = "__first", "__last"


def session_rows(builder: LazyBuilder, plan: SessionWindow) -> pl.LazyFrame:
    """Each row with the session that it belongs to."""
    first, last = pl.col(_FIRST), pl.col(_LAST)
    rows = _numbered(_timed(builder, plan), plan.window.partition, plan.window.gap_us)
    bounds = _bounds(plan, first.min().over(_NUMBER), last.max().over(_NUMBER), ADDED.bounds)
    return rows.with_columns(bounds).drop(_NUMBER, _FIRST, _LAST)


def group_sessions(builder: LazyBuilder, plan: GroupBy) -> pl.LazyFrame | None:
    """A grouping that makes one row of each session; None for any other."""
    from thalweg.operators.rowwise import projection_with
    from thalweg.physical.lazy import lazy_call
    from thalweg.physical.sessions import grouped_sessions

    found = grouped_sessions(plan, pane_window(plan))
    if found is None:
        return None
    keys, gap = found.keys, found.window.window.gap_us
    frame = _timed(builder, found.window)
    for step in found.steps:
        frame = projection_with(step.items, step.input.schema, [_FIRST, _LAST]).lazy(frame)
    ends = [pl.col(_FIRST).min(), pl.col(_LAST).max()]
    is_merged = can_merge(plan)
    call = part_call if is_merged else lazy_call
    calls = [call(a.expr, plan.input.schema).alias(a.name) for a in plan.aggregates]
    if is_merged:
        # rows of one key that fall into the same stretch of one gap are in the same session
        stretch = (pl.col(_FIRST) // gap).alias(_STRETCH)
        frame = frame.group_by([*keys, stretch]).agg([*ends, *calls])
        calls = [merged_call(a, plan.schema.type_of(a.name)) for a in plan.aggregates]
    numbered = _numbered(frame, keys, gap)
    sessions = numbered.group_by(_NUMBER).agg([*(pl.col(k).first() for k in keys), *ends, *calls])
    made = sessions.with_columns(_bounds(found.window, pl.col(_FIRST), pl.col(_LAST), found.columns.bounds))
    return made.select(list(plan.schema.names))


def _timed(builder: LazyBuilder, plan: SessionWindow) -> pl.LazyFrame:
    """The rows, each with its time as that of a first and a last one."""
    from thalweg.physical.lazy import checked_time

    frame = checked_time(builder.build(plan.input), plan.column)
    time = pl.col(plan.column).to_physical()
    return frame.with_columns(time.alias(_FIRST), time.alias(_LAST))


def _numbered(frame: pl.LazyFrame, keys: Sequence[str], gap_us: int) -> pl.LazyFrame:
    """What lies in a session of a key has the same number."""
    is_first = pl.col(_FIRST) - pl.col(_LAST).shift(1) > gap_us
    for key in keys:
        is_first |= pl.col(key).ne_missing(pl.col(key).shift(1))
    ordered = frame.sort([*keys, _FIRST])
    return ordered.with_columns(is_first.fill_null(value=True).cum_sum().alias(_NUMBER))


def _bounds(plan: SessionWindow, first: pl.Expr, last: pl.Expr, names: Mapping[str, Bound]) -> list[pl.Expr]:
    """The columns of the session, from the times of its first and its last row in microseconds."""
    held = plan.schema.type_of(WINDOW_TIME).polars
    end = last + plan.window.gap_us
    values = {"start": first, "end": end, "time": end - WINDOW_TIME_US}
    return [values[bound].cast(bound_type(bound, held)).alias(name) for name, bound in names.items()]
