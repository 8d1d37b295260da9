"""What a connector tells the registry: its name, its options, and how sources and sinks are made of them.

Not here: the list of connectors (registry.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from thalweg.base.schema import Schema
from thalweg.connectors.options import Option, Values, choice, flag
from thalweg.errors import ConfigError
from thalweg.protocols.sink import Sink
from thalweg.protocols.source import Source

ERROR_OPTIONS = (
    choice(
        "errors.tolerance",
        ("none", "quarantine"),
        None,
        "what becomes of rows that cannot be read: none stops, quarantine keeps them apart and goes on",
    ),
    Option("errors.sink", str, None, "the table that takes rows that cannot be read"),
    Option("errors.dead-letter", str, None, "the directory that takes such rows whole, to be repaired"),
    Option("source.journal", flag, False, "whether rows are written down, so that they can be read again"),
)
"""Options that every source has."""


@dataclass(frozen=True)
class Results:
    """The rows that a sink is made for.

    Attributes:
        schema: their columns.
        is_bounded: whether they end.
        key: columns that tell them apart, so that updates can be told from inserts and deletes.
    """

    schema: Schema
    is_bounded: bool
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Connector:
    """One connector.

    Attributes:
        name: what `'connector' = '…'` calls it.
        options: the options of both sides.
        source: makes a source of options and the declared columns (None: none are declared).
        sink: makes a sink of options and what is known of the rows to write.
        takes_partitions: whether rows can be laid out by the values of columns (PARTITIONED BY).
    """

    name: str
    options: tuple[Option, ...] = ()
    source: Callable[[Values, Schema | None], Source] | None = None
    sink: Callable[[Values, Results], Sink] | None = None
    takes_partitions: bool = False

    @property
    def known(self) -> tuple[Option, ...]:
        """Every option, those of all sources included."""
        return self.options if self.source is None else (*self.options, *ERROR_OPTIONS)


def needed_columns(schema: Schema | None, connector: str, values: Values) -> Schema:
    """The declared columns, where a connector cannot know them by itself."""
    if schema is None:
        raise ConfigError(
            f"a table of the connector '{connector}' needs columns",
            code="connector-no-columns",
            where=values.where,
            hint="CREATE TABLE name (column TYPE, …) WITH (…)",
        )
    return schema
