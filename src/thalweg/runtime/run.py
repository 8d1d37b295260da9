"""Hold one run of a job: its tasks, its cuts, its snapshots, and the way to stop it.

What both runtimes share. The coordinator's decisions are pure; here they get a clock and a lock.

Not here: who calls `step` on the tasks (inline.py, threads.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from thalweg.checkpoint.failpoints import failpoint
from thalweg.checkpoint.snapshot import JobSnapshot, TaskSnapshot, gather
from thalweg.columnar.allocation import allocating
from thalweg.job.job import Job
from thalweg.job.states import KeptState
from thalweg.protocols.messages import Barrier
from thalweg.protocols.metrics import Measured, Metrics, Sample
from thalweg.protocols.process import FAILED_PORT
from thalweg.runtime.assemble import assemble
from thalweg.runtime.breaker import Breaker
from thalweg.runtime.coordinator import Coordinator
from thalweg.runtime.looks import Look, Looks, job_ended
from thalweg.runtime.metrics import RunFigures
from thalweg.runtime.options import RunOptions
from thalweg.runtime.restore import Loaded, load
from thalweg.runtime.source_task import SourceTask
from thalweg.runtime.tally import Tally
from thalweg.runtime.task import Step, Task
from thalweg.runtime.why import explain_waits


class Run:
    """One execution of a job, from the beginning or from a snapshot."""

    def __init__(
        self,
        job: Job,
        options: RunOptions | None = None,
        snapshot: JobSnapshot | Loaded | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job, self.options = job, options or RunOptions()
        self.clock = clock
        loaded = snapshot if isinstance(snapshot, Loaded) else load(job, self.options, snapshot)
        self.memory, self.rocksdb, self.workers = loaded.memory, loaded.rocksdb, loaded.workers
        with allocating(self.memory):
            self.parts = assemble(job, self.options, loaded, self._passed, clock)
        self.tasks = self.parts.tasks
        first = 1 if loaded.snapshot is None else loaded.snapshot.number + 1
        self._coordinator = Coordinator(
            [t.name for t in self.tasks],
            first=first,
            interval=self.options.cut_interval,
            cut_batches=self.options.cut_batches,
            checkpoint_batches=self.options.checkpoint_batches,
        )
        self._lock = threading.RLock()
        self._declining = {t for t in self.tasks if t.is_declining}
        """The tasks that read one input first: no barrier goes out before they take the others too."""
        self._read_first = _sources_read_first(job)
        self._snapshots: dict[int, list[TaskSnapshot]] = {}
        self._breakers = {
            s.id: Breaker(s.scan.source.describe(), self.options.quarantine)
            for s in job.stages
            if s.scan is not None and s.scan.is_tolerant
        }
        failing = {e.source for e in job.edges if e.output == FAILED_PORT}
        self._breakers |= {s: Breaker(s, self.options.quarantine) for s in failing}
        self._looks = Looks()
        self.is_closed = False
        """Whether everything that was held is given back."""
        self.last_snapshot: JobSnapshot | None = None
        self.stopping: str | None = None
        self.on_cut: Callable[[int], None] | None = None
        self.measured: list[Measured] = [RunFigures(self)]
        """What has figures of the run; others may join in."""
        self._last_figures: tuple[Sample, ...] | None = None

    # -- what tasks and runtimes report --------------------------------------------------------

    def after_step(self, task: Task, result: Step) -> None:
        """Look at what a step did: cuts become due when sources read or run dry."""
        if self._declining and not task.is_declining:
            self._note_accepted(task)
        if isinstance(task, SourceTask):
            self.after_sources([(task, result)])
            return
        self._note_fired(task)
        if task.state == "finished" and result is not Step.FINISHED:
            with self._lock:
                self._complete(self._coordinator.finished(task.name))

    def _note_fired(self, task: Task) -> None:
        """What the clock has called, or was answered, is published, although nothing need have been read."""
        if task.has_fired and not task.is_working:
            task.has_fired = False
            with self._lock:
                if self.stopping is None:
                    self._coordinator.note_drained()
                else:
                    # no other cut follows
                    self._coordinator.wish("cut")
                self._send_due()

    def _note_accepted(self, task: Task) -> None:
        with self._lock:
            if task in self._declining:
                self._declining.discard(task)
                self._send_due()

    def after_sources(self, results: Sequence[tuple[SourceTask, Step]]) -> None:
        """Look at what steps of several sources did, before a barrier goes out for all of them."""
        for task, _ in results:
            self._note_fired(task)
        if not any(self._is_news(task, result) for task, result in results):
            return
        with self._lock:
            for task, result in results:
                if task.state == "finished":
                    if result is not Step.FINISHED:
                        self._complete(self._coordinator.finished(task.name))
                elif task.fresh:
                    self._note_read(task, result)
            self._send_due()

    def _is_news(self, task: SourceTask, result: Step) -> bool:
        return result is not Step.FINISHED and (task.fresh or task.state == "finished")

    def _note_read(self, task: SourceTask, result: Step) -> None:
        if result is Step.PROGRESS:
            self._coordinator.note_batch(self.clock())
        is_dry = task.is_drained if result is Step.PROGRESS else result is Step.IDLE and not task.is_stopping
        if is_dry:
            task.fresh = False
            self._coordinator.note_drained()

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint as soon as possible."""
        with self._lock:
            self._coordinator.wish("checkpoint")
            self._send_due()

    def ask(self, *looks: Look) -> None:
        """Ask for rows of states; a cut follows as soon as possible, and answers all of them.

        Raises:
            CheckpointError: `state-job-ended`.
        """
        with self._lock:
            # a job that is being stopped would not come to rest as long as somebody asks
            if self.is_closed or self.is_finished or self.stopping is not None:
                raise job_ended(self.job.name)
            self._looks.add(looks)
            self._coordinator.wish("cut")
            self._send_due()

    def tasks_with(self, state: KeptState) -> list[str]:
        """The tasks that have rows of a state; of one that all have, the first."""
        tasks = 1 if state.spec.scope == "broadcast" else self.job.by_id[state.stage].parallelism
        return [f"{state.stage}[{index}]" for index in range(tasks)]

    @property
    def next_cut(self) -> int:
        """The least number of a cut that is yet to begin: all that was read until now will be before it."""
        with self._lock:
            return self._coordinator.next_number

    def _send_due(self) -> None:
        if self._declining:
            # a barrier would wait behind rows that are not taken yet, and hold up what they wait for
            return
        barrier = self._coordinator.next_barrier(self.clock())
        if barrier is None:
            return
        self._looks.begin(barrier.number, self.tasks_with)
        if barrier.kind == "checkpoint":
            failpoint("checkpoint.trigger")
        for task in self.parts.sources:
            if task.state != "finished":
                task.request(barrier)
                task.wake()

    def _passed(self, task: Task, barrier: Barrier) -> None:
        # rows are gathered outside of the lock, so that tasks do it side by side
        taken = self.parts.snapshot(task) if barrier.kind == "checkpoint" else None
        failpoint("checkpoint.task")
        self._looks.read(task, barrier.number, self.parts)
        with self._lock:
            self._note_bad(task)
            if taken is not None:
                self._snapshots.setdefault(barrier.number, []).append(taken)
            self._complete(self._coordinator.passed(task.name))

    def _complete(self, barrier: Barrier | None) -> None:
        if barrier is None:
            return
        self._looks.complete(barrier.number, self.parts)
        if barrier.kind == "checkpoint" or self.options.epoch is None:
            self._look_at_bad()
        if barrier.kind == "checkpoint":
            self._finish_snapshot(barrier.number)
        if self.on_cut is not None:
            self.on_cut(barrier.number)
        self._send_due()

    def _note_bad(self, task: Task) -> None:
        """Count what a task has read up to a barrier, where rows may be kept apart."""
        breaker = self._breakers.get(task.stage)
        if breaker is not None and isinstance(task, SourceTask):
            breaker.note(task.name, task.rows_read, task.rows_bad, task.last_bad)
        elif breaker is not None:
            calling = [c for c in task.chain.counts.values() if FAILED_PORT in c.aside]
            bad = sum(c.aside[FAILED_PORT] for c in calling)
            breaker.note(task.name, sum(c.rows_in for c in calling) - bad, bad, None)

    def _look_at_bad(self) -> None:
        for breaker in self._breakers.values():
            breaker.check()

    def check_end(self) -> None:
        """Look at the rows of a job that has ended that were kept apart.

        Raises:
            DataError: `data-quarantine-rate`.
        """
        for task in self.tasks:
            self._note_bad(task)
        self._look_at_bad()

    def _finish_snapshot(self, number: int) -> None:
        taken = self._snapshots.pop(number, [])
        have = {(s.stage, s.index) for s in taken}
        # a task that had finished before holds its final state; nothing can change it any more
        rest = [t for t in self.tasks if (t.stage, t.index) not in have]
        self.last_snapshot = gather(number, [*taken, *(self.parts.snapshot(t) for t in rest)])
        if self.options.on_checkpoint is not None:
            self.options.on_checkpoint(self.last_snapshot)

    # -- control -------------------------------------------------------------------------------

    def stop(self, *, drain: bool = False) -> None:
        """Stop reading; what was read is processed. With `drain`, open windows are closed too."""
        with self._lock:
            if self.stopping is not None:
                return
            self.stopping = "drain" if drain else "stop"
        for task in self.parts.sources:
            task.wake()

    def apply_stop(self, task: SourceTask) -> None:
        """Carry out a stop that was asked for, from the thread that steps the task.

        What a task reads first is read to its end: without it nothing can be said of the other rows.
        """
        if self._declining and task.stage in self._read_first:
            return
        if self.stopping == "drain":
            task.drain()
        elif self.stopping == "stop" and not task.is_stopping:
            task.is_stopping = True
            # the last cut follows every row that was read; when it has passed, all is published
            with self._lock:
                self._coordinator.wish("cut" if self.options.epoch is None else "checkpoint")
                self._send_due()

    def final_snapshot(self) -> JobSnapshot:
        """What is left to commit when every task has ended; there is no state that anybody needs."""
        tasks = (self.parts.snapshot(t, has_ended=True) for t in self.tasks)
        return gather(self._coordinator.next_number, tasks)

    @property
    def cuts(self) -> int:
        """The number of the last complete cut."""
        return self._coordinator.completed

    @property
    def is_finished(self) -> bool:
        """Whether every task has passed on its end."""
        return all(t.state == "finished" for t in self.tasks)

    @property
    def is_quiet(self) -> bool:
        """After a stop: whether everything that was read has been processed and published."""
        if self.stopping != "stop" or not all(
            s.is_stopping or s.state == "finished" for s in self.parts.sources
        ):
            return False
        waiting = any(not i.channel.is_empty for t in self.tasks for i in t.inputs)
        working = any(t.is_working for t in self.tasks)
        if self.options.epoch is None:
            # nobody goes on from a checkpoint that holds the rows without an answer
            working = working or any(t.chain.is_asking for t in self.tasks)
        return not waiting and not working and not self._coordinator.is_busy

    @property
    def rows_read(self) -> int:
        """Rows taken from all sources."""
        return sum(t.rows_read for t in self.parts.sources)

    @property
    def tally(self) -> Tally:
        """The rows that were late, bad, or too far ahead."""
        late = sum(c.late for t in self.tasks for c in t.chain.counts.values())
        sources = self.parts.sources
        return Tally(late, sum(t.rows_bad for t in sources), sum(t.rows_ahead for t in sources))

    @property
    def watermark(self) -> int | None:
        """The least watermark of the sources that go on and have one, in microseconds."""
        owners = self.parts.owners.values()
        marks = [o.announced for o in [o for o in owners if not o.is_ended] or owners]
        known = [m for m in marks if m is not None]
        return min(known) if known else None

    def why(self) -> list[tuple[str, str]]:
        """For every task what it waits for, sinks first."""
        return explain_waits(self.tasks)

    @property
    def figures(self) -> Metrics:
        """The figures now, or those that the run ended with; may be asked from any thread."""
        found = self._last_figures
        return Metrics(self.job.name, self._measure() if found is None else found)

    def _measure(self) -> tuple[Sample, ...]:
        return tuple(s for part in tuple(self.measured) for s in part.samples())

    def close(self) -> None:
        """Give back everything that is held, and take the run apart; its last figures stay.

        What holds each other would keep files, state and results until Python's collector comes round.
        """
        if self._last_figures is None:
            self._last_figures = self._measure()
            self.measured.clear()
        with self._lock:
            self.is_closed = True
            self._looks.fail(job_ended(self.job.name))
        for task in self.tasks:
            task.close()
        for owner in self.parts.owners.values():
            owner.close()
        for lookup in self.parts.lookups:
            lookup.close()
        for channel in self.parts.spilling:
            channel.discard()
        self.parts.states.clear()
        for held in (self.memory, self.rocksdb, self.workers):
            if held is not None:
                held.close()


def _sources_read_first(job: Job) -> set[str]:
    """The source stages below the inputs that tasks read to their end first."""
    found = {e.source for s in job.stages for e in job.inputs_of(s.id) if e.port == s.first_port}
    for stage in reversed(job.stages):
        if stage.id in found:
            found |= {e.source for e in job.inputs_of(stage.id)}
    return {s for s in found if job.by_id[s].scan is not None}
