"""Run a job on several threads of this process: task i of every stage on thread i.

Columns are computed with Python's lock released, so the threads run side by side; what is left of
Python between the calls is short. The switch interval of the lock is lowered while a job runs, so
that one thread in user code does not delay the others by 5 ms.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import numpy as np
import polars as pl

from thalweg.errors import ThalwegError
from thalweg.runtime.run import Run
from thalweg.runtime.source_task import SourceTask
from thalweg.runtime.task import Step, Task

_SWITCH_INTERVAL = 0.0005


class _Worker:
    """One thread and the tasks that it steps."""

    def __init__(self, number: int, run: Run, tasks: list[Task], stop: threading.Event) -> None:
        self.number, self._run, self._tasks, self._stop = number, run, tasks, stop
        self._woken = threading.Event()
        self.error: BaseException | None = None
        for task in tasks:
            task.wake = self._woken.set
        self.thread = threading.Thread(target=self._main, name=f"thalweg-{number}", daemon=True)

    def wake(self) -> None:
        self._woken.set()

    def _main(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that started the job
            self.error = error
            self._stop.set()

    def _loop(self) -> None:
        run = self._run
        while not self._stop.is_set():
            self._woken.clear()
            progressed = self._step_tasks()
            if all(t.state == "finished" for t in self._tasks):
                return
            if run.is_quiet:
                self._stop.set()
                return
            if not progressed:
                waits = [t.wait for t in self._tasks if isinstance(t, SourceTask) and t.wait is not None]
                self._woken.wait(min([*waits, 0.05]))

    def _step_tasks(self) -> bool:
        run, progressed = self._run, False
        for task in self._tasks:
            if run.stopping is not None and isinstance(task, SourceTask):
                run.apply_stop(task)
            result = task.step()
            run.after_step(task, result)
            progressed = progressed or result is Step.PROGRESS
        return progressed


def run_threads(run: Run, *, until: Callable[[], bool] | None = None, poll: float = 0.1) -> None:
    """Run until the job has ended, was stopped, or `until()` is true (looked at every `poll` seconds).

    Raises:
        The error of the failing task; several at once arrive as an `ExceptionGroup`.
    """
    _prepare_polars()
    count = max(s.parallelism for s in run.job.stages)
    stop = threading.Event()
    workers = [
        _Worker(i, run, [t for t in reversed(run.tasks) if t.index % count == i], stop) for i in range(count)
    ]
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _SWITCH_INTERVAL))
    try:
        for worker in workers:
            worker.thread.start()
        _wait(workers, stop, until, poll)
    finally:
        stop.set()
        for worker in workers:
            worker.wake()
        for worker in workers:
            worker.thread.join()
        sys.setswitchinterval(before)
        run.close()
    _raise([w.error for w in workers if w.error is not None])


def _prepare_polars() -> None:
    """Let Polars import numpy now: its lazy imports are not safe when two threads come first together."""
    frame = pl.DataFrame({"a": np.zeros(1)})
    assert frame.get_column("a").to_numpy().shape == (1,), "one number goes in and out"


def _wait(
    workers: list[_Worker], stop: threading.Event, until: Callable[[], bool] | None, poll: float
) -> None:
    while any(w.thread.is_alive() for w in workers) and not stop.is_set():
        for worker in workers:
            worker.thread.join(poll / len(workers))
        if until is not None and until():
            return


def _raise(errors: list[BaseException]) -> None:
    if not errors:
        return
    if len(errors) == 1 or not all(isinstance(e, ThalwegError) for e in errors):
        raise errors[0]
    # a job that fails in several tasks at once mostly fails for one reason: the first comes first
    texts = {str(e) for e in errors}
    if len(texts) == 1:
        raise errors[0]
    raise BaseExceptionGroup("several tasks failed", errors)
