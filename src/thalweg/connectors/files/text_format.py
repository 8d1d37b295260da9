"""Read CSV and JSON lines as files: headers, columns that follow from a sample, whole files as plans.

Not here: records (text/), which files are meant (paths.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import polars as pl
from polars.io.plugins import register_io_source

from thalweg.base.schema import Schema
from thalweg.connectors.text.csv import CsvOptions, CsvTextDecoder, Header, read_header
from thalweg.connectors.text.csv_values import check_types
from thalweg.connectors.text.json import JsonTextDecoder, infer_json
from thalweg.connectors.text.packed import open_unpacked
from thalweg.connectors.text.reader import TextReader
from thalweg.errors import ConfigError
from thalweg.protocols.source import Position, Reader, bad_row

SAMPLE_BYTES = 1 << 20
"""Names and types follow from this much of the first file, where none are declared."""
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
        header = self._header(file)
        if self.schema is None:
            return _inferred_csv(file, sample, header, self.options)
        check_types(self.schema, where=file)
        known = self.schema.polars
        return pl.Schema({name: known.get(name, pl.String()) for name in header.columns})

    def reader(self, file: str, target: Schema, position: Position) -> Reader:
        """Reads from the block that holds the position."""
        header = self._header(file)
        decoder = CsvTextDecoder(header.columns, target, self.options)
        start = {"byte": header.byte, "line": header.line}
        return TextReader(partial(open_unpacked, file), decoder, position, start)

    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        """The file as a plan of Polars, read by the same reader."""
        return scan_text(file, target, lambda wanted: self.reader(file, wanted, {}))

    def _header(self, file: str) -> Header:
        names = None if self.schema is None else self.schema.names
        return read_header(_sample(file), names, self.options)


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
        sample = _sample(file)
        if not sample.strip():
            raise _nothing_known(file)
        try:
            return infer_json(sample)
        except pl.exceptions.PolarsError as error:
            raise _nothing_known(file, str(error).splitlines()[0]) from error

    def reader(self, file: str, target: Schema, position: Position) -> Reader:
        """Reads from the block that holds the position."""
        decoder = JsonTextDecoder(target)
        return TextReader(partial(open_unpacked, file), decoder, position, {"byte": 0, "line": 1})

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
    """The first lines of a file."""
    with open_unpacked(file) as stream:
        sample = stream.read(SAMPLE_BYTES)
    whole = sample.rfind(b"\n") + 1
    return sample[:whole] if len(sample) == SAMPLE_BYTES and whole else sample


def _inferred_csv(file: str, sample: bytes, header: Header, options: CsvOptions) -> pl.Schema:
    if not header.columns:
        raise _nothing_known(file)
    try:
        with warnings.catch_warnings():
            # Malformed records are found, and named, when the rows are read.
            warnings.simplefilter("ignore")
            frame = pl.read_csv(
                sample[header.byte :],
                has_header=False,
                new_columns=header.columns,
                separator=options.separator,
                quote_char=options.quote,
                null_values=options.null_literal or None,
                comment_prefix=options.comment,
                infer_schema_length=None,
                truncate_ragged_lines=True,
                try_parse_dates=True,
                raise_if_empty=False,
                ignore_errors=True,
            )
    except pl.exceptions.PolarsError as error:
        raise _nothing_known(file, str(error).splitlines()[0]) from error
    return frame.schema if frame.width else pl.Schema(dict.fromkeys(header.columns, pl.String()))


def _nothing_known(file: str, found: str | None = None) -> ConfigError:
    return ConfigError(
        "the columns of a file do not follow from it",
        code="source-no-schema",
        where=file,
        found=found or "no rows",
        hint="declare the columns",
    )
