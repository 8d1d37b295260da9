"""Define what `+ - * /` mean for timestamps, dates, times of day and intervals.

Intervals of days, hours … are lengths of time; intervals of months are counted on the calendar,
and a day that the month lacks becomes its last one. A date plus a whole number of days, if that is
known, stays a date; otherwise it becomes a timestamp. Times of day wrap around midnight.

Not here: numbers (arithmetic.py), which registers the operators; TIMESTAMPADD and -DIFF (time_units.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl

from thalweg.base.types import (
    DATE,
    INT32,
    INT64,
    INTERVAL,
    INTERVAL_MONTH,
    NULL,
    TIME,
    TIMESTAMP,
    DataType,
    Integer,
    Timestamp,
    is_numeric,
)
from thalweg.expr.functions.kit import vecs
from thalweg.expr.functions.time_bounds import (
    MICROS_MAX,
    MONTHS_MAX,
    bounded,
    product_too_far,
    too_far,
)
from thalweg.expr.registry import FAILS, Signature

INTERVALS = (INTERVAL, INTERVAL_MONTH)
_DAY_US = 86_400_000_000


def infer(operator: str, a: DataType, b: DataType, right: Any) -> Signature | None:
    """The types of `a operator b` where one of them is a time or an interval; `right` is b's value."""
    if operator in "+-":
        if operator == "+" and a in INTERVALS and b not in INTERVALS:
            turned = infer("+", b, a, right)
            return None if turned is None else Signature(turned.args[::-1], turned.result)
        return _shifted(operator, a, b, right)
    if operator == "*" and b in INTERVALS:
        a, b = b, a
        return Signature((INT64, a), a) if isinstance(b, Integer) or b == NULL else None
    if operator in "*/" and a in INTERVALS and (isinstance(b, Integer) or b == NULL):
        return Signature((a, INT64), a)
    return None


def _shifted(operator: str, a: DataType, b: DataType, right: Any) -> Signature | None:
    if b in INTERVALS:
        if a == DATE:
            days = isinstance(right, timedelta) and right % timedelta(days=1) == timedelta(0)
            result = DATE if days or b == INTERVAL_MONTH else TIMESTAMP
            return Signature((result, b), result)
        allowed = isinstance(a, Timestamp) or a in (b, NULL) or (a == TIME and b == INTERVAL)
        held = b if a == NULL else a
        return Signature((held, b), held) if allowed else None
    if operator == "-" and a != NULL and b != NULL:
        points: list[DataType] = [t for t in (a, b) if isinstance(t, Timestamp)]
        points = points or ([DATE] if a == b == DATE else [])
        if points and all(t in (points[0], DATE) for t in (a, b)):
            return Signature((points[0], points[0]), INTERVAL)
        if a == b == TIME:
            return Signature((TIME, TIME), INTERVAL)
    if isinstance(a, Timestamp) and b == NULL:
        return Signature((a, INTERVAL), a)
    return None


def _in_turn(
    operator: str, args: Sequence[pl.Expr], types: Sequence[DataType]
) -> tuple[pl.Expr, pl.Expr, DataType, DataType]:
    """The arguments and their types, the time (or the length of a product) first."""
    (a, b), (ta, tb) = args, types
    turned = is_numeric(ta) or (operator == "+" and ta in INTERVALS and tb not in INTERVALS)
    return (b, a, tb, ta) if turned else (a, b, ta, tb)


def overflow(operator: str, args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr | None:
    """The rows in which `a operator b` leads too far, for the types that `infer` names."""
    a, b, ta, tb = _in_turn(operator, args, types)
    if operator == "*" and ta in INTERVALS:
        return product_too_far(a, b, MONTHS_MAX if ta == INTERVAL_MONTH else MICROS_MAX)
    if operator in "+-" and tb in INTERVALS and (isinstance(ta, Timestamp) or ta == DATE):
        return too_far(a, b, MONTHS_MAX if tb == INTERVAL_MONTH else MICROS_MAX)
    return None


def build(operator: str, args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    """`a operator b` for the types that `infer` names."""
    a, b, ta, tb = _in_turn(operator, args, types)
    if operator in "*/":
        return _scaled(operator, a, b, ta)
    if tb == INTERVAL_MONTH and ta != INTERVAL_MONTH:
        months = bounded(b, MONTHS_MAX)
        return a.dt.offset_by((months if operator == "+" else -months).cast(pl.String) + "mo")
    if ta == TIME and tb == TIME:
        return _length(_micros_of_day(a) - _micros_of_day(b))
    if ta == TIME:
        shift = b.to_physical() if operator == "+" else -b.to_physical()
        return (((_micros_of_day(a) + shift) % _DAY_US) * 1000).cast(pl.Time)
    if ta == DATE and tb == DATE:
        return _length((a.to_physical() - b.to_physical()).cast(pl.Int64) * _DAY_US)
    if ta == DATE:
        days = (bounded(b, MICROS_MAX).to_physical() // _DAY_US).cast(pl.Int32)
        return (a.to_physical() + (days if operator == "+" else -days)).cast(pl.Date)
    if tb == INTERVAL and isinstance(ta, Timestamp):
        b = bounded(b, MICROS_MAX)
    return a + b if operator == "+" else a - b


def _scaled(operator: str, a: pl.Expr, b: pl.Expr, held: DataType) -> pl.Expr:
    value = a.to_physical().cast(pl.Int64)
    return (value * b if operator == "*" else value.truncdiv(b)).cast(held.polars, strict=False)


def _micros_of_day(arg: pl.Expr) -> pl.Expr:
    return arg.to_physical().truncdiv(1000)


def _length(micros: pl.Expr) -> pl.Expr:
    return micros.cast(pl.Duration("us"))


_NOON = datetime(2024, 1, 31, 12)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

PLUS_VECTORS = (
    *vecs((TIMESTAMP, INTERVAL), (_NOON, _HOUR, datetime(2024, 1, 31, 13)), (None, _HOUR, None)),
    *vecs((TIMESTAMP, INTERVAL), (_NOON, -_DAY, datetime(2024, 1, 30, 12)), (_NOON, None, None)),
    *vecs((INTERVAL, TIMESTAMP), (_HOUR, _NOON, datetime(2024, 1, 31, 13))),
    *vecs((TIMESTAMP, INTERVAL_MONTH), (_NOON, 1, datetime(2024, 2, 29, 12)), (_NOON, None, None)),
    *vecs((TIMESTAMP, INTERVAL_MONTH), (_NOON, 13, datetime(2025, 2, 28, 12))),
    *vecs((DATE, INTERVAL_MONTH), (date(2024, 3, 31), -1, date(2024, 2, 29))),
    *vecs((TIMESTAMP, INTERVAL_MONTH), (_NOON, MONTHS_MAX + 1, FAILS), (_NOON, -(2**31), FAILS)),
    *vecs((TIMESTAMP, INTERVAL), (_NOON, timedelta(days=-(10**7)), FAILS)),
    *vecs((DATE, INTERVAL), (date(2024, 2, 28), _HOUR, datetime(2024, 2, 28, 1)), (None, _HOUR, None)),
    *vecs((TIME, INTERVAL), (time(23, 30), _HOUR, time(0, 30)), (None, _HOUR, None)),
    *vecs(INTERVAL, (_HOUR, _DAY, timedelta(days=1, hours=1)), (None, _DAY, None)),
    *vecs(INTERVAL_MONTH, (1, 11, 12)),
)
MINUS_VECTORS = (
    *vecs((TIMESTAMP, INTERVAL), (_NOON, _HOUR, datetime(2024, 1, 31, 11)), (None, _HOUR, None)),
    *vecs((TIMESTAMP, INTERVAL_MONTH), (datetime(2024, 3, 31), 1, datetime(2024, 2, 29))),
    *vecs(
        TIMESTAMP,
        (_NOON, datetime(2024, 1, 30, 12), _DAY),
        (datetime(1969, 12, 31), datetime(1970, 1, 1), -_DAY),
    ),
    *vecs(DATE, (date(2024, 3, 1), date(2024, 2, 28), timedelta(days=2)), (None, date(2024, 2, 28), None)),
    *vecs((TIMESTAMP, DATE), (_NOON, date(2024, 1, 31), timedelta(hours=12))),
    *vecs(TIME, (time(1), time(2), -_HOUR)),
    *vecs((TIME, INTERVAL), (time(0, 30), _HOUR, time(23, 30))),
)
TIMES_VECTORS = (
    *vecs((INTERVAL, INT32), (_HOUR, 24, _DAY), (None, 2, None), (_HOUR, -1, -_HOUR)),
    *vecs((INT32, INTERVAL_MONTH), (3, 4, 12), (2**30, 4, FAILS), (0, 4, 0)),
    *vecs((INTERVAL, INT64), (_DAY, 2**62, FAILS), (-_DAY, -(2**62), FAILS)),
)
