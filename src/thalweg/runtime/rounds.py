"""Step some tasks of a run once around: sources first, then what they feed, sinks last.

What a source read at the beginning of a round is published at its end, if no edge is full and all tasks
are in one round.

Not here: which thread goes round over which tasks (threads.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from thalweg.runtime.run import Run
from thalweg.runtime.source_task import SourceTask
from thalweg.runtime.task import Step, Task

_AHEAD, _READS_MAX = 2, 4
"""So many batches should wait for each task of another thread; so many are read for that at a time."""


class Round:
    """Tasks of one run, in the order of its stages."""

    def __init__(self, run: Run, tasks: Sequence[Task]) -> None:
        self._run, self._tasks = run, tasks
        self._clock, self._ahead = run.clock, _AHEAD * run.options.rows_max
        self._sources = [t for t in tasks if isinstance(t, SourceTask)]
        self._others = [t for t in tasks if not isinstance(t, SourceTask)]
        own = {id(i.channel) for t in tasks for i in t.inputs}
        fed = [c for t in self._sources for o in t.outputs for c in o.channels]
        if run.options.runtime == "processes":
            # not measured there; jobs of little input would end with fewer checkpoints
            fed = []
        self._elsewhere = [c for c in fed if id(c) not in own]

    @property
    def is_finished(self) -> bool:
        """Whether every task has passed on its end."""
        return all(t.state == "finished" for t in self._tasks)

    @property
    def rows(self) -> int:
        """How many rows the tasks have taken so far."""
        return sum([t.rows_taken for t in self._tasks])

    def wait(self, longest: float) -> float:
        """After a round without progress: the seconds until it is worth trying again, if nobody wakes."""
        waits = [*(t.wait for t in self._sources), *(t.clock_wait for t in self._others)]
        return min([longest, *(w for w in waits if w is not None)])

    def step(self) -> bool:
        """Step every task; returns whether there was anything to do."""
        progressed = self._read()
        for task in self._others:
            # one step takes the messages of one input
            for _ in range(len(task.inputs) + 1):
                self._read_ahead()
                result = self._stepped(task)
                self._run.after_step(task, result)
                if result is not Step.PROGRESS:
                    break
                progressed = True
                if not task.has_input:
                    break
        return progressed

    def _read_ahead(self) -> None:
        """Tasks of other threads go on meanwhile, however long the next step takes."""
        for _ in range(_READS_MAX):
            is_fed = all(c.is_closed or c.rows >= self._ahead for c in self._elsewhere)
            if is_fed or not self._read():
                return

    def _stepped(self, task: Task) -> Step:
        """One step of a task, whose time is noted."""
        load, clock = task.load, self._clock
        load.begin(clock())
        result = task.step()
        load.end(clock(), is_blocked=result is Step.BLOCKED)
        return result

    def _read(self) -> bool:
        run = self._run
        results = []
        for task in self._sources:
            if run.stopping is not None:
                run.apply_stop(task)
            results.append((task, self._stepped(task)))
        # one cut for what all of them read, not one each
        run.after_sources(results)
        for task in self._sources:
            if task.has_barrier:
                run.after_step(task, self._stepped(task))
        return any(result is Step.PROGRESS for _, result in results)
