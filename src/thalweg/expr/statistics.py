"""Register the aggregates that say how values are spread: variances, deviations, how many are different.

Variances are DOUBLE for every type of number (Flink gives integers for integers: a deviation without its
fraction is of no use). They come from sums of values and of squares kept to twice the precision of a DOUBLE.

Not here: the accumulators (operators/parts.py), what an aggregate is (aggregates.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from thalweg.base.types import FLOAT64, INT32, INT64, NULL, DataType, Decimal, Float, Integer
from thalweg.expr.aggregates import AggregateFunction
from thalweg.expr.aggregates import register as register_aggregate
from thalweg.expr.functions.kit import vecs
from thalweg.expr.nodes import Call, Expr
from thalweg.expr.registry import Function, Signature, register

_COUPON = "__coupon"
Formula = Callable[[pl.Expr, pl.Expr], pl.Expr]


def _number(types: Sequence[DataType]) -> Signature | None:
    fits = len(types) == 1 and (isinstance(types[0], (Integer, Float, Decimal)) or types[0] == NULL)
    return Signature((FLOAT64,), FLOAT64) if fits else None


def _of_population(squares: pl.Expr, count: pl.Expr) -> pl.Expr:
    return squares / pl.when(count > 0).then(count)


def _of_sample(squares: pl.Expr, count: pl.Expr) -> pl.Expr:
    return squares / pl.when(count > 1).then(count - 1)


def _register_spread(name: str, formula: Formula, aliases: tuple[str, ...] = ()) -> None:
    def finish(parts: Mapping[str, pl.Expr], result: DataType) -> pl.Expr:
        return formula(parts["squares"], parts["count"])

    def lazy(args: Sequence[pl.Expr], held: DataType) -> pl.Expr:
        (value,) = args
        distance = value - value.mean()
        return formula((distance * distance).sum(), value.count().cast(pl.Int64))

    parts = ("squares", "count")
    register_aggregate(AggregateFunction(name, _number, "one number", parts, finish, lazy, aliases))


_register_spread("var_pop", _of_population)
_register_spread("var_samp", _of_sample, ("variance",))
_register_spread("stddev_pop", lambda squares, count: _of_population(squares, count).sqrt())
_register_spread("stddev_samp", lambda squares, count: _of_sample(squares, count).sqrt(), ("stddev",))


# -- the number of different values, nearly ---------------------------------------------------------


def _any(types: Sequence[DataType]) -> Signature | None:
    return Signature(tuple(types), INT64) if len(types) == 1 else None


def _any_to_coupon(types: Sequence[DataType]) -> Signature | None:
    return Signature(tuple(types), INT32) if len(types) == 1 else None


def _draw(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    def run(values: pl.Series) -> pl.Series:
        from thalweg.columnar.coupons import coupons

        return coupons(values)

    return args[0].map_batches(run, return_dtype=pl.Int32(), is_elementwise=True)


def _estimate(count: pl.Expr) -> pl.Expr:
    def run(counts: pl.Series) -> pl.Series:
        from thalweg.columnar.coupons import estimates

        return pl.Series(counts.name, estimates(counts.to_numpy()))

    return count.map_batches(run, return_dtype=pl.Int64(), is_elementwise=True)


def _coupon_of(arg: Expr) -> Expr:
    return Call(_COUPON, (arg,))


register(
    Function(
        _COUPON,
        _any_to_coupon,
        _draw,
        "a value of any type",
        vectors=vecs(INT64, (1, 50179), (-1, 249346), (None, None)),
    )
)
APPROX_COUNT_DISTINCT = register_aggregate(
    AggregateFunction(
        "approx_count_distinct",
        _any,
        "one value of any type",
        parts=("count",),
        finish=lambda parts, _: _estimate(parts["count"]),
        lazy=lambda args, _: _estimate(args[0].count().cast(pl.Int64)),
        prepare=_coupon_of,
        counts_different=True,
    )
)

__all__ = ["APPROX_COUNT_DISTINCT"]
