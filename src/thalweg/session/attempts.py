"""Run a job; if it keeps checkpoints and fails, run it again from the newest one.

All attempts are one run to whoever watches: they hold the lock on the job's directory together, and share a
handle. Each takes a fence number of its own, as another process would that takes the job up.

Reads:    a clock, and chance.
Changes:  what the job writes, and its checkpoints.
Not here: whether and when there is another attempt (job/restart.py), where it begins (checkpoints.py).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from thalweg.checkpoint.figures import CheckpointFigures
from thalweg.job.restart import NoRestart, Restarts, flat
from thalweg.plan.properties import can_replay
from thalweg.runtime.restore import Loaded, load
from thalweg.runtime.run import Run
from thalweg.session.handle import JobHandle
from thalweg.session.hooks import HOOKS

if TYPE_CHECKING:
    from thalweg.checkpoint.snapshot import JobSnapshot
    from thalweg.checkpoint.writer import Checkpointer
    from thalweg.job.job import Job
    from thalweg.plan.nodes import Plan
    from thalweg.session.checkpoints import CheckpointOptions, Kept
    from thalweg.session.execute import Execution

_CAUSE_MAX = 200


def run_stream(plans: Sequence[Plan], how: Execution) -> tuple[Run | None, int]:
    """Run a job as a stream.

    Returns:
        The last attempt (None: its checkpoints say that it had reached its end), and how many restarts
        there were.
    """
    # imported here: a batch needs neither operators nor tasks
    from thalweg.physical.planner import plan_job

    job = plan_job(plans, name=how.name, parallelism=how.parallelism)
    with ExitStack() as watching:
        attempts = _Attempts(job, how, watching)
        if how.checkpoints is None:
            attempts.run_once(None)
            return attempts.last, 0
        from thalweg.session.checkpoints import kept_job

        kept = watching.enter_context(kept_job(how.checkpoints, job, how.name))
        restarts = restarts_of(how.checkpoints, plans)
        try:
            repeat(partial(attempts.run_once, kept), kept, restarts, how, attempts.pause)
        finally:
            # before nobody listens any more
            attempts.close()
        return attempts.last, restarts.count


def restarts_of(options: CheckpointOptions, plans: Sequence[Plan]) -> Restarts:
    """The restarts of a job; none where a source cannot be read again."""
    is_possible = options.strategy is not None and all(can_replay(p, with_journals=True) for p in plans)
    return Restarts(options.strategy if options.strategy is not None and is_possible else NoRestart())


def repeat(
    attempt: Callable[[], None],
    kept: Kept,
    restarts: Restarts,
    how: Execution,
    pause: Callable[[float, str], bool],
) -> None:
    """Try until it works, is stopped, or has failed for good.

    Args:
        attempt: runs the job once, from where `kept` says.
        kept: its checkpoints.
        restarts: decides about another attempt.
        how: the name of the job, and who is told.
        pause: waits for some seconds with a reason; whether the job is to go on.

    Raises:
        The error of the last attempt.
    """
    assert how.checkpoints is not None, "without checkpoints there is nothing to go on from"
    while True:
        try:
            attempt()
            return
        except Exception as error:
            if not kept.has_run or kept.is_stopping:
                # nothing has been read yet: the place or the target is wrong; or it was to end anyway
                raise
            chance = random.random()  # noqa: S311 - so that jobs do not restart all at once, no secret
            seconds = restarts.after(error, reached=kept.reached, now=time.monotonic(), chance=chance)
            if seconds is None:
                raise
            cause = in_short(error)
            how.checkpoints.warn(
                f"the job {how.name} failed and restarts in {seconds:.1f} s from {kept.in_words()} "
                f"(restart {restarts.which}): {cause}"
            )
        if not pause(seconds, f"restart {restarts.which} after {cause}"):
            text = f"was stopped before its restart; it goes on from {kept.in_words()}"
            how.checkpoints.warn(f"the job {how.name} {text}")
            return


def _check(kept: Kept, checkpointer: Checkpointer) -> bool:
    """Raise what has gone wrong; False, so that a runtime can ask whether to stop."""
    kept.check()
    return checkpointer.check()


def in_short(error: BaseException) -> str:
    """An error in one line.

    Example:
        >>> in_short(OSError("disk gone"))
        'OSError: disk gone'
    """
    first = next(flat(error))
    text = f"{type(first).__name__}: {first}".splitlines()[0]
    return text if len(text) <= _CAUSE_MAX else f"{text[: _CAUSE_MAX - 1]}…"


class _Attempts:
    """The attempts of one job: what they share, and one after the other."""

    def __init__(self, job: Job, how: Execution, watching: ExitStack) -> None:
        self._job, self._how, self._watching = job, how, watching
        self.handle: JobHandle | None = None
        self.last: Run | None = None

    def run_once(self, kept: Kept | None) -> None:
        """Run the job until it ends, is stopped, or fails."""
        how = self._how
        with ExitStack() as stack:
            checkpointer, options = None, how.options
            snapshot: JobSnapshot | Loaded | None = how.snapshot
            if kept is not None:
                begun = stack.enter_context(kept.begun(partial(load, self._job, how.options)))
                checkpointer, snapshot = begun.checkpointer, begun.take_loaded()
                if checkpointer is None:
                    return
                options = replace(
                    options, epoch=begun.epoch, increments=True, on_checkpoint=checkpointer.take
                )
            journals = None if kept is None else begun.journals
            job = self._job if journals is None else journals.kept(self._job)
            self.last = run = Run(job, options, snapshot)
            # the tasks have it now, and it may be large
            del snapshot
            stack.callback(run.close)
            if checkpointer is not None:
                run.measured.append(CheckpointFigures(checkpointer, run.clock))
            self._attach(run, kept, checkpointer)
            if kept is not None:
                kept.has_run = True
            try:
                self._drive(run, checkpointer, kept)
            finally:
                if kept is not None:
                    kept.is_stopping = run.stopping is not None

    def pause(self, seconds: float, text: str) -> bool:
        """Wait for the next attempt; whether there is to be one."""
        return self.handle is not None and self.handle.pause(seconds, text)

    def close(self) -> None:
        """There is no further attempt."""
        if self.handle is not None:
            self.handle.close()

    def _attach(self, run: Run, kept: Kept | None, checkpointer: Checkpointer | None) -> None:
        if self.handle is not None:
            self.handle.attach(run, checkpointer)
            return
        self.handle = JobHandle(run, kept)
        self.handle.attach(run, checkpointer)
        for watch in (*self._how.watchers, *HOOKS.watchers):
            self._watching.enter_context(watch(self.handle))
        if self._how.on_start is not None:
            self._how.on_start(self.handle)

    def _drive(self, run: Run, checkpointer: Checkpointer | None, kept: Kept | None) -> None:
        from thalweg.runtime.inline import run_inline
        from thalweg.runtime.threads import run_threads

        drive = run_inline if self._how.options.runtime == "inline" else run_threads
        if checkpointer is None or kept is None:
            drive(run)
            run.check_end()
            return
        checkpointer.start(run.request_checkpoint, lambda: run.cuts)
        drive(run, until=partial(_check, kept, checkpointer), at_end=partial(self._finish, run, checkpointer))

    def _finish(self, run: Run, checkpointer: Checkpointer) -> None:
        """Commit the rest of a job that has ended, or wait for the checkpoint of one that was stopped."""
        run.check_end()
        checkpointer.finish(run.final_snapshot() if run.is_finished else None)
        if self.handle is not None:
            self.handle.finish(checkpointer)
