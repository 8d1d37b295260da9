"""Find out how a CSV text begins: with a header, or with the first row.

Without a declaration the first record names the columns. With one and no word about headers, it does so
if all declared names are among its fields; if it only looks as if it were a header, somebody has to say.

Not here: rows (csv.py), types that follow from a sample (files/text_format.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from thalweg.base.schema import Schema
from thalweg.base.types import STRING
from thalweg.connectors.text.block import SAMPLE_MAX
from thalweg.connectors.text.csv import CsvOptions
from thalweg.connectors.text.csv_records import find_records
from thalweg.errors import ConfigError

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[-+]?[\d.][\d.,:eE+\-TZ /]*")
"""Numbers, dates and times: what no column is called."""
_COMPARED_ROWS = 100
_WAY_OUT = "'csv.header' = 'true' (has_header=True) if it names the columns, 'false' if it is a row"
MAY_BE_HEADER = "if the line names the columns, 'csv.header' = 'true' (has_header=True) says so"


@dataclass(frozen=True)
class Header:
    """How a CSV text begins.

    Attributes:
        columns: the name of every field.
        byte, line: where the first row is.
        is_doubtful: whether the first row may well be a header.
    """

    columns: tuple[str, ...]
    byte: int
    line: int
    is_doubtful: bool = False


@dataclass(frozen=True)
class _Record:
    """A record near the start: its fields, where it ends, its line, whether it is none."""

    fields: tuple[str, ...]
    end: int
    line: int
    is_broken: bool


def read_header(
    sample: bytes, declared: Schema | None, options: CsvOptions, *, file: str = "the text"
) -> Header:
    r"""The columns of a CSV text, from its first lines.

    Args:
        sample: the first lines of the text.
        declared: the declared columns; None: the header has to name them.
        file: what messages call the text.

    Raises:
        ConfigError: `source-csv-header`: it names a column twice, is no text, or may be none.

    Example:
        >>> from thalweg.base.types import INT64
        >>> pair = Schema.of({"a": INT64, "b": INT64})
        >>> read_header(b"b,a\n1,2\n", pair, CsvOptions())
        Header(columns=('b', 'a'), byte=4, line=2, is_doubtful=False)
        >>> read_header(b"1,2\n", pair, CsvOptions()).columns
        ('a', 'b')
    """
    start = len(_BOM) if sample.startswith(_BOM) else 0
    records = _records(sample, start, options)
    first = next(records, None)
    names = None if declared is None else declared.names
    if first is not None and _is_header(first, names, options):
        _check_header(first, file)
        return Header(first.fields, first.end, first.line + 1)
    if first is None or declared is None:
        width = 0 if first is None else len(first.fields)
        return Header(names or tuple(f"f{number}" for number in range(width)), start, 1)
    is_doubtful = options.has_header is None and _could_name(first.fields)
    if is_doubtful and (_has_names(first, declared) or _stands_out(first, records, declared)):
        raise _undecided(first, declared, file)
    return Header(declared.names, start, 1, is_doubtful)


def _is_header(first: _Record, names: Sequence[str] | None, options: CsvOptions) -> bool:
    if options.has_header is not None:
        return options.has_header
    return names is None or (not first.is_broken and set(names) <= set(first.fields))


def _check_header(first: _Record, file: str) -> None:
    shown = ", ".join(first.fields)[:SAMPLE_MAX]
    if "\0" in shown or "\ufffd" in shown:
        problem, found = "it is not text in UTF-8", repr(shown[:40])
    elif first.is_broken:
        problem, found = "a quote is not closed, or stands within a field", shown
    else:
        twice = next((f for n, f in enumerate(first.fields) if f in first.fields[:n]), None)
        if twice is None:
            return
        problem, found = f'it names the column "{twice}" twice', shown
    raise ConfigError(
        f"the header of a CSV file cannot be read: {problem}",
        code="source-csv-header",
        where=f"{file}, line {first.line}",
        found=found,
        hint="correct the line; with 'csv.header' = 'false' and declared columns it is a row like others",
    )


def _could_name(fields: Sequence[str]) -> bool:
    """Whether the fields could be names of columns at all."""
    texts = [f.strip() for f in fields]
    return all(t and not _NUMBER.fullmatch(t) for t in texts) and len(set(texts)) == len(texts)


def _has_names(first: _Record, declared: Schema) -> bool:
    """Whether at least half of the declared names are there, written in whichever case."""
    fields = {f.strip().lower() for f in first.fields}
    return 2 * sum(name.lower() in fields for name in declared.names) >= len(declared)


def _stands_out(first: _Record, others: Iterator[_Record], declared: Schema) -> bool:
    """Whether a column of strings has numbers in all other rows; other types notice by themselves."""
    rows = [r.fields for _, r in zip(range(_COMPARED_ROWS), others, strict=False)]
    rows = [r for r in rows if len(r) == len(first.fields) == len(declared)]
    for number, field in enumerate(declared):
        values = [r[number].strip() for r in rows if r[number].strip()]
        if field.type == STRING and values and all(_NUMBER.fullmatch(v) for v in values):
            return True
    return False


def _undecided(first: _Record, declared: Schema, file: str) -> ConfigError:
    return ConfigError(
        "a CSV file may begin with a header, but it does not name the declared columns",
        code="source-csv-header",
        where=f"{file}, line {first.line}",
        expected=", ".join(declared.names),
        found=", ".join(first.fields)[:SAMPLE_MAX],
        hint=_WAY_OUT,
    )


def _records(sample: bytes, start: int, options: CsvOptions) -> Iterator[_Record]:
    """The records near the start, without blank lines and comments."""
    quote = None if options.quote is None else ord(options.quote)
    text = np.frombuffer(sample, dtype=np.uint8)[start:]
    found = find_records(text, ord(options.separator), quote, is_last=True)
    for begin, end, is_broken in zip(found.starts, found.ends, found.is_broken, strict=True):
        raw = sample[start + int(begin) : start + int(end)]
        if not raw.strip(b"\r\n") or (options.comment and raw.startswith(options.comment.encode())):
            continue
        line = 1 + sample.count(b"\n", 0, start + int(begin))
        line_end = line + raw.rstrip(b"\r\n").count(b"\n")
        yield _Record(tuple(split_record(raw, options)), start + int(end), line_end, bool(is_broken))


def split_record(record: bytes, options: CsvOptions) -> list[str]:
    """The fields of one record, as text; of one that is none, whatever can be made out.

    Example:
        >>> split_record(b'a,"b,""c"', CsvOptions())
        ['a', 'b,"c']
    """
    text = record.decode(errors="replace").rstrip("\r\n")
    if options.quote is None or not text:
        return text.split(options.separator) if text else []
    mark, separator = re.escape(options.quote), re.escape(options.separator)
    field = re.compile(f"{mark}((?:[^{mark}]|{mark}{mark})*){mark}(?={separator}|\\Z)|[^{separator}]*")
    fields: list[str] = []
    place = 0
    while place <= len(text):
        found = field.match(text, place)
        assert found is not None, "the second form fits everything"
        quoted = found[1]
        fields.append(found[0] if quoted is None else quoted.replace(options.quote * 2, options.quote))
        place = found.end() + 1
    return fields
