"""Run one job through everything that its conditions say, and watch what must hold for any job.

    S1 the job comes to its end after the last fault, within a bounded number of points.
    S2 a process goes on from the newest checkpoint that was complete, and no older one.
    S3 every checkpoint that holds can be read, whenever one is complete, a process begins, and in the end;
       but for one of which a file is damaged just then, which must be noticed; tasks would get from the
       newest what it holds.
    S4 no task hands on an earlier time than it did before, also across a restart.
    S5 only errors that a fault explains end a process, or being overtaken.
    S6 a damaged file is noticed before anything is read from it.
    S7 a job that has ended does nothing when it is started again, and leaves nothing that was broken off.
    S8 whenever a checkpoint is complete, every task says what it waits for, and no counter goes back.

Not here: what the results must be (the caller, through `Subject`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from thalweg.checkpoint.failpoints import watched
from thalweg.checkpoint.history import History, Place
from thalweg.checkpoint.store import DirectoryStore
from thalweg.errors import CheckpointError, ConnectorError, StoreError
from thalweg.job.job import Job
from thalweg.runtime.edge import Channel
from thalweg.runtime.options import RunOptions
from thalweg.runtime.task import Task
from thalweg.session.checkpoints import Begun, CheckpointOptions
from thalweg.testing.calls import ShuffledCalls
from thalweg.testing.simulation.conditions import Conditions
from thalweg.testing.simulation.disk import QuietDisk, SimulatedDisk
from thalweg.testing.simulation.driving import SlowChannel
from thalweg.testing.simulation.process import DIRECTORY, JOB, NEVER, JobProcess, WatchedRun, Work
from thalweg.testing.simulation.restoring import difference_when_restored
from thalweg.testing.simulation.rot import Rot
from thalweg.testing.simulation.world import CrashedError, Process, World

_PROCESSES_MAX = 25
_STEPS_MAX = 60_000
_STEPS_PER_TASK = 10_000
"""Whenever one task has done something, each is asked again: with many, most points are spent on asking."""
_FAILURES = ("full", "sync", "error", "refuse", "reply")
"""Faults that a process may end with an error after."""


class WrongError(AssertionError):
    """Something that must hold for any job does not."""


class Subject(Protocol):
    """What is simulated, and what its results must be.

    Attributes:
        idle_timeout: seconds after which a split without rows no longer holds event time back.
    """

    @property
    def idle_timeout(self) -> float | None: ...

    def begin(self, world: World) -> None:
        """The world is there; nothing has happened in it."""
        ...

    def job(self, disk: SimulatedDisk, parallelism: int) -> Job:
        """The job, as one process plans it."""
        ...

    def committed(self, history: History) -> None:
        """A sink has committed: what a reader sees now must be the result of a cut."""
        ...

    def ended(self) -> None:
        """The job has ended: what is there now must be its result."""
        ...


@dataclass(frozen=True)
class Report:
    """What happened in a simulation.

    Attributes:
        trace: a hash of everything that happened.
        fired: how often each kind of fault has struck.
        reached: how often each place was passed.
        processes: how many processes there were.
        points: how many points were passed.
    """

    trace: str
    fired: dict[str, int]
    reached: dict[str, int]
    processes: int
    points: int


def _unchanged(options: RunOptions) -> RunOptions:
    """The options as they are."""
    return options


class Simulation:
    """One job under one set of conditions.

    Args:
        subject: the job.
        conditions: what surrounds it.
        adapt: changes how the job is run.
        steps_max: after how many points a job that has not ended is stuck, if that is more than it may take
            for its tasks.
        is_thorough: whether what checkpoints hold is looked at all the time, and the job started once more
            when it has ended: the engine is in doubt, and not the job.
    """

    def __init__(
        self,
        subject: Subject,
        conditions: Conditions,
        *,
        adapt: Callable[[RunOptions], RunOptions] = _unchanged,
        steps_max: int = _STEPS_MAX,
        is_thorough: bool = True,
    ) -> None:
        self._subject, self._conditions = subject, conditions
        self._is_thorough = is_thorough
        self.world = World(
            str(conditions.seed),
            [f for f in conditions.faults if f.kind != "rot"],
            haste=conditions.haste,
            tick=conditions.tick,
            steps_max=steps_max,
            is_orderly=conditions.is_orderly,
        )
        self.world.on_pause, self.world.observe = self._paused, self._reached
        channel: type[Channel] = SlowChannel if conditions.is_slow else Channel
        options = RunOptions(
            rows_max=conditions.rows_max,
            edge_rows_max=conditions.edge_rows_max,
            cut_batches=conditions.cut_batches,
            wall=self.world.wall_us,
            idle_timeout=subject.idle_timeout,
            channel=channel,
            calls=lambda function, _: ShuffledCalls(function, self.world.stream(f"calls {function.name}")),
        )
        self._options = adapt(options)
        kept = CheckpointOptions(
            DIRECTORY,
            interval=conditions.interval,
            retained=conditions.retained,
            clocks=(self.world.clock, self.world.wall),
        )
        self._work = Work(self._job, self._options, kept, self._start_of)
        self._quiet = QuietDisk(self.world, Process(0))
        self._history = History(DirectoryStore(DIRECTORY, self._quiet), JOB)
        self._processes: list[JobProcess] = []
        self._looked_at: set[int] = set()
        self._has_ended = False
        self._complete: dict[int, int] = {}
        """By lineage, the number of the newest checkpoint that was complete."""
        self._started: dict[int, str] = {}
        """By process, where it was to begin, if not at the newest checkpoint."""
        self._floors: dict[tuple[int, str], int] = {}
        """By process and task, the time that it may not go back behind."""
        self._runs: dict[int, WatchedRun] = {}
        self._figures: dict[tuple[int, str, tuple[str, ...]], float] = {}
        """By process, metric and labels, what a counter showed last."""
        self._rot = Rot(self.world, self._history, [f for f in conditions.faults if f.kind == "rot"])

    def run(self) -> Report:
        """Run the job to its end.

        Raises:
            AssertionError: something does not hold; with what happened last.
        """
        try:
            with watched(self.world):
                self._subject.begin(self.world)
                self._to_the_end()
        except AssertionError as error:
            error.add_note("\n".join(["the last events:", *self.world.events[-50:]]))
            raise
        world = self.world
        return Report(world.trace, dict(world.fired), dict(world.reached), len(world.processes), world.steps)

    def _to_the_end(self) -> None:
        self._start()
        while (activity := self.world.go_on()) is not None:
            if activity.is_done:
                self._look()
        if not self._has_ended:
            raise WrongError("S1: no process is left, and the job has not ended")
        if self._is_thorough:
            self._check_checkpoints()
            self._confirm()
        self._subject.ended()

    def _start(self) -> JobProcess:
        if len(self._processes) >= _PROCESSES_MAX:
            raise WrongError(f"S1: the job has not ended after {_PROCESSES_MAX} processes")
        made = JobProcess(self.world, self._work, self._began, self._stepped, self._damage)
        self._processes.append(made)
        return made

    def _job(self, process: Process, disk: SimulatedDisk) -> Job:
        counts = self._conditions.parallelism
        return self._subject.job(disk, counts[(process.number - 1) % len(counts)])

    def _wanted_start(self, process: Process) -> str:
        starts = self._conditions.starts
        return starts[process.number - 1] if process.number <= len(starts) else "newest"

    def _start_of(self, process: Process) -> str:
        """Where a process begins: where the conditions say, unless there is no such checkpoint."""
        wanted = self._wanted_start(process)
        if wanted == "newest" or self._has_ended:
            return "newest"
        with self._unnoticed():
            lineage, _ = self._history.newest()
            places = [] if lineage is None else self._history.places(lineage)
        if wanted == "older":
            if not places:
                return "newest"
            wanted = str(min(p.number for p in places))
        self._started[process.number] = wanted
        self.world.fired["lineage"] += 1
        self.world.note(f"{process.number} is to begin at {wanted}")
        return wanted

    # -- what happens to processes -------------------------------------------------------------

    def _paused(self, process: Process) -> None:
        if process is self._processes[-1].process:
            self._start()

    def _look(self) -> None:
        """Look at processes that have ended, and start another one in place of the newest."""
        for made in list(self._processes):
            process = made.process
            if process.number in self._looked_at or not all(a.is_done for a in process.activities):
                continue
            self._looked_at.add(process.number)
            self._judge(made)
            self._rot.ended(process.number, made.error)
            process.is_dead = True
            newest = self._processes[-1]
            is_begun_anew = self._has_ended and not made.has_ended and self._has_begun_anew(made)
            self._has_ended = made.has_ended or (self._has_ended and not is_begun_anew)
            if (made is newest and not made.has_ended) or (is_begun_anew and newest.process.is_dead):
                self._start()

    def _has_begun_anew(self, made: JobProcess) -> bool:
        """Whether a job that had ended is to go on: somebody has begun it anew, and was broken off."""
        if made.process.number not in self._started:
            return False
        with self._unnoticed():
            _, place = self._history.newest()
            if place is None or self._rot.struck_in(place) is not None:
                return True
            return not self._history.manifest(place).has_ended

    def _judge(self, made: JobProcess) -> None:
        for error in (a.error for a in made.process.activities):
            if error is None or isinstance(error, CrashedError):
                continue
            if not self._is_explained(made, error):
                raise error
        if made.error is None and made.process.number not in self._runs:
            with self._unnoticed():
                _, place = self._history.newest()
            self._check_noticed(made.process, place)

    def _is_explained(self, made: JobProcess, error: BaseException) -> bool:
        if isinstance(error, (StoreError, ConnectorError)):
            return any(self.world.fired[kind] for kind in _FAILURES)
        is_told = made.process.number in self._started
        if is_told and isinstance(error, CheckpointError) and error.code == "checkpoint-missing":
            # the checkpoint that it was to begin at is removed meanwhile
            return True
        is_alone = len(self._processes) == 1
        codes = ("checkpoint-overtaken", "sink-staged-missing", "checkpoint-missing")
        if self._rot.is_noticed(made.process.number, error, self._started.get(made.process.number)):
            return True
        if isinstance(error, CheckpointError) and error.code in codes:
            return not is_alone and (made is not self._processes[-1] or error.code == codes[0])
        return False

    def _damage(self, process: Process) -> None:
        """What a process finds damaged when it begins."""
        with self._unnoticed():
            is_alone = all(p.is_dead for p in self.world.processes if p is not process)
            if is_alone and not self._has_ended:
                self._rot.strike(process.number)
        self._rot.witness(process.number)

    # -- what must hold ------------------------------------------------------------------------

    @contextmanager
    def _unnoticed(self) -> Iterator[None]:
        self.world.is_watched = True
        try:
            yield
        finally:
            self.world.is_watched = False

    def _reached(self, place: str, process: Process) -> None:
        if not self._is_thorough:
            return
        if place == "checkpoint.committed":
            with self._unnoticed():
                self._subject.committed(self._history)
        elif place == "checkpoint.complete" and process.number in self._runs:
            self._note_complete(process)

    def _note_complete(self, process: Process) -> None:
        with self._unnoticed():
            _, newest = self._history.newest()
        if newest is None and self._started:
            # somebody has begun anew, and this run has not noticed yet
            return
        if newest is None:
            raise WrongError("S2: a checkpoint is complete, and there is none")
        self._complete[newest.lineage] = max(self._complete.get(newest.lineage, 0), newest.number)
        self._check_checkpoints()
        run = self._runs[process.number]
        self._check_restored(run, newest)
        self._ask(process, run)

    def _began(self, process: Process, begun: Begun, run: WatchedRun) -> None:
        self._runs[process.number] = run
        self.world.allow(_STEPS_PER_TASK * len(run.tasks))
        self.world.note(f"{process.number} goes on from {begun.epoch.number}")
        if not self._is_thorough:
            return
        is_newest = process is self._processes[-1].process
        complete = self._complete.get(begun.epoch.lineage, 0)
        if is_newest and process.number not in self._started and begun.epoch.number < complete:
            raise WrongError(
                f"S2: process {process.number} goes on from checkpoint {begun.epoch.number}, and "
                f"{complete} was complete"
            )
        self._check_checkpoints()
        with self._unnoticed():
            base, _ = self._history.bases()[begun.epoch.fence]
        self._check_noticed(process, base)
        if base is None:
            return
        for before in self._runs.values():
            for (fence, number, stage), mark in before.promised.items():
                if (fence, number) == (base.fence, base.number):
                    for task in (t for t in run.tasks if t.stage == stage):
                        self._floors[process.number, task.name] = mark

    def _stepped(self, process: Process, task: Task) -> None:
        mark = task.watermark
        if mark is None:
            return
        key = process.number, task.name
        if mark < self._floors.get(key, NEVER):
            raise WrongError(f"S4: {task.name} hands on the time {mark} after {self._floors[key]}")
        self._floors[key] = mark

    def _ask(self, process: Process, run: WatchedRun) -> None:
        waits = run.why()
        if len(waits) != len(run.tasks) or not all(reason for _, reason in waits):
            raise WrongError(f"S8: not every task says what it waits for: {waits}")
        for sample in run.figures.samples:
            if sample.metric.kind != "counter":
                continue
            key = process.number, sample.metric.name, sample.labels
            if sample.value < self._figures.get(key, 0):
                raise WrongError(f"S8: {key} goes back from {self._figures[key]} to {sample.value}")
            self._figures[key] = sample.value

    def _check_checkpoints(self) -> None:
        history = self._history
        with self._unnoticed():
            for place in (p for n in history.lineages() for p in history.places(n)):
                try:
                    history.snapshot(history.manifest(place))
                except CheckpointError as error:
                    if not self._rot.has_struck(str(error.where)):
                        raise WrongError(f"S3: {place.name}: {error}") from error
                    continue
                if (struck := self._rot.struck_in(place)) is not None:
                    raise WrongError(f"S6: {place.name} can be read, and {struck} is damaged")

    def _check_noticed(self, process: Process, place: Place | None) -> None:
        """A process has gone on from a checkpoint: it has read all of it."""
        with self._unnoticed():
            struck = self._rot.struck_in(place)
        if struck is not None:
            raise WrongError(f"S6: {process.number} has not noticed that {struck} was damaged")

    def _check_restored(self, run: WatchedRun, place: Place) -> None:
        with self._unnoticed():
            if self._rot.struck_in(place) is not None:
                return
            wrong = difference_when_restored(run.job, self._history.snapshot(self._history.manifest(place)))
        if wrong is not None:
            raise WrongError(f"S3: {place.name} gives tasks other rows than it holds: {wrong}")

    def _confirm(self) -> None:
        """Start the job once more, which changes nothing."""
        self.world.heal()
        last = self._start()
        while self.world.go_on() is not None:
            pass
        if last.error is not None:
            raise last.error
        if not last.has_ended or last.process.number in self._runs:
            raise WrongError("S7: a job that has ended began again")
        with self._unnoticed():
            lineage, _ = self._history.newest()
        # of a lineage that does not hold nobody knows whether somebody still writes
        mine = re.compile(rf"-{lineage}-\d+\.\w+\.writing$|\.tmp$")
        left = [p for p in self.world.medium.walk("/") if mine.search(p)]
        if left:
            raise WrongError(f"S7: what was broken off is still there: {left}")
