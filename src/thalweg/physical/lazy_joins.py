"""Join the frames of a bounded plan.

Polars joins by equality; what else must be true of a pair is a filter over pairs, and which rows have no
partner is then found by their numbers.

Called by: lazy.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from thalweg.expr.evaluate import Predicate
from thalweg.operators.as_of_spec import AsOfSpec
from thalweg.plan.nodes import Join

_ROW, _OTHER = "__row", "__other_row"
_FOUND, _SINCE = "__found", "__since"


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


def as_of_frames(spec: AsOfSpec, left: pl.LazyFrame, right: pl.LazyFrame) -> pl.LazyFrame:
    """The join in time of two frames."""
    mine, others = spec.left, spec.right
    names = [f"__key{i}" for i in range(len(others.keys))]
    descending = [False, *(spec.takes_first for _ in others.ties)]
    right = right.sort([others.time, *others.ties], descending=descending, nulls_last=descending)
    kept = right.drop_nulls(list(others.keys)).select(
        *others.shown,
        *(pl.col(k).alias(n) for k, n in zip(others.keys, names, strict=True)),
        pl.col(others.time).alias(_SINCE),
        pl.lit(value=True).alias(_FOUND),
    )
    # of rows with equal keys and times the last one counts
    kept = kept.unique([*names, _SINCE], keep="last", maintain_order=True)
    pairs = (
        left.select(list(mine.shown))
        .sort(mine.time)
        .join_asof(
            kept,
            left_on=mine.time,
            right_on=_SINCE,
            by_left=list(mine.keys) or None,
            by_right=names or None,
            strategy="backward",
            allow_exact_matches=not spec.is_strict,
            coalesce=False,
            check_sortedness=False,
        )
    )
    return _with_partners(spec, pairs).select(list(spec.both.names))


def _with_partners(spec: AsOfSpec, pairs: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of the left frame, each with its partner if what was found for it counts as one."""
    found = pl.col(_FOUND).is_not_null()
    if spec.alive is not None:
        found &= pl.col(spec.alive).fill_null(value=False)
    if spec.reach is not None:
        distance = (pl.col(spec.left.time) - pl.col(_SINCE)).dt.total_microseconds()
        found &= distance <= spec.reach
    if spec.kind == "inner":
        matched = pairs.filter(found)
        return matched if spec.residual is None else Predicate(spec.residual, spec.both).lazy(matched)
    others = list(spec.right.shown)
    if spec.residual is None:
        return pairs.with_columns(pl.when(found).then(pl.col(n)).alias(n) for n in others)
    pairs = pairs.with_row_index(_ROW).cache()
    matched = Predicate(spec.residual, spec.both).lazy(pairs.filter(found)).cache()
    alone = pairs.drop(others).join(matched, on=_ROW, how="anti")
    return pl.concat([matched, alone], how="diagonal")
