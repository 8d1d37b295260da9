"""Lay rows out in directories by the values of some columns, Hive's way: `dt=2026-01-01/hm=00%3A01`.

The columns stand in the names of the directories and not in the files. Both directions are here: the names
that values have, and the values that names have.

Reads:    directories, to find the files in them.
Not here: the files themselves (sink.py, source.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN, DATE, STRING, TIME, DataType, Decimal, Float, Integer, Timestamp
from thalweg.connectors.files.listing import Listing, listing
from thalweg.connectors.files.paths import HIDDEN, is_data, local_path
from thalweg.errors import ConfigError, did_you_mean
from thalweg.expr.casts import build_cast

DEFAULT_NAME = "__HIVE_DEFAULT_PARTITION__"
"""Stands for NULL, and for an empty text, which could be no name."""
_ESCAPED = re.compile("[\x00-\x1f\"#%'*/:=?\\\\\x7f{\\[\\]^]")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")

Texts = tuple[str | None, ...]
"""The values of one partition as they are written, one per column; None for NULL."""


@dataclass(frozen=True)
class Partitioning:
    """By which columns rows are laid out.

    Attributes:
        columns: from the outer directory to the inner one, with their types.
        default_name: what stands for NULL.
    """

    columns: Schema
    default_name: str = DEFAULT_NAME

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.columns.names

    def directory(self, texts: Texts) -> str:
        """The directory of a partition, below that of the table.

        Example:
            >>> Partitioning(Schema.of({"d": STRING, "k": STRING})).directory(("1:2", None))
            'd=1%3A2/k=__HIVE_DEFAULT_PARTITION__'
        """
        values = (self.default_name if t is None else escaped(t) for t in texts)
        return "/".join(f"{escaped(n)}={v}" for n, v in zip(self.names, values, strict=True))

    def divided(self, frame: pl.DataFrame) -> Iterator[tuple[Texts, pl.DataFrame]]:
        """The rows of each partition in their order, without the columns that they are laid out by."""
        keys = [f"\0{n}" for n in self.names]
        texts = (_written(f.name, f.type).alias(k) for f, k in zip(self.columns, keys, strict=True))
        keyed = frame.with_columns(texts).drop(self.names)
        parts = keyed.partition_by(keys, maintain_order=True, include_key=False, as_dict=True)
        yield from parts.items()

    def values(self, texts: Texts, directory: str) -> dict[str, Any]:
        """What the texts of a directory's name are as values of the columns."""
        read = {}
        for column, text in zip(self.columns, texts, strict=True):
            read[column.name] = _value(text, column.type)
            if text is not None and read[column.name] is None:
                raise ConfigError(
                    f'the name of a directory holds no value of the column "{column.name}"',
                    code="source-partition-value",
                    where=directory,
                    expected=f"{column.name} {column.type}",
                    found=text,
                    hint="declare the column as STRING, and convert it in the query",
                )
        return read


@dataclass(frozen=True)
class PartitionFile:
    """A file and the values of its partition, as they are written."""

    path: str
    texts: Texts = field(default=())


def partitioning(schema: Schema, names: Sequence[str], default_name: str | None = None) -> Partitioning:
    """The layout of rows with these columns by some of them.

    Raises:
        ConfigError: a column is unknown, named twice or of a type that makes no name, or none is left.
    """
    for name in names:
        held = schema.get(name)
        if held is None:
            raise ConfigError(
                f'there is no column "{name}" to partition by',
                code="partition-unknown-column",
                choices=schema.names,
                hint=did_you_mean(name, schema.names),
            )
        if not isinstance(held, (Integer, Float, Decimal, Timestamp)) and held not in (
            *(STRING, BOOLEAN, DATE, TIME),
        ):
            raise ConfigError(
                f'values of the column "{name}" make no names of directories',
                code="partition-type",
                found=f"{name} {held}",
                hint="partition by a text, a number or a time",
            )
    if len(set(names)) < len(names):
        raise ConfigError(
            "a column to partition by is named twice", code="partition-twice", found=", ".join(names)
        )
    if len(names) == len(schema):
        raise ConfigError(
            "there is no column left for the files",
            code="partition-all-columns",
            found=f"partitioned by {', '.join(names)}, which are all columns",
        )
    columns = Schema.of({n: schema.type_of(n) for n in names})
    return Partitioning(columns, DEFAULT_NAME if default_name is None else default_name)


def escaped(text: str) -> str:
    """A text as part of a path.

    Example:
        >>> escaped("00:01 50%"), unescaped("00%3A01 50%25")
        ('00%3A01 50%25', '00:01 50%')
    """
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", text)


def unescaped(text: str) -> str:
    """The text that part of a path stands for."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def found_names(path: str) -> tuple[str, ...]:
    """The columns that the names of directories say, where a directory holds nothing else."""
    names: list[str] = []
    place = local_path(path)
    looks = listing(place)
    while looks.is_directory(place):
        inner = [n for n in looks.names(place) if not n.startswith(HIDDEN)]
        if not inner or any("=" not in n or not looks.is_directory(os.path.join(place, n)) for n in inner):
            break
        names.append(unescaped(inner[0].partition("=")[0]))
        place = os.path.join(place, inner[0])
    return tuple(names)


def partition_files(path: str, layout: Partitioning) -> list[PartitionFile]:
    """Every file of a partitioned directory, in the order of the names.

    Raises:
        ConfigError: something else is there than directories of the partitions.
    """
    place = local_path(path)
    return list(_files(place, layout, (), listing(place)))


def _files(place: str, layout: Partitioning, texts: Texts, looks: Listing) -> Iterator[PartitionFile]:
    entries = looks.names(place)
    if len(texts) == len(layout.names):
        for name in entries:
            file = os.path.join(place, name)
            if is_data(file, looks):
                yield PartitionFile(file, texts)
        return
    start = f"{escaped(layout.names[len(texts)])}="
    for name in entries:
        inner = os.path.join(place, name)
        if name.startswith(start) and looks.is_directory(inner):
            text = name.removeprefix(start)
            value = None if text == layout.default_name else unescaped(text)
            yield from _files(inner, layout, (*texts, value), looks)
        elif not name.startswith(HIDDEN):
            raise ConfigError(
                "something lies beside the partitions of a table",
                code="source-partition-layout",
                where=inner,
                expected=f"directories {start}…, as the table is partitioned by {', '.join(layout.names)}",
            )


def _written(name: str, held: DataType) -> pl.Expr:
    """The texts of a column; NULL for an empty one."""
    column = pl.col(name)
    text = column if held == STRING else build_cast(column, held, STRING)
    if held == BOOLEAN:
        text = text.str.to_lowercase()
    return pl.when(text != "").then(text)


def _value(text: str | None, held: DataType) -> Any:
    if text is None or held == STRING:
        return text
    return pl.select(build_cast(pl.lit(text, dtype=pl.String), STRING, held)).item()
