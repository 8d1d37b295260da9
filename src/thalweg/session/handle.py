"""Hold a running job, over all of its attempts: ask it how it is, stop it.

A job that fails and is restarted is one job to whoever asks: between two attempts it says when the next
begins, and a stop ends the pause at once.

Reads:    the run of the current attempt, from other threads than its own.
Changes:  asks the run to stop.
Not here: when a job is restarted (attempts.py), what a stop does to tasks (runtime/run.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thalweg.job.job import Job
    from thalweg.runtime.assemble import Assembled
    from thalweg.runtime.options import RunOptions
    from thalweg.runtime.run import Run
    from thalweg.runtime.tally import Tally
    from thalweg.runtime.task import Task


@dataclass(frozen=True)
class _Pause:
    """A job waits for its next attempt."""

    until: float
    text: str


class JobHandle:
    """A job that runs; `Session.job` gives it, and a session's `on_start` is called with it.

    Its numbers are those of the current attempt.
    """

    def __init__(self, run: Run, clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._clock = run, clock
        self._lock = threading.Lock()
        self._stopped = threading.Event()
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

    def why(self) -> list[tuple[str, str]]:
        """For every task what it waits for, sinks first; between two attempts, for what the job waits."""
        pause = self._pause
        if pause is None:
            return self._run.why()
        return [("job", f"{pause.text}; restarts in {max(0.0, pause.until - self._clock()):.1f} s")]

    # -- control -------------------------------------------------------------------------------

    def stop(self, *, drain: bool = False) -> None:
        """Stop the job: what it has read is processed first. With `drain`, open windows are closed too.

        A job that waits for its next attempt ends at once; it would go on from its newest checkpoint.
        """
        with self._lock:
            if self.stopping is not None:
                return
            self.stopping = "drain" if drain else "stop"
            self._stopped.set()
            run = self._run
        run.stop(drain=drain)

    # -- for whoever runs it -------------------------------------------------------------------

    def attach(self, run: Run) -> None:
        """Another attempt has begun."""
        with self._lock:
            self._run, self._pause = run, None
            stopping = self.stopping
        if stopping is not None:
            run.stop(drain=stopping == "drain")

    def pause(self, seconds: float, text: str) -> bool:
        """Wait before the next attempt; whether there is to be one."""
        with self._lock:
            self._pause = _Pause(self._clock() + seconds, text)
        return not self._stopped.wait(seconds)
