"""Keep what a job publishes, cut by cut, so that what comes after a checkpoint can be forgotten with it.

Not here: stepping the job (harness.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch, join_batches
from thalweg.columnar.outside import handed_out
from thalweg.connectors.changes import visible
from thalweg.connectors.memory import folded
from thalweg.protocols.sink import Delivery, Writer


@dataclass
class Published:
    """The batches of one result, each with the cut that published it.

    Attributes:
        entries: the batches, in order.
        taken: how many entries the test has taken.
    """

    entries: list[tuple[int, Batch]] = field(default_factory=list)
    taken: int = 0
    first_cut: int = 1
    schema: Schema = field(default_factory=lambda: Schema(()))

    def forget_after(self, cut: int) -> None:
        """A job goes on from a checkpoint: what was published after it is taken back."""
        self.entries = [e for e in self.entries if e[0] <= cut]
        self.taken = min(self.taken, len(self.entries))
        self.first_cut = cut + 1

    def take(self) -> list[tuple[int, tuple[Any, ...]]]:
        """The changes since the last call: a weight and a row each."""
        fresh, self.taken = self.entries[self.taken :], len(self.entries)
        return [change for _, batch in fresh for change in self._rows(batch)]

    def _rows(self, batch: Batch) -> list[tuple[int, tuple[Any, ...]]]:
        rows = handed_out(batch.frame, self.schema).rows()
        return list(zip(batch.weights().to_list(), rows, strict=True))

    def table(self) -> pl.DataFrame:
        """All changes so far, added up."""
        if not self.entries:
            return pl.DataFrame(schema=self.schema.outer)
        return handed_out(folded(join_batches([b for _, b in self.entries])), self.schema)


@dataclass(frozen=True, eq=False)
class PublishedSink:
    """A sink that keeps every change."""

    published: Published = field(repr=False)
    takes_updates: bool = True
    delivery: Delivery = "at_least_once"
    emit: Literal["cut", "now"] = "cut"
    is_parallel: bool = True

    def describe(self) -> str:
        """What it is."""
        return "a test"

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer that publishes at cuts."""
        del task
        self.published.schema = schema
        return _Writer(self.published, schema)


class _Writer:
    def __init__(self, published: Published, schema: Schema) -> None:
        self._published, self._schema = published, schema
        self._pending: list[Batch] = []
        self._next = published.first_cut

    def write(self, batch: Batch) -> None:
        self._pending.append(visible(batch, self._schema))

    def cut(self, number: int) -> None:
        self.end()
        self._next = number + 1

    def end(self) -> None:
        pending, self._pending = self._pending, []
        self._published.entries += [(self._next, b) for b in pending]

    def close(self) -> None:
        self._pending = []
