"""Read CSV and JSON lines as files: headers, columns that follow from a sample, whole files as plans.

Not here: records (text/), which files are meant (paths.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import polars as pl
from polars.io.plugins import register_io_source

from thalweg.base.schema import Schema
from thalweg.connectors.text.csv import CsvOptions, CsvTextDecoder, well_formed
from thalweg.connectors.text.csv_header import MAY_BE_HEADER, Header, read_header
from thalweg.connectors.text.csv_values import check_types
from thalweg.connectors.text.json import JsonTextDecoder, infer_json, split_lines
from thalweg.connectors.text.packed import open_unpacked
from thalweg.connectors.text.reader import TextReader
from thalweg.errors import ConfigError, ConnectorError, DataError
from thalweg.protocols.source import BadRow, Position, Reader, bad_row

SAMPLE_BYTES = 1 << 20
"""Names and types follow from this much of the first file, where none are declared."""
_MARKS = {b"PAR1": "parquet", b"ARROW1": "arrow"}
"""What files of other formats begin with."""
_SCANNED_ROWS = 131_072
_ALL_ROWS = 1 << 62


@dataclass(frozen=True)
class CsvFormat:
    """CSV files.

    Attributes:
        schema: the declared columns; None: what the first file's header and a sample say.
        options: how the text is written.
    """

    schema: Schema | None = None
    options: CsvOptions = field(default_factory=CsvOptions)

    def held(self, file: str) -> pl.Schema:
        """The file's columns: of the declared types, or as a sample has them."""
        sample = _sample(file)
        header = read_header(sample, self.schema, self.options, file=file)
        if self.schema is None:
            return _inferred_csv(file, sample, header, self.options)
        check_types(self.schema, where=file)
        known = self.schema.polars
        return pl.Schema({name: known.get(name, pl.String()) for name in header.columns})

    def reader(self, file: str, target: Schema, position: Position) -> Reader:
        """Reads from the block that holds the position."""
        sample = _sample(file)
        header = read_header(sample, self.schema, self.options, file=file)
        hint = MAY_BE_HEADER if header.is_doubtful else None
        decoder = CsvTextDecoder(header.columns, target, self.options, hint=hint)
        start = {"byte": header.byte, "line": header.line}
        names = sample[: header.byte].strip(b"\xef\xbb\xbf\r\n")
        return TextReader(partial(open_unpacked, file), decoder, position, start, header=names)

    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        """The file as a plan of Polars, read by the same reader."""
        return scan_text(file, target, lambda wanted: self.reader(file, wanted, {}))

    def has_rows(self, file: str) -> bool:
        """Whether there is anything after the header."""
        sample = _sample(file)
        header = read_header(sample, self.schema, self.options, file=file)
        return bool(sample[header.byte :].strip())


@dataclass(frozen=True)
class JsonFormat:
    """Files of JSON lines: one object per line; a member that a line lacks is NULL.

    Attributes:
        schema: the declared columns; None: what a sample of the first file has.
    """

    schema: Schema | None = None

    def held(self, file: str) -> pl.Schema:
        """The declared columns, or those of a sample."""
        if self.schema is not None:
            return self.schema.polars
        return _inferred_json(file, _sample(file))

    def reader(self, file: str, target: Schema, position: Position) -> Reader:
        """Reads from the block that holds the position."""
        decoder = JsonTextDecoder(target)
        return TextReader(partial(open_unpacked, file), decoder, position, {"byte": 0, "line": 1})

    def has_rows(self, file: str) -> bool:
        """Whether there is any line."""
        return bool(_sample(file).strip())

    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        """The file as a plan of Polars, read by the same reader."""
        return scan_text(file, target, lambda wanted: self.reader(file, wanted, {}))


def scan_text(file: str, target: Schema, opened: Callable[[Schema], Reader]) -> pl.LazyFrame:
    """A plan that reads rows with our reader, so that it gives what a stream of the file gives.

    A bad row is an error: where bad rows are kept apart, the file is not read as a plan.
    """

    def frames(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        reader = opened(target if columns is None else target.select(columns))
        try:
            for frame in _good_rows(file, reader, rows):
                yield frame if predicate is None else frame.filter(predicate)
        finally:
            reader.close()

    return register_io_source(frames, schema=target.polars)


def _good_rows(file: str, reader: Reader, rows: int | None) -> Iterator[pl.DataFrame]:
    left, ended = _ALL_ROWS if rows is None else rows, False
    while left > 0 and not ended:
        chunk = reader.read(min(left, _SCANNED_ROWS))
        if chunk.bad:
            raise bad_row(file, chunk.bad[0])
        if chunk.frame is not None:
            left -= chunk.frame.height
            yield chunk.frame
        ended = chunk.ended


def _sample(file: str) -> bytes:
    """The first lines of a file.

    Raises:
        ConnectorError: `source-damaged-file`: it is of another format.
    """
    with open_unpacked(file) as stream:
        sample = stream.read(SAMPLE_BYTES)
    other = next((form for mark, form in _MARKS.items() if sample.startswith(mark)), None)
    if other is not None:
        raise ConnectorError(
            f"a file is not text, but in the format {other}",
            code="source-damaged-file",
            where=file,
            found=repr(sample[:16]),
            hint=f"'format' = '{other}', or a name that ends with .{other}",
        )
    whole = sample.rfind(b"\n") + 1
    return sample[:whole] if len(sample) == SAMPLE_BYTES and whole else sample


def _inferred_csv(file: str, sample: bytes, header: Header, options: CsvOptions) -> pl.Schema:
    if not header.columns:
        raise _nothing_known(file)
    texts = Schema.from_polars(dict.fromkeys(header.columns, pl.String()))
    rest = sample[header.byte :]
    # Malformed records are found, and named, when the rows are read; where there are no others, now.
    clean = well_formed(rest, len(header.columns), options)
    if not clean.strip():
        bad = CsvTextDecoder(header.columns, texts, options).decode(rest, header.line, is_last=True).bad
        if bad:
            raise _nothing_good(file, bad[0])
        return texts.polars
    try:
        frame = pl.read_csv(
            clean,
            has_header=False,
            new_columns=header.columns,
            separator=options.separator,
            quote_char=options.quote,
            null_values=options.null_literal or None,
            comment_prefix=options.comment,
            infer_schema_length=None,
            encoding="utf8-lossy",
            try_parse_dates=True,
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError as error:
        raise _nothing_known(file, str(error).splitlines()[0]) from error
    return frame.schema if frame.width else texts.polars


def _inferred_json(file: str, sample: bytes) -> pl.Schema:
    if not sample.strip():
        raise _nothing_known(file)
    try:
        return infer_json(sample)
    except pl.exceptions.PolarsError as error:
        lines, bad = split_lines(sample)
        if not bad:
            raise _nothing_known(file, str(error).splitlines()[0]) from error
        if not lines:
            raise _nothing_good(file, bad[0]) from error
        return _inferred_json(file, lines)


def _nothing_good(file: str, bad: BadRow) -> DataError:
    error = bad_row(file, bad)
    error.hint = (
        "the columns follow from good rows, and there are none; correct the file, or declare the columns"
    )
    return error


def _nothing_known(file: str, found: str | None = None) -> ConfigError:
    return ConfigError(
        "the columns of a file do not follow from it",
        code="source-no-schema",
        where=file,
        found=found or "no rows",
        hint="declare the columns",
    )
