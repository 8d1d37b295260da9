"""Say which shifts of times and lengths of time are too far: by more than ten thousand years.

From any time that SQL can write, in the years 1 to 9999, such a shift leads to none. Nothing below that
overflows: Polars counts microseconds in 64 bits, 292 thousand years around 1970.

Used by: time_arithmetic.py, time_units.py, few.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from thalweg.expr.functions.kit import constant

_YEARS = 10_000
MONTHS_MAX = 12 * _YEARS
MICROS_MAX = 366 * 86_400_000_000 * _YEARS
TOO_FAR = "a time is not shifted by more than 10 000 years"


def too_far(arg: pl.Expr, count: pl.Expr, most: int) -> pl.Expr | None:
    """The rows in which a count is more than `most`, up or down; None where it is a constant that is not.

    Args:
        arg: what is shifted: the other argument.
        count: whole numbers, or a length of time.
        most: the greatest number, or microseconds.

    Example:
        >>> rows = pl.DataFrame({"t": [0, 0, None], "n": [4, -6, 9]})
        >>> rows.select(too_far(pl.col("t"), pl.col("n"), 5)).to_series().to_list()
        [False, True, False]
        >>> too_far(pl.col("t"), pl.lit(5), 5) is None
        True
    """
    known = _number(constant(count))
    if known is None:
        held = count.to_physical()
        return arg.is_not_null() & ((held < -most) | (held > most))
    return arg.is_not_null() if abs(known) > most else None


def bounded(count: pl.Expr, most: int) -> pl.Expr:
    """A count that can be computed with: NULL in the rows that are too far, which are an error."""
    known = _number(constant(count))
    if known is not None and abs(known) <= most:
        return count
    return pl.when(count.to_physical().is_between(-most, most)).then(count)


def product_too_far(length: pl.Expr, times: pl.Expr, most: int) -> pl.Expr | None:
    """The rows in which a length of time, so many times, is more than `most` microseconds or months."""
    for one, other in ((length, times), (times, length)):
        known = _number(constant(one))
        if known is not None:
            return None if known == 0 else too_far(one, other, most // abs(known))
    # one that does not fit 64 bits is far beyond what floats tell apart
    return (length.to_physical().cast(pl.Float64) * times.cast(pl.Float64)).abs() > most


def _number(value: Any) -> int | None:
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    return value if isinstance(value, int) else None
