"""Write rows as CSV and as JSON lines.

What is written here is what our own readers take.

Not here: values that have no form of their own in text (columnar/spelled.py), reading (csv_values.py,
columnar/json).
"""

from __future__ import annotations

from typing import IO

import polars as pl

from thalweg.columnar.spelled import spelled
from thalweg.connectors.text.csv import CsvOptions
from thalweg.errors import ConfigError, ConnectorError, Span

_IN_VALUES = "0123456789+-.: TZaefilnrstuINPDHMS"
"""What numbers, times and booleans are written with."""


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
