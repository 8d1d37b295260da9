"""Define the parts of times, rounding to units, and differences and shifts in units.

Units of fixed length (microsecond to week) are plain divisions; months, quarters and years follow
the calendar. A day of the week counts from Sunday = 1, a week of the year is ISO's. TIMESTAMP_LTZ
is read in UTC.

Not here: intervals (time_arithmetic.py), texts and time zones (time_text.py). The names FLOOR and CEIL
are registered in rounding.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any

import polars as pl

from thalweg.base.types import (
    DATE,
    INT32,
    INT64,
    NULL,
    STRING,
    TIME,
    TIMESTAMP,
    DataType,
    Timestamp,
)
from thalweg.expr.functions.comparison import compare
from thalweg.expr.functions.kit import accepts, bad_constant, constant, vec, vecs
from thalweg.expr.functions.time_bounds import MICROS_MAX, MONTHS_MAX, TOO_FAR, bounded, too_far
from thalweg.expr.registry import FAILS, UNKNOWN, Failure, Function, Signature, Vector, register

MICROS = {
    "microsecond": 1,
    "millisecond": 1000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 7 * 86_400_000_000,
}
MONTHS = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200, "millennium": 12000}
_DAY = MICROS["day"]
# 1970-01-01 was a Thursday; ISO weeks begin on Monday, Flink's on Sunday (as its day 1)
_MONDAY = 4 * _DAY


def unit_of(function: str, value: Any, choices: Sequence[str]) -> str:
    """The unit that a constant names, in lower case and singular."""
    name = str(value).lower()
    name = name.removeprefix("sql_tsi_")
    for form in (name, name.removesuffix("s")):
        if form in choices:
            return form
    raise bad_constant(function, "unit", value, expected=", ".join(choices).upper())


def micros(arg: pl.Expr, held: DataType) -> pl.Expr:
    """Microseconds since 1970 (of a time of day: since midnight)."""
    if held == TIME:
        return arg.to_physical().truncdiv(1000)
    if held == DATE:
        return arg.to_physical().cast(pl.Int64) * _DAY
    return arg.to_physical()


def _of_day(unit: str, within: int) -> Callable[[pl.Expr, DataType], pl.Expr]:
    def part(arg: pl.Expr, held: DataType) -> pl.Expr:
        return (micros(arg, held) // MICROS[unit]) % within

    return part


def _calendar(read: Callable[[pl.Expr], pl.Expr]) -> Callable[[pl.Expr, DataType], pl.Expr]:
    def part(arg: pl.Expr, held: DataType) -> pl.Expr:
        # Polars computes the calendar faster from dates than from timestamps
        day = arg if held == DATE else (micros(arg, held) // _DAY).cast(pl.Int32).cast(pl.Date)
        return read(day).cast(pl.Int64)

    return part


def _century(arg: pl.Expr) -> pl.Expr:
    return (arg.dt.year().cast(pl.Int64) + 99) // 100


_PARTS: dict[str, Callable[[pl.Expr, DataType], pl.Expr]] = {
    "millennium": _calendar(lambda d: (d.dt.year().cast(pl.Int64) + 999) // 1000),
    "century": _calendar(_century),
    "decade": _calendar(lambda d: d.dt.year() // 10),
    "year": _calendar(lambda d: d.dt.year()),
    "isoyear": _calendar(lambda d: d.dt.iso_year()),
    "quarter": _calendar(lambda d: d.dt.quarter()),
    "month": _calendar(lambda d: d.dt.month()),
    "week": _calendar(lambda d: d.dt.week()),
    "doy": _calendar(lambda d: d.dt.ordinal_day()),
    "day": _calendar(lambda d: d.dt.day()),
    "dow": _calendar(lambda d: d.dt.weekday() % 7 + 1),
    "isodow": _calendar(lambda d: d.dt.weekday()),
    "hour": _of_day("hour", 24),
    "minute": _of_day("minute", 60),
    "second": _of_day("second", 60),
    "millisecond": _of_day("millisecond", 60_000),
    "microsecond": _of_day("microsecond", 60_000_000),
    "epoch": lambda a, t: micros(a, t) // MICROS["second"],
}
_OF_TIMES = ("hour", "minute", "second", "millisecond", "microsecond", "epoch")


def _part_signature(unit: str, held: DataType) -> DataType | None:
    if held == TIME:
        return TIME if unit in _OF_TIMES else None
    if isinstance(held, Timestamp) or held == DATE:
        return held
    return TIMESTAMP if held in (STRING, NULL) else None


def _infer_extract(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    if len(types) != 2 or types[0] != STRING:
        return None
    held = _part_signature(unit_of("extract", values[0], tuple(_PARTS)), types[1])
    return None if held is None else Signature((STRING, held), INT64)


def _extract(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    return _PARTS[unit_of("extract", constant(args[0]), tuple(_PARTS))](args[1], types[1])


_LEAP = datetime(2024, 2, 29, 13, 14, 15, 678900)
_OLD = datetime(1969, 12, 31, 23, 59, 59, 500000)

_EXPECTED: dict[str, tuple[int, int]] = {
    "year": (2024, 1969),
    "isoyear": (2024, 1970),
    "quarter": (1, 4),
    "month": (2, 12),
    "week": (9, 1),
    "doy": (60, 365),
    "day": (29, 31),
    "dow": (5, 4),
    "isodow": (4, 3),
    "hour": (13, 23),
    "minute": (14, 59),
    "second": (15, 59),
    "millisecond": (15678, 59500),
    "microsecond": (15678900, 59500000),
    "epoch": (1709212455, -1),
    "decade": (202, 196),
    "century": (21, 20),
    "millennium": (3, 2),
}
register(
    Function(
        "extract",
        lambda types: None,
        _extract,
        "a unit and a time",
        infer_values=_infer_extract,
        constants=(0,),
        vectors=(
            *(vec((u, _LEAP), (STRING, TIMESTAMP), e[0]) for u, e in _EXPECTED.items()),
            *(vec((u, _OLD), (STRING, TIMESTAMP), e[1]) for u, e in _EXPECTED.items()),
            *vecs((STRING, TIMESTAMP), ("DAY", None, None)),
            *vecs((STRING, DATE), ("DAY", date(2024, 2, 29), 29), ("HOUR", date(2024, 2, 29), 0)),
            *vecs((STRING, TIME), ("HOUR", time(23, 1), 23)),
            *vecs((STRING, STRING), ("YEAR", "2024-02-29", 2024)),
        ),
    )
)

_NAMED = {
    "year": "year",
    "quarter": "quarter",
    "month": "month",
    "week": "week",
    "dayofyear": "doy",
    "dayofmonth": "day",
    "dayofweek": "dow",
    "hour": "hour",
    "minute": "minute",
    "second": "second",
}


def _register_part(name: str) -> None:
    unit = _NAMED[name]

    def infer(types: Sequence[DataType]) -> Signature | None:
        held = _part_signature(unit, types[0]) if len(types) == 1 else None
        return None if held is None else Signature((held,), INT64)

    on_leap, on_old = _EXPECTED[unit]
    register(
        Function(
            name,
            infer,
            lambda args, types: _PARTS[unit](args[0], types[0]),
            "a time",
            vectors=(
                *vecs(TIMESTAMP, (_LEAP, on_leap), (_OLD, on_old), (None, None)),
                *vecs(STRING, ("2024-02-29 13:14:15", on_leap)),
            ),
            aliases=("day",) if name == "dayofmonth" else (),
        )
    )


for _name in _NAMED:
    _register_part(_name)

# Rounding to units --------------------------------------------------------------------------------


def infer_rounding(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    """FLOOR and CEIL of a time to a unit that is named by a constant."""
    if types[1] != STRING or values[1] is UNKNOWN:
        return None
    unit_of("floor", values[1], (*MICROS, *MONTHS))
    held = TIMESTAMP if types[0] == NULL else types[0]
    if not isinstance(held, Timestamp) and held not in (DATE, TIME):
        return None
    return Signature((held, STRING), held)


def build_rounding(args: Sequence[pl.Expr], types: Sequence[DataType], *, up: bool) -> pl.Expr:
    """The last time not after (or, `up`, the first not before) the argument that begins a unit."""
    held, unit = types[0], unit_of("floor", constant(args[1]), (*MICROS, *MONTHS))
    arg = args[0]
    if unit in MONTHS:
        return _round_months(arg, held, MONTHS[unit], up=up)
    length, offset = MICROS[unit], _MONDAY if unit == "week" else 0
    value = micros(arg, held) - offset
    value = -(-value // length) if up else value // length
    value = value * length + offset
    if held == TIME:
        return (value % _DAY * 1000).cast(pl.Time)
    return (value // _DAY).cast(pl.Int32).cast(pl.Date) if held == DATE else value.cast(held.polars)


def _round_months(arg: pl.Expr, held: DataType, months: int, *, up: bool) -> pl.Expr:
    if held == TIME:
        return arg
    month = _months(arg, held)
    # decades begin in years that end in 0, centuries and millennia in years that end in 1
    offset = 12 if months >= 1200 else 0
    first = ((month - offset) // months) * months + offset
    begin = _first_day(first).cast(held.polars)
    if not up:
        return begin
    return pl.when(begin == arg).then(arg).otherwise(_first_day(first + months).cast(held.polars))


def _months(arg: pl.Expr, held: DataType) -> pl.Expr:
    return _PARTS["year"](arg, held) * 12 + _PARTS["month"](arg, held) - 1


def _first_day(month: pl.Expr) -> pl.Expr:
    return pl.date(month // 12, month % 12 + 1, 1)


def floor_vectors(timestamp: DataType, day: DataType, text: DataType) -> tuple[Vector, ...]:
    """Edge vectors of FLOOR to a unit."""
    return (
        *vecs(
            (timestamp, text),
            (_LEAP, "HOUR", datetime(2024, 2, 29, 13)),
            (_LEAP, "month", datetime(2024, 2, 1)),
        ),
        *vecs((timestamp, text), (_OLD, "DAY", datetime(1969, 12, 31)), (None, "DAY", None)),
        *vecs(
            (timestamp, text),
            (_LEAP, "WEEK", datetime(2024, 2, 26)),
            (_LEAP, "QUARTER", datetime(2024, 1, 1)),
        ),
        *vecs(
            (timestamp, text),
            (_LEAP, "CENTURY", datetime(2001, 1, 1)),
            (_LEAP, "DECADE", datetime(2020, 1, 1)),
        ),
        *vecs(
            (day, text),
            (date(2024, 2, 29), "YEAR", date(2024, 1, 1)),
            (date(2024, 2, 29), "DAY", date(2024, 2, 29)),
        ),
    )


def ceil_vectors(timestamp: DataType, day: DataType, text: DataType) -> tuple[Vector, ...]:
    """Edge vectors of CEIL to a unit."""
    return (
        *vecs(
            (timestamp, text),
            (_LEAP, "HOUR", datetime(2024, 2, 29, 14)),
            (_LEAP, "MONTH", datetime(2024, 3, 1)),
        ),
        *vecs((timestamp, text), (_OLD, "DAY", datetime(1970, 1, 1)), (None, "DAY", None)),
        *vecs((timestamp, text), (datetime(2024, 3, 1), "MONTH", datetime(2024, 3, 1))),
        *vecs(
            (day, text),
            (date(2024, 2, 29), "YEAR", date(2025, 1, 1)),
            (date(2024, 12, 2), "MONTH", date(2025, 1, 1)),
        ),
    )


# Shifts and differences ---------------------------------------------------------------------------

_SHIFTS = (*MICROS, "month", "quarter", "year")


def _infer_add(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    if len(types) != 3 or types[0] != STRING or not accepts(types[1], INT64):
        return None
    unit, held = unit_of("timestampadd", values[0], _SHIFTS), types[2]
    held = TIMESTAMP if held in (NULL, STRING) else held
    if held == DATE and unit in MICROS and MICROS[unit] < _DAY:
        held = TIMESTAMP
    if not isinstance(held, Timestamp) and held != DATE:
        return None
    return Signature((STRING, INT64, held), held)


def _add(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    unit, count, arg, held = unit_of("timestampadd", constant(args[0]), _SHIFTS), args[1], args[2], types[2]
    if unit in MONTHS:
        months = bounded(count, MONTHS_MAX // MONTHS[unit]) * MONTHS[unit]
        return arg.dt.offset_by(months.cast(pl.String) + "mo")
    count = bounded(count, MICROS_MAX // MICROS[unit])
    if held == DATE:
        days = count * (MICROS[unit] // _DAY)
        return (arg.to_physical() + days.cast(pl.Int32)).cast(pl.Date)
    return (arg.to_physical() + count * MICROS[unit]).cast(held.polars)


def _beyond(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr | None:
    unit = unit_of("timestampadd", constant(args[0]), _SHIFTS)
    most = MONTHS_MAX // MONTHS[unit] if unit in MONTHS else MICROS_MAX // MICROS[unit]
    return too_far(args[2], args[1], most)


register(
    Function(
        "timestampadd",
        lambda types: None,
        _add,
        "a unit, a number and a time",
        failures=(Failure(_beyond, "data-overflow", TOO_FAR),),
        infer_values=_infer_add,
        constants=(0,),
        vectors=(
            *vecs(
                (STRING, INT32, TIMESTAMP),
                ("DAY", 1, datetime(2024, 2, 28), datetime(2024, 2, 29)),
                ("DAY", 1, None, None),
            ),
            *vecs((STRING, INT32, TIMESTAMP), ("MONTH", 1, datetime(2024, 1, 31), datetime(2024, 2, 29))),
            *vecs(
                (STRING, INT32, TIMESTAMP),
                ("YEAR", 10**9, datetime(2024, 1, 31), FAILS),
                ("YEAR", 10**9, None, None),
            ),
            *vecs((STRING, INT64, TIMESTAMP), ("DAY", -(2**62), datetime(2024, 1, 31), FAILS)),
            *vecs((STRING, INT64, DATE), ("WEEK", 2**62, date(2024, 1, 31), FAILS)),
            *vecs(
                (STRING, INT32, TIMESTAMP),
                ("SECOND", -1, datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59)),
            ),
            *vecs((STRING, INT32, TIMESTAMP), ("WEEK", None, datetime(2024, 1, 31), None)),
            *vecs(
                (STRING, INT32, DATE),
                ("YEAR", 1, date(2024, 2, 29), date(2025, 2, 28)),
                ("WEEK", 1, date(2024, 2, 29), date(2024, 3, 7)),
            ),
            *vecs((STRING, INT32, DATE), ("HOUR", 1, date(2024, 2, 29), datetime(2024, 2, 29, 1))),
        ),
    )
)


def _infer_diff(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    if len(types) != 3 or types[0] != STRING:
        return None
    unit_of("timestampdiff", values[0], _SHIFTS)
    held = [TIMESTAMP if t in (NULL, STRING) else t for t in types[1:]]
    if not all(isinstance(t, Timestamp) or t == DATE for t in held):
        return None
    return Signature(
        (STRING, *held), INT32 if unit_of("timestampdiff", values[0], _SHIFTS) in MONTHS else INT64
    )


def _diff(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    unit = unit_of("timestampdiff", constant(args[0]), _SHIFTS)
    first, last = (micros(a, t) for a, t in zip(args[1:], types[1:], strict=True))
    if unit in MICROS:
        return (last - first).truncdiv(MICROS[unit])
    months = _months(args[2], types[2]) - _months(args[1], types[1])
    # an incomplete month does not count: the day and time of the later one must have come round
    begin, end = (_within_month(a, t) for a, t in zip(args[1:], types[1:], strict=True))
    months = (
        pl.when(compare(">=", last, first) & compare("<", end, begin))
        .then(months - 1)
        .when(compare("<", last, first) & compare(">", end, begin))
        .then(months + 1)
        .otherwise(months)
    )
    return months.truncdiv(MONTHS[unit]).cast(pl.Int32)


def _within_month(arg: pl.Expr, held: DataType) -> pl.Expr:
    return _PARTS["day"](arg, held) * _DAY + micros(arg, held) % _DAY


register(
    Function(
        "timestampdiff",
        lambda types: None,
        _diff,
        "a unit and two times",
        infer_values=_infer_diff,
        constants=(0,),
        vectors=(
            *vecs(
                (STRING, TIMESTAMP, TIMESTAMP), ("HOUR", datetime(2024, 1, 1), datetime(2024, 1, 1, 1, 59), 1)
            ),
            *vecs(
                (STRING, TIMESTAMP, TIMESTAMP),
                ("HOUR", datetime(2024, 1, 1, 1, 59), datetime(2024, 1, 1), -1),
            ),
            *vecs((STRING, TIMESTAMP, TIMESTAMP), ("MONTH", datetime(2024, 1, 31), datetime(2024, 2, 29), 0)),
            *vecs((STRING, TIMESTAMP, TIMESTAMP), ("MONTH", datetime(2024, 1, 15), datetime(2024, 3, 15), 2)),
            *vecs(
                (STRING, TIMESTAMP, TIMESTAMP), ("MONTH", datetime(2024, 3, 15), datetime(2024, 1, 16), -1)
            ),
            *vecs((STRING, TIMESTAMP, TIMESTAMP), ("YEAR", datetime(2020, 2, 29), datetime(2024, 2, 28), 3)),
            *vecs(
                (STRING, TIMESTAMP, TIMESTAMP),
                ("DAY", None, datetime(2024, 1, 1), None),
                ("DAY", _LEAP, None, None),
            ),
            *vecs((STRING, DATE, TIMESTAMP), ("DAY", date(2024, 2, 28), datetime(2024, 3, 1, 12), 2)),
            *vecs((STRING, DATE, DATE), ("QUARTER", date(2024, 1, 1), date(2024, 12, 31), 3)),
        ),
    )
)
