"""Say how values are written as text: what CSV and JSON lines have no form of their own for.

- bytes: base64
- intervals: ISO 8601, `P1DT2H3.5S`
- maps, in JSON: an object with the keys as names; keys that are lists or rows: an array of entries

Everything else as Polars writes it. What is written here is what our own readers take.

Not here: reading (csv_values.py, columnar/json).
"""

from __future__ import annotations

from typing import IO

import polars as pl

from thalweg.base.types import instance
from thalweg.connectors.text.csv import CsvOptions
from thalweg.errors import ConfigError, ConnectorError, Span

_IN_VALUES = "0123456789+-.: TZaefilnrstuINPDHMS"
"""What numbers, times and booleans are written with."""


def json_lines(frame: pl.DataFrame) -> str:
    r"""One JSON object per row.

    Example:
        >>> json_lines(pl.DataFrame({"a": [b"\x00\xff"]}))
        '{"a":"AP8="}\n'
    """
    return spelled(frame).write_ndjson()


def csv_lines(frame: pl.DataFrame, *, has_header: bool = True) -> str:
    r"""One CSV record per row, nested values as JSON text.

    Example:
        >>> csv_lines(pl.DataFrame({"a": [b"\x00\xff"], "b": [None]}))
        'a,b\nAP8=,\n'
    """
    ready = spelled(frame)
    nested = [name for name, held in ready.schema.items() if held.is_nested()]
    flat = ready.with_columns(
        pl.struct(pl.col(n).alias("v")).struct.json_encode().str.slice(5).str.strip_suffix("}").alias(n)
        for n in nested
    )
    return flat.write_csv(include_header=has_header)


def write_csv(frame: pl.DataFrame, handle: IO[bytes], options: CsvOptions) -> None:
    """Write CSV with these delimiters, quotes and NULLs; a header unless it is said that there is none.

    Raises:
        ConnectorError: fields have no quotes, and a text has a character that ends a field.
    """
    ready = spelled(frame)
    if options.separator in _IN_VALUES:
        # Polars puts quotes around texts only
        ready = ready.cast(dict.fromkeys(ready.columns, pl.String))
    if options.quote is None:
        _check_unquoted(ready, options.separator)
    ready.write_csv(
        handle,
        include_header=options.has_header is not False,
        separator=options.separator,
        quote_char=options.quote or '"',
        quote_style="never" if options.quote is None else "necessary",
        null_value=options.null_literal,
    )


def check_null(options: CsvOptions, *, where: Span | str | None = None) -> None:
    """Raise if the text for NULL would not be one field."""
    literal = options.null_literal or ""
    if any(c in literal for c in (options.separator, options.quote or "\n", "\r", "\n")):
        raise ConfigError(
            f"'{literal}' cannot be written for NULL",
            code="connector-option-value",
            where=where,
            expected="a text without delimiters, quotes and line breaks",
        )


def _check_unquoted(frame: pl.DataFrame, separator: str) -> None:
    ends = [separator, "\n", "\r"]
    for column in frame.select(pl.col(pl.String)):
        split = column.filter(column.str.contains_any(ends))
        if len(split):
            raise ConnectorError(
                f'a text of the column "{column.name}" cannot be written as CSV without quotes',
                code="sink-csv-quotes",
                found=repr(split[0][:40]),
                expected="no delimiter and no line break",
                hint="allow quotes, or choose another 'csv.field-delimiter'",
            )


def spelled(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with texts in place of values that have no form of their own, for Polars to write."""
    held = {n: t for n, t in frame.schema.items() if _spelled_type(t) != t}
    return frame.with_columns(_spell(pl.col(n), t).alias(n) for n, t in held.items()) if held else frame


def _spell(value: pl.Expr, held: pl.DataType) -> pl.Expr:
    if _spelled_type(held) == held:
        return value
    if isinstance(held, pl.Binary):
        return value.bin.encode("base64")
    if isinstance(held, pl.Duration):
        return value.dt.to_string("iso")
    if isinstance(held, pl.List):
        return value.list.eval(_spell(pl.element(), instance(held.inner)))
    if isinstance(held, pl.Map):
        return _spell_map(value, held)
    assert isinstance(held, pl.Struct), "no other type holds one of these"
    members = [_spell(value.struct.field(f.name), instance(f.dtype)).alias(f.name) for f in held.fields]
    # A struct made of its members is never NULL; the rows that were must stay so.
    return pl.when(value.is_not_null()).then(pl.struct(members))


def _spell_map(value: pl.Expr, held: pl.Map) -> pl.Expr:
    key, item = instance(held.key), instance(held.value)
    entry = pl.element().struct
    name = _spell(entry.field("key"), key)
    if not key.is_nested():
        name = name.cast(pl.String)
    entries = value.cast(_entries(key, item)).list.eval(
        pl.struct(name.alias("key"), _spell(entry.field("value"), item).alias("value"))
    )
    return entries.cast(_spelled_type(held))


def _spelled_type(held: pl.DataType) -> pl.DataType:
    if isinstance(held, (pl.Binary, pl.Duration)):
        return pl.String()
    if isinstance(held, pl.List):
        return pl.List(_spelled_type(instance(held.inner)))
    if isinstance(held, pl.Struct):
        return pl.Struct({f.name: _spelled_type(instance(f.dtype)) for f in held.fields})
    if isinstance(held, pl.Map):
        key, value = instance(held.key), _spelled_type(instance(held.value))
        return _entries(_spelled_type(key), value) if key.is_nested() else pl.Map(pl.String(), value)
    return held


def _entries(key: pl.DataType, value: pl.DataType) -> pl.List:
    return pl.List(pl.Struct({"key": key, "value": value}))
