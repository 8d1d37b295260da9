"""A shelf of sinks: one that keeps its contract, and many that break it in one way each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from tests.kit.broken_sources import Broken
from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import folded


class TwinSink:
    """Keeps what is published in a list."""

    writer: Callable[..., Any]
    takes_updates, delivery, emit, is_parallel = True, "at_least_once", "cut", True

    def __init__(self) -> None:
        self.published: list[Batch] | None = None
        self.schema: Schema | None = None

    def describe(self) -> str:
        return type(self).__name__

    def open(self, schema: Schema, task: int) -> Any:
        return self.writer(self, schema)

    def read_back(self) -> pl.DataFrame | None:
        """What can be seen of the target."""
        if self.published is None or self.schema is None:
            return None
        empty = Batch(self.schema.polars.to_frame())
        changes = [b.packed() for b in (empty, *self.published)]
        return folded(Batch.unpacked(pl.concat(changes)))


class TwinWriter:
    """Publishes at cuts."""

    def __init__(self, sink: TwinSink, schema: Schema) -> None:
        self.sink, self.schema = sink, schema
        self.pending: list[Batch] = []

    def write(self, batch: Batch) -> None:
        self.pending.append(batch)

    def cut(self, number: int) -> None:
        self.publish()

    def end(self) -> None:
        self.publish()

    def publish(self) -> None:
        self.sink.schema = self.schema
        pending, self.pending = self.pending, []
        self.sink.published = [*(self.sink.published or []), *pending]

    def close(self) -> None:
        self.pending = []


TwinSink.writer = TwinWriter
SHELF: list[Broken] = []


def breaks(line: str) -> Callable[[type], type]:
    """Put a writer, or a whole sink, on the shelf."""

    def add(broken: type) -> type:
        whole = broken if issubclass(broken, TwinSink) else None
        SHELF.append(Broken(whole or type(broken.__name__, (TwinSink,), {"writer": broken}), line))
        return broken

    return add


@breaks("W1")
class PublishesAtOnce(TwinWriter):
    def write(self, batch: Batch) -> None:
        super().write(batch)
        self.publish()


@breaks("W1")
class PublishesEverySecondBatch(TwinWriter):
    def write(self, batch: Batch) -> None:
        super().write(batch)
        if len(self.pending) == 2:
            self.publish()


@breaks("W2")
class LosesTheLastBatch(TwinWriter):
    def end(self) -> None:
        self.pending = []
        self.publish()


@breaks("W2")
class KeepsTheLastBatchBack(TwinWriter):
    def cut(self, number: int) -> None:
        last = self.pending[-1:]
        self.pending = self.pending[:-1]
        self.publish()
        self.pending = last


@breaks("W2")
class RepeatsAtTheNextCut(TwinWriter):
    def publish(self) -> None:
        pending = self.pending
        super().publish()
        self.pending = pending


@breaks("W2")
class KeepsEqualRowsOnce(TwinWriter):
    def publish(self) -> None:
        seen: list[Batch] = []
        for batch in self.pending:
            if not any(batch.frame.equals(s.frame) and batch.is_append for s in seen):
                seen.append(batch)
        self.pending = seen
        super().publish()


@breaks("W2")
class EndsWithAnError(TwinWriter):
    def end(self) -> None:
        if not self.pending and self.sink.published:
            raise ValueError("nothing to end")
        super().end()


@breaks("W3")
class IgnoresWeights(TwinWriter):
    def write(self, batch: Batch) -> None:
        super().write(Batch(batch.frame))


@breaks("W3")
class KnowsOnlyOneAtATime(TwinWriter):
    def write(self, batch: Batch) -> None:
        super().write(Batch(batch.frame, None if batch.weight is None else batch.weight.sign()))


@breaks("W3")
class RemovesBeforeItInserts(TwinWriter):
    """Within a cut, a row that comes and goes again stays."""

    def publish(self) -> None:
        there = Batch.unpacked(
            pl.concat([b.packed() for b in self.sink.published or [Batch(pl.DataFrame())]])
        )
        known = set(folded(there).rows())
        self.pending = [b.filter(self.possible(b, known)) for b in self.pending]
        super().publish()

    def possible(self, batch: Batch, known: set[Any]) -> pl.Series:
        pairs = zip(batch.frame.rows(), batch.weights(), strict=True)
        return pl.Series([weight > 0 or row in known for row, weight in pairs], dtype=pl.Boolean)


@breaks("W3")
class SaysThatItTakesNoUpdates(TwinSink):
    writer = TwinWriter
    takes_updates = False


@breaks("W4")
class PublishesOnClose(TwinWriter):
    def close(self) -> None:
        if self.pending:
            self.publish()


@breaks("W5")
class MakesNoEmptyResult(TwinWriter):
    def publish(self) -> None:
        if self.pending:
            super().publish()


@breaks("W5")
class EmptyResultHasNoColumns(TwinWriter):
    def publish(self) -> None:
        super().publish()
        if not self.sink.published:
            self.sink.schema = Schema(())


@breaks("W5")
class CannotEndWithoutRows(TwinWriter):
    def end(self) -> None:
        assert self.pending or self.sink.published, "there were no rows"
        super().end()


@breaks("W6")
class SharesWhatIsPending(TwinSink):
    class writer(TwinWriter):  # noqa: N801 - the name of the twin's attribute
        def __init__(self, sink: TwinSink, schema: Schema) -> None:
            super().__init__(sink, schema)
            self.pending = sink.__dict__.setdefault("shared", [])

        def publish(self) -> None:
            self.sink.schema = self.schema
            self.sink.published = [*(self.sink.published or []), *self.pending]
            self.pending.clear()

        def close(self) -> None:
            self.pending.clear()


@breaks("W6")
class OnlyTheFirstWriterPublishes(TwinSink):
    class writer(TwinWriter):  # noqa: N801 - the name of the twin's attribute
        def __init__(self, sink: TwinSink, schema: Schema) -> None:
            super().__init__(sink, schema)
            self.is_first = sink.__dict__.setdefault("first", self) is self

        def publish(self) -> None:
            if not self.is_first:
                self.pending = []
            super().publish()


@breaks("W7")
class ClosesOnce(TwinWriter):
    def close(self) -> None:
        self.pending.clear()
        self.write = self.close = None  # type: ignore[method-assign, assignment]


@breaks("W7")
class TakesBackOnClose(TwinWriter):
    has_ended = False

    def end(self) -> None:
        super().end()
        self.has_ended = True

    def close(self) -> None:
        if self.has_ended:
            self.sink.published = []


@breaks("W8")
class AddsAColumn(TwinWriter):
    def write(self, batch: Batch) -> None:
        super().write(Batch(batch.frame.clone(), batch.weight))
        batch.frame.insert_column(0, pl.Series("op", ["+I"] * len(batch)))


@breaks("W8")
class ChangesAValue(TwinWriter):
    def write(self, batch: Batch) -> None:
        super().write(Batch(batch.frame.clone(), batch.weight))
        batch.frame[0, "id"] = -1


# Twins that keep the contract in other ways ----------------------------------------------------------


class EagerSink(TwinSink):
    """Publishes at once, and says so."""

    emit = "now"
    writer = PublishesAtOnce


class PatientSink(TwinSink):
    """Knows that its input ends: it publishes full parts, and the rest at the end."""

    class writer(TwinWriter):  # noqa: N801 - the name of the twin's attribute
        def cut(self, number: int) -> None:
            rest = self.pending[2:]
            if len(self.pending) >= 2:
                self.pending = self.pending[:2]
                self.publish()
                self.pending = rest

    takes_updates = False
