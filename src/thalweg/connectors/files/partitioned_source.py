"""Read a directory of partitions: the columns that it is laid out by come from the names of directories.

Partitions that no wanted row can be in are not opened.

Reads:    the directory, whenever splits are listed.
Not here: the files (source.py), the names (partitions.py).
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import STRING, Field, Float
from thalweg.connectors.files.listing import listing, versions
from thalweg.connectors.files.partitions import (
    PartitionFile,
    Partitioning,
    found_names,
    partition_files,
    partitioning,
)
from thalweg.connectors.files.paths import Found, find_files, local_path
from thalweg.connectors.files.select import pruned
from thalweg.connectors.files.source import FileSource, described, file_source
from thalweg.errors import ConfigError
from thalweg.protocols.conditions import Conditions, Facts, Path, may_hold, paths_of, usable
from thalweg.protocols.figures import Meter
from thalweg.protocols.lookup import LookupOptions
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Replay, Split


def source_of_files(
    path: str | Sequence[str],
    format: str | None = None,
    schema: Schema | None = None,
    *,
    partition_by: Sequence[str] | None = None,
    default_partition: str | None = None,
    **options: Any,
) -> FileSource | PartitionedSource:
    """Describe files, or a directory of partitions, as a source.

    Args:
        path: as `file_source` takes it; for partitions one directory.
        format: as `file_source` takes it.
        schema: the columns and types, those of the partitions among them; None: those of the first file that
            has rows, and texts for those of the partitions.
        partition_by: the columns in the names of directories, the outer one first; None: whatever the names
            say, where a directory holds nothing but directories called `name=value`.
        default_partition: what stands for NULL in a name.
        options: `order`, `interval` and what the format takes, as `file_source` explains them. Partitions
            are `parallel` unless it is said that they follow one another in time.
    """
    names = tuple(partition_by) if partition_by is not None else ()
    if partition_by is None and isinstance(path, str):
        names = found_names(path)
    if not names:
        return file_source(path, format, schema, **options)
    if not isinstance(path, str):
        raise ConfigError(
            "partitions lie in one directory",
            code="source-partition-paths",
            found=", ".join(path),
            hint="read each directory by itself, and unite them",
        )
    return _partitioned(path, format, schema, (names, default_partition), options)


def _partitioned(
    path: str,
    format: str | None,
    schema: Schema | None,
    by: tuple[tuple[str, ...], str | None],
    options: dict[str, Any],
) -> PartitionedSource:
    names, default_name = by
    order, interval = options.pop("order", None), options.pop("interval", None)
    texts = Schema.of(dict.fromkeys(names, STRING))
    # what is looked at first are names only
    layout = partitioning(Schema((*texts.fields, Field("", STRING))), names, default_name)
    files = tuple(f.path for f in partition_files(path, layout))
    place = local_path(path)
    if not files and not listing(place).is_directory(place):
        find_files(path, may_be_empty=interval is not None)
    inner = schema
    if schema is not None:
        layout = partitioning(schema, names, default_name)
        inner = schema.select(n for n in schema.names if n not in names)
    found = described(
        path,
        Found(files, "directory"),
        format,
        inner,
        order=order or "parallel",
        interval=interval,
        options=options,
    )
    if schema is None:
        schema = Schema((*(f for f in found.schema if f.name not in names), *texts.fields))
        found = replace(found, schema=schema.select(n for n in schema.names if n not in names))
    source = PartitionedSource(schema, found, layout)
    source.check()
    return source


@dataclass(frozen=True)
class PartitionedSource:
    """Files with rows of one schema, and further columns that the names of their directories hold.

    Attributes:
        schema: all columns.
        files: how the files are read; its columns are those in the files.
        layout: the columns in the names.
        conditions: partitions none of whose rows can fulfil them are left out.
    """

    schema: Schema
    files: FileSource
    layout: Partitioning
    conditions: Conditions = ()

    version_interval: ClassVar[float] = FileSource.version_interval
    """Where rows are looked up in them, files are looked at so many seconds apart."""

    @property
    def lookup(self) -> LookupOptions:
        """How rows are looked up in the files."""
        return self.files.lookup

    def version(self) -> Hashable:
        """Which files there are, how long they are and when they were changed."""
        return versions([f.path for f in partition_files(self.path, self.layout)])

    @property
    def path(self) -> str:
        """The directory of all partitions."""
        assert isinstance(self.files.path, str), "partitions lie in one directory"
        return self.files.path

    @property
    def is_bounded(self) -> bool:
        """Whether no new files are looked for."""
        return self.files.is_bounded

    @property
    def interval(self) -> float | None:
        """Seconds between two looks for new files."""
        return self.files.interval

    @property
    def is_ordered(self) -> bool:
        """Whether partitions follow one another in time, by name."""
        return self.files.is_ordered

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
        return self.files.describe()

    def splits(self) -> Sequence[Split]:
        """One split per file that is there now, in the order of the names."""
        return [Split(f.path, {"path": f.path, "texts": list(f.texts)}) for f in self._wanted()]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of one file."""
        file = PartitionFile(str(split.data["path"]), tuple(split.data["texts"]))
        target = pruned(self.schema, fields)
        inner = self.files.open(Split(file.path, {"path": file.path}), position, self._in_files(fields))
        return PartitionReader(inner, target, self._values(file))

    def taken(self, conditions: Conditions) -> Conditions:
        """The conditions by which partitions, or parts of files, can be left out without reading them."""
        inner = self.files.taken(tuple(c for c in conditions if not self._names_partition((c,))))
        own = usable(conditions, self._is_known)
        return tuple(c for c in conditions if c in inner or c in own)

    def filtered(self, conditions: Conditions) -> PartitionedSource:
        """The same files without some of the rows that do not fulfil the conditions."""
        inner = tuple(c for c in conditions if not self._names_partition((c,)))
        own = tuple(c for c in conditions if self._names_partition((c,)))
        files = self.files.filtered(inner) if inner else self.files
        return replace(self, files=files, conditions=(*self.conditions, *own))

    def metered(self, meter: Meter) -> PartitionedSource:
        """The same files, and a count of what is read, where the format has one."""
        return replace(self, files=self.files.metered(meter))

    def may_hold_null(self, columns: Sequence[str]) -> bool:
        """Whether there may be a NULL in one of the columns."""
        inner = [c for c in columns if c not in self.layout.names]
        places = [self.layout.names.index(c) for c in columns if c in self.layout.names]
        found = partition_files(self.path, self.layout)
        if any(f.texts[place] is None for f in found for place in places):
            return True
        return bool(inner) and any(self.files.may_hold_null_in(f.path, inner) for f in found)

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        """All files one after the other, read by Polars itself."""
        target = pruned(self.schema, fields)
        scans = [self._scan(file, target, self._in_files(fields)) for file in self._wanted()]
        return pl.concat([target.polars.to_frame().lazy(), *scans])

    def _scan(self, file: PartitionFile, target: Schema, in_file: Fields | None) -> pl.LazyFrame:
        values = self._values(file)
        rows = self.files.scan(file.path, in_file)
        # a literal by itself would be one row
        rows = rows.with_columns(_literal(n, target, values) for n in target.names if n in values)
        return rows.select(target.names)

    def check(self) -> None:
        """Raise if the name of a directory holds no value."""
        for file in partition_files(self.path, self.layout):
            self._values(file)

    def _wanted(self) -> list[PartitionFile]:
        files = partition_files(self.path, self.layout)
        return [f for f in files if may_hold(self.conditions, self._facts(f))] if self.conditions else files

    def _facts(self, file: PartitionFile) -> _Known:
        return _Known(self._values(file))

    def _values(self, file: PartitionFile) -> dict[str, Any]:
        known = self._read.get(file.texts)
        if known is None:
            known = self._read[file.texts] = self.layout.values(file.texts, os.path.dirname(file.path))
        return known

    @cached_property
    def _read(self) -> dict[tuple[str | None, ...], dict[str, Any]]:
        """The values of texts that were read before: many files may be of one partition."""
        return {}

    def _is_known(self, path: Path) -> bool:
        """Whether the name of a directory says the value; NaN compares in too many ways."""
        return path[0] in self.layout.names and not isinstance(self.schema.type_of(path[0]), Float)

    def _names_partition(self, conditions: Conditions) -> bool:
        return any(path[0] in self.layout.names for path in paths_of(conditions))

    def _in_files(self, fields: Fields | None) -> Fields | None:
        """Of the columns asked for those in the files; one of them counts the rows if there is none."""
        if fields is None:
            return None
        inner = [f for f in fields if f[0] not in self.layout.names]
        return inner or [(self.files.schema.names[0], None)]


class _Known:
    """What is known of the rows of one partition."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __call__(self, path: Path) -> Facts:
        if path[0] not in self._values:
            return Facts()
        value = self._values[path[0]]
        return Facts(value, value, has_null=value is None, has_value=value is not None)


class PartitionReader:
    """Another reader, whose rows also have the values of their partition."""

    def __init__(self, inner: Reader, target: Schema, values: dict[str, Any]) -> None:
        self._inner, self._names = inner, target.names
        self._values = [_literal(n, target, values) for n in target.names if n in values]

    def read(self, rows_max: int) -> Chunk:
        """The next rows."""
        chunk = self._inner.read(rows_max)
        if chunk.frame is None:
            return chunk
        # a literal by itself would be one row
        return replace(chunk, frame=chunk.frame.with_columns(self._values).select(self._names))

    @property
    def position(self) -> Position:
        """Where the next read goes on."""
        return self._inner.position

    def close(self) -> None:
        """Give back what is held open."""
        self._inner.close()


def _literal(name: str, target: Schema, values: dict[str, Any]) -> pl.Expr:
    return pl.lit(values[name], dtype=target.type_of(name).polars).alias(name)
