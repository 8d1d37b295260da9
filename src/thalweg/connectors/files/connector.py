"""Files as a connector: `filesystem`, with Flink's names for the options.

Not here: reading (source.py) and writing (sink.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from thalweg.base.schema import Schema
from thalweg.connectors.connector import Connector, Results
from thalweg.connectors.files.format import ALIASES, EXTENSIONS, format_of_files
from thalweg.connectors.files.paths import find_files
from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.files.source import FileSource, file_source
from thalweg.connectors.lookup_options import WHOLE_OPTIONS, lookup_options
from thalweg.connectors.options import Option, Values, choice, flag, one_byte, seconds, whole
from thalweg.connectors.text.csv import CsvOptions
from thalweg.connectors.text.written import check_null
from thalweg.errors import ConfigError, Span

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


def _source(values: Values, schema: Schema | None) -> FileSource:
    try:
        if values["format"] is None:
            _check_found(values)
        made = file_source(
            values["path"],
            values["format"],
            schema,
            order=values["source.splits"],
            interval=values["source.monitor-interval"],
            **csv_options(values),
        )
    except ConfigError as error:
        if values.where is not None:
            error.located(values.where)
        raise
    return replace(made, lookup=lookup_options(values))


def _sink(values: Values, rows: Results) -> FileSink:
    form = values["format"] or "parquet"
    check_format(form, values.given, lambda _: values.where)
    csv = csv_text(values)
    check_null(csv, where=values.where)
    return FileSink(
        values["path"],
        form,
        is_bounded=rows.is_bounded,
        part_rows=values["sink.part-rows"],
        csv=csv,
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
        *WHOLE_OPTIONS,
        *CSV_OPTIONS,
        Option("json.ignore-parse-errors", flag, False, "whether rows that cannot be read are kept apart"),
    ),
    source=_source,
    sink=_sink,
)
