"""Take what a job writes, in place of its sinks: exact tables, and what functions would be called with.

Not here: what the rows must be (compare.py), calling the functions (effects.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch, join_batches
from thalweg.columnar.outside import handed_out
from thalweg.connectors.changes import visible
from thalweg.connectors.memory import folded
from thalweg.connectors.staged_changes import StagedChanges
from thalweg.protocols.sink import Delivery, Epoch, Writer

_END = 1 << 62


class Collected:
    """What one sink of a job has committed, whichever process did it.

    Attributes:
        commits: the frames of each commit, with their weights in the last column.
        schema: the columns.
    """

    def __init__(self) -> None:
        self.commits: list[Sequence[pl.DataFrame]] = []
        self._done: dict[int, int] = {}
        self.schema = Schema(())

    def commit(self, epoch: Epoch, frames: Sequence[pl.DataFrame]) -> None:
        """Take the rows of an epoch, once."""
        if self._done.get(epoch.lineage, -1) < epoch.number:
            self.commits.append(frames)
            self._done[epoch.lineage] = epoch.number

    def table(self) -> pl.DataFrame:
        """All changes added up.

        Raises:
            DataError: more of a row was retracted than was ever there.
        """
        frames = [frame for commit in self.commits for frame in commit]
        if not frames:
            return pl.DataFrame(schema=self.schema.outer)
        batch = join_batches([Batch.unpacked(f) for f in frames])
        return handed_out(folded(batch), self.schema)


@dataclass(frozen=True, eq=False)
class TableSink:
    """A table that is committed with checkpoints.

    Attributes:
        collected: the table.
        began: told the number of the checkpoint that a process goes on from.
    """

    collected: Collected = field(repr=False)
    began: Callable[[int], None] = field(repr=False)
    takes_updates: bool = True
    delivery: Delivery = "transactional"
    emit: Literal["cut", "now"] = "cut"
    is_parallel: bool = True

    def describe(self) -> str:
        """What it is."""
        return "a simulated table"

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer without checkpoints: there is none."""
        raise AssertionError("a simulated job always keeps checkpoints")

    def open_staging(
        self, schema: Schema, task: int, epoch: Epoch, restored: Sequence[Any] = ()
    ) -> StagedBatches:
        """A writer whose rows a checkpoint keeps."""
        self.collected.schema = schema
        self.began(epoch.number)
        return StagedBatches(schema)

    def commit(self, epoch: Epoch, staged: Sequence[Any]) -> None:
        """Take the rows of an epoch."""
        self.collected.commit(epoch, staged)

    def discard(self, epoch: Epoch, kept: Sequence[Any]) -> None:
        """Nothing: what is staged is part of checkpoints."""


class StagedBatches(StagedChanges):
    """A `StagingWriter` whose parts are frames of changes with their weights, as they came."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema, ())

    def stage(self) -> list[Any]:
        """The changes since the last call."""
        pending = self.take()
        return [join_batches(pending).packed()] if pending else []


@dataclass(frozen=True)
class Delivered:
    """Rows that a function was called with.

    Attributes:
        process: which process called it, from 1.
        cut: at which cut.
        batches: the rows.
    """

    process: int
    cut: int
    batches: tuple[Batch, ...]


@dataclass
class Deliveries:
    """Everything that a function was called with, and where its processes went on from.

    Attributes:
        log: the calls, in order.
        began: by process, the number of the checkpoint that it went on from.
        schema: the columns.
    """

    log: list[Delivered] = field(default_factory=list)
    began: dict[int, int] = field(default_factory=dict)
    schema: Schema = field(default_factory=lambda: Schema(()))

    def is_undone(self, call: Delivered) -> bool:
        """Whether a later process went on from before the call, and so calls with these rows again."""
        return any(p > call.process and number < call.cut for p, number in self.began.items())

    @property
    def again(self) -> list[Delivered]:
        """The calls that came again."""
        return [call for call in self.log if self.is_undone(call)]

    @property
    def once(self) -> list[Delivered]:
        """The calls as they would be if nothing had crashed."""
        return [call for call in self.log if not self.is_undone(call)]


@dataclass(frozen=True, eq=False)
class DeliverySink:
    """Notes with what a function would be called, at least once.

    Attributes:
        deliveries: what is noted.
        process: which process writes.
        takes_updates, emit, is_parallel: as the sink in whose place it stands.
    """

    deliveries: Deliveries = field(repr=False)
    process: int
    takes_updates: bool
    emit: Literal["cut", "now"]
    is_parallel: bool = False
    delivery: Delivery = "at_least_once"

    def describe(self) -> str:
        """What it is."""
        return "a simulated function"

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer that notes rows at cuts."""
        self.deliveries.schema = schema
        return _NotingWriter(self, schema)


class _NotingWriter:
    def __init__(self, sink: DeliverySink, schema: Schema) -> None:
        self._sink, self._schema = sink, schema
        self._pending: list[Batch] = []
        self._last = 0

    def write(self, batch: Batch) -> None:
        if len(batch):
            self._pending.append(visible(batch, self._schema))
        if self._sink.emit == "now":
            self._note(self._last + 1)

    def cut(self, number: int) -> None:
        self._note(number)
        self._last = number

    def end(self) -> None:
        self._note(_END)

    def close(self) -> None:
        self._pending = []

    def _note(self, cut: int) -> None:
        pending, self._pending = self._pending, []
        if pending:
            self._sink.deliveries.log.append(Delivered(self._sink.process, cut, tuple(pending)))
