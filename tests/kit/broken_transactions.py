"""A transactional sink that keeps its contract, and one for each line that breaks it.

A breaker is the right sink with one deviation, named by the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.checkpoint.failpoints import failpoint
from thalweg.columnar.batch import Batch
from thalweg.connectors.changes import visible
from thalweg.errors import CheckpointError
from thalweg.protocols.sink import Epoch


class ListSink:
    """Keeps staged and shown rows in lists."""

    def __init__(self, breaks: str = "") -> None:
        self.breaks = breaks
        self.staged: dict[int, tuple[Epoch, pl.DataFrame]] = {}
        self.shown: list[pl.DataFrame] = []
        self.done: dict[tuple[str, int], int] = {}
        self.fences: dict[str, int] = {}

    def open_staging(
        self, schema: Schema, task: int, epoch: Epoch, restored: Sequence[Any] = ()
    ) -> ListWriter:
        """A writer of a run."""
        return ListWriter(self, schema, epoch)

    def commit(self, epoch: Epoch, staged: Sequence[Any]) -> None:
        """Show, and record."""
        if self.fences.get(epoch.job_tag, 0) > epoch.fence and self.breaks != "X3":
            raise CheckpointError("overtaken", code="checkpoint-overtaken")
        place = epoch.job_tag, epoch.lineage
        if self.done.get(place, -1) >= epoch.number and self.breaks != "X1":
            return
        for key in staged:
            self.shown.append(self.staged[key][1])
        self.done[place], self.fences[epoch.job_tag] = epoch.number, epoch.fence

    def discard(self, epoch: Epoch, kept: Sequence[Any]) -> None:
        """Forget what is not kept, of the same job and no newer run."""
        gone = [k for k, (made, _) in self.staged.items() if self._is_old(made, epoch) and k not in kept]
        for key in gone:
            del self.staged[key]

    def _is_old(self, made: Epoch, epoch: Epoch) -> bool:
        is_mine = made.job_tag == epoch.job_tag or self.breaks == "X4"
        return is_mine and (made.fence <= epoch.fence or self.breaks == "X4 of newer runs")

    def read_back(self) -> pl.DataFrame | None:
        """What is shown."""
        return pl.concat(self.shown) if self.shown else None


class ListWriter:
    """Hands rows to its sink."""

    def __init__(self, sink: ListSink, schema: Schema, epoch: Epoch) -> None:
        self.sink, self.schema, self.epoch = sink, schema, epoch
        self.held: list[pl.DataFrame] = []
        self.mine: list[int] = []

    def write(self, batch: Batch) -> None:
        """Hold rows."""
        self.held.append(visible(batch, self.schema).frame)

    def cut(self, number: int) -> None:
        """Nothing is shown."""
        if self.sink.breaks == "G1":
            self.sink.shown += self.held

    def end(self) -> None:
        """Nothing is shown."""

    def stage(self) -> list[Any]:
        """Everything held, under a number."""
        if not self.held:
            return []
        key = len(self.sink.staged) + 1
        self.sink.staged[key] = self.epoch, pl.concat(self.held)
        self.held = []
        self.mine.append(key)
        return [{key}] if self.sink.breaks == "G2" else [key]

    def close(self) -> None:
        """Nothing is forgotten."""
        if self.sink.breaks == "G3":
            for key in self.mine:
                del self.sink.staged[key]


class TornSink(ListSink):
    """Takes for done what broke off."""

    def commit(self, epoch: Epoch, staged: Sequence[Any]) -> None:
        """Record first, then show."""
        before = dict(self.done)
        super().commit(epoch, [])
        if self.done == before:
            return
        failpoint("sink.renamed")
        for key in staged:
            self.shown.append(self.staged[key][1])
