"""Read a file, the files of a directory, or those that match a pattern: one split per file.

Reads:    the file system or a bucket, when the source is described and when a split is opened.
Not here: which files a path means (paths.py), objects as files (at_hand.py), how each format is read
          (parquet.py, ipc.py, text.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, ClassVar, Literal

import polars as pl

from thalweg.base.schema import Schema
from thalweg.checkpoint.addresses import is_remote
from thalweg.connectors.files import at_hand
from thalweg.connectors.files.format import (
    CountedFormat,
    FilteringFormat,
    Format,
    MeteredFormat,
    NullKnowingFormat,
    format_of_files,
    named_format,
)
from thalweg.connectors.files.ipc import ArrowFormat
from thalweg.connectors.files.listing import listing, versions
from thalweg.connectors.files.parquet import ParquetFormat
from thalweg.connectors.files.paths import Found, find_files
from thalweg.connectors.files.select import check_file, pruned
from thalweg.connectors.files.text_format import CsvFormat, JsonFormat
from thalweg.connectors.text.csv import CsvOptions
from thalweg.errors import ConfigError, did_you_mean
from thalweg.protocols.conditions import Conditions
from thalweg.protocols.figures import Meter
from thalweg.protocols.lookup import LookupOptions
from thalweg.protocols.source import Fields, Position, Reader, Replay, Size, Split

Order = Literal["ordered", "parallel"]
_DECLARED = {
    "the format": "'format' = 'json' (or csv, parquet, arrow)",
    "the columns": "CREATE TABLE name (column TYPE, …)",
}


@dataclass(frozen=True)
class FileSource:
    """Files with rows of one schema; made by `file_source`.

    Attributes:
        path: a file, a pattern, a directory, or several of these.
        schema: the columns that can be read; every file has them.
        format: how the files are read.
        is_ordered: whether the files follow one another in time, by name.
        interval: seconds between two looks for new files; None: the files at the start are all there are.
        lookup: how rows are looked up in them.
    """

    path: str | tuple[str, ...]
    schema: Schema
    format: Format = field(repr=False)
    is_ordered: bool = False
    interval: float | None = None
    lookup: LookupOptions = field(default_factory=LookupOptions, repr=False)

    version_interval: ClassVar[float] = 1.0
    """Files are looked at once a second, where rows are looked up in them."""

    def version(self) -> Hashable:
        """Which files there are, how long they are and when they were changed."""
        return versions(find_files(self.path, may_be_empty=True).files)

    @property
    def is_bounded(self) -> bool:
        """Whether no new files are looked for."""
        return self.interval is None

    @property
    def replay(self) -> Replay:
        """Files can be read again from any row."""
        return "exact"

    @property
    def is_live(self) -> bool:
        """Rows in files were made earlier."""
        return False

    def describe(self) -> str:
        """The path."""
        return self.path if isinstance(self.path, str) else ", ".join(self.path)

    def size(self) -> Size:
        """How long the files are now, and where their format says so, how many rows they have."""
        found = find_files(self.path, may_be_empty=True).files
        reads = self.format
        is_near = not any(map(is_remote, found))
        rows = sum(map(reads.count, found)) if is_near and isinstance(reads, CountedFormat) else None
        looks = {is_remote(file): listing(file) for file in found}
        return Size(rows, sum(looks[is_remote(file)].size(file) for file in found))

    def splits(self) -> Sequence[Split]:
        """One split per file that is there now, in order."""
        found = find_files(self.path, may_be_empty=not self.is_bounded)
        return [Split(file, {"path": file}) for file in found.files]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of one file."""
        file = str(split.data.get("path", split.id))
        return at_hand.reader(self.format, file, pruned(self.schema, fields), position, self._checks(file))

    def taken(self, conditions: Conditions) -> Conditions:
        """The conditions by which files, or parts of them, can be left out without reading them."""
        return self.format.taken(self.schema, conditions) if isinstance(self.format, FilteringFormat) else ()

    def filtered(self, conditions: Conditions) -> FileSource:
        """The same files without some of the rows that do not fulfil the conditions."""
        assert isinstance(self.format, FilteringFormat), "another format takes no conditions over"
        return replace(self, format=self.format.filtered(conditions))

    def metered(self, meter: Meter) -> FileSource:
        """The same files, and a count of what is read, where the format has one."""
        if not isinstance(self.format, MeteredFormat):
            return self
        return replace(self, format=self.format.metered(meter))

    def may_hold_null(self, columns: Sequence[str]) -> bool:
        """Whether a file may have a NULL in one of the columns."""
        return any(self.may_hold_null_in(file, columns) for file in find_files(self.path).files)

    def may_hold_null_in(self, file: str, columns: Sequence[str]) -> bool:
        """The same of one file."""
        reads = self.format
        if is_remote(file) or not isinstance(reads, NullKnowingFormat):
            return True
        return reads.may_hold_null(file, columns)

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        """All files one after the other, read by Polars itself."""
        return pl.concat([self.scan(file, fields) for file in find_files(self.path).files])

    def scan(self, file: str, fields: Fields | None) -> pl.LazyFrame:
        """One of the files."""
        return at_hand.scan(self.format, file, pruned(self.schema, fields), self._checks(file))

    def _checks(self, file: str) -> Callable[[pl.Schema], None]:
        """Raises unless a file with these columns has those of the source."""
        return partial(check_file, self.schema, file=file)


def file_source(
    path: str | Sequence[str],
    format: str | None = None,
    schema: Schema | None = None,
    *,
    order: Order | None = None,
    interval: float | None = None,
    **options: Any,
) -> FileSource:
    """Describe files as a source; what is wrong with them is said here, before anything runs.

    Args:
        path: a file, a pattern, a directory (hidden names are left out), or several of these.
        format: parquet, arrow, csv or json; None: what the extension says.
        schema: the columns and types; None: those of the first file that has rows.
        order: `ordered` if files follow one another in time, by name; `parallel` if each has a
            time of its own. None: `ordered` for a directory, `parallel` otherwise.
        interval: seconds between two looks for new files; makes the source unbounded.
        options: what the format takes: for CSV the attributes of `CsvOptions`.

    Raises:
        ConfigError: nothing is there, or the format is unknown.
        PlanError: a file does not have the columns declared, or those of the first one.
    """
    given = path if isinstance(path, str) else tuple(path)
    found = find_files(given, may_be_empty=interval is not None)
    return described(given, found, format, schema, order=order, interval=interval, options=options)


def described(
    path: str | tuple[str, ...],
    found: Found,
    format: str | None,
    schema: Schema | None,
    *,
    order: Order | None = None,
    interval: float | None = None,
    options: dict[str, Any],
) -> FileSource:
    """The source of these files; its arguments are those of `file_source`."""
    if not found.files:
        _check_declared(path, format, schema)
    name = named_format(format) if format else format_of_files(found.files)
    reads = make_format(name, schema, options)
    if schema is None:
        schema = Schema.from_polars(dict(at_hand.held(reads, _telling(reads, found.files))))
        if name == "csv":
            options = {"has_header": True} | options
        reads = make_format(name, schema, options)
    for number, file in enumerate(found.files):
        # each look at an object is some requests: the others are looked at when they are opened
        if not number or not is_remote(file):
            check_file(schema, at_hand.held(reads, file), file)
    return FileSource(
        path=path,
        schema=schema,
        format=reads,
        is_ordered=found.kind == "directory" if order is None else order == "ordered",
        interval=interval,
    )


def _check_declared(path: str | Sequence[str], format: str | None, schema: Schema | None) -> None:
    """Raise unless everything is declared that does not follow from files while there are none."""
    missing = [what for what, given in (("the format", format), ("the columns", schema)) if given is None]
    if missing:
        raise ConfigError(
            f"there are no files yet, so that {' and '.join(missing)} must be declared",
            code="source-no-schema",
            where=path if isinstance(path, str) else ", ".join(path),
            hint=f"{' and '.join(_DECLARED[what] for what in missing)}; or put a first file there",
        )


def _telling(reads: Format, files: Sequence[str]) -> str:
    """The first file that says what the columns are: text without rows says nothing of their types."""
    if isinstance(reads, (CsvFormat, JsonFormat)):
        return next((f for f in files if at_hand.has_rows(reads, f)), files[0])
    return files[0]


def make_format(name: str, schema: Schema | None, options: dict[str, Any]) -> Format:
    """The format of that name with its options."""
    csv = csv_of(name, options)
    if name == "csv":
        return CsvFormat(schema, csv)
    if name == "json":
        return JsonFormat(schema)
    return ParquetFormat() if name == "parquet" else ArrowFormat()


def csv_of(name: str, options: dict[str, Any]) -> CsvOptions:
    """The options of the format of that name; only CSV has any."""
    known = [f.name for f in fields(CsvOptions)] if name == "csv" else []
    for option in options:
        if option not in known:
            raise ConfigError(
                f'the format "{name}" has no option "{option}"',
                code="source-format-option",
                choices=known,
                hint=did_you_mean(option, known),
            )
    return CsvOptions(**options)
