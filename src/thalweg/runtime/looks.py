"""Answer questions about the state of a running job, each at a cut.

A question waits for the next barrier. When that passes a task that has some of the state, the task reads the
rows that are wanted and puts them aside; when it has passed every task, the answer is complete: it is of that
cut in every task, and of nothing behind it. A job that nobody asks looks at an empty collection once per cut
and task.

Reads:    states, on the threads of their tasks.
Changes:  no state; a question whose rows cannot be read fails, and the job goes on.
Not here: when a barrier goes out (run.py, coordinator.py), who asks (session/live.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import polars as pl

from thalweg.errors import CheckpointError, ThalwegError
from thalweg.job.states import KeptState
from thalweg.runtime.aside import Aside

if TYPE_CHECKING:
    from thalweg.runtime.assemble import Assembled
    from thalweg.runtime.task import Task

PART_ROWS = 16_384


class Look:
    """A question about one state.

    Args:
        state: which.
        keys: values of key columns, of which only the rows are wanted; None: all rows.
        aside: where rows are put until they are taken.
    """

    def __init__(self, state: KeptState, keys: pl.DataFrame | None, aside: Aside) -> None:
        self.state, self.keys, self.aside = state, keys, aside
        self.cut: int | None = None
        """The cut that it was answered at."""
        self.unread: set[str] = set()
        """The tasks that have not read their rows yet."""
        self.is_over = False
        """Whether it is answered, has failed, or nobody waits any more."""
        self._error: Exception | None = None
        self._done = threading.Event()

    def read(self, task: str, states: Assembled) -> None:
        """Put the rows of one task aside; on its thread, or when it has finished."""
        self.unread.discard(task)
        if self.is_over:
            return
        kept = states.states[task][self.state.operator, self.state.name]
        try:
            for part in kept.read(self.keys, PART_ROWS):
                if self.is_over:
                    return
                self.aside.put(part)
        except Exception as error:  # noqa: BLE001 - a reader must not stop the job, whatever goes wrong
            self.fail(error)

    def answer(self, cut: int) -> None:
        """All rows are there."""
        if not self.is_over:
            self.cut, self.is_over = cut, True
            self._done.set()

    def fail(self, error: Exception) -> None:
        """There is no answer."""
        if not self.is_over:
            self._error, self.is_over = error, True
            self._done.set()

    def wait(self, timeout: float | None) -> int:
        """Wait for the answer; the cut that it is of.

        Raises:
            CheckpointError: `state-timeout`, `state-job-ended`, `state-unreadable`.
        """
        if not self._done.wait(timeout):
            self.fail(_too_late(self.state, timeout))
        if self._error is None:
            assert self.cut is not None, "an answer is of a cut"
            return self.cut
        self.aside.close()
        if isinstance(self._error, ThalwegError):
            raise self._error
        raise CheckpointError(
            f'the rows of the state "{self.state}" could not be read',
            code="state-unreadable",
            found=f"{type(self._error).__name__}: {self._error}",
        ) from self._error


class Looks:
    """The questions that a run has been asked; whoever calls holds the run's lock, but for `read`."""

    def __init__(self) -> None:
        self._waiting: list[Look] = []
        self._at: dict[int, list[Look]] = {}

    def add(self, looks: Iterable[Look]) -> None:
        """Questions for the next barrier."""
        self._waiting += looks

    def begin(self, cut: int, tasks: Callable[[KeptState], Iterable[str]]) -> None:
        """A barrier goes out: it answers all questions that wait; `tasks` have the rows of a state."""
        if not self._waiting:
            return
        self._at[cut], self._waiting = self._waiting, []
        for look in self._at[cut]:
            look.unread = set(tasks(look.state))

    def read(self, task: Task, cut: int, states: Assembled) -> None:
        """A barrier passes a task; on its thread, and without a lock: tasks read side by side."""
        for look in self._at.get(cut, ()):
            if task.name in look.unread:
                look.read(task.name, states)

    def complete(self, cut: int, states: Assembled) -> None:
        """A barrier has passed every task that had not finished before; those hold what they held then."""
        for look in self._at.pop(cut, ()):
            for task in sorted(look.unread):
                look.read(task, states)
            look.answer(cut)

    def fail(self, error: Exception) -> None:
        """The run ends: nobody is answered any more."""
        for look in (*self._waiting, *(look for looks in self._at.values() for look in looks)):
            look.fail(error)
        self._waiting, self._at = [], {}


def job_ended(name: str) -> CheckpointError:
    """The error of a question that came too late."""
    return CheckpointError(
        f'the job "{name}" has no state that could be read: it ends, has ended, or begins again',
        code="state-job-ended",
        hint="its checkpoints can be read, if it keeps any; one that restarts can be asked again",
    )


def _too_late(state: KeptState, timeout: float | None) -> CheckpointError:
    return CheckpointError(
        f'the state "{state}" could not be read in time',
        code="state-timeout",
        found=f"no cut within {timeout} s",
        hint="thalweg why JOB says what the tasks wait for; the thread that runs a job cannot ask it",
    )
