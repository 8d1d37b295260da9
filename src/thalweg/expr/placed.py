"""Register the aggregates that depend on where rows stand: the first and the last value, LAG and LEAD.

"Arrival" means position, (split, offset): the same in a stream and in a batch, whatever came when. Both pass
over NULL, as Flink's do.

LAG and LEAD take the value of one row, NULL or not, in the order of an OVER; NTILE, PERCENT_RANK and
CUME_DIST say where a row is in its partition.

Not here: the accumulators (operators/ordered_parts.py), what an aggregate is (aggregates.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT64,
    INT32,
    INTERVAL,
    STRING,
    TIME,
    DataType,
    Decimal,
    Float,
    Integer,
    Timestamp,
)
from thalweg.expr.aggregates import AggregateFunction, Finish, register
from thalweg.expr.registry import Infer, Signature

_KINDS = (Integer, Float, Decimal, Timestamp)


def _kept(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1:
        return None
    (held,) = types
    fits = isinstance(held, _KINDS) or held in (STRING, BINARY, BOOLEAN, DATE, TIME, INTERVAL)
    return Signature((held,), held) if fits else None


def _only(parts: Mapping[str, pl.Expr], result: DataType) -> pl.Expr:
    (value,) = parts.values()
    return value


def _lazy(args: Sequence[pl.Expr], held: DataType) -> pl.Expr:
    return args[0].drop_nulls()


FIRST_VALUE = register(
    AggregateFunction(
        "first_value",
        _kept,
        "one number, text, time or boolean",
        parts=("first",),
        finish=_only,
        lazy=lambda args, held: _lazy(args, held).first(),
        ignores_repeats=True,
        needs_position=True,
        is_ordered=True,
    )
)
LAST_VALUE = register(
    AggregateFunction(
        "last_value",
        _kept,
        "one number, text, time or boolean",
        parts=("last",),
        finish=_only,
        lazy=lambda args, held: _lazy(args, held).last(),
        ignores_repeats=True,
        needs_position=True,
        is_ordered=True,
    )
)


def _any(types: Sequence[DataType]) -> Signature | None:
    return Signature(tuple(types), types[0]) if len(types) == 1 else None


def _beside(name: str) -> AggregateFunction:
    return register(
        AggregateFunction(
            name,
            _any,
            "one value of any type",
            parts=("row",),
            finish=_only,
            lazy=lambda args, _: args[0],
            only_over=True,
        )
    )


LAG, LEAD = _beside("lag"), _beside("lead")
PLACES = ("number", "rank", "upto", "total")
"""Of a row in its partition: its number, how many rows are before its peers plus one, how many up to its last
peer, and how many there are."""


def _no_arguments(types: Sequence[DataType]) -> Signature | None:
    return None if types else Signature((), FLOAT64)


def _one_number(types: Sequence[DataType]) -> Signature | None:
    return Signature(tuple(types), INT32) if len(types) == 1 and isinstance(types[0], Integer) else None


def _in_partition(
    name: str, infer: Infer, takes: str, parts: tuple[str, ...], finish: Finish
) -> AggregateFunction:
    return AggregateFunction(
        name, infer, takes, parts=parts, finish=finish, lazy=lambda args, _: args[0], only_over=True
    )


def _ntile(parts: Mapping[str, pl.Expr], result: DataType) -> pl.Expr:
    """The rows of a partition in so many parts, of which the first ones have one row more."""
    before, buckets = parts["number"] - 1, parts["buckets"]
    small, more = parts["total"] // buckets, parts["total"] % buckets
    in_large = more * (small + 1)
    # where there are fewer rows than parts, no small part has a row
    later = more + (before - in_large) // small.clip(lower_bound=1)
    found = pl.when(before < in_large).then(before // (small + 1)).otherwise(later)
    return (found + 1).cast(result.polars)


def _percent_rank(parts: Mapping[str, pl.Expr], result: DataType) -> pl.Expr:
    before, others = parts["rank"] - 1, parts["total"] - 1
    return pl.when(others > 0).then(before / others).otherwise(0.0).cast(result.polars)


def _cume_dist(parts: Mapping[str, pl.Expr], result: DataType) -> pl.Expr:
    return (parts["upto"] / parts["total"]).cast(result.polars)


NTILE = register(
    _in_partition("ntile", _one_number, "a number of parts", ("number", "total", "buckets"), _ntile)
)
PERCENT_RANK = register(
    _in_partition("percent_rank", _no_arguments, "no arguments", ("rank", "total"), _percent_rank)
)
CUME_DIST = register(_in_partition("cume_dist", _no_arguments, "no arguments", ("upto", "total"), _cume_dist))

__all__ = ["CUME_DIST", "FIRST_VALUE", "LAG", "LAST_VALUE", "LEAD", "NTILE", "PERCENT_RANK", "PLACES"]
