"""Run a job on several threads of this process: task i of every stage on thread i.

Columns are computed with Python's lock released, so the threads run side by side; what is left of
Python between the calls is short. While batches are small the first thread steps the tasks of all, and the
others stand still (pace.py): no time goes into handing the lock around.

Not here: whether one thread suffices (pace.py), what a step does (task.py).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from thalweg.base.collector import frozen
from thalweg.columnar.allocation import allocating
from thalweg.errors import ThalwegError
from thalweg.runtime.pace import Pace
from thalweg.runtime.rounds import Round
from thalweg.runtime.run import Run
from thalweg.runtime.task import Task

_SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread asks for Python's lock while one thread steps all tasks: what comes from
outside is taken soon. Threads that share long rounds hand it on as seldom as Python does."""
_IDLE = 0.05


class _Crew:
    """What the threads of one run share."""

    def __init__(self, run: Run, count: int) -> None:
        self.run, self.stop = run, threading.Event()
        self.is_led = False
        """Whether the first thread holds the tasks of all."""
        self.switch_interval = sys.getswitchinterval()
        """That of the process."""
        self.workers = [
            (_Worker if i else _Leader)(i, self, [t for t in run.tasks if t.index % count == i])
            for i in range(count)
        ]

    @property
    def longest(self) -> float:
        """How many seconds the longest round lasts already that a thread is at."""
        now = time.perf_counter()
        return max((now - begun for w in self.workers if (begun := w.begun) is not None), default=0.0)

    def wake(self, number: int) -> None:
        """Something happened that a task of this thread may wait for."""
        _set(self.workers[number].woken)
        if self.is_led:
            _set(self.workers[0].woken)


def _set(event: threading.Event) -> None:
    """Set an event unless it is set: that costs as much as sending the message that it tells of.

    Whoever waits clears it first and looks for messages then, so it sees what was put before this question.
    """
    if not event.is_set():
        event.set()


@dataclass(slots=True)
class _Turn:
    """One round: whether there was anything to do, how long it took, how long the processor worked."""

    progressed: bool
    seconds: float
    worked: float
    rows: int


class _Worker:
    """One thread and the tasks that it steps, unless the first thread does."""

    def __init__(self, number: int, crew: _Crew, tasks: Sequence[Task]) -> None:
        self.crew = crew
        self.held = threading.Lock()
        """Held by whoever steps the tasks of this thread."""
        self.woken = threading.Event()
        self.busy = 0.0
        """Seconds of work so far, in rounds that are over."""
        self.begun: float | None = None
        """When the round began that it is at."""
        self.rows = self.rounds = 0
        """Rows that tasks have taken, and rounds in which they took some."""
        self.error: BaseException | None = None
        self.own = Round(crew.run, tasks)
        for task in tasks:
            task.wake = lambda: crew.wake(number)
        self.thread = threading.Thread(target=self._main, name=f"thalweg-{number}", daemon=True)

    def _main(self) -> None:
        try:
            with allocating(self.crew.run.memory):
                self.loop()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that started the job
            self.error = error
            self.crew.stop.set()

    def loop(self) -> None:
        """Go round until there is nothing left to do."""
        while not self.has_ended(self.own):
            with self.held:
                turn = self.turn(self.own)
            if not turn.progressed:
                self.rest(self.own)

    def turn(self, round_: Round) -> _Turn:
        """One round over some tasks."""
        self.woken.clear()
        rows, worked = round_.rows, time.thread_time()
        self.begun = begun = time.perf_counter()
        progressed = round_.step()
        self.begun = None
        turn = _Turn(
            progressed,
            seconds=time.perf_counter() - begun,
            worked=time.thread_time() - worked,
            rows=round_.rows - rows,
        )
        self.busy += turn.seconds
        self.rows += turn.rows
        self.rounds += turn.rows > 0
        return turn

    def rest(self, round_: Round) -> None:
        """Wait for something to do."""
        if not self.has_ended(round_):
            self.woken.wait(round_.wait(_IDLE))

    def has_ended(self, round_: Round) -> bool:
        """Whether the tasks are done, or the run has come to a stop."""
        if self.crew.run.is_quiet:
            self.crew.stop.set()
        return self.crew.stop.is_set() or round_.is_finished


class _Leader(_Worker):
    """The first thread: it steps all tasks while that is little work."""

    def loop(self) -> None:
        """Go round over all tasks or the own ones, as the pace demands."""
        crew = self.crew
        every = Round(crew.run, crew.run.tasks)
        pace = Pace(now=time.monotonic(), threads=len(crew.workers))
        try:
            while not self.has_ended(every if crew.is_led else self.own):
                if pace.is_alone and self._hold_all():
                    turn = self.turn(every)
                    pace.after_round(seconds=turn.seconds, worked=turn.worked, rows=turn.rows)
                else:
                    self._let_go()
                    turn = self.turn(self.own)
                    busy, rows, rounds = (
                        sum(getattr(w, n) for w in crew.workers) for n in ("busy", "rows", "rounds")
                    )
                    pace.after_sharing(
                        now=time.monotonic(), busy=busy, rows=rows, rounds=rounds, longest=crew.longest
                    )
                if not turn.progressed:
                    self.rest(every if crew.is_led else self.own)
        finally:
            self._let_go()

    def _hold_all(self) -> bool:
        """Take the tasks of the other threads, if none of them is being stepped."""
        if self.crew.is_led:
            return True
        others = self.crew.workers[1:]
        taken: list[_Worker] = []
        for worker in others:
            if not worker.held.acquire(blocking=False):
                for other in taken:
                    other.held.release()
                return False
            taken.append(worker)
        self.crew.is_led = True
        sys.setswitchinterval(min(self.crew.switch_interval, _SWITCH_INTERVAL))
        return True

    def _let_go(self) -> None:
        """Give the other threads their tasks back."""
        if self.crew.is_led:
            self.crew.is_led = False
            sys.setswitchinterval(self.crew.switch_interval)
            for worker in self.crew.workers[1:]:
                worker.held.release()


def run_threads(
    run: Run,
    *,
    until: Callable[[], bool] | None = None,
    at_end: Callable[[], None] | None = None,
    poll: float = 0.1,
) -> None:
    """Run until the job has ended, was stopped, or `until()` is true (looked at every `poll` seconds).

    `at_end` is called when the job has ended or was stopped, before the run is taken apart.

    Raises:
        The error of the failing task; several at once arrive as an `ExceptionGroup`.
    """
    _prepare_polars()
    count = max(s.parallelism for s in run.job.stages)
    crew = _Crew(run, count)
    with frozen():
        _run(crew, until, at_end, poll)
    errors = [w.error for w in crew.workers if w.error is not None]
    # the threads hold their crew, and with it the run
    crew.workers.clear()
    _raise(errors)


def _run(
    crew: _Crew,
    until: Callable[[], bool] | None,
    at_end: Callable[[], None] | None,
    poll: float,
) -> None:
    run = crew.run
    try:
        try:
            for worker in crew.workers:
                worker.thread.start()
            _wait(crew, until, poll)
        finally:
            _end(crew)
            sys.setswitchinterval(crew.switch_interval)
        failed = any(w.error is not None for w in crew.workers)
        if at_end is not None and not failed and (run.is_finished or run.is_quiet):
            at_end()
    finally:
        run.close()


def _end(crew: _Crew) -> None:
    crew.stop.set()
    for worker in crew.workers:
        worker.woken.set()
    for worker in crew.workers:
        worker.thread.join()


def _prepare_polars() -> None:
    """Let Polars import numpy now: its lazy imports are not safe when two threads come first together."""
    frame = pl.DataFrame({"a": np.zeros(1)})
    assert frame.get_column("a").to_numpy().shape == (1,), "one number goes in and out"


def _wait(crew: _Crew, until: Callable[[], bool] | None, poll: float) -> None:
    while any(w.thread.is_alive() for w in crew.workers) and not crew.stop.is_set():
        for worker in crew.workers:
            worker.thread.join(poll / len(crew.workers))
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
