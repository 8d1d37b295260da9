"""Files as a connector: `filesystem`, with Flink's names for the options.

Not here: reading (source.py) and writing (sink.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from thalweg.base.schema import Schema
from thalweg.connectors.connector import Connector, Results
from thalweg.connectors.files.commit import Commit, marker
from thalweg.connectors.files.format import ALIASES, EXTENSIONS, format_of_files
from thalweg.connectors.files.partitioned_sink import PartitionedSink, no_partitions
from thalweg.connectors.files.partitioned_source import PartitionedSource, source_of_files
from thalweg.connectors.files.partitions import DEFAULT_NAME, partitioning
from thalweg.connectors.files.paths import find_files
from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.files.source import FileSource
from thalweg.connectors.lookup_options import WHOLE_OPTIONS, lookup_options
from thalweg.connectors.options import Option, Values, byte_size, choice, flag, one_byte, seconds, whole
from thalweg.connectors.text.csv import CsvOptions
from thalweg.connectors.text.written import check_null
from thalweg.errors import ConfigError, Span
from thalweg.expr.functions.time_text import java_pattern

_FORMATS = tuple(sorted({*EXTENSIONS.values(), *ALIASES}))
CSV_OPTIONS = (
    Option("csv.field-delimiter", one_byte, ",", "the character between fields"),
    Option("csv.quote-character", one_byte, '"', "the character around fields"),
    Option("csv.disable-quote-character", flag, False, "whether quotes are ordinary text"),
    Option("csv.null-literal", str, None, "what stands for NULL; nothing: an empty field"),
    Option("csv.allow-comments", flag, False, "whether lines that begin with # are skipped"),
    choice("csv.header", ("auto", "true", "false"), "auto", "whether the first line names the columns"),
    Option("csv.ignore-parse-errors", flag, False, "whether a field that is not of its type becomes NULL"),
)


def _micros(text: str) -> int:
    """Reads a span of time in microseconds."""
    return round(seconds(text) * 1e6)


def _java_pattern(text: str) -> str:
    """Reads a pattern such as `yyyyMMdd`."""
    if java_pattern(text) is None:
        raise ValueError("a pattern of Java, such as yyyy-MM-dd HH:mm:ss")
    return text


def csv_options(values: Values) -> dict[str, Any]:
    """The written options of CSV, as attributes of `CsvOptions`."""
    names = {
        "field-delimiter": "separator",
        "quote-character": "quote",
        "null-literal": "null_literal",
        "ignore-parse-errors": "is_lenient",
    }
    given = dict(values.under("csv."))
    options = {names[name]: value for name, value in given.items() if name in names}
    if given.get("disable-quote-character"):
        options["quote"] = None
    if given.get("allow-comments"):
        options["comment"] = "#"
    if given.get("header", "auto") != "auto":
        options["has_header"] = given["header"] == "true"
    return options


PARTITION_OPTIONS = (
    Option("partition.default-name", str, DEFAULT_NAME, "what stands for NULL in the name of a directory"),
    choice(
        "partition.time-extractor.kind",
        ("default",),
        "default",
        "how the time of a partition follows from it",
    ),
    Option(
        "partition.time-extractor.timestamp-pattern",
        str,
        None,
        "the time of a partition, with $column for values; nothing: the first value",
    ),
    Option("partition.time-extractor.timestamp-formatter", _java_pattern, None, "how that time is written"),
    choice(
        "sink.partition-commit.trigger",
        ("process-time", "partition-time"),
        "process-time",
        "what must pass before a partition is complete: the clock, or event time",
    ),
    Option("sink.partition-commit.delay", _micros, 0, "by how much"),
    choice(
        "sink.partition-commit.policy.kind",
        ("success-file",),
        None,
        "how complete partitions are marked; nothing: they are not",
    ),
    Option("sink.partition-commit.success-file.name", marker, "_SUCCESS", "the name of the mark"),
    choice("sink.partition-commit.watermark-time-zone", ("utc",), "utc", "the time zone of partitions"),
    Option(
        "sink.rolling-policy.file-size",
        byte_size,
        None,
        "how many bytes make a file full, as they are held in memory; nothing: any number",
    ),
    Option(
        "sink.rolling-policy.rollover-interval",
        seconds,
        None,
        "after which time a file is full; nothing: files appear at every cut, or at the end of the input",
    ),
)


def _source(values: Values, schema: Schema | None) -> FileSource | PartitionedSource:
    try:
        if values["format"] is None:
            _check_found(values)
        made = source_of_files(
            values["path"],
            values["format"],
            schema,
            partition_by=values.partition_by or None,
            default_partition=values["partition.default-name"],
            order=values["source.splits"],
            interval=values["source.monitor-interval"],
            **csv_options(values),
        )
    except ConfigError as error:
        if values.where is not None:
            error.located(values.where)
        raise
    lookup = lookup_options(values)
    if isinstance(made, PartitionedSource):
        return replace(made, files=replace(made.files, lookup=lookup))
    return replace(made, lookup=lookup)


def _sink(values: Values, rows: Results) -> FileSink | PartitionedSink:
    form = values["format"] or "parquet"
    check_format(form, values.given, lambda _: values.where)
    csv = csv_text(values)
    check_null(csv, where=values.where)
    files = FileSink(
        values["path"],
        form,
        is_bounded=rows.is_bounded,
        part_rows=values["sink.part-rows"],
        part_bytes=values["sink.rolling-policy.file-size"],
        part_seconds=values["sink.rolling-policy.rollover-interval"],
        csv=csv,
    )
    commit = _commit(values)
    if not values.partition_by:
        return files
    try:
        partitioning(rows.schema, values.partition_by)
        if commit is not None:
            commit.check(values.partition_by)
    except ConfigError as error:
        raise (error if values.where is None else error.located(values.where)) from None
    return PartitionedSink(files, values.partition_by, values["partition.default-name"], commit)


def _commit(values: Values) -> Commit | None:
    """How partitions are committed, if they are."""
    if values["sink.partition-commit.policy.kind"] is None:
        return None
    if not values.partition_by:
        hint = "CREATE TABLE name (…) PARTITIONED BY (column, …) WITH (…)"
        raise no_partitions("'sink.partition-commit.policy.kind'", hint, values.where)
    return Commit(
        values["sink.partition-commit.trigger"],
        values["sink.partition-commit.delay"],
        values["sink.partition-commit.success-file.name"],
        values["partition.time-extractor.timestamp-pattern"],
        values["partition.time-extractor.timestamp-formatter"],
    )


def check_format(
    form: str, names: Iterable[str], place: Callable[[str], Span | str | None] = lambda _: None
) -> None:
    """Raise if one of the options belongs to another format; `place` says where an option stands."""
    known = ALIASES.get(form, form)
    for name in names:
        other = name.partition(".")[0]
        if other in _FORMATS and other != known:
            raise ConfigError(
                f"'{name}' is an option of the format '{other}', and the format is '{known}'",
                code="connector-other-format",
                where=place(name),
                hint=f"leave the option out, or set 'format' = '{other}'",
            )


def _check_found(values: Values) -> None:
    """Check the options against the format that the names of the files say."""
    if any(name.startswith(("csv.", "json.")) for name in values.given):
        found = find_files(values["path"], may_be_empty=values["source.monitor-interval"] is not None)
        if found.files:
            check_format(format_of_files(found.files), values.given)


def csv_text(values: Values) -> CsvOptions:
    """How CSV is written, by the written options."""
    try:
        return CsvOptions(**csv_options(values))
    except ConfigError as error:
        raise (error if values.where is None else error.located(values.where)) from None


FILESYSTEM = Connector(
    "filesystem",
    (
        Option(
            "path", str, None, "a file, a pattern or a directory; to write: a directory", is_required=True
        ),
        choice("format", _FORMATS, None, "how files are written; to read: what their names say"),
        Option("source.monitor-interval", seconds, None, "how often to look for new files; nothing: never"),
        choice("source.splits", ("ordered", "parallel"), None, "whether files follow one another in time"),
        choice("changelog", ("append", "ops", "fold"), None, "how results that change are written"),
        Option("sink.part-rows", whole(1), 1_000_000, "how many rows make a file full"),
        *PARTITION_OPTIONS,
        *WHOLE_OPTIONS,
        *CSV_OPTIONS,
        Option("json.ignore-parse-errors", flag, False, "whether rows that cannot be read are kept apart"),
    ),
    source=_source,
    sink=_sink,
    takes_partitions=True,
)
