"""Keep the table of aggregate functions: for each its meaning, its types and its parts.

An aggregate is computed in two ways that must agree. Over a whole group by Polars (`lazy`); and
incrementally, from *parts*: accumulators by group that rows are added to and, where they can be
undone, taken from (`count`, `sum`), or that keep the least or greatest value (`min`, `max`). `finish`
makes the value from the parts. Equal parts of one grouping are kept once.

Sums of integers and decimals are exact in 128 bits, whatever the order; a sum that does not fit
its type is an error. Sums of floats agree within a tolerance, relative to the sum of absolute values:
incrementally they are kept to twice the precision, and NaN and infinities are counted apart; over a
whole group they are plain sums.

Not here: the accumulators (operators/parts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT64,
    INT64,
    INTERVAL,
    NULL,
    STRING,
    TIME,
    DataType,
    Decimal,
    Float,
    Integer,
    Timestamp,
)
from thalweg.errors import DataError, Span, TypeMismatch, did_you_mean
from thalweg.expr.decimals import decimal_sum, pack, quotient_half_up, sure_decimal, unscaled
from thalweg.expr.nodes import Aggregate, Expr, Literal
from thalweg.expr.registry import Infer, Signature

Finish = Callable[[Mapping[str, pl.Expr], DataType], pl.Expr]
"""From the parts' columns to the value; `sum` is Int128, Decimal or Float64, NULL where nothing was added."""

_WHOLE = "cast the argument to DECIMAL(38, 0) before it is summed"
_DIGITS = (
    "38 digits are the most, also of the sum behind an average; "
    "with DOUBLE it is not exact, but has no such limit"
)


@dataclass(frozen=True)
class AggregateFunction:
    """One aggregate function.

    Attributes:
        name: lower case; SQL and Python names are the same.
        infer: resolves argument types.
        takes: the accepted arguments in words.
        parts: the accumulators it is made from: `count`, `rows`, `sum`, `min`, `max`.
        finish: the value from the parts.
        lazy: the value over a whole group; arguments are of the signature's types.
        ignores_repeats: whether a value counts once however often it is there, so that DISTINCT says nothing.
        prepare: what is made of the argument of each row.
        counts_different: whether only different values are aggregated, with or without DISTINCT.
        needs_position: whether there is no value without the rows' positions in their source.
        is_ordered: whether the order of values matters: by position, where rows have one, or by value.
        specialize: the function for calls with or without DISTINCT, and for constants behind the first
            argument; None where neither makes another function.
        only_over: whether it looks at the rows around a row, and has no value over a group.
    """

    name: str
    infer: Infer
    takes: str
    parts: tuple[str, ...]
    finish: Finish
    lazy: Callable[[Sequence[pl.Expr], DataType], pl.Expr]
    aliases: tuple[str, ...] = ()
    ignores_repeats: bool = False
    prepare: Callable[[Expr], Expr] | None = None
    counts_different: bool = False
    needs_position: bool = False
    is_ordered: bool = False
    specialize: Callable[[bool, tuple[Any, ...]], AggregateFunction] | None = None
    only_over: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the value is that of the only part, as it is."""
        return self.finish is _as_it_is


def _as_it_is(parts: Mapping[str, pl.Expr], result: DataType) -> pl.Expr:
    """The value of the only part."""
    del result
    (value,) = parts.values()
    return value


_table: dict[str, AggregateFunction] = {}


def register(function: AggregateFunction) -> AggregateFunction:
    """Add an aggregate under its name and aliases."""
    for name in (function.name, *function.aliases):
        assert name not in _table, f"the aggregate name {name} is taken twice"
        _table[name] = function
    return function


def overflow(calls: Iterable[tuple[Aggregate, DataType]], found: str | None = None) -> DataError:
    """What to raise where one of the aggregates, given with the types of their results, is out of range."""
    exact = [(c, held) for c, held in calls if c.function in ("sum", "avg") and not isinstance(held, Float)]
    of_decimals = [isinstance(held, Decimal) for _, held in exact]
    hints = [_WHOLE] if not all(of_decimals) else []
    hints += [_DIGITS] if any(of_decimals) else []
    spans = [c.span for c, _ in exact]
    texts = [str(c).replace("__arg ", "") if c.span is None else c.span.written for c, _ in exact]
    return DataError(
        "a sum or average does not fit the type of its result",
        code="data-overflow",
        where=spans[0] if len(spans) == 1 and spans[0] is not None else ", ".join(dict.fromkeys(texts)),
        found=found,
        hint="; ".join(hints) or None,
    )


def has(name: str) -> bool:
    """Whether there is an aggregate of that name."""
    return name.lower() in _table


def names() -> tuple[str, ...]:
    """Every name, sorted."""
    return tuple(sorted(_table))


def lookup(name: str, where: Span | None = None) -> AggregateFunction:
    """The aggregate of that name; an unknown one is an error with the near misses."""
    found = _table.get(name.lower())
    if found is None:
        raise TypeMismatch(
            f'there is no aggregate function "{name}"',
            code="expr-unknown-function",
            where=where,
            choices=names(),
            hint=did_you_mean(name.lower(), names()),
        )
    return found


def of_call(call: Aggregate) -> AggregateFunction:
    """The aggregate of a call, as its DISTINCT and its constants make it."""
    entry = lookup(call.function)
    if entry.specialize is None:
        return entry
    constants = tuple(a.value for a in call.args[1:] if isinstance(a, Literal))
    return entry.specialize(call.distinct, constants)


def value_of_none(call: Aggregate, held: DataType) -> Any:
    """What a call gives where there are no rows; `held` is the type of its argument, or else its own.

    Example:
        >>> from thalweg.expr.nodes import Column
        >>> value_of_none(Aggregate("count"), INT64), value_of_none(Aggregate("sum", (Column("a"),)), INT64)
        (0, None)
    """
    entry = of_call(call)
    if entry.needs_position:
        return None
    none = pl.Series("", [], dtype=held.polars).to_frame()
    return none.select(entry.lazy([pl.col("")] if call.args else [], held)).item()


# -- types -------------------------------------------------------------------------------------


def _any_or_none(types: Sequence[DataType]) -> Signature | None:
    return Signature(tuple(types), INT64) if len(types) <= 1 else None


def _sum_type(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1:
        return None
    held = types[0]
    if isinstance(held, Decimal):
        return Signature((held,), Decimal(38, held.scale))
    if isinstance(held, Integer) and held.bits == 64 and not held.signed:
        return Signature((Decimal(20, 0),), Decimal(38, 0))
    if isinstance(held, (Integer, Float)):
        # as in Flink, a sum has the type of what is summed
        return Signature((held,), held)
    return Signature((INT64,), INT64) if held == NULL else None


def _average_type(types: Sequence[DataType]) -> Signature | None:
    signature = _sum_type(types)
    if signature is None or not isinstance(signature.result, Decimal):
        return signature
    # Flink: the average of DECIMAL(p, s) is DECIMAL(38, max(s, 6))
    return Signature(signature.args, Decimal(38, max(signature.result.scale, 6)))


_ORDERED = (Integer, Float, Decimal, Timestamp)


def _extreme_type(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1:
        return None
    held = INT64 if types[0] == NULL else types[0]
    ordered = isinstance(held, _ORDERED) or held in (STRING, BINARY, BOOLEAN, DATE, TIME, INTERVAL)
    return Signature((held,), held) if ordered else None


# -- values ------------------------------------------------------------------------------------


def _exact(total: pl.Expr, result: DataType) -> pl.Expr:
    """A sum as its result type; one that is out of range raises and is reported by the caller."""
    if isinstance(result, Decimal):
        return sure_decimal(unscaled(total, result), result)
    return total.cast(result.polars, strict=True)


def _decimal_average(total: pl.Expr, count: pl.Expr, result: Decimal) -> pl.Expr:
    """The quotient, halves away from zero as everywhere (Polars divides half to even); NULL of none."""
    some = pl.when(count != 0).then(count).otherwise(None).cast(pl.Int128)
    whole = unscaled(sure_decimal(unscaled(total.cast(result.polars), result), result), result)
    return pack(quotient_half_up(whole, some), result, sure=True)


def divided(total: pl.Expr, count: pl.Expr) -> pl.Expr:
    """A 128-bit quotient, truncated toward zero; NULL where the count is 0."""
    wide = pl.when(count != 0).then(count).otherwise(None).cast(pl.Int128)
    quotient = total.abs() // wide
    # Polars has no unary minus for 128 bits
    negative = pl.lit(0, dtype=pl.Int128) - quotient
    return pl.when(total < 0).then(negative).otherwise(quotient)


def _lazy_sum(arg: pl.Expr, held: DataType) -> pl.Expr:
    if isinstance(held, Integer):
        total = arg.cast(pl.Int128).sum().cast(held.polars, strict=True)
    elif isinstance(held, Decimal):
        total = decimal_sum(arg, held)
    else:
        # Polars adds up a FLOAT in 24 bits
        total = arg.cast(pl.Float64).sum().cast(held.polars)
    return pl.when(arg.count() > 0).then(total).otherwise(None)


def _lazy_average(arg: pl.Expr, held: DataType) -> pl.Expr:
    if isinstance(held, Integer):
        return divided(arg.cast(pl.Int128).sum(), arg.count().cast(pl.Int64)).cast(held.polars)
    if isinstance(held, Decimal):
        result = Decimal(38, max(held.scale, 6))
        return _decimal_average(decimal_sum(arg, held), arg.count().cast(pl.Int64), result)
    return arg.mean().cast(held.polars)


def _lazy_max(arg: pl.Expr, held: DataType) -> pl.Expr:
    if isinstance(held, Float):
        nan = pl.lit(float("nan"), dtype=held.polars)
        return pl.when(arg.is_nan().any()).then(nan).otherwise(arg.max())
    return arg.max()


def _finish_sum(parts: Mapping[str, pl.Expr], result: DataType) -> pl.Expr:
    if isinstance(result, Float):
        return parts["sum"].cast(result.polars)
    return _exact(parts["sum"], result)


def _finish_average(parts: Mapping[str, pl.Expr], result: DataType) -> pl.Expr:
    if isinstance(result, Float):
        return (parts["sum"] / parts["count"]).cast(result.polars)
    if isinstance(result, Decimal):
        return _decimal_average(parts["sum"], parts["count"], result)
    return divided(parts["sum"], parts["count"]).cast(result.polars, strict=True)


_NUMBER = "one number"

COUNT = register(
    AggregateFunction(
        "count",
        _any_or_none,
        "nothing, or one value of any type",
        parts=("count",),
        finish=_as_it_is,
        lazy=lambda args, _: (args[0].count() if args else pl.len()).cast(pl.Int64),
    )
)
SUM = register(
    AggregateFunction(
        "sum",
        _sum_type,
        _NUMBER,
        parts=("sum",),
        finish=_finish_sum,
        lazy=lambda args, held: _lazy_sum(args[0], held),
    )
)
AVG = register(
    AggregateFunction(
        "avg",
        _average_type,
        _NUMBER,
        parts=("sum", "count"),
        finish=_finish_average,
        lazy=lambda args, held: _lazy_average(args[0], held),
        aliases=("mean",),
    )
)
MIN = register(
    AggregateFunction(
        "min",
        _extreme_type,
        "one value that has an order",
        parts=("min",),
        finish=_as_it_is,
        lazy=lambda args, _: args[0].min(),
        ignores_repeats=True,
    )
)
MAX = register(
    AggregateFunction(
        "max",
        _extreme_type,
        "one value that has an order",
        parts=("max",),
        finish=_as_it_is,
        lazy=lambda args, held: _lazy_max(args[0], held),
        ignores_repeats=True,
    )
)

__all__ = [
    "AVG",
    "COUNT",
    "FLOAT64",
    "MAX",
    "MIN",
    "SUM",
    "AggregateFunction",
    "has",
    "lookup",
    "names",
    "of_call",
    "value_of_none",
]
