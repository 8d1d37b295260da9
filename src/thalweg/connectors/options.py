"""Read the options of a table: which there are, what text they take, what they mean.

Not here: which connectors there are (registry.py) and what they make of their options.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from thalweg.base.durations import microseconds
from thalweg.errors import ConfigError, Span, did_you_mean, near_misses


@dataclass(frozen=True)
class Option:
    """One option of a connector.

    Attributes:
        name: as it is written; `#` stands for any name of a column.
        parse: reads the text; says with a `ValueError` what it expects.
        default: the value if it is not given; None: there is none.
        doc: what it means, in one line.
        choices: the values there are, where they can be counted.
        is_required: whether it must be given.
    """

    name: str
    parse: Callable[[str], Any]
    default: Any = None
    doc: str = ""
    choices: tuple[str, ...] = ()
    is_required: bool = False

    def fits(self, name: str) -> bool:
        """Whether this is the option of that name."""
        head, mark, tail = self.name.partition("#")
        if not mark:
            return name == self.name
        return name.startswith(head) and name.endswith(tail) and len(name) > len(head) + len(tail)


@dataclass(frozen=True)
class Given:
    """The options of one table as they were written.

    Attributes:
        options: names and texts.
        spans: where the values stand.
        where: where the table is defined.
        partition_by: the columns that rows are laid out by.
    """

    options: Mapping[str, str]
    spans: Mapping[str, Span] = field(default_factory=dict)
    where: Span | str | None = None
    partition_by: tuple[str, ...] = ()

    def place(self, name: str) -> Span | str | None:
        """Where an option stands."""
        return self.spans.get(name, self.where)


@dataclass(frozen=True)
class Values:
    """The options of one table, read.

    Attributes:
        given: by name, only those that were written.
        warnings: options that mean nothing here.
        where: where the table is defined.
        partition_by: the columns that rows are laid out by.
    """

    given: Mapping[str, Any]
    known: Sequence[Option]
    warnings: tuple[str, ...] = ()
    where: Span | str | None = None
    partition_by: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        if name in self.given:
            return self.given[name]
        return next(o.default for o in self.known if o.name == name)

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def of_column(self, column: str, option: str) -> Any:
        """The value of `fields.<column>.<option>`, or None."""
        return self.given.get(f"fields.{column}.{option}")

    def under(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Written options whose name starts so, without that start."""
        for name, value in self.given.items():
            if name.startswith(prefix):
                yield name.removeprefix(prefix), value


IGNORED = (
    "sink.parallelism",
    "scan.parallelism",
    "sink.rolling-policy.",
    "sink.rolling-policy.check-interval",
    "sink.rolling-policy.inactivity-interval",
    "sink.partition-commit.",
    "sink.shuffle-by-partition.",
    "partition.",
    "auto-compaction",
    "compaction.",
    "source.path.regex-pattern",
    "source.report-statistics",
    "json.timestamp-format.standard",
    "json.fail-on-missing-field",
    "json.encode.",
    "json.map-null-key.",
    "json.decode.",
    "csv.write-bigdecimal-in-scientific-notation",
    "csv.array-element-delimiter",
    "csv.escape-character",
    "parquet.",
)
"""Options of Flink that change nothing here; those that end with a dot are the start of several."""


_SIZE = re.compile(r"(\d+)\s*([bkmgt])?(?:i?b|ytes)?")


def read_options(known: Sequence[Option], given: Given, *, connector: str) -> Values:
    """Read every option that was given.

    Raises:
        ConfigError: an option is unknown, is missing, or has a value that it does not take.
    """
    values: dict[str, Any] = {}
    warnings: list[str] = []
    for name, text in given.options.items():
        option = next((o for o in known if o.fits(name)), None)
        if option is not None:
            values[name] = _read(option, name, text, given)
        elif _is_ignored(name, known):
            warnings.append(f"'{name}' means nothing to the connector '{connector}' and is ignored")
        else:
            raise _unknown(name, known, given, connector)
    for option in known:
        if option.is_required and option.name not in values:
            raise ConfigError(
                f"the connector '{connector}' needs the option '{option.name}'",
                code="connector-missing-option",
                where=given.where,
                hint=option.doc,
            )
    return Values(values, known, tuple(warnings), given.where, given.partition_by)


def _read(option: Option, name: str, text: str, given: Given) -> Any:
    try:
        return option.parse(text)
    except (ValueError, ConfigError) as error:
        expected = error.expected if isinstance(error, ConfigError) else str(error)
        raise ConfigError(
            f"'{text}' is no value for the option '{name}'",
            code="connector-option-value",
            where=given.place(name),
            expected=None if option.choices else expected,
            choices=option.choices or None,
            hint=did_you_mean(text, option.choices) or option.doc or None,
        ) from None


def _is_ignored(name: str, known: Sequence[Option]) -> bool:
    """Whether Flink has such an option; one that only begins so may be one of ours, misspelt."""
    begins = any(i.endswith(".") and name.startswith(i) for i in IGNORED)
    return name in IGNORED or (begins and not near_misses(name, [o.name for o in known]))


def _unknown(name: str, known: Sequence[Option], given: Given, connector: str) -> ConfigError:
    names = [o.name for o in known]
    return ConfigError(
        f"the connector '{connector}' has no option '{name}'",
        code="connector-unknown-option",
        where=given.place(name),
        choices=names,
        hint=did_you_mean(name, names),
    )


def whole(low: int = 0, high: int | None = None) -> Callable[[str], int]:
    """Reads a whole number between two bounds."""
    shown = f"a whole number from {low}" + (" up" if high is None else f" to {high}")

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(shown) from None
        if value < low or (high is not None and value > high):
            raise ValueError(shown)
        return value

    return parse


def number(text: str) -> float:
    """Reads a number above 0."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("a number above 0") from None
    if not 0 < value < float("inf"):
        raise ValueError("a number above 0")
    return value


def flag(text: str) -> bool:
    """Reads `true` or `false`."""
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def seconds(text: str) -> float:
    """Reads a span of time: `10s`, `500 ms`; a plain number is milliseconds, as in Flink."""
    return int(text) / 1000 if text.strip().isdigit() else microseconds(text) / 1e6


def byte_size(text: str) -> int:
    """Reads a number of bytes: `128MB`, `64 kb`; a plain number is bytes.

    Example:
        >>> byte_size("128MB") == 128 << 20, byte_size("10")
        (True, 10)
    """
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise ValueError("a number of bytes above 0, such as 128MB")
    return int(found[1]) << (10 * "bkmgt".index(found[2] or "b"))


def one_byte(text: str) -> str:
    r"""Reads one character; `\t` stands for a tab.

    Example:
        >>> one_byte("\\t") == "\t", one_byte(";")
        (True, ';')
    """
    plain = {"\\t": "\t", "\\u0001": "\x01", "\\0": "\0"}.get(text, text)
    if len(plain.encode()) != 1 or plain in "\r\n":
        raise ValueError("one character, such as ; or \\t")
    return plain


def choice(name: str, choices: Sequence[str], default: str | None, doc: str) -> Option:
    """An option with a few values."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text.lower()

    return Option(name, parse, default, doc, tuple(choices))
