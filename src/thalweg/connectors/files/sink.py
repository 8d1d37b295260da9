"""Write results as a directory of part files.

A part is written under a hidden name and renamed when it is complete, so whoever reads the directory
sees whole files only. Files that are there already are never touched.

Reads:    the clock, where parts are full after some time.
Changes:  the directory.
Not here: results that change (the planner folds them into a table first), partitions (partitioned_sink.py).
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from thalweg.base.schema import Schema
from thalweg.checkpoint.addresses import is_remote
from thalweg.checkpoint.disk import Disk, LocalDisk
from thalweg.checkpoint.failpoints import failpoint
from thalweg.checkpoint.object_disk import ObjectDisk
from thalweg.columnar.batch import Batch
from thalweg.columnar.outside import handed_out
from thalweg.columnar.spelled import spelled
from thalweg.connectors.changes import visible
from thalweg.connectors.files.format import named_format
from thalweg.connectors.files.paths import local_path
from thalweg.connectors.files.source import csv_of
from thalweg.connectors.files.staging import (
    commit_parts,
    discard_parts,
    has_parts,
    hidden,
)
from thalweg.connectors.text.csv import CsvOptions
from thalweg.connectors.text.written import check_null, write_csv
from thalweg.errors import ConfigError, ConnectorError, StoreError
from thalweg.protocols.sink import Delivery, Epoch

PART_ROWS = 1_000_000
"""A part is complete when it has this many rows."""
_ENDINGS = {"parquet": ".parquet", "arrow": ".arrow", "csv": ".csv", "json": ".jsonl"}


@dataclass(frozen=True)
class FileSink:
    """A directory that part files are added to; made anew if it is not there.

    Attributes:
        path: the directory.
        format: parquet, arrow, csv or json (one object per line).
        is_bounded: whether the input ends. Then all parts appear when it has; otherwise at every cut.
        part_rows: how many rows make a part full.
        part_bytes: how many bytes, as they are held in memory; None: any number.
        part_seconds: after which time since its first row a part is full, looked at at cuts. If it is given,
            that is when parts appear, whether the input ends or not.
        clock: gives seconds.
        disk: where the directory is; that of an address are its objects.
        csv: how CSV is written; what only reading needs is not looked at.
    """

    path: str
    format: str = "parquet"
    is_bounded: bool = True
    part_rows: int = PART_ROWS
    csv: CsvOptions = field(default_factory=CsvOptions)
    part_bytes: int | None = None
    part_seconds: float | None = None
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)
    disk: Disk = field(default=LocalDisk(is_private=False), repr=False, compare=False)
    takes_updates: bool = False
    delivery: Delivery = "transactional"
    emit: Literal["cut", "now"] = "cut"
    is_parallel: bool = True

    def __post_init__(self) -> None:
        """Objects are on no disk."""
        if is_remote(self.path) and isinstance(self.disk, LocalDisk):
            object.__setattr__(self, "disk", ObjectDisk())

    def describe(self) -> str:
        """The path."""
        return self.path

    def open(self, schema: Schema, task: int) -> FileWriter:
        """A writer of parts; makes the directory."""
        return FileWriter(self, *self._prepared(schema), task)

    @property
    def shows_at_end(self) -> bool:
        """Whether parts stay hidden until the input has ended, where no checkpoint shows them."""
        return self.is_bounded and self.part_seconds is None

    def open_staging(
        self, schema: Schema, task: int, epoch: Epoch, restored: Sequence[Any] = ()
    ) -> StagingFileWriter:
        """A writer of parts that a checkpoint shows; makes the directory."""
        del restored
        with writing(self.path):
            self.disk.make_directory(local_path(self.path))
        return StagingFileWriter(self, *self._prepared(schema), task, epoch.tag)

    def commit(self, epoch: Epoch, staged: Sequence[Any]) -> None:
        """Give parts their names, and record the epoch."""
        with writing(self.path):
            commit_parts(self.disk, local_path(self.path), epoch, staged)

    def discard(self, epoch: Epoch, kept: Sequence[Any]) -> None:
        """Remove hidden parts of runs of the job that have gone."""
        with writing(self.path):
            discard_parts(self.disk, local_path(self.path), epoch, kept)

    def _prepared(self, schema: Schema) -> tuple[str, Schema, str]:
        """Format, columns and directory of a writer; makes the directory."""
        form = named_format(self.format)
        directory = local_path(self.path)
        with writing(self.path):
            is_file = self.disk.is_file(directory)
        if is_file:
            raise ConfigError(
                f'"{self.path}" is a file; results are written as a directory of part files',
                code="sink-not-a-directory",
                hint="name a directory, or a name that does not exist yet",
            )
        _check_nested(schema, form)
        with writing(self.path):
            self.disk.make_directory(directory)
        return form, schema, os.path.join(directory, "")


def csv_to_write(form: str, options: dict[str, Any]) -> CsvOptions:
    """How CSV is written, from options by their names.

    Raises:
        ConfigError: an option is unknown, or cannot have its value.
    """
    csv = csv_of(form, options)
    check_null(csv)
    return csv


class FileWriter:
    """Collects rows until a part is full, and shows parts at cuts.

    Args:
        run: what is in the names of all parts; others may write into the same directory.
    """

    def __init__(
        self, sink: FileSink, form: str, schema: Schema, directory: str, task: int, run: str = ""
    ) -> None:
        self._sink, self._form, self._schema = sink, form, schema
        self.directory, self._task = directory, task
        self._run = run or sink.disk.unique()
        self.number = 0
        """The number of the next part."""
        self._pending: list[pl.DataFrame] = []
        self.rows = 0
        """How many rows are held in memory."""
        self._bytes = 0
        self._begun: float | None = None
        self._staged: list[str] = []

    def write(self, batch: Batch) -> None:
        """Hold rows; those of a full part go to a hidden file."""
        assert batch.is_append, "the planner hands updating results to another sink"
        if len(batch):
            self._hold(visible(batch, self._schema).frame)
        if self._is_full():
            self.put_part()

    def cut(self, number: int) -> None:
        """Publish; nothing of bounded input, and where it is said when parts are full, only full parts."""
        if self.shows_at_end:
            return
        if self.rows and self._is_due():
            self.put_part()
        self._publish()

    def end(self) -> None:
        """Publish the rest; without any row, an empty file that knows the columns."""
        if self.rows or (self.number == 0 and self._task == 0):
            self.put_part()
        self._publish()

    def close(self) -> None:
        """Forget what is not published."""
        with writing(self._sink.path):
            for name in self._staged:
                self._sink.disk.remove(self._hidden(name))
        self._pending, self.rows, self._staged = [], 0, []

    @property
    def shows_at_end(self) -> bool:
        """Whether a job that fails shows nothing."""
        return self._sink.shows_at_end

    def _hold(self, frame: pl.DataFrame) -> None:
        self._pending.append(frame)
        self.rows += frame.height
        if self._sink.part_bytes is not None:
            self._bytes += int(frame.estimated_size())
        if self._begun is None and self._sink.part_seconds is not None:
            self._begun = self._sink.clock()

    def _is_full(self) -> bool:
        most = self._sink.part_bytes
        return self.rows >= self._sink.part_rows or (most is not None and self._bytes >= most)

    def _is_due(self) -> bool:
        """Whether a part is published that is not full of rows."""
        if self._sink.part_seconds is None or self._begun is None:
            return True
        return self._sink.clock() - self._begun >= self._sink.part_seconds

    def put_part(self) -> None:
        """Put what is held into a hidden file, which the next cut shows."""
        empty = pl.DataFrame(schema=self._schema.polars)
        frame = handed_out(pl.concat([empty, *self._pending]), self._schema)
        name = f"part-{self._task}-{self.number}-{self._run}{_ENDINGS[self._form]}"
        try:
            with closing(self._sink.disk.create(self._hidden(name))) as file:
                file.write(_encoded(frame, self._form, self._sink.csv))
                file.sync()
        except OSError as error:
            raise cannot_write(self._sink.path, error) from error
        self._staged.append(name)
        self.number += 1
        self._pending, self.rows, self._bytes, self._begun = [], 0, 0, None

    def _publish(self) -> None:
        try:
            for name in self._staged:
                self._sink.disk.rename(self._hidden(name), f"{self.directory}{name}")
        except OSError as error:
            raise cannot_write(self._sink.path, error) from error
        self._staged = []

    def _hidden(self, name: str) -> str:
        return hidden(self.directory, name)


class StagingFileWriter(FileWriter):
    """Collects rows, and hands hidden parts to the checkpoint that shows them."""

    def cut(self, number: int) -> None:
        """Nothing is shown before a checkpoint."""

    def end(self) -> None:
        """The rest becomes a part; without any row of any run, an empty one that knows the columns."""
        if self.rows or (self.number == 0 and self._task == 0 and not self._has_parts()):
            self.put_part()

    def _has_parts(self) -> bool:
        """Whether a run of the job has shown or staged any."""
        with writing(self._sink.path):
            return has_parts(self._sink.disk, self.directory, self._run)

    def stage(self) -> list[Any]:
        """The parts written since the last call, durable and hidden."""
        if self.rows:
            self.put_part()
        if self._staged:
            with writing(self._sink.path):
                self._sink.disk.sync_directory(self.directory)
            failpoint("sink.staged")
        names, self._staged = self._staged, []
        return names


def _encoded(frame: pl.DataFrame, form: str, csv: CsvOptions) -> memoryview:
    """The bytes of a part, made before any is written: what the disk says is for us, not for Polars."""
    file = io.BytesIO()
    if form == "parquet":
        frame.write_parquet(file)
    elif form == "arrow":
        frame.write_ipc(file, record_batch_size=65_536)
    elif form == "csv":
        write_csv(frame, file, csv)
    else:
        spelled(frame).write_ndjson(file)
    return file.getbuffer()


def _check_nested(schema: Schema, form: str) -> None:
    nested = [f for f in schema if f.type.polars.is_nested()]
    if form == "csv" and nested:
        raise ConfigError(
            f'column "{nested[0].name}" cannot be written as CSV',
            code="sink-nested-csv",
            found=f"{nested[0].name} {nested[0].type}",
            hint="choose another format, or select the members of the row",
        )


@contextmanager
def writing(path: str) -> Iterator[None]:
    """What the system says is told as an error of the sink, also where a record of progress is concerned."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error
    except StoreError as error:
        raise cannot_write(str(error.where or path), error) from error


def cannot_write(path: str, error: OSError | StoreError) -> ConnectorError:
    """The error for a file that cannot be written."""
    return ConnectorError(
        "results cannot be written",
        code="sink-cannot-write",
        where=path,
        found=error.found if isinstance(error, StoreError) else error.strerror or str(error),
        hint="what was committed is as it was; a job with checkpoints goes on from the last one",
    )
