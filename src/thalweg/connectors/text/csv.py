"""Decode CSV.

Records are found and counted here (csv_records.py); Polars reads the values of those that have the right
number of fields. An unquoted empty field is NULL and a quoted one is the empty string, unless there is a
NULL literal: then only that is NULL in a column of strings. A blank line is skipped where records have
several fields; where they have one, it is a record whose field is empty.

Not here: headers (csv_header.py), what text the types take (csv_values.py), reading files (reader.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.text.block import RECORD_MAX, Block, bad_record, too_long
from thalweg.connectors.text.csv_records import Array, Records, find_records
from thalweg.connectors.text.csv_values import converted, parsed_by_polars, read_as
from thalweg.errors import ConfigError
from thalweg.protocols.source import BadRow


@dataclass(frozen=True)
class CsvOptions:
    """How a CSV text is written.

    Attributes:
        separator: one byte between fields.
        quote: one byte around fields; None: quotes are ordinary text.
        null_literal: what stands for NULL; None: nothing, unquoted.
        comment: lines that start so are skipped; None: there are none.
        has_header: whether the first record names the columns; None: it does if all declared names are
            among its fields (without a declaration it always does).
        is_lenient: a field that is not of its type becomes NULL instead of making the row bad.
    """

    separator: str = ","
    quote: str | None = '"'
    null_literal: str | None = None
    comment: str | None = None
    has_header: bool | None = None
    is_lenient: bool = False

    def __post_init__(self) -> None:
        for what in ("separator", "quote", "comment"):
            _check_character(what, getattr(self, what), may_be_none=what != "separator")
        if self.separator in (self.quote, self.comment):
            raise ConfigError(
                f"{self.separator!r} cannot both separate the fields of CSV and mean something else",
                code="csv-option",
                expected="separator, quote and comment that differ",
            )


def _check_character(what: str, text: object, *, may_be_none: bool) -> None:
    is_one = isinstance(text, str) and len(text.encode()) == 1 and text not in "\r\n"
    if not is_one and not (text is None and may_be_none):
        raise ConfigError(
            f"the {what} of CSV cannot be {text!r}",
            code="csv-option",
            expected="one character of one byte, no line break" + (", or None" if may_be_none else ""),
        )


class CsvTextDecoder:
    """Turns CSV text into rows.

    Args:
        columns: the name of every field of a record, in order.
        target: the wanted columns and their types.
        hint: what to add to the fault of a record on the first line, which may be a header.
    """

    def __init__(
        self, columns: Sequence[str], target: Schema, options: CsvOptions, *, hint: str | None = None
    ) -> None:
        self._hint = hint
        self._width, self._target, self._options = len(columns), target, options
        self._indexes = [list(columns).index(f.name) for f in target]
        self._separator = ord(options.separator)
        self._quote = None if options.quote is None else ord(options.quote)
        self._is_typed = [parsed_by_polars(f.type) for f in target]

    def decode(self, data: bytes, first_line: int, *, is_last: bool) -> Block:
        """The rows of all complete records."""
        text = np.frombuffer(data, dtype=np.uint8)
        records = find_records(text, self._separator, self._quote, is_last=is_last)
        newlines = np.flatnonzero(text[: records.taken] == ord("\n"))
        lines = np.searchsorted(newlines, records.starts) + first_line
        is_good = ~records.is_broken & (records.separators == self._width - 1)
        bad: list[BadRow] = []
        if not is_good.all():
            bad = self._bad_shapes(data, text, records, lines, np.flatnonzero(~is_good))
        frame, kept, faults = self._values(data, text, records, lines, is_good)
        assert frame.height == len(kept), "every good record is one row"
        merged = sorted([*bad, *faults], key=lambda b: b.offset)
        if self._hint is not None and merged and merged[0].offset == 1:
            merged[0] = replace(merged[0], message=f"{merged[0].message}; {self._hint}")
        return Block(frame, lines[kept], tuple(merged), records.taken)

    def _bad_shapes(
        self, data: bytes, text: Array, records: Records, lines: Array, numbers: Array
    ) -> list[BadRow]:
        """What is wrong with records of a wrong shape; with blank lines and comments nothing is."""
        bad = []
        for number in numbers.tolist():
            start, end = int(records.starts[number]), int(records.ends[number])
            raw = data[start : min(end, start + RECORD_MAX)]
            if not raw.strip(b"\r\n") or self._is_comment(raw):
                continue
            if end - start > RECORD_MAX:
                bad.append(too_long(int(lines[number]), raw))
            elif records.is_broken[number]:
                bad.append(
                    bad_record(int(lines[number]), "a quote is not closed, or stands within a field", raw)
                )
            else:
                found = int(records.separators[number]) + 1
                bad.append(
                    bad_record(int(lines[number]), f"expected {self._width} fields, found {found}", raw)
                )
        return bad

    def _is_comment(self, raw: bytes) -> bool:
        return self._options.comment is not None and raw.startswith(self._options.comment.encode())

    def _values(
        self, data: bytes, text: Array, records: Records, lines: Array, is_good: Array
    ) -> tuple[pl.DataFrame, Array, list[BadRow]]:
        """The rows of good records, which records these are, and the faults in the others."""
        is_good = is_good & self._is_row(text, records)
        numbers = np.flatnonzero(is_good)
        if not len(numbers):
            return pl.DataFrame(schema=self._target.polars), numbers, []
        clean = data[: records.taken] if is_good.all() else _chosen(text, records, is_good)
        try:
            return converted(self._read(clean, self._is_typed), self._target), numbers, []
        except (pl.exceptions.PolarsError, ValueError):
            return self._with_faults(data, records, lines, numbers)

    def _is_row(self, text: Array, records: Records) -> Array:
        """Which records are rows, neither a comment nor blank between rows of several fields."""
        sizes = records.ends - records.starts
        first = text[np.minimum(records.starts, len(text) - 1)]
        is_skipped = (first == ord("\n")) | ((first == ord("\r")) & (sizes <= 2))
        is_skipped &= self._width > 1
        if self._options.comment is not None:
            is_skipped |= first == ord(self._options.comment)
        rows: Array = ~is_skipped
        return rows

    def _read(self, clean: bytes, is_typed: Sequence[bool], *, is_lenient: bool = False) -> pl.DataFrame:
        held: dict[str, Any] = {f"column_{i + 1}": pl.String() for i in range(self._width)}
        for index, field, typed in zip(self._indexes, self._target, is_typed, strict=True):
            if typed:
                held[f"column_{index + 1}"] = field.type.polars
        frame = pl.read_csv(
            clean,
            has_header=False,
            schema=held,
            columns=sorted(set(self._indexes)) or [0],
            separator=self._options.separator,
            quote_char=self._options.quote,
            null_values=self._options.null_literal or None,
            empty_string_is_null=not self._options.null_literal,
            ignore_errors=is_lenient,
            raise_if_empty=False,
        )
        return frame.select(
            pl.col(f"column_{i + 1}").alias(f.name) for i, f in zip(self._indexes, self._target, strict=True)
        )

    def _with_faults(
        self, data: bytes, records: Records, lines: Array, numbers: Array
    ) -> tuple[pl.DataFrame, Array, list[BadRow]]:
        """The slow way: some value is not of its type, or some text is not UTF-8."""
        raws = [data[records.starts[n] : records.ends[n]] for n in numbers]
        is_text = np.array([_is_utf8(raw) for raw in raws], dtype=np.bool_)
        bad = [
            bad_record(int(lines[numbers[i]]), "the text is not UTF-8", raws[i])
            for i in np.flatnonzero(~is_text).tolist()
        ]
        numbers, raws = numbers[is_text], [r for r, ok in zip(raws, is_text, strict=True) if ok]
        if not raws:
            return pl.DataFrame(schema=self._target.polars), numbers, bad
        clean = b"".join(r if r.endswith(b"\n") else r + b"\n" for r in raws)
        texts = self._read(clean, [False] * len(self._is_typed))
        frame = converted(self._read(clean, self._is_typed, is_lenient=True), self._target, is_lenient=True)
        if self._options.is_lenient:
            return frame, numbers, bad
        wrong = read_as(texts, frame, self._target)
        for row, message in wrong.items():
            bad.append(bad_record(int(lines[numbers[row]]), message, raws[row]))
        is_kept = np.ones(len(numbers), dtype=np.bool_)
        is_kept[list(wrong)] = False
        return frame.filter(pl.Series(is_kept)), numbers[is_kept], bad


def _chosen(text: Array, records: Records, is_good: Array) -> bytes:
    """The bytes of the good records."""
    sizes = records.ends - records.starts
    mask = np.repeat(is_good, sizes)
    chosen: bytes = text[: records.taken][mask].tobytes()
    return chosen


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def well_formed(data: bytes, width: int, options: CsvOptions) -> bytes:
    r"""The records that have the right number of fields.

    Example:
        >>> well_formed(b'1,2\n"3,4\n5,6\n', 2, CsvOptions())
        b'1,2\n5,6\n'
    """
    text = np.frombuffer(data, dtype=np.uint8)
    quote = None if options.quote is None else ord(options.quote)
    records = find_records(text, ord(options.separator), quote, is_last=True)
    return _chosen(text, records, ~records.is_broken & (records.separators == width - 1))
