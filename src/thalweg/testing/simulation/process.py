"""One process that runs a job with checkpoints, on a simulated machine.

It does what `session.execute` does for a stream with a directory of checkpoints, with the parts of
production; only the disk, the clocks and the order of steps come from the world.

Not here: which processes there are, and what must hold (simulation.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

from thalweg.checkpoint.figures import CheckpointFigures
from thalweg.checkpoint.history import History
from thalweg.checkpoint.store import DirectoryStore
from thalweg.job.job import Job
from thalweg.job.shape import program_of
from thalweg.protocols.messages import Barrier
from thalweg.runtime.options import RunOptions
from thalweg.runtime.restore import load
from thalweg.runtime.run import Run
from thalweg.runtime.source_task import SourceTask
from thalweg.runtime.task import Task
from thalweg.session.checkpoints import Begun, CheckpointOptions, begin
from thalweg.testing.simulation.disk import SimulatedDisk
from thalweg.testing.simulation.driving import Driver
from thalweg.testing.simulation.world import Process, World

DIRECTORY, OUTPUT = "/kept", "/out"
JOB = "job"
NEVER = -(1 << 62)


@dataclass(frozen=True)
class Work:
    """What every process of a simulation runs.

    Attributes:
        job: makes the job of a process, over its disk.
        options: how it runs.
        kept: how it is kept.
        start: where a process begins, as `CheckpointOptions.start` says it.
    """

    job: Callable[[Process, SimulatedDisk], Job]
    options: RunOptions
    kept: CheckpointOptions
    start: Callable[[Process], str]


class WatchedRun(Run):
    """A run that remembers what its sources had promised when a barrier passed them."""

    @cached_property
    def promised(self) -> dict[tuple[int, int, str], int]:
        """By run, cut and stage, the time that every task of the source had handed on."""
        return {}

    def _passed(self, task: Task, barrier: Barrier) -> None:
        if isinstance(task, SourceTask):
            assert self.options.epoch is not None, "a simulated job is kept"
            key = self.options.epoch.fence, barrier.number, task.stage
            mark = NEVER if task.watermark is None else task.watermark
            self.promised[key] = min(self.promised.get(key, mark), mark)
        super()._passed(task, barrier)


class JobProcess:
    """The activities of one process.

    Args:
        world: the machine.
        work: what is run.
        began: told where the process begins, with its run.
        stepped: told after each step of a task.
        rot: damages a file before anything is read.

    Attributes:
        has_ended: whether the job has come to its end, in this process or before.
        was_stopped: whether the process was stopped, and everything is kept.
    """

    def __init__(
        self,
        world: World,
        work: Work,
        began: Callable[[Process, Begun, WatchedRun], None],
        stepped: Callable[[Process, Task], None],
        rot: Callable[[Process], None],
    ) -> None:
        self._world, self._work, self._began, self._stepped = world, work, began, stepped
        self._rot = rot
        self.has_ended = self.was_stopped = False
        self.process = world.start("job", self._main)

    @property
    def error(self) -> BaseException | None:
        """Why the process has ended before its job."""
        return self.process.activities[0].error

    @property
    def is_done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.process.activities[0].is_done

    def _main(self) -> None:
        world, process = self._world, self.process
        world.point("begin")
        self._rot(process)
        disk = SimulatedDisk(world, process)
        job = self._work.job(process, disk)
        history = History(DirectoryStore(DIRECTORY, disk), JOB, world.unique)
        sinks = {s.write.id: s.write.sink for s in job.stages if s.write is not None}
        kept = replace(self._work.kept, start=self._work.start(process))
        begun = begin(history, kept, JOB, program_of(job), sinks, partial(load, job, self._work.options))
        if begun.checkpointer is None:
            self.has_ended = True
            return
        self._run(job, begun)

    def _run(self, job: Job, begun: Begun) -> None:
        world, checkpointer = self._world, begun.checkpointer
        assert checkpointer is not None, "the job has not ended"
        options = replace(
            self._work.options, epoch=begun.epoch, increments=True, on_checkpoint=checkpointer.take
        )
        run = WatchedRun(job, options, begun.take_loaded(), world.clock)
        run.measured.append(CheckpointFigures(checkpointer, run.clock))
        self._began(self.process, begun, run)
        driver = Driver(world, run, lambda task: self._stepped(self.process, task))
        checkpointer.prepare(run.request_checkpoint, lambda: run.cuts)
        is_over = False

        def write() -> None:
            while (seconds := checkpointer.step()) is not None:
                world.wait(lambda: is_over or checkpointer.is_wanted, seconds)

        world.start("checkpoints", write, self.process)
        writer = self.process.activities[-1]
        try:
            driver.drive(checkpointer.check)
            is_over = True
            checkpointer.close()
            world.wait(lambda: writer.is_done, float("inf"))
            run.check_end()
            checkpointer.finish(run.final_snapshot() if run.is_finished else None)
            self.has_ended, self.was_stopped = run.is_finished, not run.is_finished
        finally:
            is_over = True
            run.close()
            checkpointer.close()
            # what was taken is written, also by a process that has failed
            world.wait(lambda: writer.is_done, float("inf"))
