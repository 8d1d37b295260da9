"""Hold the statements of a SQL file as immutable values.

What can be known without a catalog is here: names, types, options, and syntax trees of queries and
expressions, which the binder gives a meaning later.

Not here: reading them (grammar/), carrying them out (session/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal as Choice

from sqlglot import exp

from thalweg.base.types import DataType
from thalweg.errors import Span


@dataclass(frozen=True)
class Statement:
    """One statement: where it stands in its file, and its own text."""

    span: Span = field(compare=False, repr=False, kw_only=True)
    text: str = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class ColumnDefinition:
    """What every column of a CREATE TABLE has."""

    name: str
    span: Span = field(compare=False, repr=False, kw_only=True)
    comment: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class PhysicalColumn(ColumnDefinition):
    """A column that the connector reads and writes."""

    type: DataType
    is_nullable: bool = True


@dataclass(frozen=True)
class ComputedColumn(ColumnDefinition):
    """A column computed from the columns before it; never written."""

    expression: exp.Expr = field(hash=False)


Column = PhysicalColumn | ComputedColumn


@dataclass(frozen=True)
class Watermark:
    """`WATERMARK FOR column AS expression`."""

    column: str
    expression: exp.Expr = field(hash=False)
    span: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class CreateTable(Statement):
    """`CREATE TABLE`.

    Attributes:
        options: plain keys and values of WITH (…), in order.
        option_spans: for each key the place of its value, for messages.
        primary_key: its columns; a statement about the data, never enforced.
        partitioned_by: the columns that rows are laid out by.
        query: of CREATE TABLE … AS.
    """

    name: str
    columns: tuple[Column, ...] = ()
    watermark: Watermark | None = None
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    option_spans: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)
    primary_key: tuple[str, ...] = ()
    comment: str | None = None
    is_temporary: bool = False
    if_not_exists: bool = False
    or_replace: bool = False
    query: exp.Expr | None = field(default=None, hash=False)
    partitioned_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class CreateView(Statement):
    """`CREATE VIEW name [([columns] [, PRIMARY KEY (…) NOT ENFORCED])] AS query`; `query_text` as written."""

    name: str
    query: exp.Expr = field(hash=False)
    query_text: str = field(compare=False, repr=False)
    columns: tuple[str, ...] | None = None
    primary_key: tuple[str, ...] = ()
    comment: str | None = None
    is_temporary: bool = False
    if_not_exists: bool = False
    or_replace: bool = False
    key_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Drop(Statement):
    """`DROP TABLE` or `DROP VIEW`."""

    kind: Choice["table", "view"]
    name: str
    if_exists: bool = False
    is_temporary: bool = False


@dataclass(frozen=True)
class InsertInto(Statement):
    """`INSERT INTO target [(columns)] query`; VALUES is a query too."""

    target: str
    query: exp.Expr = field(hash=False)
    columns: tuple[str, ...] | None = None
    target_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Query(Statement):
    """A query whose rows are shown."""

    query: exp.Expr = field(hash=False)


Detail = Choice["CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "ESTIMATED_COST", "STATE"]
"""What EXPLAIN can say besides."""


@dataclass(frozen=True)
class Explain(Statement):
    """`EXPLAIN [PLAN FOR | details] statement`; `details` are what to say besides, in capitals."""

    statement: InsertInto | Query
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True)
class Describe(Statement):
    """`DESCRIBE name`, or `DESCRIBE 'path'`, which is a table too."""

    name: str
    is_path: bool = False
    name_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ShowTables(Statement):
    """`SHOW TABLES`."""


@dataclass(frozen=True)
class ShowViews(Statement):
    """`SHOW VIEWS`."""


@dataclass(frozen=True)
class ShowFunctions(Statement):
    """`SHOW FUNCTIONS`; `only_user` for `SHOW USER FUNCTIONS`."""

    only_user: bool = False


@dataclass(frozen=True)
class ShowCreate(Statement):
    """`SHOW CREATE TABLE name` or `SHOW CREATE VIEW name`."""

    kind: Choice["table", "view"]
    name: str
    name_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Set(Statement):
    """`SET 'key' = 'value'`; without a key it lists the settings."""

    key: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Reset(Statement):
    """`RESET ['key']`."""

    key: str | None = None
