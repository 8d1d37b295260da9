"""Say which text of a CSV field is a value of a type.

- whole numbers, floats, booleans (`true`, `false`, any case): as Polars reads them
- decimals: a number, rounded half away from zero to the scale
- dates `2026-01-31`; times `23:59:59.5`; timestamps `2026-01-31 23:59:59.5` or with a `T`, and with `Z` or
  an offset for those on the universal time line
- bytes: base64
- intervals: ISO 8601, `P1DT2H3.5S`; those of months: their number

Fixed forms, never guessed from the data: what a field means must not depend on its neighbours.

Not here: records and fields (csv.py).
"""

from __future__ import annotations

import polars as pl

from thalweg.base.durations import from_iso
from thalweg.base.schema import Schema
from thalweg.base.types import (
    BOOLEAN,
    INTERVAL,
    INTERVAL_MONTH,
    STRING,
    DataType,
    Decimal,
    Field,
    Float,
    Integer,
    Timestamp,
)
from thalweg.errors import ConfigError

_SECONDS = "%Y-%m-%dT%H:%M:%S%.f"


def parsed_by_polars(held: DataType) -> bool:
    """Whether Polars' own reader takes exactly the right text for a type."""
    return isinstance(held, (Integer, Float)) or held in (BOOLEAN, INTERVAL_MONTH, STRING)


def check_types(schema: Schema, *, where: str) -> None:
    """Raise unless every column has a type that a CSV field can hold."""
    for field in schema:
        if parsed_by_polars(field.type) or isinstance(field.type, (Decimal, Timestamp)):
            continue
        if field.type != INTERVAL and field.type.polars not in (pl.Date(), pl.Time(), pl.Binary()):
            raise ConfigError(
                f'column "{field.name}" cannot be read from CSV',
                code="source-format-type",
                where=where,
                found=f"{field.name} {field.type}",
                hint="declare a simple type, such as STRING, and convert it in the query",
            )


def converted(frame: pl.DataFrame, target: Schema, *, is_lenient: bool = False) -> pl.DataFrame:
    """The frame with its columns of text turned into the declared types.

    Raises:
        ValueError: a text is not a value of its type, unless `is_lenient`, which makes it NULL.
    """
    late = [f for f in target if not parsed_by_polars(f.type)]
    if not late:
        return frame
    done = frame.with_columns(_value(f) for f in late)
    if not is_lenient and any(_lost(frame[f.name], done[f.name]).any() for f in late):
        raise ValueError("a text is not a value of its type")
    return done


def _lost(text: pl.Series, value: pl.Series) -> pl.Series:
    """Where a text did not become a value; an empty one is NULL in every type but STRING."""
    return value.is_null() & text.is_not_null() & (text != "")


def _value(field: Field) -> pl.Expr:
    text, held = pl.col(field.name), field.type
    if isinstance(held, Decimal):
        # Read with all the digits there are room for: Polars rounds half to even where it cuts.
        exact = text.cast(pl.Decimal(38, 38 - (held.precision - held.scale)), strict=False)
        return exact.round(held.scale, mode="half_away_from_zero").cast(held.polars, strict=False)
    if isinstance(held, Timestamp):
        iso = text.str.replace(" ", "T", literal=True)
        form = _SECONDS if held.zone is None else f"{_SECONDS}%#z"
        return iso.str.strptime(pl.Datetime("us", held.zone), form, strict=False)
    if held.polars == pl.Binary():
        return text.str.decode("base64", strict=False)
    if held == INTERVAL:
        return text.map_batches(_intervals, return_dtype=held.polars, is_elementwise=True)
    form = "%Y-%m-%d" if held.polars == pl.Date() else "%H:%M:%S%.f"
    return text.str.strptime(pl.Date if held.polars == pl.Date() else pl.Time, form, strict=False)


def _intervals(text: pl.Series) -> pl.Series:
    spans = [None if t is None else from_iso(t) for t in text]
    return pl.Series(text.name, spans, dtype=pl.Int64).cast(INTERVAL.polars)


def read_as(texts: pl.DataFrame, frame: pl.DataFrame, target: Schema) -> dict[int, str]:
    """The rows in which a text did not become a value, and what to say of the first such field.

    Example:
        >>> from thalweg.base.types import INT64
        >>> read_as(pl.DataFrame({"a": ["1", "x"]}), pl.DataFrame({"a": [1, None]}), Schema.of({"a": INT64}))
        {1: 'column "a": "x" is not a BIGINT'}
    """
    wrong: dict[int, str] = {}
    for field in target:
        text = texts[field.name]
        for row in _lost(text, frame[field.name]).arg_true().to_list():
            shown = text[row][:60]
            wrong.setdefault(row, f'column "{field.name}": "{shown}" is not a {field.type}')
    return wrong
