"""Describe the columns of a batch: an ordered, immutable list of named types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from thalweg.base.types import DataType, Field, from_polars, outer_type
from thalweg.errors import PlanError, Span, did_you_mean

SYSTEM_PREFIX = "__"
"""Columns whose name starts so belong to the engine and are invisible to `SELECT *`."""
STAMP = f"{SYSTEM_PREFIX}proctime"
"""The column of when a row was read, in the scans that say it."""


@dataclass(frozen=True)
class Schema:
    """Names and types of columns, in order; names are unique.

    Example:
        >>> from thalweg.base.types import INT64, STRING
        >>> str(Schema.of({"id": INT64, "name": STRING}))
        'id BIGINT, name STRING'
    """

    fields: tuple[Field, ...]

    @staticmethod
    def of(columns: Mapping[str, DataType]) -> Schema:
        """A schema from names and types."""
        return Schema(tuple(Field(n, t) for n, t in columns.items()))

    @staticmethod
    def from_polars(columns: Mapping[str, pl.DataType]) -> Schema:
        """A schema from a Polars schema; an unsupported type is a `PlanError`."""
        fields = []
        for name, held in columns.items():
            known = from_polars(held)
            if known is None:
                raise PlanError(
                    f'column "{name}" has the type {held}, which Thalweg does not know',
                    code="plan-unknown-type",
                    hint="cast the column before handing it over",
                )
            fields.append(Field(name, known))
        return Schema(tuple(fields))

    def __str__(self) -> str:
        return ", ".join(f"{f.name} {f.type}" for f in self.fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @cached_property
    def _by_name(self) -> dict[str, DataType]:
        return {f.name: f.type for f in self.fields}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(f.name for f in self.fields)

    @cached_property
    def polars(self) -> pl.Schema:
        """The same columns as a Polars schema."""
        return pl.Schema({f.name: f.type.polars for f in self.fields})

    @cached_property
    def outer(self) -> pl.Schema:
        """The same columns as they leave the engine: maps as maps (inside they are lists of entries)."""
        return pl.Schema({f.name: outer_type(f.type) for f in self.fields})

    @cached_property
    def differing(self) -> tuple[str, ...]:
        """The columns whose type differs between inside and outside."""
        return tuple(n for n, t in self.outer.items() if t != self.polars[n])

    def get(self, name: str) -> DataType | None:
        """The type of a column, or None."""
        return self._by_name.get(name)

    def type_of(self, name: str, *, table: str | None = None, where: Span | None = None) -> DataType:
        """The type of a column; an unknown name is a `PlanError` with the near misses."""
        known = self._by_name.get(name)
        if known is None:
            raise unknown_column(name, self.names, table=table, where=where)
        return known

    def select(self, names: Iterable[str]) -> Schema:
        """The schema of these columns, in this order."""
        return Schema(tuple(Field(n, self.type_of(n)) for n in names))


def unknown_column(
    name: str, known: Iterable[str], *, table: str | None = None, where: Span | None = None
) -> PlanError:
    """The error for a column that is not there, naming what is."""
    visible = [n for n in known if not n.startswith(SYSTEM_PREFIX)]
    owner = "" if table is None else f'table "{table}" has '
    text = f'{owner}no column "{name}"' if owner else f'there is no column "{name}"'
    return PlanError(
        text,
        code="plan-unknown-column",
        where=where,
        choices=visible,
        hint=did_you_mean(name, visible),
    )
