"""Hold a running job, over all of its attempts: ask it how it is, save its state, stop it.

A job that fails and is restarted is one job to whoever asks: between two attempts it says when the next
begins, and a stop ends the pause at once.

Reads:    the run of the current attempt, from other threads than its own.
Changes:  asks the run to stop.
Not here: when a job is restarted (attempts.py), what a stop does to tasks (runtime/run.py).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thalweg.checkpoint.places import absolute
from thalweg.checkpoint.savepoint import Saving, not_taken
from thalweg.errors import ConfigError
from thalweg.runtime.looks import job_ended
from thalweg.session.metrics.frame import frame_of
from thalweg.session.metrics.restarts import RestartFigures

if TYPE_CHECKING:
    import polars as pl

    from thalweg.checkpoint.writer import Checkpointer
    from thalweg.job.job import Job
    from thalweg.protocols.metrics import Metrics
    from thalweg.runtime.assemble import Assembled
    from thalweg.runtime.options import RunOptions
    from thalweg.runtime.run import Run
    from thalweg.runtime.tally import Tally
    from thalweg.runtime.task import Task
    from thalweg.session.checkpoints import Kept
    from thalweg.session.live import LiveState

Target = str | os.PathLike[str]


@dataclass(frozen=True)
class _Pause:
    """A job waits for its next attempt."""

    until: float
    text: str


class JobHandle:
    """A job that runs; `Session.job` gives it, and a session's `on_start` is called with it.

    Its numbers are those of the current attempt.
    """

    def __init__(
        self, run: Run, kept: Kept | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run, self._kept, self._clock = run, kept, clock
        self._checkpointer: Checkpointer | None = None
        self._last: Saving | None = None
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._attempts = 0
        self._pause: _Pause | None = None
        self.stopping: str | None = None
        """`stop` or `drain`, if the job was asked to."""

    def __repr__(self) -> str:
        return f"<job {self.job.name}, {self.state}>"

    # -- how it is -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the job."""
        return self.job.name

    @property
    def state(self) -> str:
        """`running`, `restarting`, `stop` or `drain`."""
        if self.stopping is not None:
            return self.stopping
        return "running" if self._pause is None else "restarting"

    @property
    def job(self) -> Job:
        """What is run."""
        return self._run.job

    @property
    def options(self) -> RunOptions:
        """How it is run."""
        return self._run.options

    @property
    def parts(self) -> Assembled:
        """The tasks and their state."""
        return self._run.parts

    @property
    def tasks(self) -> list[Task]:
        """The tasks."""
        return self._run.tasks

    @property
    def rows_read(self) -> int:
        """Rows taken from all sources."""
        return self._run.rows_read

    @property
    def tally(self) -> Tally:
        """The rows that were late, bad, or too far ahead."""
        return self._run.tally

    @property
    def watermark(self) -> int | None:
        """Event time in microseconds, as far as the sources have come."""
        return self._run.watermark

    @property
    def is_finished(self) -> bool:
        """Whether all input has ended and is worked through."""
        return self._run.is_finished

    @property
    def figures(self) -> Metrics:
        """The figures of the attempt, or of the last one."""
        return self._run.figures

    @property
    def keeps_checkpoints(self) -> bool:
        """Whether the job can go on where it was broken off."""
        return self._kept is not None

    def metrics(self) -> pl.DataFrame:
        """The figures, one per row; between two attempts those that the last one ended with."""
        return frame_of([self.figures])

    def why(self) -> list[tuple[str, str]]:
        """For every task what it waits for, sinks first; between two attempts, for what the job waits."""
        pause = self._pause
        if pause is None:
            return self._run.why()
        return [("job", f"{pause.text}; restarts in {max(0.0, pause.until - self._clock()):.1f} s")]

    @property
    def live(self) -> LiveState:
        """What the job keeps, to be read while it runs."""
        # imported here: few jobs are asked
        from thalweg.session.live import LiveState, OwnStates

        return LiveState(OwnStates(self))

    # -- control -------------------------------------------------------------------------------

    def stop(self, *, drain: bool = False, savepoint: bool | Target = False) -> Saving | None:
        """Stop the job: what it has read is processed first.

        A job that waits for its next attempt ends at once; it would go on from its newest checkpoint.

        Args:
            drain: whether open windows are closed, as if the input had ended.
            savepoint: whether the last checkpoint is a savepoint, or the directory that it goes to.

        Returns:
            The savepoint, if there is to be one: `wait()` gives its path.

        Raises:
            ConfigError: the job keeps no checkpoints, or is to be drained, after which there is no state.
        """
        if savepoint is not False and drain:
            raise ConfigError("a job that is drained has no state left to save", code="savepoint-drained")
        saving = None
        if savepoint is not False:
            saving = self._new_saving(None if savepoint is True else savepoint)
        with self._lock:
            if self.stopping is not None:
                if saving is not None:
                    saving.fail(not_taken("the job is being stopped already"))
                return saving
            self.stopping, self._last = "drain" if drain else "stop", saving
            if self._pause is not None and saving is not None and self._kept is not None:
                self._kept.save(saving)
            self._stopped.set()
            run = self._run
        run.stop(drain=drain)
        return saving

    def save(self, directory: Target | None = None, *, timeout: float | None = None) -> str:
        """Take a savepoint, and give its path: all that was read when this was called is in it.

        Not to be called from the thread that runs the job.

        Args:
            directory: in which it gets a directory of its own; by default that of the job's savepoints.
            timeout: for how many seconds to wait for it.

        Raises:
            ConfigError: the job keeps no checkpoints.
            CheckpointError: it could not be taken, or not in time.
            StoreError: it could not be written.
        """
        return self.saving(directory).wait(timeout)

    def saving(self, directory: Target | None = None) -> Saving:
        """Ask for a savepoint; `wait()` gives its path. See `save`."""
        saving = self._new_saving(directory)
        with self._lock:
            if self._pause is not None and self._kept is not None:
                self._kept.save(saving)
                return saving
            run, checkpointer = self._run, self._checkpointer
        if checkpointer is None:
            saving.fail(not_taken("the job is about to begin or to end"))
            return saving
        # in this order: else the checkpoint could be complete before anybody asks for it
        checkpointer.save_after(run.next_cut, saving)
        run.request_checkpoint()
        return saving

    def _new_saving(self, directory: Target | None) -> Saving:
        if self._kept is None:
            raise ConfigError(
                f"the job {self.name} keeps no checkpoints, so that its state cannot be saved",
                code="savepoint-no-checkpoints",
                hint="a job that is run with --checkpoint-dir does",
            )
        return Saving(self._kept.savepoints if directory is None else absolute(os.fspath(directory)))

    # -- for whoever reads it ------------------------------------------------------------------

    def readable(self) -> Run:
        """The run whose state can be read.

        Raises:
            CheckpointError: `state-job-ended`.
        """
        with self._lock:
            if self._pause is not None or self._run.is_closed:
                raise job_ended(self.name)
            return self._run

    # -- for whoever runs it -------------------------------------------------------------------

    def attach(self, run: Run, checkpointer: Checkpointer | None) -> None:
        """Another attempt has begun."""
        with self._lock:
            self._run, self._checkpointer, self._pause = run, checkpointer, None
            self._attempts += 1
            run.measured.append(RestartFigures(self._attempts - 1))
            stopping = self.stopping
        if stopping is not None:
            run.stop(drain=stopping == "drain")

    def pause(self, seconds: float, text: str) -> bool:
        """Wait before the next attempt; whether there is to be one."""
        with self._lock:
            self._pause = _Pause(self._clock() + seconds, text)
        goes_on = not self._stopped.wait(seconds)
        with self._lock:
            self._pause, self._checkpointer = None, None
        return goes_on

    def finish(self, checkpointer: Checkpointer) -> None:
        """The last checkpoint is complete: it is the savepoint that a stop asked for."""
        with self._lock:
            saving = self._last
        if saving is None:
            return
        if self._run.is_finished:
            saving.fail(not_taken("the job has reached its end, after which there is no state"))
        else:
            checkpointer.save_last(saving)

    def close(self) -> None:
        """The job has ended or failed: nothing more is saved."""
        with self._lock:
            self._checkpointer = None
            saving = self._last
        if saving is not None:
            saving.fail(not_taken("the job failed before"))
