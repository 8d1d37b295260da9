"""Run a job on the calling thread: rounds over all tasks, sources first.

Deterministic as long as the sources are: tests and `breakpoint()` use it.

Not here: what a round is (rounds.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from thalweg.columnar.allocation import allocating
from thalweg.runtime.rounds import Round
from thalweg.runtime.run import Run

_IDLE = 0.05


def run_inline(
    run: Run, *, until: Callable[[], bool] | None = None, at_end: Callable[[], None] | None = None
) -> None:
    """Step all tasks until the job has ended, was stopped, or `until()` is true.

    `at_end` is called when the job has ended or was stopped, before the run is taken apart.

    Errors of a step close everything and are raised as they are.
    """
    woken = threading.Event()
    for task in run.tasks:
        task.wake = woken.set
    every = Round(run, run.tasks)
    try:
        with allocating(run.memory):
            while not _has_ended(run):
                woken.clear()
                if not every.step() and not _has_ended(run):
                    woken.wait(every.wait(_IDLE))
                if until is not None and until():
                    return
        if at_end is not None:
            at_end()
    finally:
        run.close()


def _has_ended(run: Run) -> bool:
    return run.is_finished or run.is_quiet
