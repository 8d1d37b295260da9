"""Define ROUND, TRUNCATE, FLOOR, CEIL and SIGN of numbers.

Halves are rounded away from zero. A float is rounded as the decimal that it prints as, so
ROUND(1.005, 2) is 1.01. FLOOR and CEIL of a time to a unit are in time_units.py, reached through the
same names.

Not here: casts, which have rules of their own (casts.py).
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from decimal import Decimal as Exact
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import (
    DATE,
    FLOAT64,
    INT32,
    INT64,
    NULL,
    STRING,
    TIMESTAMP,
    DataType,
    Decimal,
    Float,
    Integer,
    is_numeric,
)
from thalweg.expr import decimals
from thalweg.expr.casts import round_scaled
from thalweg.expr.functions import time_units
from thalweg.expr.functions.kit import accepts, by_value, constant, vec, vecs
from thalweg.expr.registry import FAILS, UNKNOWN, Failure, Function, Signature, register

_NAN, _INF = float("nan"), float("inf")
_DIGITS_MAX = 38


def _infer(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    """ROUND and TRUNCATE: the number of digits of a decimal's result must be known."""
    if len(types) not in (1, 2) or not (is_numeric(types[0]) or types[0] == NULL):
        return None
    held = INT32 if types[0] == NULL else types[0]
    if len(types) == 2 and not accepts(types[1], INT32):
        return None
    args = (held, INT32)[: len(types)]
    if not isinstance(held, Decimal):
        return Signature(args, held)
    digits = 0 if len(values) == 1 else values[1]
    if digits is UNKNOWN or digits is None or digits >= held.scale:
        return Signature(args, held)
    whole = held.precision - held.scale + 1
    return Signature(args, Decimal(min(_DIGITS_MAX, whole + max(digits, 0)), max(digits, 0)))


def _plain_infer(types: Sequence[DataType]) -> Signature | None:
    return _infer(types, [UNKNOWN] * len(types))


def _rounder(*, half_up: bool) -> Callable[[Sequence[pl.Expr], Sequence[DataType]], pl.Expr]:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        given = [*args, pl.lit(0, dtype=pl.Int32)][:2]
        if isinstance(types[0], Decimal):
            fixed = len(args) == 1 or constant(args[1]) is not UNKNOWN
            result = _infer(types, [UNKNOWN, constant(given[1])][: len(types)]) if fixed else None
            return _decimals(given, types[0], result.result if result else types[0], half_up=half_up)
        return by_value(given, 1, lambda a, n: _numbers(a[0], types[0], n, half_up=half_up), types[0])

    return build


def _decimals(args: list[pl.Expr], held: Decimal, result: DataType, *, half_up: bool) -> pl.Expr:
    assert isinstance(result, Decimal), "decimals are rounded to decimals"

    def make(others: Sequence[pl.Expr], digits: int) -> pl.Expr:
        value, down = decimals.unscaled(others[0], held), held.scale - digits
        if down <= 0:
            return others[0]
        if down > _DIGITS_MAX:
            return (value * 0).reinterpret(dtype=result.polars)
        unit = pl.lit(10**down, dtype=pl.Int128)
        kept = decimals.divide_half_up(value, 10**down) if half_up else value.truncdiv(unit)
        kept = kept * pl.lit(10 ** (down - (held.scale - result.scale)), dtype=pl.Int128)
        return decimals.pack(kept, result, sure=digits >= 0 or not half_up)

    return by_value(args, 1, make, result)


def _numbers(value: pl.Expr, held: DataType, digits: int, *, half_up: bool) -> pl.Expr:
    if isinstance(held, Integer):
        return value if digits >= 0 else _integers(value, held, -digits, half_up=half_up)
    return value.map_batches(
        lambda s: _floats(s, digits, half_up=half_up), return_dtype=held.polars, is_elementwise=True
    )


def _integers(value: pl.Expr, held: Integer, down: int, *, half_up: bool) -> pl.Expr:
    if down > 20:
        return value * pl.lit(0, dtype=held.polars)
    unit = pl.lit(10**down, dtype=pl.Int128)
    wide = value.cast(pl.Int128)
    kept = decimals.divide_half_up(wide, 10**down) if half_up else wide.truncdiv(unit)
    return (kept * unit).cast(held.polars, strict=False)


def _floats(column: pl.Series, digits: int, *, half_up: bool) -> pl.Series:
    if not 0 <= digits <= 15:
        values = [_exactly(v, digits, half_up=half_up) for v in column.to_list()]
        return pl.Series(values, dtype=column.dtype)
    if half_up:
        whole, odd = round_scaled(column.cast(pl.Float64), digits)
        rounded = whole.to_numpy().astype(np.float64) / 10.0**digits
    else:
        scaled = column.cast(pl.Float64).to_numpy() * 10.0**digits
        with np.errstate(invalid="ignore"):
            sure = (np.abs(scaled) < 2.0**42) & (np.abs(scaled - np.round(scaled)) > 1e-3)
        rounded, odd = np.trunc(scaled) / 10.0**digits, pl.Series(~sure).arg_true()
    # a negative number that becomes zero keeps its sign
    rounded = np.copysign(rounded, column.cast(pl.Float64).to_numpy())
    found = pl.select(pl.when(column.is_not_null()).then(pl.Series(rounded))).to_series()
    exact = [_exactly(v, digits, half_up=half_up) for v in column.gather(odd).to_list()]
    return found.scatter(odd, pl.Series(exact, dtype=pl.Float64)).cast(column.dtype)


def _exactly(value: float | None, digits: int, *, half_up: bool) -> float | None:
    if value is None or value != value or value in (_INF, -_INF) or digits > 330:
        return value
    mode = decimal.ROUND_HALF_UP if half_up else decimal.ROUND_DOWN
    context = decimal.Context(prec=800, rounding=mode)
    unit = Exact(1).scaleb(-digits, context=context)
    return float(Exact(repr(value)).quantize(unit, context=context)) if digits > -330 else 0.0


def _overflow(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr | None:
    """Rounding up may need a digit more than the type has: 99 to tens, 9.9 to DECIMAL(1, 0)."""
    if isinstance(types[0], Float) or len(args) == 1:
        return None
    digits = constant(args[1])
    if digits is None or (digits is not UNKNOWN and digits >= 0):
        return None
    value = _rounder(half_up=True)(args, types)
    return value.is_null() & args[0].is_not_null() & args[1].is_not_null()


register(
    Function(
        "round",
        _plain_infer,
        _rounder(half_up=True),
        "a number and, optionally, a number of digits",
        failures=(Failure(_overflow, "data-overflow", "the result does not fit its type"),),
        infer_values=_infer,
        vectors=(
            *vecs(FLOAT64, (0.5, 1.0), (-0.5, -1.0), (2.5, 3.0), (None, None), (_NAN, _NAN), (_INF, _INF)),
            *vecs(FLOAT64, (-0.2, -0.0), (1e300, 1e300), (0.49999999999999994, 0.0)),
            *vecs(
                (FLOAT64, INT32), (1.005, 2, 1.01), (2.675, 2, 2.68), (1234.5, -2, 1200.0), (1.0, None, None)
            ),
            *vecs((INT32, INT32), (15, -1, 20), (-15, -1, -20), (14, -1, 10), (14, 1, 14)),
            *vecs((INT32, INT32), (2**31 - 1, -1, FAILS), (5, -12, 0)),
            *vecs(Decimal(4, 3), (Exact("2.500"), Exact("3")), (Exact("9.999"), Exact("10")), (None, None)),
            vec((Exact("1.234567"), 2), (Decimal(7, 6), INT32), Exact("1.23")),
            vec((Exact("-1.235"), 2), (Decimal(4, 3), INT32), Exact("-1.24")),
        ),
    )
)
register(
    Function(
        "truncate",
        _plain_infer,
        _rounder(half_up=False),
        "a number and, optionally, a number of digits",
        infer_values=_infer,
        vectors=(
            *vecs(FLOAT64, (1.9, 1.0), (-1.9, -1.0), (None, None), (_NAN, _NAN), (-0.5, -0.0)),
            *vecs(
                (FLOAT64, INT32), (42.324, 2, 42.32), (0.29, 2, 0.29), (-1.999, 2, -1.99), (19.9, -1, 10.0)
            ),
            *vecs((INT32, INT32), (19, -1, 10), (-19, -1, -10)),
            vec((Exact("1.999"), 2), (Decimal(4, 3), INT32), Exact("1.99")),
        ),
        aliases=("trunc",),
    )
)


def _infer_whole(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    if len(types) == 2:
        return time_units.infer_rounding(types, values)
    if len(types) != 1:
        return None
    held = FLOAT64 if types[0] == NULL else types[0]
    if isinstance(held, Decimal):
        return Signature((held,), Decimal(held.precision, 0))
    return Signature((held,), held) if is_numeric(held) else None


def _whole(*, up: bool) -> Callable[[Sequence[pl.Expr], Sequence[DataType]], pl.Expr]:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        held = types[0]
        if len(args) == 2:
            return time_units.build_rounding(args, types, up=up)
        if isinstance(held, Float):
            return args[0].ceil() if up else args[0].floor()
        if not isinstance(held, Decimal) or held.scale == 0:
            return args[0]
        value, unit = decimals.unscaled(args[0], held), pl.lit(10**held.scale, dtype=pl.Int128)
        kept = value.truncdiv(unit)
        beyond = (value > kept * unit) if up else (value < kept * unit)
        kept = kept + pl.when(beyond).then(1 if up else -1).otherwise(0).cast(pl.Int128)
        return kept.reinterpret(dtype=pl.Decimal(held.precision, 0))

    return build


def _plain_whole(types: Sequence[DataType]) -> Signature | None:
    return _infer_whole(types, [UNKNOWN] * len(types))


register(
    Function(
        "floor",
        _plain_whole,
        _whole(up=False),
        "a number; or a time and a unit",
        infer_values=_infer_whole,
        constants=(1,),
        vectors=(
            *vecs(FLOAT64, (1.5, 1.0), (-1.5, -2.0), (None, None), (_NAN, _NAN), (-0.0, -0.0)),
            *vecs(INT64, (5, 5), (None, None)),
            *vecs(
                Decimal(3, 1),
                (Exact("-1.5"), Exact("-2")),
                (Exact("1.5"), Exact("1")),
                (Exact("2.0"), Exact("2")),
            ),
            *time_units.floor_vectors(TIMESTAMP, DATE, STRING),
        ),
    )
)
register(
    Function(
        "ceil",
        _plain_whole,
        _whole(up=True),
        "a number; or a time and a unit",
        infer_values=_infer_whole,
        constants=(1,),
        vectors=(
            *vecs(FLOAT64, (1.5, 2.0), (-1.5, -1.0), (None, None), (_INF, _INF), (-0.5, -0.0)),
            *vecs(INT64, (5, 5), (None, None)),
            *vecs(
                Decimal(2, 1),
                (Exact("-1.5"), Exact("-1")),
                (Exact("9.9"), Exact("10")),
                (Exact("2.0"), Exact("2")),
            ),
            *time_units.ceil_vectors(TIMESTAMP, DATE, STRING),
        ),
        aliases=("ceiling",),
    )
)


def _sign(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    if not isinstance(types[0], Decimal):
        return args[0].sign().cast(types[0].polars)
    value = decimals.unscaled(args[0], types[0])
    one = pl.lit(10 ** types[0].scale, dtype=pl.Int128)
    found = pl.when(value > 0).then(one).when(value < 0).then(one * -1).when(value == 0).then(one * 0)
    # a type without digits before the point has no 1
    return decimals.pack(found, types[0], sure=types[0].precision > types[0].scale)


register(
    Function(
        "sign",
        lambda types: Signature((types[0],), types[0]) if len(types) == 1 and is_numeric(types[0]) else None,
        _sign,
        "one number",
        vectors=(
            *vecs(INT32, (-7, -1), (0, 0), (7, 1), (None, None)),
            *vecs(FLOAT64, (-0.5, -1.0), (_INF, 1.0), (None, None), (_NAN, _NAN)),
            *vecs(Decimal(3, 1), (Exact("-1.5"), Exact("-1")), (None, None), (Exact("0"), Exact("0"))),
        ),
    )
)
