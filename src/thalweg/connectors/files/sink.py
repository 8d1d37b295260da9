"""Write results as a directory of part files.

A part is written under a hidden name and renamed when it is complete, so whoever reads the directory
sees whole files only. Files that are there already are never touched.

Reads:    nothing.
Changes:  the directory.
Not here: results that change (the planner folds them into a table first).
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from typing import IO, Any, Literal

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.columnar.outside import handed_out
from thalweg.connectors.changes import visible
from thalweg.connectors.files.format import named_format
from thalweg.connectors.files.paths import local_path
from thalweg.connectors.files.source import csv_of
from thalweg.connectors.text.csv import CsvOptions
from thalweg.connectors.text.written import check_null, spelled, write_csv
from thalweg.errors import ConfigError, ConnectorError
from thalweg.protocols.sink import Delivery

PART_ROWS = 1_000_000
"""A part is complete when it has this many rows."""
_ENDINGS = {"parquet": ".parquet", "arrow": ".arrow", "csv": ".csv", "json": ".jsonl"}


@dataclass(frozen=True)
class FileSink:
    """A directory that part files are added to; made anew if it is not there.

    Attributes:
        path: the directory.
        format: parquet, arrow, csv or json (one object per line).
        is_bounded: whether the input ends. Then parts appear when they are full or the input has
            ended; otherwise at every cut.
        part_rows: how many rows make a part full.
        csv: how CSV is written; what only reading needs is not looked at.
    """

    path: str
    format: str = "parquet"
    is_bounded: bool = True
    part_rows: int = PART_ROWS
    csv: CsvOptions = field(default_factory=CsvOptions)
    takes_updates: bool = False
    delivery: Delivery = "at_least_once"
    emit: Literal["cut", "now"] = "cut"
    is_parallel: bool = True

    def describe(self) -> str:
        """The path."""
        return self.path

    def open(self, schema: Schema, task: int) -> FileWriter:
        """A writer of parts; makes the directory."""
        form = named_format(self.format)
        directory = local_path(self.path)
        if os.path.exists(directory) and not os.path.isdir(directory):
            raise ConfigError(
                f'"{self.path}" is a file; results are written as a directory of part files',
                code="sink-not-a-directory",
                hint="name a directory, or a name that does not exist yet",
            )
        _check_nested(schema, form)
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return FileWriter(self, form, schema, os.path.join(directory, ""), task)


def csv_to_write(form: str, options: dict[str, Any]) -> CsvOptions:
    """How CSV is written, from options by their names.

    Raises:
        ConfigError: an option is unknown, or cannot have its value.
    """
    csv = csv_of(form, options)
    check_null(csv)
    return csv


class FileWriter:
    """Collects rows until a part is full, and shows parts at cuts."""

    def __init__(self, sink: FileSink, form: str, schema: Schema, directory: str, task: int) -> None:
        self._sink, self._form, self._schema = sink, form, schema
        self._directory, self._task = directory, task
        # Another run, or another job, may write into the same directory.
        self._run = uuid.uuid4().hex[:8]
        self._number = 0
        self._pending: list[pl.DataFrame] = []
        self._rows = 0
        self._staged: list[str] = []

    def write(self, batch: Batch) -> None:
        """Hold rows; those of a full part go to a hidden file."""
        assert batch.is_append, "the planner hands updating results to another sink"
        if len(batch):
            self._pending.append(visible(batch, self._schema).frame)
            self._rows += len(batch)
        if self._rows >= self._sink.part_rows:
            self._stage()

    def cut(self, number: int) -> None:
        """Publish; of bounded input only full parts."""
        if self._rows and not self._sink.is_bounded:
            self._stage()
        self._publish()

    def end(self) -> None:
        """Publish the rest; without any row, an empty file that knows the columns."""
        if self._rows or (self._number == 0 and self._task == 0):
            self._stage()
        self._publish()

    def close(self) -> None:
        """Forget what is not published."""
        for name in self._staged:
            os.unlink(self._hidden(name))
        self._pending, self._rows, self._staged = [], 0, []

    def _stage(self) -> None:
        empty = pl.DataFrame(schema=self._schema.polars)
        frame = handed_out(pl.concat([empty, *self._pending]), self._schema)
        name = f"part-{self._task}-{self._number}-{self._run}{_ENDINGS[self._form]}"
        try:
            with open(self._hidden(name), "xb") as handle:
                _write(frame, handle, self._form, self._sink.csv)
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise _cannot_write(self._sink.path, error) from error
        self._staged.append(name)
        self._number += 1
        self._pending, self._rows = [], 0

    def _publish(self) -> None:
        try:
            for name in self._staged:
                os.rename(self._hidden(name), f"{self._directory}{name}")
        except OSError as error:
            raise _cannot_write(self._sink.path, error) from error
        self._staged = []

    def _hidden(self, name: str) -> str:
        return f"{self._directory}.{name}.writing"


def _write(frame: pl.DataFrame, handle: IO[bytes], form: str, csv: CsvOptions) -> None:
    if form == "parquet":
        frame.write_parquet(handle)
    elif form == "arrow":
        frame.write_ipc(handle, record_batch_size=65_536)
    elif form == "csv":
        write_csv(frame, handle, csv)
    else:
        spelled(frame).write_ndjson(handle)


def _check_nested(schema: Schema, form: str) -> None:
    nested = [f for f in schema if f.type.polars.is_nested()]
    if form == "csv" and nested:
        raise ConfigError(
            f'column "{nested[0].name}" cannot be written as CSV',
            code="sink-nested-csv",
            found=f"{nested[0].name} {nested[0].type}",
            hint="choose another format, or select the members of the row",
        )


def _cannot_write(path: str, error: OSError) -> ConnectorError:
    return ConnectorError(
        "results cannot be written",
        code="sink-cannot-write",
        where=path,
        found=error.strerror or str(error),
    )
