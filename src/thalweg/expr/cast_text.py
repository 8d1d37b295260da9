"""Convert columns to and from text, as Flink's CAST does.

Numbers print as Java prints them (1.0E7), booleans as TRUE and FALSE, timestamps as
`yyyy-MM-dd HH:mm:ss` with as many digits of seconds as their type has. Text is trimmed before it
is read; what cannot be read becomes NULL.

Not here: which casts exist and which rows fail (casts.py).
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from thalweg.base.types import Decimal, Float, Integer, Timestamp
from thalweg.expr.decimals import rescale

_TRUE = ["t", "true", "y", "yes", "1"]
_FALSE = ["f", "false", "n", "no", "0"]
_LONG = 18
"""Texts of at most so many characters are read as decimals with that scale without loss."""

_CYCLE = 146_097 * 86_400 * 1_000_000
"""Microseconds of 400 years of the calendar."""
_PRINTED_MAX = 600 * _CYCLE
"""So many microseconds before and after 1970 Polars can print."""

Parser = Callable[[pl.Expr], pl.Expr]


def cascade(text: pl.Expr, parsers: Sequence[Parser], dtype: pl.DataType) -> pl.Expr:
    """The first parser's result; each further parser sees only what the ones before left NULL."""

    def run(column: pl.Series) -> pl.Series:
        found = _apply(parsers[0], column)
        for parser in parsers[1:]:
            rows = (found.is_null() & column.is_not_null()).arg_true()
            if len(rows) == 0:
                break
            found = found.scatter(rows, _apply(parser, column.gather(rows)))
        return found

    return text.map_batches(run, return_dtype=dtype, is_elementwise=True)


def _apply(parser: Parser, column: pl.Series) -> pl.Series:
    return column.alias("text").to_frame().select(parser(pl.col("text"))).to_series()


def parse_boolean(text: pl.Expr) -> pl.Expr:
    """TRUE for t, true, y, yes, 1; FALSE for f, false, n, no, 0."""
    low = text.str.strip_chars().str.to_lowercase()
    is_true, is_false = low.is_in(_TRUE), low.is_in(_FALSE)
    return pl.when(is_true).then(True).when(is_false).then(False)


def parse_integer(text: pl.Expr, wanted: Integer) -> pl.Expr:
    """A whole number; digits after a point are read and dropped."""
    dtype = wanted.polars

    def with_point(t: pl.Expr) -> pl.Expr:
        return t.str.strip_chars().str.extract(r"^([+-]?\d+)\.\d*$").cast(dtype, strict=False)

    def plain(t: pl.Expr) -> pl.Expr:
        return t.str.strip_chars().cast(dtype, strict=False)

    return cascade(text, [plain, with_point], dtype)


def parse_float(text: pl.Expr, wanted: Float) -> pl.Expr:
    """A number in any notation, `NaN` or `Infinity`."""
    return text.str.strip_chars().cast(wanted.polars, strict=False)


def parse_decimal(text: pl.Expr, wanted: Decimal) -> pl.Expr:
    """A number in any notation, rounded half up."""
    wide = Decimal(38, _LONG)

    def short(t: pl.Expr) -> pl.Expr:
        t = t.str.strip_chars()
        t = pl.when(t.str.len_bytes() <= _LONG).then(t)
        return rescale(t.cast(wide.polars, strict=False).reinterpret(dtype=pl.Int128), wide, wanted)

    def exact(t: pl.Expr) -> pl.Expr:
        return t.map_batches(
            lambda s: pl.Series([decimal_of(v, wanted) for v in s], dtype=wanted.polars),
            return_dtype=wanted.polars,
            is_elementwise=True,
        )

    return cascade(text, [short, exact], wanted.polars)


def decimal_of(text: str | None, wanted: Decimal) -> decimal.Decimal | None:
    """The decimal that a text names, rounded half up; None if it is none or does not fit."""
    context = decimal.Context(prec=400, rounding=decimal.ROUND_HALF_UP)
    try:
        value = decimal.Decimal((text or "").strip())
        if not value.is_finite():
            return None
        value = value.quantize(decimal.Decimal(1).scaleb(-wanted.scale), context=context)
    except decimal.InvalidOperation:
        return None
    return value if value.copy_abs() < decimal.Decimal(10) ** (wanted.precision - wanted.scale) else None


def parse_timestamp(text: pl.Expr, wanted: Timestamp) -> pl.Expr:
    """`yyyy-MM-dd`, with ` HH:mm:ss` and a fraction or without; `T` for the blank, `Z` at the end."""
    naive = pl.Datetime("us")

    def usual(t: pl.Expr) -> pl.Expr:
        return t.str.strptime(naive, "%Y-%m-%d %H:%M:%S%.f", strict=False)

    def other(t: pl.Expr) -> pl.Expr:
        t = t.str.strip_chars().str.replace("T", " ", literal=True)
        t = t.str.strip_suffix("Z") if wanted.zone else t
        full = t.str.strptime(naive, "%Y-%m-%d %H:%M:%S%.f", strict=False)
        minutes = t.str.strptime(naive, "%Y-%m-%d %H:%M", strict=False)
        return pl.coalesce(full, minutes, t.str.strptime(pl.Date, "%Y-%m-%d", strict=False).cast(naive))

    return cascade(text, [usual, other], naive).cast(pl.Int64).cast(wanted.polars)


def parse_date(text: pl.Expr) -> pl.Expr:
    """`yyyy-MM-dd`; the time of day of a longer text is dropped."""

    def plain(t: pl.Expr) -> pl.Expr:
        return t.str.strptime(pl.Date, "%Y-%m-%d", strict=False)

    return cascade(text, [plain, lambda t: plain(t.str.strip_chars().str.extract(r"^([^ T]+)"))], pl.Date())


def parse_time(text: pl.Expr) -> pl.Expr:
    """`HH:mm:ss` with a fraction or without, or `HH:mm`."""
    t = text.str.strip_chars()
    full = t.str.strptime(pl.Time, "%H:%M:%S%.f", strict=False)
    return pl.coalesce(full, t.str.strptime(pl.Time, "%H:%M", strict=False))


def parse_bytes(data: pl.Expr) -> pl.Expr:
    """The text that bytes encode in UTF-8."""
    return data.map_batches(_decoded, return_dtype=pl.String(), is_elementwise=True)


def _decoded(column: pl.Series) -> pl.Series:
    try:
        return column.cast(pl.String)
    except pl.exceptions.ComputeError:
        # Polars refuses the column as a whole; then every row is tried by itself
        return pl.Series([None if v is None else _text_of(v) for v in column], dtype=pl.String)


def _text_of(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def print_boolean(arg: pl.Expr) -> pl.Expr:
    """TRUE or FALSE."""
    return pl.when(arg).then(pl.lit("TRUE")).when(~arg).then(pl.lit("FALSE"))


def print_float(arg: pl.Expr) -> pl.Expr:
    """The shortest text that names the number, in Java's form."""
    return arg.map_batches(_print_floats, return_dtype=pl.String(), is_elementwise=True)


def _print_floats(column: pl.Series) -> pl.Series:
    # Polars prints numbers of middling size as Java does; only the others go through Python
    size = column.abs()
    plain = ((size >= 1e-3) & (size < 1e7)) | (size == 0)
    rows = (~plain).arg_true()
    texts = column.cast(pl.String)
    if len(rows) == 0:
        return texts
    odd = [None if v is None else _java(v) for v in column.gather(rows).to_numpy()]
    return texts.scatter(rows, pl.Series(odd, dtype=pl.String))


def _java(value: np.floating) -> str:
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = np.format_float_scientific(value, unique=True, trim="0", exp_digits=1)
    return text.replace("e+", "E").replace("e", "E")


def print_timestamp(arg: pl.Expr, held: Timestamp) -> pl.Expr:
    """`yyyy-MM-dd HH:mm:ss` and at least as many digits of the second as the type has."""
    naive = arg.cast(pl.Int64).cast(pl.Datetime("us"))
    digits = min(held.precision, 6)
    return naive.map_batches(
        lambda s: _print_timestamps(s, digits), return_dtype=pl.String(), is_elementwise=True
    )


def _print_timestamps(column: pl.Series, digits: int) -> pl.Series:
    """In the form of ISO 8601; Polars can only print years of six digits up to 262 142."""
    far = ((column.to_physical() < -_PRINTED_MAX) | (column.to_physical() >= _PRINTED_MAX)).arg_true()
    if not len(far):
        return _near(column, digits)
    texts = _far(column.gather(far), digits)
    return _near(column.clone().scatter(far, None), digits).scatter(far, texts)


def _far(column: pl.Series, digits: int) -> pl.Series:
    """Times that are moved by whole cycles of 400 years, after which all days come again."""
    cycles = column.to_physical() // _CYCLE
    texts = _near((column.to_physical() - cycles * _CYCLE).cast(pl.Datetime("us")), digits)
    years = texts.str.head(4).cast(pl.Int64) + 400 * cycles
    # the sign is that of chrono, which prints nearer years
    signs = pl.select(pl.when(years < 0).then(pl.lit("-")).otherwise(pl.lit("+"))).to_series()
    return signs + years.abs().cast(pl.String) + texts.str.slice(4)


def _near(column: pl.Series, digits: int) -> pl.Series:
    shape = "%Y-%m-%d %H:%M:%S"
    if digits in (0, 3) and not (column.to_physical() % (1000 if digits else 1_000_000) != 0).any():
        return column.dt.strftime(shape + ("%.3f" if digits else ""))
    texts = column.dt.strftime(shape + "%.6f")
    if digits == 6:
        return texts
    texts = texts.str.replace(f"0{{1,{6 - digits}}}$", "")
    return texts.str.strip_suffix(".")


def print_time(arg: pl.Expr) -> pl.Expr:
    """`HH:mm:ss`, with a fraction if there is one."""
    texts = arg.dt.strftime("%H:%M:%S%.6f").str.strip_suffix(".000000")
    return (
        pl.when(texts.str.contains(".", literal=True)).then(texts.str.strip_chars_end("0")).otherwise(texts)
    )
