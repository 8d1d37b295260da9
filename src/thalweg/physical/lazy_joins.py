"""Join the frames of a bounded plan.

Polars joins by equality; what else must be true of a pair is a filter over pairs, and which rows have no
partner is then found by their numbers.

Called by: lazy.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from thalweg.expr.evaluate import Predicate
from thalweg.plan.nodes import Join

_ROW, _OTHER = "__row", "__other_row"


def join_frames(
    plan: Join, left: pl.LazyFrame, right: pl.LazyFrame, kept: Sequence[str] = ()
) -> pl.LazyFrame:
    """The join of two frames; some more of their columns are kept."""
    names = [*plan.schema.names, *kept]
    if plan.residual is None and plan.keys:
        return _by_keys(plan, left, right).select(names)
    if plan.kind == "inner":
        return _pairs(plan, left, right).select(names)
    # each input is read twice below, and must have the same numbers both times
    left, right = left.with_row_index(_ROW).cache(), right.with_row_index(_OTHER).cache()
    pairs = _pairs(plan, left, right).cache()
    if plan.kind in ("semi", "anti"):
        return left.join(pairs, on=_ROW, how=plan.kind).select(names)
    parts = [pairs]
    if plan.kind in ("left", "full"):
        parts.append(left.join(pairs, on=_ROW, how="anti"))
    if plan.kind in ("right", "full"):
        parts.append(right.join(pairs, on=_OTHER, how="anti"))
    return pl.concat(parts, how="diagonal").select(names)


def _by_keys(plan: Join, left: pl.LazyFrame, right: pl.LazyFrame) -> pl.LazyFrame:
    mine, others = ([pl.col(n) for n in names] for names in zip(*plan.keys, strict=True))
    coalesce = None if plan.kind in ("semi", "anti") else False
    return left.join(right, left_on=mine, right_on=others, how=plan.kind, coalesce=coalesce)


def _pairs(plan: Join, left: pl.LazyFrame, right: pl.LazyFrame) -> pl.LazyFrame:
    """All pairs that the whole condition is true of."""
    if plan.keys:
        mine, others = ([pl.col(n) for n in names] for names in zip(*plan.keys, strict=True))
        pairs = left.join(right, left_on=mine, right_on=others, how="inner", coalesce=False)
    else:
        pairs = left.join(right, how="cross")
    return pairs if plan.residual is None else Predicate(plan.residual, plan.both).lazy(pairs)
