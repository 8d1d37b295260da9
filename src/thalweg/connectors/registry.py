"""Find a connector by its name, and make sources and sinks of a table's options.

A new connector needs one line here.

Not here: what options mean to a connector (its own module).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from thalweg.base.schema import Schema
from thalweg.connectors.checkpoint_table import CHECKPOINT
from thalweg.connectors.connector import Connector, Results
from thalweg.connectors.datagen import DATAGEN
from thalweg.connectors.files.connector import FILESYSTEM, check_format
from thalweg.connectors.nexmark_connector import NEXMARK
from thalweg.connectors.options import Given, Values, read_options
from thalweg.connectors.sink_connectors import BLACKHOLE, CHECKSUM, PRINT
from thalweg.connectors.socket_source import SOCKET
from thalweg.connectors.sqlite import SQLITE
from thalweg.errors import ConfigError, Span, did_you_mean
from thalweg.protocols.sink import Sink
from thalweg.protocols.source import Source

CONNECTORS: tuple[Connector, ...] = (
    *(FILESYSTEM, SQLITE, PRINT, BLACKHOLE, CHECKSUM, DATAGEN, SOCKET, NEXMARK, CHECKPOINT),
)
_BY_NAME = {c.name: c for c in CONNECTORS}
_NAME = "connector"


@dataclass(frozen=True)
class MadeSource:
    """A source and what goes with it.

    Attributes:
        tolerance: what becomes of rows that cannot be read.
        error_sink: the table that takes them.
        warnings: options that mean nothing here.
    """

    source: Source
    tolerance: str = "none"
    error_sink: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class MadeSink:
    """A sink and what goes with it.

    Attributes:
        changelog: how updating results reach it: `ops`, `fold`, `append`, or None if nothing is said.
        warnings: options that mean nothing here.
    """

    sink: Sink
    changelog: str | None = None
    warnings: tuple[str, ...] = ()


def check(
    options: Mapping[str, str],
    spans: Mapping[str, Span] | None = None,
    where: Span | str | None = None,
    partition_by: Sequence[str] = (),
) -> tuple[str, ...]:
    """Look at the options of a table without touching what they name; the warnings.

    Raises:
        ConfigError: the connector or an option is unknown, is missing, or has a value it does not take.

    Example:
        >>> check({"connector": "print", "sink.parallelism": "4"})
        ("'sink.parallelism' means nothing to the connector 'print' and is ignored",)
    """
    return _read(Given(options, spans or {}, where, tuple(partition_by)))[1].warnings


def create_source(
    options: Mapping[str, str],
    schema: Schema | None = None,
    *,
    spans: Mapping[str, Span] | None = None,
    where: Span | str | None = None,
    partition_by: Sequence[str] = (),
) -> MadeSource:
    """The source that the options describe.

    Args:
        options: all options of the table, `connector` included.
        schema: the declared columns; None: what the source has.
        spans: where the values stand, for messages.
        where: where the table is defined.
        partition_by: the columns that rows are laid out by.
    """
    connector, values = _read(Given(options, spans or {}, where, tuple(partition_by)))
    if connector.source is None:
        raise _one_sided(connector, values, "read from")
    made = connector.source(values, schema)
    error_sink = values["errors.sink"]
    is_tolerant = error_sink is not None or any(v for _, v in values.under("json.ignore-parse-errors"))
    tolerance = values["errors.tolerance"] or ("quarantine" if is_tolerant else "none")
    return MadeSource(made, tolerance, error_sink, values.warnings)


def create_sink(
    options: Mapping[str, str],
    rows: Schema,
    *,
    is_bounded: bool,
    key: Sequence[str] = (),
    spans: Mapping[str, Span] | None = None,
    where: Span | str | None = None,
    partition_by: Sequence[str] = (),
) -> MadeSink:
    """The sink that the options describe, for rows of these columns.

    Args:
        options: all options of the table, `connector` included.
        rows: the columns to write.
        is_bounded: whether the rows end.
        key: columns that tell the rows apart, where there are such.
        spans: where the values stand, for messages.
        where: where the table is defined.
        partition_by: the columns that rows are laid out by.
    """
    connector, values = _read(Given(options, spans or {}, where, tuple(partition_by)))
    if connector.sink is None:
        raise _one_sided(connector, values, "written to")
    changelog = values.given.get("changelog")
    return MadeSink(connector.sink(values, Results(rows, is_bounded, tuple(key))), changelog, values.warnings)


def _read(given: Given) -> tuple[Connector, Values]:
    name = given.options.get(_NAME)
    if name is None:
        raise ConfigError(
            "a table needs a connector",
            code="connector-missing",
            where=given.where,
            choices=list(_BY_NAME),
            hint="WITH ('connector' = '…')",
        )
    connector = _BY_NAME.get(name)
    if connector is None:
        raise ConfigError(
            f"there is no connector '{name}'",
            code="connector-unknown",
            where=given.place(_NAME),
            choices=list(_BY_NAME),
            hint=did_you_mean(name, list(_BY_NAME)),
        )
    if given.partition_by and not connector.takes_partitions:
        raise ConfigError(
            f"a table of the connector '{name}' has no partitions",
            code="connector-no-partitions",
            where=given.where,
            found=f"PARTITIONED BY ({', '.join(given.partition_by)})",
            choices=[c.name for c in CONNECTORS if c.takes_partitions],
        )
    rest = {key: text for key, text in given.options.items() if key != _NAME}
    values = read_options(connector.known, replace(given, options=rest), connector=name)
    if "format" in values:
        check_format(values["format"], rest, given.place)
    return connector, values


def _one_sided(connector: Connector, values: Values, side: str) -> ConfigError:
    able = [c.name for c in CONNECTORS if (c.source if side == "read from" else c.sink) is not None]
    return ConfigError(
        f"a table of the connector '{connector.name}' cannot be {side}",
        code="connector-one-sided",
        where=values.where,
        choices=able,
    )
