"""Sessions in a lazy query: rows sorted by key and time, and cut at the gaps.

Not here: fixed windows (lazy_windows.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME, GroupBy, Session
from thalweg.plan.properties import WINDOW_TIME_US

if TYPE_CHECKING:
    from thalweg.physical.lazy import LazyBuilder

_BOUNDS = (WINDOW_START, WINDOW_END, WINDOW_TIME)
_NUMBER, _TIME = "__session", "__moment"


def session_rows(builder: LazyBuilder, plan: Session) -> pl.LazyFrame:
    """Each row with the session that it belongs to."""
    time = pl.col(_TIME)
    start, end = time.min().over(_NUMBER), time.max().over(_NUMBER)
    return _with_bounds(_numbered(builder, plan), plan, start, end).drop(_NUMBER, _TIME)


def group_sessions(builder: LazyBuilder, plan: GroupBy) -> pl.LazyFrame | None:
    """A grouping that makes one row of each session; None for any other."""
    from thalweg.operators.rowwise import projection_with
    from thalweg.physical.lazy import lazy_call
    from thalweg.physical.sessions import grouped_sessions

    found = grouped_sessions(plan)
    if found is None:
        return None
    frame = _numbered(builder, found.window)
    for step in found.steps:
        items = tuple(i for i in step.items if i.name not in _BOUNDS)
        frame = projection_with(items, step.input.schema, [_NUMBER, _TIME]).lazy(frame)
    calls = [lazy_call(a.expr, plan.input).alias(a.name) for a in plan.aggregates]
    keys = [pl.col(k).first() for k in found.keys]
    ends = [pl.col(_TIME).min(), pl.col(_TIME).max().alias(WINDOW_END)]
    sessions = frame.group_by(_NUMBER).agg([*keys, *ends, *calls])
    made = _with_bounds(sessions, found.window, pl.col(_TIME), pl.col(WINDOW_END))
    return made.select(list(plan.schema.names))


def _numbered(builder: LazyBuilder, plan: Session) -> pl.LazyFrame:
    """The rows in the order of key and time, with their time and the number of their session."""
    from thalweg.physical.lazy import checked_time

    frame = checked_time(builder.build(plan.input), plan.column)
    keys, time = list(plan.window.partition), pl.col(_TIME)
    ordered = frame.with_columns(pl.col(plan.column).to_physical().alias(_TIME)).sort([*keys, _TIME])
    is_first = time - time.shift(1) > plan.window.gap_us
    for key in keys:
        is_first |= pl.col(key).ne_missing(pl.col(key).shift(1))
    return ordered.with_columns(is_first.fill_null(value=True).cum_sum().alias(_NUMBER))


def _with_bounds(frame: pl.LazyFrame, plan: Session, first: pl.Expr, last: pl.Expr) -> pl.LazyFrame:
    """The bounds as times, from those of the first and the last row in microseconds."""
    held = plan.schema.type_of(WINDOW_END).polars
    end = last + plan.window.gap_us
    bounds = {WINDOW_START: first, WINDOW_END: end, WINDOW_TIME: end - WINDOW_TIME_US}
    return frame.with_columns([e.cast(held).alias(n) for n, e in bounds.items()])
