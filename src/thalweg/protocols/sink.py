"""The contract of sinks: a description, and writers that take batches and publish at cuts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

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
class EndsTogether(Protocol):
    """A writer that shows what it has when its input has ended, and not before."""

    @property
    def shows_at_end(self) -> bool:
        """Whether it does; then nobody shows anything before every task of the sink has ended."""
        ...


@runtime_checkable
class TimedWriter(Protocol):
    """A writer that is told event time, if its sink says that it `wants_time`."""

    def on_watermark(self, time: int) -> None:
        """No row that is not late will have a time before `time` (microseconds); publishes nothing."""
        ...


@dataclass(frozen=True)
class Epoch:
    """What is committed at once: all that a sink was handed between two checkpoints.

    Attributes:
        job: what the job is called by nobody else: another job of the same name has another identity.
        sink: which sink of the job.
        lineage, number: the checkpoint that the epoch ends with.
        fence: the number of the run.
    """

    job: str
    sink: str
    lineage: int
    number: int
    fence: int

    @property
    def tag(self) -> str:
        """What names of this run carry: no other run of any job has it."""
        return f"{self.job_tag}-{self.lineage}-{self.fence}"

    @property
    def job_tag(self) -> str:
        """What names of all runs of the job carry."""
        return hashlib.sha256(f"{self.job}/{self.sink}".encode()).hexdigest()[:8]


@runtime_checkable
class StagingWriter(Writer, Protocol):
    """A writer of which nothing is visible before a checkpoint is complete.

    What is staged is plain JSON, or frames: these become data files of the checkpoint.

    Contract:
        G1 `cut` and `end` show nothing; `stage` gives what was written since it was last called, which is
           durable then and invisible.
        G2 what `stage` gives is plain JSON or frames, from which any process can commit it.
        G3 `close` leaves what was staged where it is.

    Checked by: `thalweg.testing.check_transactional`.
    """

    def stage(self) -> list[Any]:
        """Make the rows written so far durable; what `commit` is to be given."""
        ...


@runtime_checkable
class TransactionalSink(Protocol):
    """A sink whose output becomes visible together with a checkpoint, once, whatever crashes.

    Contract:
        X1 `commit` shows all that was staged, and records the epoch; another commit of the same epoch, or of
           an earlier one of the same lineage, changes nothing, whatever other lineages have committed.
        X2 after a commit that broke off, another one completes it.
        X3 a commit whose fence is lower than that of a commit before it is refused with a CheckpointError.
        X4 `discard` forgets what this run of the lineage and those before have staged, but for what is given;
           nothing visible changes, and nothing of newer runs, other lineages and jobs.

    Checked by: `thalweg.testing.check_transactional`.
    """

    def open_staging(
        self, schema: Schema, task: int, epoch: Epoch, restored: Sequence[Any] = ()
    ) -> StagingWriter:
        """A writer for one task of a run.

        Args:
            schema: the columns.
            task: which task.
            epoch: the checkpoint that the run goes on from.
            restored: what all tasks had staged for that checkpoint, which has been committed since.
        """
        ...

    def commit(self, epoch: Epoch, staged: Sequence[Any]) -> None:
        """Show what the tasks of an epoch have staged."""
        ...

    def discard(self, epoch: Epoch, kept: Sequence[Any]) -> None:
        """Forget what was staged by runs that have gone."""
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
