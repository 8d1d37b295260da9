"""Define how times are written and read with patterns, Unix times, and time zones.

Patterns are Java's (`yyyy-MM-dd HH:mm:ss.SSS`). Formatting cuts times down to the finest unit that
the pattern shows and formats each of those once: a batch of a stream has few.

A local time that daylight saving skips moves on by the length of the gap; one that occurs twice
means the first.

Not here: CAST (casts.py), parts and units (time_units.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from thalweg.base.types import (
    DATE,
    FLOAT64,
    INT32,
    INT64,
    NULL,
    STRING,
    TIMESTAMP,
    TIMESTAMP_LTZ,
    DataType,
    Timestamp,
)
from thalweg.expr.casts import build_cast
from thalweg.expr.functions.kit import accepts, bad_constant, by_value, fixed, vec, vecs
from thalweg.expr.functions.time_units import MICROS, micros
from thalweg.expr.registry import Function, InferValues, Signature, register

DEFAULT_PATTERN = "yyyy-MM-dd HH:mm:ss"

_JAVA = {
    "yyyy": ("%Y", "day"),
    "y": ("%Y", "day"),
    "uuuu": ("%Y", "day"),
    "yy": ("%y", "day"),
    "M": ("%-m", "day"),
    "MM": ("%m", "day"),
    "MMM": ("%b", "day"),
    "MMMM": ("%B", "day"),
    "d": ("%-d", "day"),
    "dd": ("%d", "day"),
    "D": ("%-j", "day"),
    "DDD": ("%j", "day"),
    "E": ("%a", "day"),
    "EEE": ("%a", "day"),
    "EEEE": ("%A", "day"),
    "a": ("%p", "hour"),
    "H": ("%-H", "hour"),
    "HH": ("%H", "hour"),
    "h": ("%-I", "hour"),
    "hh": ("%I", "hour"),
    "m": ("%-M", "minute"),
    "mm": ("%M", "minute"),
    "s": ("%-S", "second"),
    "ss": ("%S", "second"),
    "SSS": ("%3f", "millisecond"),
    "SSSSSS": ("%6f", "microsecond"),
    "SSSSSSSSS": ("%9f", "microsecond"),
}
_PIECES = re.compile(r"'((?:[^']|'')*)'|(([A-Za-z])\3*)|([^A-Za-z'])")


def java_pattern(pattern: str) -> tuple[str, str] | None:
    """Polars' form of a Java pattern and the finest unit that it shows; None if it has no such form.

    Example:
        >>> java_pattern("yyyy-MM-dd'T'HH:mm")
        ('%Y-%m-%dT%H:%M', 'minute')
    """
    found, finest, at = "", "day", 0
    for piece in _PIECES.finditer(pattern):
        if piece.start() != at:
            return None
        at = piece.end()
        quoted, letters, _, other = piece.groups()
        if letters is not None:
            if letters not in _JAVA:
                return None
            text, unit = _JAVA[letters]
            finest = min(finest, unit, key=lambda u: MICROS[u])
        else:
            text = (quoted.replace("''", "'") or "'") if quoted is not None else other
            text = text.replace("%", "%%")
        found += text
    return (found, finest) if at == len(pattern) else None


def _with_pattern(
    name: str, position: int, infer: Callable[[Sequence[DataType]], Signature | None]
) -> InferValues:
    """Typing that also reads a constant pattern, so that a bad one is found before any row."""

    def infer_values(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
        if len(values) > position:
            value = values[position]
            if isinstance(value, str) and java_pattern(value) is None:
                raise bad_constant(name, "pattern", value, expected="letters of " + " ".join(sorted(_JAVA)))
        return infer(types)

    return infer_values


def _infer_format(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 2 or types[1] not in (STRING, NULL):
        return None
    held = TIMESTAMP if types[0] in (STRING, NULL) else types[0]
    return Signature((held, STRING), STRING) if isinstance(held, Timestamp) or held == DATE else None


def _date_format(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    return by_value(args, 1, lambda a, p: format_times(micros(a[0], types[0]), p), STRING)


def format_times(value: pl.Expr, pattern: str) -> pl.Expr:
    """Microseconds since 1970 as texts; NULL for a pattern that is none."""
    form = java_pattern(pattern)
    if form is None:
        return pl.lit(None, dtype=pl.String)
    text, unit = form
    return (value // MICROS[unit]).map_batches(
        lambda s: _format_distinct(s, MICROS[unit], text), return_dtype=pl.String(), is_elementwise=True
    )


def _format_distinct(column: pl.Series, length: int, text: str) -> pl.Series:
    low, high = column.min(), column.max()
    if low is None:
        return column.cast(pl.String)
    assert isinstance(low, int) and isinstance(high, int), "times are counted in whole units"  # noqa: PT018
    # rows of a stream are close in time: a table of all units between the first and the last
    if high - low < max(len(column) // 4, 16):
        table = _strftime(pl.int_range(low, high + 1, eager=True), length, text)
        return table.gather(column - low)
    distinct = column.unique().drop_nulls().sort()
    if len(distinct) > len(column) // 2:
        return _strftime(column, length, text)
    at = distinct.search_sorted(column)
    return _strftime(distinct, length, text).gather(
        pl.select(pl.when(column.is_not_null()).then(at)).to_series()
    )


def _strftime(units: pl.Series, length: int, text: str) -> pl.Series:
    return (units * length).cast(pl.Datetime("us")).dt.strftime(text)


_T = datetime(2024, 2, 29, 7, 5, 9, 45000)
_FORMATS = (
    ("yyyy-MM-dd", "2024-02-29"),
    ("yyyy-MM-dd HH:mm:ss.SSS", "2024-02-29 07:05:09.045"),
    ("HH:mm", "07:05"),
    ("yy/M/d h:m:s a", "24/2/29 7:5:9 AM"),
    ("yyyyMMdd'T'HH", "20240229T07"),
    ("EEE, MMM dd", "Thu, Feb 29"),
)
register(
    Function(
        "date_format",
        _infer_format,
        _date_format,
        "a time and a pattern of Java's",
        infer_values=_with_pattern("date_format", 1, _infer_format),
        vectors=(
            *(vec((_T, pattern), (TIMESTAMP, STRING), text) for pattern, text in _FORMATS),
            *vecs((TIMESTAMP, STRING), (None, "yyyy", None), (_T, None, None)),
            *vecs(
                (TIMESTAMP, STRING),
                (datetime(1969, 12, 31, 23, 59, 59), "yyyy-MM-dd HH:mm:ss", "1969-12-31 23:59:59"),
            ),
            *vecs((DATE, STRING), (date(2024, 2, 29), "yyyy-MM", "2024-02")),
            *vecs((STRING, STRING), ("2024-02-29 01:02:03", "HH", "01")),
        ),
    )
)

# Reading ------------------------------------------------------------------------------------------


def parse_times(text: pl.Expr, pattern: str, wanted: DataType = TIMESTAMP) -> pl.Expr:
    """The times that texts name in a Java pattern; NULL where they name none, or the pattern is none."""
    form = java_pattern(pattern)
    if form is None:
        return pl.lit(None, dtype=wanted.polars)
    if wanted == DATE or form[1] == "day":
        day = text.str.strptime(pl.Date, form[0], strict=False)
        return day if wanted == DATE else day.cast(wanted.polars)
    # a fraction needs its point to be part of Polars' directive
    shape = re.sub(r"\.%([369])f", r"%.\1f", form[0])
    if form[1] == "hour":
        # Polars reads no hours without minutes
        text, shape = text + " 00", f"{shape} %M"
    return text.str.strptime(pl.Datetime("us"), shape, strict=False).cast(wanted.polars)


def _reader(wanted: DataType) -> Callable[[Sequence[pl.Expr], Sequence[DataType]], pl.Expr]:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        if len(args) == 1:
            return build_cast(args[0], STRING, wanted)
        return by_value(args, 1, lambda a, p: parse_times(a[0], p, wanted), wanted)

    return build


_TO_TIMESTAMP = fixed([STRING, STRING], TIMESTAMP, optional=1)
_TO_DATE = fixed([STRING, STRING], DATE, optional=1)
register(
    Function(
        "to_timestamp",
        _TO_TIMESTAMP,
        _reader(TIMESTAMP),
        "a text and, optionally, a pattern of Java's",
        infer_values=_with_pattern("to_timestamp", 1, _TO_TIMESTAMP),
        vectors=(
            *vecs(
                STRING,
                ("2024-02-29 07:05:09.045", _T),
                ("2024-02-30 00:00:00", None),
                ("x", None),
                (None, None),
            ),
            *vecs(STRING, ("2024-02-29", datetime(2024, 2, 29)), ("", None)),
            *vecs(STRING, ("29/02/2024 07:05", "dd/MM/yyyy HH:mm", datetime(2024, 2, 29, 7, 5))),
            *vecs(
                STRING,
                ("2024-02-29 07:05:09.045", "yyyy-MM-dd HH:mm:ss.SSS", _T),
                (None, "yyyy", None),
                ("x", None, None),
            ),
            *vecs(STRING, ("20240229", "yyyyMMdd", datetime(2024, 2, 29)), ("x", "yyyyMMdd", None)),
            *vecs(
                STRING,
                ("2024022907", "yyyyMMddHH", datetime(2024, 2, 29, 7)),
                ("20240229", "yyyyMMddHH", None),
            ),
        ),
    )
)
register(
    Function(
        "to_date",
        _TO_DATE,
        _reader(DATE),
        "a text and, optionally, a pattern of Java's",
        infer_values=_with_pattern("to_date", 1, _TO_DATE),
        vectors=(
            *vecs(STRING, ("2024-02-29", date(2024, 2, 29)), ("2023-02-29", None), (None, None), ("", None)),
            *vecs(STRING, ("29.02.2024", "dd.MM.yyyy", date(2024, 2, 29)), ("x", None, None)),
        ),
    )
)

# Unix times ---------------------------------------------------------------------------------------


def _unix_timestamp(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    return _reader(TIMESTAMP)(args, types).to_physical() // MICROS["second"]


_UNIX = fixed([STRING, STRING], INT64, optional=1)
register(
    Function(
        "unix_timestamp",
        _UNIX,
        _unix_timestamp,
        "a text and, optionally, a pattern of Java's",
        infer_values=_with_pattern("unix_timestamp", 1, _UNIX),
        vectors=(
            *vecs(
                STRING, ("1970-01-01 00:00:10", 10), ("1969-12-31 23:59:59.5", -1), (None, None), ("x", None)
            ),
            *vecs(STRING, ("1970", "yyyy", 0), ("x", "yyyy", None), ("02.01.1970", "dd.MM.yyyy", 86400)),
        ),
    )
)


def _from_unixtime(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    value = args[0] * MICROS["second"]
    if len(args) == 1:
        return format_times(value, DEFAULT_PATTERN)
    return by_value([value, args[1]], 1, lambda a, p: format_times(a[0], p), STRING)


_FROM_UNIX = fixed([INT64, STRING], STRING, optional=1)
register(
    Function(
        "from_unixtime",
        _FROM_UNIX,
        _from_unixtime,
        "seconds since 1970 and, optionally, a pattern of Java's",
        infer_values=_with_pattern("from_unixtime", 1, _FROM_UNIX),
        vectors=(
            *vecs(INT64, (0, "1970-01-01 00:00:00"), (-1, "1969-12-31 23:59:59"), (None, None)),
            *vecs(
                (INT64, STRING),
                (1709212455, "yyyy-MM-dd", "2024-02-29"),
                (0, None, None),
                (None, "yyyy", None),
            ),
        ),
    )
)


def _infer_ltz(types: Sequence[DataType]) -> Signature | None:
    if len(types) not in (1, 2) or not accepts(types[0], FLOAT64):
        return None
    held = INT64 if accepts(types[0], INT64) else FLOAT64
    if len(types) == 2 and not accepts(types[1], INT32):
        return None
    return Signature((held, INT32)[: len(types)], TIMESTAMP_LTZ)


def _to_timestamp_ltz(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    factor: pl.Expr = pl.lit(MICROS["millisecond"])
    if len(args) == 2:
        factor = pl.when(args[1] == 0).then(MICROS["second"]).when(args[1] == 3).then(MICROS["millisecond"])
    return (args[0] * factor).cast(pl.Int64, strict=False).cast(TIMESTAMP_LTZ.polars)


_UTC = UTC
register(
    Function(
        "to_timestamp_ltz",
        _infer_ltz,
        _to_timestamp_ltz,
        "a number since 1970 and, optionally, 0 for seconds or 3 for milliseconds",
        vectors=(
            *vecs(
                (INT64, INT32),
                (10, 0, datetime(1970, 1, 1, 0, 0, 10, tzinfo=_UTC)),
                (None, 0, None),
                (1, None, None),
            ),
            *vecs((INT64, INT32), (1500, 3, datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=_UTC))),
            *vecs(INT64, (-1, datetime(1970, 1, 1, tzinfo=_UTC) - timedelta(milliseconds=1)), (None, None)),
        ),
    )
)

# Time zones ---------------------------------------------------------------------------------------


def _is_zone(name: str) -> bool:
    try:
        pl.Series([0]).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(name)
    except pl.exceptions.PolarsError:
        return False
    return True


def _with_zones(
    name: str, positions: Sequence[int], infer: Callable[[Sequence[DataType]], Signature | None]
) -> InferValues:
    def infer_values(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
        for i in positions:
            if i < len(values) and isinstance(values[i], str) and not _is_zone(values[i]):
                raise bad_constant(
                    name, "time zone", values[i], expected='a name such as "Europe/Berlin" or "UTC"'
                )
        return infer(types)

    return infer_values


def to_local(arg: pl.Expr, zone: str) -> pl.Expr:
    """What a clock in the zone shows at a moment given in UTC without a zone."""
    return arg.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)


def from_local(arg: pl.Expr, zone: str) -> pl.Expr:
    """The moment, in UTC without a zone, at which a clock in the zone shows a time."""

    def moment(wall: pl.Expr) -> pl.Expr:
        known = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        return known.dt.convert_time_zone("UTC").dt.replace_time_zone(None)

    # in a gap the offset from before it holds, which moves the time on by the gap's length
    back = pl.duration(hours=4)
    return moment(arg).fill_null(moment(arg - back) + back)


def _infer_local(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 2 or types[1] not in (STRING, NULL):
        return None
    held = TIMESTAMP if types[0] == NULL else types[0]
    return Signature((held, STRING), TIMESTAMP) if isinstance(held, Timestamp) else None


def _to_local(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    naive = build_cast(args[0], types[0], TIMESTAMP) if types[0] != TIMESTAMP else args[0]
    return by_value([naive, args[1]], 1, lambda a, z: to_local(a[0], z), TIMESTAMP)


def _from_local(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    moment = by_value(args, 1, lambda a, z: from_local(a[0], z), TIMESTAMP)
    return build_cast(moment, TIMESTAMP, TIMESTAMP_LTZ)


_BERLIN = "Europe/Berlin"
register(
    Function(
        "to_local",
        _infer_local,
        _to_local,
        "a moment and a time zone",
        infer_values=_with_zones("to_local", (1,), _infer_local),
        vectors=(
            *vecs((TIMESTAMP, STRING), (datetime(2024, 3, 31, 0, 30), _BERLIN, datetime(2024, 3, 31, 1, 30))),
            *vecs((TIMESTAMP, STRING), (datetime(2024, 3, 31, 1, 30), _BERLIN, datetime(2024, 3, 31, 3, 30))),
            *vecs((TIMESTAMP, STRING), (None, "UTC", None), (_T, None, None), (_T, "UTC", _T)),
            *vecs(
                (TIMESTAMP_LTZ, STRING), (datetime(2024, 7, 1, tzinfo=_UTC), _BERLIN, datetime(2024, 7, 1, 2))
            ),
        ),
    )
)
_INFER_FROM_LOCAL = fixed([TIMESTAMP, STRING], TIMESTAMP_LTZ)
register(
    Function(
        "from_local",
        _INFER_FROM_LOCAL,
        _from_local,
        "a local time and its time zone",
        infer_values=_with_zones("from_local", (1,), _INFER_FROM_LOCAL),
        vectors=(
            *vecs(
                (TIMESTAMP, STRING), (datetime(2024, 1, 1), _BERLIN, datetime(2023, 12, 31, 23, tzinfo=_UTC))
            ),
            # skipped: 02:30 does not exist and means 03:30; twice: 02:30 means the one in summer time
            *vecs(
                (TIMESTAMP, STRING),
                (datetime(2024, 3, 31, 2, 30), _BERLIN, datetime(2024, 3, 31, 1, 30, tzinfo=_UTC)),
            ),
            *vecs(
                (TIMESTAMP, STRING),
                (datetime(2024, 10, 27, 2, 30), _BERLIN, datetime(2024, 10, 27, 0, 30, tzinfo=_UTC)),
            ),
            *vecs((TIMESTAMP, STRING), (None, "UTC", None), (_T, None, None)),
        ),
    )
)


def _convert_tz(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    wall = build_cast(args[0], STRING, TIMESTAMP)
    moment = by_value([wall, args[1]], 1, lambda a, z: from_local(a[0], z), TIMESTAMP)
    there = by_value([moment, args[2]], 1, lambda a, z: to_local(a[0], z), TIMESTAMP)
    return format_times(there.to_physical(), DEFAULT_PATTERN)


_INFER_CONVERT = fixed([STRING] * 3, STRING)
register(
    Function(
        "convert_tz",
        _INFER_CONVERT,
        _convert_tz,
        "a local time as text, its time zone and another",
        infer_values=_with_zones("convert_tz", (1, 2), _INFER_CONVERT),
        vectors=vecs(
            STRING,
            ("1970-01-01 00:00:00", "UTC", "America/Los_Angeles", "1969-12-31 16:00:00"),
            ("2024-03-31 01:30:00", _BERLIN, "UTC", "2024-03-31 00:30:00"),
            (None, "UTC", "UTC", None),
            ("x", "UTC", "UTC", None),
        ),
    )
)
