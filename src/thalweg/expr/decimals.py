"""Compute with decimals exactly: on their unscaled integers, in 128 bits.

A `DECIMAL(p, s)` is held as an integer of 128 bits, the value times 10^s; Polars shows it at no
cost (`reinterpret`). Whether 128 bits are enough is known from the types nearly always; where it
is not, the values of the batch decide, and Python's decimals take over for the rest. The result
is the same either way.

Result types follow Flink; rounding is half up, away from zero. A result that does not fit its
type is NULL here: callers find such rows by mask.

Not here: the common type of decimals (common_type.py), casts (casts.py).
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from thalweg.base.types import DataType, Decimal, Integer
from thalweg.expr.common_type import PRECISION_MAX, as_decimal, fit_decimal

_WIDE = decimal.Context(prec=120, rounding=decimal.ROUND_HALF_UP)
_LIMIT = (1 << 127) - 1
_SUMS_FIT = 28
"""A hundred billion values of so many digits have a sum that fits 128 bits."""


def unscaled(arg: pl.Expr, held: DataType) -> pl.Expr:
    """The value times 10^scale as an integer of 128 bits, of a decimal or an integer."""
    return arg.cast(pl.Int128) if isinstance(held, Integer) else arg.reinterpret(dtype=pl.Int128)


def pack(value: pl.Expr, wanted: Decimal, *, sure: bool) -> pl.Expr:
    """The decimal of an unscaled integer; NULL where it has too many digits, unless that is ruled out."""
    if not sure:
        limit = pl.lit(10**wanted.precision, dtype=pl.Int128)
        value = pl.when((value < limit) & (value > -limit)).then(value)
    return value.reinterpret(dtype=wanted.polars)


def decimal_sum(arg: pl.Expr, held: Decimal) -> pl.Expr:
    """The sum of a group, of 38 digits; one that has more raises. Polars checks every sum on the way too."""
    wanted = Decimal(PRECISION_MAX, held.scale)
    value = unscaled(arg, held)
    if held.precision <= _SUMS_FIT:
        return sure_decimal(value.sum(), wanted)
    # halves, whose sums always fit; 38 digits have an upper half below 6 * 10^18
    half = pl.lit(1 << 64, dtype=pl.Int128)
    low = (value % half).sum()
    high = (value // half).sum() + low // half
    is_beyond = high.abs() > pl.lit(6 * 10**18, dtype=pl.Int128)
    beyond = pl.lit(10**PRECISION_MAX, dtype=pl.Int128)
    # this way round: within another condition, Polars computes with NULLs what that rules out
    return sure_decimal(pl.when(is_beyond).then(beyond).otherwise(high * half + low % half), wanted)


def sure_decimal(value: pl.Expr, wanted: Decimal) -> pl.Expr:
    """The decimal of an unscaled integer; one that has more than 38 digits raises."""
    whole = value.cast(pl.Decimal(PRECISION_MAX, 0), strict=True)
    return whole.reinterpret(dtype=pl.Int128).reinterpret(dtype=wanted.polars)


def divide_half_up(value: pl.Expr, by: int) -> pl.Expr:
    """An integer divided by an even constant, halves away from zero."""
    half, divisor = pl.lit(by // 2, dtype=pl.Int128), pl.lit(by, dtype=pl.Int128)
    return pl.when(value < 0).then(value - half).otherwise(value + half).truncdiv(divisor)


def quotient_half_up(n: pl.Expr, d: pl.Expr) -> pl.Expr:
    """The quotient of two integers of 128 bits, halves away from zero."""
    quotient = n.truncdiv(d)
    rest = (n - quotient * d).abs()
    away = pl.when((n < 0) ^ (d < 0)).then(-1).otherwise(1)
    return quotient + pl.when(rest >= d.abs() - rest).then(away).otherwise(0).cast(pl.Int128)


def rescale(value: pl.Expr, held: Decimal, wanted: Decimal) -> pl.Expr:
    """The decimal (from its unscaled form) with another precision and scale; NULL where it does not fit."""
    up = wanted.scale - held.scale
    digits = held.precision - held.scale
    if up < 0:
        value, digits = divide_half_up(value, 10**-up), digits + 1
    elif up > 0:
        room = wanted.precision - up
        if held.precision > room:
            limit = pl.lit(10 ** max(room, 0), dtype=pl.Int128)
            value = pl.when((value < limit) & (value > -limit)).then(value)
        value = value * pl.lit(10**up, dtype=pl.Int128)
        return pack(value, wanted, sure=True)
    return pack(value, wanted, sure=digits <= wanted.precision - wanted.scale)


def result_type(operator: str, a: DataType, b: DataType) -> Decimal:
    """The type of `a operator b` for `+ - * / %` (Flink's rules).

    Example:
        >>> from thalweg.base.types import INT64
        >>> str(result_type("*", Decimal(4, 3), INT64))
        'DECIMAL(23, 3)'
    """
    digits, scale = _natural(operator, as_decimal(a), as_decimal(b))
    return fit_decimal(digits, scale)


def may_overflow(operator: str, a: DataType, b: DataType) -> bool:
    """Whether a result can have more digits before the point than its type."""
    digits, scale = _natural(operator, as_decimal(a), as_decimal(b))
    fitted = fit_decimal(digits, scale)
    return digits > fitted.precision - fitted.scale


def _natural(operator: str, a: Decimal, b: Decimal) -> tuple[int, int]:
    """Digits before and after the point that the exact result needs."""
    x, y = a.precision - a.scale, b.precision - b.scale
    if operator in "+-":
        return max(x, y) + 1, max(a.scale, b.scale)
    if operator == "*":
        return x + y, a.scale + b.scale
    if operator == "/":
        return x + b.scale, max(6, a.scale + b.precision + 1)
    return min(x, y), max(a.scale, b.scale)


@dataclass(frozen=True)
class _Operation:
    """One operator between two decimal types: in 128 bits, and what has to hold for that."""

    narrow: Callable[[pl.Expr, pl.Expr], pl.Expr]
    """From the unscaled arguments to the unscaled result."""
    reach: Callable[[int, int], int]
    """From the largest absolute arguments to the largest number on the way."""
    wide: Callable[[decimal.Decimal, decimal.Decimal], decimal.Decimal]


def operate(operator: str, args: tuple[pl.Expr, pl.Expr], types: tuple[DataType, DataType]) -> pl.Expr:
    """`a operator b` for `+ - * / %`; NULL where it does not fit its type or divides by zero."""
    a, b = as_decimal(types[0]), as_decimal(types[1])
    result = result_type(operator, *types)
    sure = not may_overflow(operator, *types)
    operation = _operation(operator, a, b, result)
    if operation.reach(10**a.precision, 10**b.precision) <= _LIMIT:
        return pack(operation.narrow(*map(unscaled, args, types)), result, sure=sure)
    held = [arg.cast(t.polars) for arg, t in zip(args, (a, b), strict=True)]

    def run(columns: list[pl.Series]) -> pl.Series:
        return _by_values(columns, operation, result)

    return pl.map_batches(held, run, return_dtype=result.polars, is_elementwise=True)  # type: ignore[arg-type]


def _operation(operator: str, a: Decimal, b: Decimal, result: Decimal) -> _Operation:
    if operator == "*":
        return _multiplication(a, b, result)
    if operator == "/":
        return _division(a, b, result)
    return _aligned(operator, a, b, result)


def _multiplication(a: Decimal, b: Decimal, result: Decimal) -> _Operation:
    down = a.scale + b.scale - result.scale

    def narrow(x: pl.Expr, y: pl.Expr) -> pl.Expr:
        return x * y if down == 0 else divide_half_up(x * y, 10**down)

    return _Operation(narrow, lambda x, y: x * y + 10**down, _WIDE.multiply)


def _division(a: Decimal, b: Decimal, result: Decimal) -> _Operation:
    up = result.scale + b.scale - a.scale
    left, right = 10 ** max(up, 0), 10 ** max(-up, 0)

    def narrow(x: pl.Expr, y: pl.Expr) -> pl.Expr:
        return quotient_half_up(x * pl.lit(left, dtype=pl.Int128), y * pl.lit(right, dtype=pl.Int128))

    return _Operation(narrow, lambda x, y: max(x * left, y * right), _WIDE.divide)


def _aligned(operator: str, a: Decimal, b: Decimal, result: Decimal) -> _Operation:
    scale = max(a.scale, b.scale)
    left, right, down = 10 ** (scale - a.scale), 10 ** (scale - b.scale), scale - result.scale

    def narrow(x: pl.Expr, y: pl.Expr) -> pl.Expr:
        x = x if left == 1 else x * pl.lit(left, dtype=pl.Int128)
        y = y if right == 1 else y * pl.lit(right, dtype=pl.Int128)
        value = x + y if operator == "+" else x - y if operator == "-" else x - x.truncdiv(y) * y
        return value if down == 0 else divide_half_up(value, 10**down)

    wide = {"+": _WIDE.add, "-": _WIDE.subtract, "%": _WIDE.remainder}[operator]
    return _Operation(narrow, lambda x, y: x * left + y * right + 10**down, wide)


def _by_values(columns: list[pl.Series], operation: _Operation, result: Decimal) -> pl.Series:
    height = 0 if any(len(c) == 0 for c in columns) else max(map(len, columns))
    whole = [c if len(c) == height else c.head(1).new_from_index(0, height) for c in columns if height]
    frame = pl.DataFrame({f"c{i}": c for i, c in enumerate(whole or [c.clear() for c in columns])})
    names = [pl.col(n).reinterpret(dtype=pl.Int128) for n in frame.columns]
    largest = frame.select(n.abs().max() for n in names).row(0)
    if operation.reach(largest[0] or 0, largest[1] or 0) <= _LIMIT:
        return frame.select(pack(operation.narrow(*names), result, sure=False)).to_series()
    values = [_one(operation, a, b, result) for a, b in frame.iter_rows()]
    return pl.Series(values, dtype=result.polars)


def _one(
    operation: _Operation, a: decimal.Decimal | None, b: decimal.Decimal | None, result: Decimal
) -> decimal.Decimal | None:
    if a is None or b is None:
        return None
    try:
        value = operation.wide(a, b).quantize(decimal.Decimal(1).scaleb(-result.scale), context=_WIDE)
    except (decimal.DivisionByZero, decimal.InvalidOperation):
        return None
    return value if value.copy_abs() < decimal.Decimal(10) ** (result.precision - result.scale) else None


assert PRECISION_MAX == 38, "128 bits hold 38 digits"
