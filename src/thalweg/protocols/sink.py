"""The contract of sinks: a description, and writers that take batches and publish at cuts."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch

Delivery = Literal["transactional", "idempotent", "at_least_once"]


class Writer(Protocol):
    """Takes the rows of one task of a sink.

    Contract:
        W1 rows become visible only at `cut` or `end` (or at once, with `emit="now"`).
        W2 every row handed to `write` before a cut is visible after it (a sink that was told that the
           input ends may keep some until `end`), and none twice.
        W3 weights are honoured: a sink that `takes_updates` applies -1 as a removal; another one
           never sees a weight.
        W4 `close` without `end` publishes nothing more.
        W5 `end` may come without any row and leaves a readable, empty result.
        W6 writers of a parallel sink have nothing to do with each other: each publishes its own rows,
           at its own cuts.
        W7 `close` may be called twice, also after `end`, and takes nothing back.
        W8 the batches handed in are not changed.

    Checked by: `thalweg.testing.check_sink`.
    """

    def write(self, batch: Batch) -> None:
        """Take rows; they are not visible yet."""
        ...

    def cut(self, number: int) -> None:
        """Publish everything written since the last cut."""
        ...

    def end(self) -> None:
        """Publish the rest: the input has ended."""
        ...

    def close(self) -> None:
        """Give back what is held open; may be called twice."""
        ...


@runtime_checkable
class TimedWriter(Protocol):
    """A writer that is told event time, if its sink says that it `wants_time`."""

    def on_watermark(self, time: int) -> None:
        """No row that is not late will have a time before `time` (microseconds); publishes nothing."""
        ...


@runtime_checkable
class Sink(Protocol):
    """The description of a sink: an immutable value.

    Attributes:
        takes_updates: whether it can take retractions.
        delivery: what is promised about repeated rows after a crash.
        emit: `cut` (publishes at cuts) or `now`.
        parallel: how many writers may write at the same time: True for any number.
    """

    @property
    def takes_updates(self) -> bool: ...
    @property
    def delivery(self) -> Delivery: ...
    @property
    def emit(self) -> Literal["cut", "now"]: ...
    @property
    def is_parallel(self) -> bool: ...

    def describe(self) -> str:
        """A few words for `explain` and messages."""
        ...

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer for one task; errors about the target are raised here, before the job starts."""
        ...


def wants_time(sink: Sink) -> bool:
    """Whether what a sink publishes depends on event time (its `wants_time`)."""
    return bool(getattr(sink, "wants_time", False))
