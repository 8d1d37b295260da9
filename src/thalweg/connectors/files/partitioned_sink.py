"""Write results as a directory of partitions, each of which is a directory of part files.

Each partition is written as by a file sink of its own. One that is complete is published and marked; rows
that come for it later are a further file, and it is marked again.

Reads:    the clock, where it decides when a part or a partition is complete.
Changes:  the directory.
Not here: parts (sink.py), names (partitions.py), when a partition is complete (commit.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import polars as pl

from thalweg.base.durations import microseconds
from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.connectors.changes import visible
from thalweg.connectors.connector import Results
from thalweg.connectors.files.commit import Commit, marker
from thalweg.connectors.files.partitions import Partitioning, Texts, partitioning
from thalweg.connectors.files.paths import local_path
from thalweg.connectors.files.sink import (
    PART_ROWS,
    FileSink,
    FileWriter,
    StagingFileWriter,
    cannot_write,
    csv_to_write,
    writing,
)
from thalweg.connectors.files.staging import commit_parts, discard_parts, mark
from thalweg.errors import ConfigError, Span
from thalweg.protocols.sink import Delivery, Epoch

_OPTIONS = (
    *("partition_by", "default_partition", "success_file", "partition_time", "commit_delay"),
    *("part_rows", "part_bytes", "part_age"),
)


@dataclass(frozen=True)
class PartitionedSink:
    """A directory of partitions.

    Attributes:
        files: how the files of each partition are written, and the directory of all.
        by: the columns that rows are partitioned by, the outer directory first.
        default_name: stands for NULL; None: Hive's name.
        marking: how complete partitions are marked; None: they are not.
        clock: gives seconds.
    """

    files: FileSink
    by: tuple[str, ...]
    default_name: str | None = None
    marking: Commit | None = None
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)
    takes_updates: bool = False
    delivery: Delivery = "transactional"
    emit: Literal["cut", "now"] = "cut"

    @property
    def is_parallel(self) -> bool:
        """Whether several may write: whoever says that a partition is complete must have seen all of it."""
        return self.marking is None

    @property
    def wants_time(self) -> bool:
        """Whether event time decides what is complete."""
        return self.marking is not None and self.marking.is_timed

    def describe(self) -> str:
        """The path."""
        return self.files.describe()

    def open(self, schema: Schema, task: int) -> PartitionedWriter:
        """A writer of partitions; makes the directory of all."""
        return PartitionedWriter(self, *self._prepared(schema, task), task)

    def open_staging(
        self, schema: Schema, task: int, epoch: Epoch, restored: Sequence[Any] = ()
    ) -> StagingPartitionedWriter:
        """A writer of partitions that a checkpoint shows and marks; makes the directory of all."""
        with writing(self.files.path):
            self.files.disk.make_directory(local_path(self.files.path))
        writer = StagingPartitionedWriter(self, *self._prepared(schema, task), task, epoch)
        writer.restore(restored)
        return writer

    def commit(self, epoch: Epoch, staged: Sequence[Any]) -> None:
        """Give parts their names, mark the partitions that are complete, and record the epoch."""
        parts = [s["part"] for s in staged if "part" in s]
        marks = [s["mark"] for s in staged if "mark" in s]
        directory = local_path(self.files.path)
        with writing(self.files.path):
            commit_parts(self.files.disk, directory, epoch, parts, lambda: self._mark(directory, marks))

    def discard(self, epoch: Epoch, kept: Sequence[Any]) -> None:
        """Remove hidden parts of runs of the job that have gone."""
        with writing(self.files.path):
            parts = [s["part"] for s in kept if "part" in s]
            name = None if self.marking is None else self.marking.marker
            discard_parts(self.files.disk, local_path(self.files.path), epoch, parts, name)

    def _mark(self, directory: str, partitions: Sequence[str]) -> None:
        for partition in partitions:
            assert self.marking is not None, "partitions are marked if that is said"
            mark(self.files.disk, os.path.join(directory, partition), self.marking.marker)

    def _prepared(self, schema: Schema, task: int) -> tuple[Partitioning, Schema, Schema]:
        layout = partitioning(schema, self.by, self.default_name)
        if self.marking is not None:
            self.marking.check(layout.names)
        inner = schema.select(n for n in schema.names if n not in layout.names)
        # looks at the directory and the columns, and makes it
        self.files.open(inner, task)
        return layout, schema, inner


def sink_of_files(path: str, form: str, rows: Results, options: dict[str, Any]) -> FileSink | PartitionedSink:
    """A directory of files, or of partitions, from options by their names.

    Args:
        path: the directory.
        form: the format.
        rows: what is known of the rows.
        options: those of `api.written_files`; to them come the attributes of `CsvOptions`.

    Raises:
        ConfigError: an option is unknown, or cannot have its value.
    """
    given = {name: options.pop(name) for name in _OPTIONS if name in options}
    age = given.get("part_age")
    by = given.get("partition_by", ())
    files = FileSink(
        path,
        form,
        is_bounded=rows.is_bounded,
        part_rows=given.get("part_rows", PART_ROWS),
        part_bytes=given.get("part_bytes"),
        part_seconds=None if age is None else microseconds(age) / 1e6,
        csv=csv_to_write(form, options),
    )
    if not by:
        return _without_partitions(files, given)
    names = (by,) if isinstance(by, str) else tuple(by)
    partitioning(rows.schema, names)
    commit = None
    if "success_file" in given:
        pattern = given.get("partition_time")
        commit = Commit(
            "process-time" if pattern is None else "partition-time",
            microseconds(given.get("commit_delay", "0s")),
            marker(given["success_file"]),
            pattern,
        )
        commit.check(names)
    return PartitionedSink(files, names, given.get("default_partition"), commit)


def _without_partitions(files: FileSink, given: dict[str, Any]) -> FileSink:
    for name in ("success_file", "partition_time", "commit_delay", "default_partition"):
        if name in given:
            raise no_partitions(f'"{name}"', "partition_by=[…] names the columns")
    return files


def no_partitions(option: str, hint: str, where: Span | str | None = None) -> ConfigError:
    """The error for an option of partitions where there are none."""
    return ConfigError(
        f"{option} is about partitions, and there are none",
        code="sink-no-partitions",
        where=where,
        hint=hint,
    )


@dataclass
class _Open:
    """A partition that rows have come for since it was last complete."""

    directory: str
    writer: FileWriter
    begun: float
    time: int | None


class PartitionedWriter:
    """Hands rows to one writer per partition, and marks partitions that are complete at cuts."""

    def __init__(
        self, sink: PartitionedSink, layout: Partitioning, schema: Schema, inner: Schema, task: int
    ) -> None:
        self._sink, self._layout, self._schema, self._inner = sink, layout, schema, inner
        self._task = task
        self._watermark: int | None = None
        self._open: dict[Texts, _Open] = {}
        self._rows = 0
        """Rows that are held in memory, of all partitions."""

    @property
    def shows_at_end(self) -> bool:
        """Whether partitions that no one has completed before stay hidden until then."""
        return self._sink.files.shows_at_end

    def write(self, batch: Batch) -> None:
        """Hold rows, each for its partition."""
        assert batch.is_append, "the planner hands updating results to another sink"
        if not len(batch):
            return
        for texts, rows in self._layout.divided(visible(batch, self._schema).frame):
            self._write(texts, rows)
        while self._rows > self._sink.files.part_rows:
            self._stage_largest()

    def on_watermark(self, time: int) -> None:
        """No row that is not late will have a time before this one."""
        self._watermark = time

    def cut(self, number: int) -> None:
        """Publish, and mark what is complete."""
        for texts, part in list(self._open.items()):
            if self._is_complete(part):
                self._finish(texts, part)
                continue
            held = part.writer.rows
            part.writer.cut(number)
            self._rows -= held - part.writer.rows
            if self._sink.marking is None and not part.writer.rows and not self.shows_at_end:
                del self._open[texts]

    def end(self) -> None:
        """Publish the rest; every partition is complete."""
        for texts, part in list(self._open.items()):
            self._finish(texts, part)

    def close(self) -> None:
        """Forget what is not published."""
        for part in self._open.values():
            part.writer.close()
        self._open, self._rows = {}, 0

    def _write(self, texts: Texts, rows: pl.DataFrame) -> None:
        part = self._open.get(texts)
        if part is None:
            part = self._open[texts] = self._begun(texts)
        held = part.writer.rows
        part.writer.write(Batch(rows))
        self._rows += part.writer.rows - held

    def _begun(self, texts: Texts) -> _Open:
        sink, commit = self._sink, self._sink.marking
        path = os.path.join(sink.files.path, self._layout.directory(texts))
        moment = None
        if commit is not None and commit.is_timed:
            moment = commit.time(dict(zip(self._layout.names, texts, strict=True)), path)
        writer = self._opened(replace(sink.files, path=path))
        return _Open(writer.directory, writer, sink.clock(), moment)

    def _opened(self, files: FileSink) -> FileWriter:
        """A writer of the parts of one partition."""
        return files.open(self._inner, self._task)

    def _is_complete(self, part: _Open) -> bool:
        commit = self._sink.marking
        if commit is None:
            return False
        if part.time is not None:
            return self._watermark is not None and part.time + commit.delay <= self._watermark
        return part.begun + commit.delay / 1e6 <= self._sink.clock()

    def _finish(self, texts: Texts, part: _Open) -> None:
        self._rows -= part.writer.rows
        part.writer.end()
        if self._sink.marking is not None:
            try:
                self._sink.marking.mark(self._sink.files.disk, part.directory)
            except OSError as error:
                raise cannot_write(part.directory, error) from error
        del self._open[texts]

    def _stage_largest(self) -> None:
        """Put the most rows of one partition into a file that waits for the next cut."""
        part = max(self._open.values(), key=lambda p: p.writer.rows)
        self._rows -= part.writer.rows
        part.writer.put_part()


class StagingPartitionedWriter(PartitionedWriter):
    """Hands parts and marks of partitions to the checkpoint that shows them.

    What it stages are plain values: `{"part": path}`, `{"mark": partition}` when the partition is complete,
    and one `{"open": …}` with the partitions that are not yet, which a later run marks.
    """

    def __init__(
        self,
        sink: PartitionedSink,
        layout: Partitioning,
        schema: Schema,
        inner: Schema,
        task: int,
        epoch: Epoch,
    ) -> None:
        super().__init__(sink, layout, schema, inner, task)
        self._epoch = epoch
        self._made: list[dict[str, Any]] = []
        self._next = 0

    def restore(self, staged: Sequence[Any]) -> None:
        """Know the partitions that were not complete when a checkpoint was taken."""
        for texts in (t for s in staged for t in s.get("open", ())):
            known = tuple(texts)
            self._open[known] = self._begun(known)

    def cut(self, number: int) -> None:
        """Nothing is shown before a checkpoint; what is complete is marked with it."""
        for texts, part in list(self._open.items()):
            if self._is_complete(part):
                self._finish(texts, part)

    def stage(self) -> list[Any]:
        """The parts and marks since the last call, durable and hidden."""
        for texts, part in list(self._open.items()):
            self._rows -= part.writer.rows
            self._take(texts, part)
            if self._sink.marking is None:
                del self._open[texts]
        made, self._made = self._made, []
        still = [list(texts) for texts in self._open]
        return [*made, {"open": still}] if still else made

    def _opened(self, files: FileSink) -> FileWriter:
        writer = files.open_staging(self._inner, self._task, self._epoch)
        # a partition that rows come for again must not give its parts the names of those before
        writer.number = self._next
        return writer

    def _finish(self, texts: Texts, part: _Open) -> None:
        self._rows -= part.writer.rows
        self._take(texts, part)
        if self._sink.marking is not None:
            self._made.append({"mark": self._layout.directory(texts)})
        del self._open[texts]

    def _take(self, texts: Texts, part: _Open) -> None:
        """What one partition has staged."""
        assert isinstance(part.writer, StagingFileWriter), "partitions of a checkpoint are staged"
        inner = self._layout.directory(texts)
        self._made += ({"part": os.path.join(inner, name)} for name in part.writer.stage())
        self._next = max(self._next, part.writer.number)
