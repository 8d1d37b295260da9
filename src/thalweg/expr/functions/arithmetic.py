"""Define `+ - * / %` and their `try_` forms, negation and absolute value.

Integers keep their type: overflow and division by zero are errors, found by masks that cost a few
bit operations and vanish where the types or a constant rule them out. Division of integers
truncates, and the remainder has the sign of the dividend. Floats follow IEEE 754. Decimals are
exact (decimals.py). `+` and `-` also shift times (time_arithmetic.py).

Not here: rounding (rounding.py), roots and logarithms (mathematics.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal as Exact
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import (
    FLOAT64,
    INT8,
    INT32,
    INT64,
    NULL,
    UINT8,
    UINT64,
    DataType,
    Decimal,
    Float,
    Integer,
    is_numeric,
)
from thalweg.expr import decimals
from thalweg.expr.common_type import as_decimal, common_type
from thalweg.expr.functions import time_arithmetic as times
from thalweg.expr.functions.comparison import compare
from thalweg.expr.functions.few import arithmetic_few
from thalweg.expr.functions.kit import constant, failing_as_null, vecs
from thalweg.expr.registry import FAILS, UNKNOWN, Failure, Function, Mask, Signature, Vector, register

_OVERFLOW = "the result does not fit its type"
_ZERO = "division by zero"
_MAX, _MIN = INT64.bounds[1], INT64.bounds[0]
_INF, _NAN = float("inf"), float("nan")
_BIG = Decimal(38, 0)


def _infer(operator: str) -> Callable[[Sequence[DataType]], Signature | None]:
    def infer(types: Sequence[DataType]) -> Signature | None:
        if len(types) != 2:
            return None
        a, b = (
            t if t != NULL else u if u != NULL else INT32 for t, u in zip(types, types[::-1], strict=True)
        )
        if not is_numeric(a) or not is_numeric(b):
            return times.infer(operator, a, b, UNKNOWN)
        shared = common_type((a, b))
        if isinstance(shared, Decimal):
            return Signature((a, b), decimals.result_type(operator, a, b))
        assert shared is not None, "any two numbers have a common type"
        return Signature((shared, shared), shared)

    return infer


def _infer_values(operator: str) -> Callable[[Sequence[DataType], Sequence[Any]], Signature | None]:
    plain = _infer(operator)

    def infer(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
        if len(types) == 2 and not any(is_numeric(t) or t == NULL for t in types):
            return times.infer(operator, types[0], types[1], values[1] if operator in "+-" else UNKNOWN)
        return plain(types)

    return infer


def _build(operator: str) -> Callable[[Sequence[pl.Expr], Sequence[DataType]], pl.Expr]:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        if not all(map(is_numeric, types)):
            return times.build(operator, args, types)
        if types[0] != types[1] or isinstance(types[0], Decimal):
            return decimals.operate(operator, (args[0], args[1]), (types[0], types[1]))
        table = _ON_FLOATS if isinstance(types[0], Float) else _ON_INTEGERS
        return table[operator](args[0], args[1])

    return build


def _truncated_remainder(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return a - a.truncdiv(b) * b


def _float_remainder(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    def run(columns: Sequence[pl.Series]) -> pl.Series:
        x, y = columns
        with np.errstate(invalid="ignore"):
            values = pl.Series(np.fmod(x.to_numpy(), y.to_numpy()), dtype=x.dtype)
        valid = x.is_not_null() & y.is_not_null()
        return pl.select(pl.when(valid).then(values)).to_series()

    # both sides are brought to one height, as either may be a constant
    whole = [pl.struct(a.alias("a"), b.alias("b")).struct.field(n) for n in ("a", "b")]
    return pl.map_batches(whole, run, is_elementwise=True)


_ON_INTEGERS: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a.truncdiv(b),
    "%": _truncated_remainder,
}
_ON_FLOATS = {**_ON_INTEGERS, "/": lambda a, b: a / b, "%": _float_remainder}


def _overflow(operator: str) -> Mask:
    def mask(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr | None:
        a, b = args
        if not all(map(is_numeric, types)):
            return times.overflow(operator, args, types)
        if isinstance(types[0], Integer) and types[0] == types[1]:
            return _integer_overflow(operator, a, b, types[0])
        if isinstance(types[0], Float) or not decimals.may_overflow(operator, types[0], types[1]):
            return None
        value = decimals.operate(operator, (a, b), (types[0], types[1]))
        lost = value.is_null() & a.is_not_null() & b.is_not_null()
        return lost & (b != 0) if operator in "/%" else lost

    return mask


def _integer_overflow(operator: str, a: pl.Expr, b: pl.Expr, t: Integer) -> pl.Expr | None:
    if operator in "/%":
        return _division_overflow(a, b, t) if operator == "/" else None
    right, left = constant(b), constant(a)
    if isinstance(right, int):
        return _outside(a, operator, right, t)
    if isinstance(left, int) and operator != "-":
        return _outside(b, operator, left, t)
    if operator == "*":
        return _product_overflow(a, b, t)
    if not t.signed:
        return (a + b) < a if operator == "+" else compare("<", a, b)
    # the result has the wrong sign: unlike both (of) the operands' signs (after negation of b for -)
    if operator == "+":
        return (((a + b) ^ a) & ((a + b) ^ b)) < 0
    return ((a ^ b) & ((a - b) ^ a)) < 0


def _outside(arg: pl.Expr, operator: str, by: int, t: Integer) -> pl.Expr | None:
    """The rows for which `arg operator by` leaves the bounds, by comparing `arg` alone."""
    low, high = t.bounds
    if operator == "*":
        if by in (0, 1):
            return None
        ends = sorted((_toward_zero(low, by), _toward_zero(high, by)))
        least, greatest = max(ends[0], low), min(ends[1], high)
    else:
        shift = by if operator == "+" else -by
        least, greatest = max(low, low - shift), min(high, high - shift)
    masks = [arg < least] if least > low else []
    masks += [arg > greatest] if greatest < high else []
    return masks[0] | masks[-1] if len(masks) > 1 else masks[0] if masks else None


def _toward_zero(value: int, by: int) -> int:
    return abs(value) // abs(by) * (1 if (value < 0) == (by < 0) else -1)


def _product_overflow(a: pl.Expr, b: pl.Expr, t: Integer) -> pl.Expr:
    wide = pl.Int64() if t.bits <= 16 or (t.bits == 32 and t.signed) else pl.Int128()
    return (a * b).cast(wide) != a.cast(wide) * b.cast(wide)


def _division_overflow(a: pl.Expr, b: pl.Expr, t: Integer) -> pl.Expr | None:
    if not t.signed or constant(b) not in (UNKNOWN, -1):
        return None
    return (a == t.bounds[0]) & (b == -1)


def _zero(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr | None:
    if any(isinstance(t, Float) for t in types) or not is_numeric(types[1]):
        return None
    divisor = constant(args[1])
    if divisor is UNKNOWN:
        return (args[1] == 0) & args[0].is_not_null()
    return args[0].is_not_null() if divisor == 0 else None


def _safe(operator: str) -> Callable[[Sequence[pl.Expr], Sequence[DataType]], pl.Expr]:
    masks = [_overflow(operator), _zero] if operator in "/%" else [_overflow(operator)]
    return failing_as_null(_build(operator), *masks)


@dataclass(frozen=True)
class _Word:
    """An operator's names and edge vectors."""

    operator: str
    attempt: str
    vectors: tuple[Vector, ...]
    aliases: tuple[str, ...] = ()


_WORDS = (
    _Word(
        "+",
        "try_add",
        (
            *vecs(INT64, (1, 2, 3), (None, 1, None), (1, None, None), (_MAX, 1, FAILS), (_MIN, -1, FAILS)),
            *vecs(INT64, (_MAX, _MIN, -1), (_MAX, 0, _MAX)),
            *vecs(INT8, (100, 27, 127), (100, 28, FAILS), (-128, -1, FAILS)),
            *vecs(UINT8, (255, 0, 255), (255, 1, FAILS)),
            *vecs(FLOAT64, (_INF, -_INF, _NAN), (0.1, 0.2, 0.30000000000000004), (-0.0, -0.0, -0.0)),
            *vecs((INT32, FLOAT64), (1, 0.5, 1.5), (None, 0.5, None)),
            *vecs((Decimal(4, 2), Decimal(3, 1)), (Exact("99.99"), Exact("99.9"), Exact("199.89"))),
            *vecs((_BIG, INT32), (Exact(10**38 - 1), 1, FAILS), (Exact(10**38 - 1), 0, Exact(10**38 - 1))),
            *vecs((NULL, INT32), (None, 1, None)),
            *times.PLUS_VECTORS,
        ),
        ("plus",),
    ),
    _Word(
        "-",
        "try_subtract",
        (
            *vecs(INT64, (1, 2, -1), (None, 1, None), (_MIN, 1, FAILS), (0, _MIN, FAILS), (-1, _MIN, _MAX)),
            *vecs(INT32, (-(2**31), 1, FAILS), (2**31 - 1, -1, FAILS), (5, 7, -2)),
            *vecs(UINT8, (3, 5, FAILS), (5, 5, 0)),
            *vecs(FLOAT64, (_INF, _INF, _NAN), (0.0, 0.0, 0.0), (1.0, None, None)),
            *vecs((Decimal(4, 2), INT32), (Exact("0.01"), 1, Exact("-0.99"))),
            *times.MINUS_VECTORS,
        ),
        ("minus",),
    ),
    _Word(
        "*",
        "try_multiply",
        (
            *vecs(INT64, (3, -4, -12), (None, 2, None), (2**32, 2**31, FAILS), (2**32, -(2**31), _MIN)),
            *vecs(
                INT64, (_MIN, -1, FAILS), (-1, _MIN, FAILS), (_MAX, 1, _MAX), (2**62, 4, FAILS), (0, _MIN, 0)
            ),
            *vecs(INT32, (65536, 32768, FAILS), (65536, -32768, -(2**31))),
            *vecs(UINT64, (2**63, 2, FAILS), (2**32, 2**31, 2**63)),
            *vecs(FLOAT64, (_INF, 0.0, _NAN), (1e308, 10.0, _INF), (-0.0, 3.0, -0.0)),
            *vecs(
                (Decimal(4, 3), INT64), (Exact("0.908"), 1000, Exact("908.000")), (Exact("0.908"), None, None)
            ),
            *vecs((Decimal(4, 3), INT64), (Exact("0.908"), _MIN, Exact("-8374821809464136433.664"))),
            *vecs((Decimal(38, 18), Decimal(38, 18)), (Exact("1.5"), Exact("2.5"), Exact("3.750000"))),
            *vecs((Decimal(38, 18), Decimal(38, 18)), (Exact(10**19), Exact(10**19), FAILS)),
            *vecs((Decimal(38, 18), Decimal(38, 18)), (Exact("1E-3"), Exact("5E-4"), Exact("0.000001"))),
            *vecs((_BIG, _BIG), (Exact(10**38 - 1), Exact(1), Exact(10**38 - 1))),
            *vecs((_BIG, _BIG), (Exact(10**19), Exact(10**19), FAILS)),
            *times.TIMES_VECTORS,
        ),
        ("times",),
    ),
    _Word(
        "/",
        "try_divide",
        (
            *vecs(
                INT32, (7, 2, 3), (-7, 2, -3), (7, -2, -3), (None, 2, None), (1, 0, FAILS), (None, 0, None)
            ),
            *vecs(INT64, (_MIN, -1, FAILS), (_MIN, 1, _MIN), (0, 0, FAILS)),
            *vecs(FLOAT64, (1.0, 0.0, _INF), (-1.0, 0.0, -_INF), (0.0, 0.0, _NAN), (1.0, -0.0, -_INF)),
            *vecs((Decimal(10, 2), Decimal(10, 2)), (Exact("1"), Exact("3"), Exact("0.3333333333333"))),
            *vecs(
                (Decimal(10, 2), Decimal(10, 2)),
                (Exact("-2"), Exact("3"), Exact("-0.6666666666667")),
                (Exact(1), Exact(0), FAILS),
            ),
            *vecs((INT32, Decimal(2, 1)), (1, Exact("0.5"), Exact("2.000000")), (None, Exact(1), None)),
            *vecs((Decimal(38, 10), Decimal(38, 10)), (Exact(1), Exact(8), Exact("0.125000"))),
        ),
        ("divide",),
    ),
    _Word(
        "%",
        "try_mod",
        (
            *vecs(INT32, (7, 3, 1), (-7, 3, -1), (7, -3, 1), (-7, -3, -1), (7, 0, FAILS), (None, 3, None)),
            *vecs(INT64, (_MIN, -1, 0), (_MIN, 3, -2)),
            *vecs(
                FLOAT64,
                (5.5, 2.0, 1.5),
                (-5.5, 2.0, -1.5),
                (1.0, 0.0, _NAN),
                (1.0, _INF, 1.0),
                (None, 1.0, None),
            ),
            *vecs(
                (Decimal(3, 1), Decimal(3, 1)),
                (Exact("-5.5"), Exact("2"), Exact("-1.5")),
                (Exact(1), Exact(0), FAILS),
            ),
        ),
        ("mod",),
    ),
)


def _register(word: _Word) -> None:
    operator = word.operator
    failures = [Failure(_overflow(operator), "data-overflow", _OVERFLOW)]
    if operator in "/%":
        failures.insert(0, Failure(_zero, "data-division-by-zero", _ZERO))
    takes = "two numbers" if operator in "/%" else "two numbers, or times and intervals"
    register(
        Function(
            operator,
            _infer(operator),
            _build(operator),
            takes,
            failures=tuple(failures),
            vectors=word.vectors,
            infer_values=_infer_values(operator),
            aliases=word.aliases,
            operator=operator,
            few=arithmetic_few(operator) if operator in "+-*" else None,
        )
    )
    register(
        Function(
            word.attempt,
            _infer(operator),
            _safe(operator),
            takes,
            vectors=tuple(
                Vector(v.args, v.types, None if v.expected is FAILS else v.expected)
                for v in word.vectors
                if all(map(is_numeric, v.types))
            ),
        )
    )


for _word in _WORDS:
    _register(_word)


def _infer_signed(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1:
        return None
    t = INT32 if types[0] == NULL else types[0]
    if isinstance(t, Integer) and not t.signed:
        t = Integer(t.bits * 2) if t.bits < 64 else as_decimal(t)
    return Signature((t,), t) if is_numeric(t) or t in times.INTERVALS else None


def _least(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr | None:
    return args[0] == types[0].bounds[0] if isinstance(types[0], Integer) else None


def _negated(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    if isinstance(types[0], Decimal):
        return (decimals.unscaled(args[0], types[0]) * -1).reinterpret(dtype=types[0].polars)
    return -args[0]


def _absolute(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    if isinstance(types[0], Decimal):
        return decimals.unscaled(args[0], types[0]).abs().reinterpret(dtype=types[0].polars)
    return args[0].abs()


_SIGNED = (
    *vecs(INT64, (None, None), (_MIN, FAILS), (0, 0)),
    *vecs(INT8, (-128, FAILS)),
    *vecs(FLOAT64, (_NAN, _NAN), (None, None)),
)

register(
    Function(
        "neg",
        _infer_signed,
        _negated,
        "one number or interval",
        failures=(Failure(_least, "data-overflow", _OVERFLOW),),
        vectors=(
            *_SIGNED,
            *vecs(INT64, (_MAX, -_MAX)),
            *vecs(UINT64, (2**64 - 1, Exact(1 - 2**64))),
            *vecs(FLOAT64, (0.0, -0.0), (-_INF, _INF)),
            *vecs(Decimal(38, 0), (Exact(10**38 - 1), Exact(1 - 10**38))),
        ),
        aliases=("negative",),
    )
)
register(
    Function(
        "abs",
        _infer_signed,
        _absolute,
        "one number",
        failures=(Failure(_least, "data-overflow", _OVERFLOW),),
        vectors=(
            *_SIGNED,
            *vecs(INT64, (-5, 5), (_MAX, _MAX)),
            *vecs(FLOAT64, (-0.0, 0.0), (-_INF, _INF)),
            *vecs(Decimal(5, 2), (Exact("-1.50"), Exact("1.50"))),
        ),
    )
)
