"""Run a job on the calling thread: every task in turn, the last stage first.

Deterministic as long as the sources are: tests and `breakpoint()` use it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from thalweg.runtime.run import Run
from thalweg.runtime.source_task import SourceTask
from thalweg.runtime.task import Step


def run_inline(run: Run, *, until: Callable[[], bool] | None = None) -> None:
    """Step all tasks until the job has ended, was stopped, or `until()` is true.

    Errors of a step close everything and are raised as they are.
    """
    woken = threading.Event()
    tasks = list(reversed(run.tasks))
    for task in tasks:
        task.wake = woken.set
    try:
        while not run.is_finished and not run.is_quiet:
            woken.clear()
            if not _step_all(run) and not run.is_finished and not run.is_quiet:
                waits = [t.wait for t in run.parts.sources if t.wait is not None]
                woken.wait(min(waits) if waits else 0.05)
            if until is not None and until():
                return
    finally:
        run.close()


def _step_all(run: Run) -> bool:
    progressed = False
    for task in reversed(run.tasks):
        if run.stopping is not None and isinstance(task, SourceTask):
            run.apply_stop(task)
        result = task.step()
        run.after_step(task, result)
        progressed = progressed or result is Step.PROGRESS
    return progressed
