"""Register the aggregates that depend on where rows stand: the first and the last value, LAG and LEAD.

"Arrival" means position, (split, offset): the same in a stream and in a batch, whatever came when. Both pass
over NULL, as Flink's do.

LAG and LEAD take the value of one row, NULL or not, in the order of an OVER.

Not here: the accumulators (operators/ordered_parts.py), what an aggregate is (aggregates.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    INTERVAL,
    STRING,
    TIME,
    DataType,
    Decimal,
    Float,
    Integer,
    Timestamp,
)
from thalweg.expr.aggregates import AggregateFunction, register
from thalweg.expr.registry import Signature

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

__all__ = ["FIRST_VALUE", "LAG", "LAST_VALUE", "LEAD"]
