"""A simulated database with transactions, and the sink that writes to it.

A transaction is whole and durable when it is over, whatever happens to the process; the answer may be lost.

Not here: the contract (protocols/sink.py), real databases (connectors/sqlite.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.staged_changes import StagedChanges
from thalweg.errors import CheckpointError, ConnectorError
from thalweg.protocols.sink import Delivery, Epoch, StagingWriter, Writer
from thalweg.testing.simulation.world import Fault

Row = tuple[Any, ...]


class Database:
    """One table and the record of what was committed.

    Attributes:
        rows: the rows that are there, each with how often.
        numbers: by sink and lineage, the last epoch.
        fences: by sink, the run that committed last.
        by_lineage: what each lineage has committed.
        overtaken: the epochs of runs that had been overtaken, and committed nevertheless.
    """

    def __init__(self) -> None:
        self.rows: Counter[Row] = Counter()
        self.numbers: dict[tuple[str, int], int] = {}
        self.fences: dict[str, int] = {}
        self.by_lineage: dict[int, Counter[Row]] = {}
        self.overtaken: list[Epoch] = []

    def commit(self, epoch: Epoch, staged: Sequence[pl.DataFrame]) -> None:
        """One transaction.

        Raises:
            CheckpointError: a newer run has committed.
        """
        if self.newest(epoch) > epoch.fence:
            raise CheckpointError(
                "another run of the job has committed, and this one may not any more",
                code="checkpoint-overtaken",
                found=f"run {epoch.fence}",
            )
        if self.done(epoch) >= epoch.number:
            return
        rows = self.by_lineage.setdefault(epoch.lineage, Counter())
        for frame in staged:
            for op, *row in frame.iter_rows():
                for held in (self.rows, rows):
                    held[tuple(row)] += 1 if op in ("+I", "+U") else -1
        self.record(epoch)

    def newest(self, epoch: Epoch) -> int:
        """The run that committed last."""
        return self.fences.get(epoch.job_tag, 0)

    def done(self, epoch: Epoch) -> int:
        """The last epoch of the lineage."""
        return self.numbers.get((epoch.job_tag, epoch.lineage), -1)

    def record(self, epoch: Epoch) -> None:
        """Keep what was committed, together with it."""
        if self.fences.get(epoch.job_tag, 0) > epoch.fence:
            self.overtaken.append(epoch)
        self.numbers[epoch.job_tag, epoch.lineage] = epoch.number
        self.fences[epoch.job_tag] = epoch.fence

    def table(self) -> Counter[Row]:
        """What a reader sees."""
        return Counter({row: n for row, n in self.rows.items() if n})


def _no_fault(place: str) -> Fault | None:
    """What is not simulated has no faults."""
    del place
    return None


@dataclass(frozen=True, eq=False)
class DatabaseSink:
    """The table of a simulated database.

    Attributes:
        database: where it is.
        key: columns that tell rows apart; without them the table only takes rows that stay.
        point: passes the point of a name, and says which fault strikes there.
    """

    database: Database
    key: tuple[str, ...] = ()
    point: Callable[[str], Fault | None] = field(default=_no_fault, repr=False)
    delivery: Delivery = "transactional"
    emit: Literal["cut", "now"] = "cut"
    is_parallel: bool = True

    @property
    def takes_updates(self) -> bool:
        """Whether rows can be found again."""
        return bool(self.key)

    def describe(self) -> str:
        """What it is."""
        return "a simulated database"

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer without checkpoints: there is none."""
        raise AssertionError("a simulated job always keeps checkpoints")

    def open_staging(
        self, schema: Schema, task: int, epoch: Epoch, restored: Sequence[Any] = ()
    ) -> StagingWriter:
        """A writer whose rows a checkpoint keeps."""
        return StagedChanges(schema, self.key)

    def commit(self, epoch: Epoch, staged: Sequence[Any]) -> None:
        """Write the rows of an epoch and record it, in one transaction.

        Raises:
            CheckpointError: a newer run has committed.
            ConnectorError: it failed, or its answer was lost.
        """
        fault = self.point("commit database")
        if fault is not None and fault.kind == "refuse":
            raise _lost("the database is not there")
        self.database.commit(epoch, staged)
        fault = self.point("commit answer")
        if fault is not None and fault.kind == "reply":
            raise _lost("the answer was lost")

    def discard(self, epoch: Epoch, kept: Sequence[Any]) -> None:
        """Nothing: what is staged is part of checkpoints."""


def _lost(why: str) -> ConnectorError:
    return ConnectorError("results cannot be written", code="sink-cannot-write", found=why)
