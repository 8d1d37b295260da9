"""Drive the tasks of a run in an order that the world chooses, over edges that keep messages for a while.

Reads:    the run's tasks and channels.
Not here: what a step does (runtime/task.py), who may go on (world.py).
"""

from __future__ import annotations

from collections.abc import Callable

from thalweg.protocols.messages import Message
from thalweg.runtime.edge import Channel
from thalweg.runtime.run import Run
from thalweg.runtime.source_task import SourceTask
from thalweg.runtime.task import Step, Task
from thalweg.testing.simulation.world import World

_IDLE = 0.05


class SlowChannel(Channel):
    """A channel whose messages are seen only when they have arrived."""

    def __init__(self, name: str, *, rows_max: int, bytes_max: int, wake: Callable[[], None]) -> None:
        super().__init__(name, rows_max=rows_max, bytes_max=bytes_max, wake=wake)
        self._arrived = 0

    @property
    def is_late(self) -> bool:
        """Whether messages have not arrived yet."""
        return len(self._queue) > self._arrived and not self.is_closed

    @property
    def is_empty(self) -> bool:
        """Whether nothing has arrived."""
        return self.is_closed or not self._arrived

    def deliver(self) -> None:
        """One more message arrives."""
        self._arrived += 1
        self._wake_consumer()

    def peek(self) -> Message | None:
        """The next message that has arrived."""
        return super().peek() if self._arrived else None

    def take(self) -> Message:
        """The next message."""
        self._arrived -= 1
        return super().take()


class Driver:
    """Steps tasks until the run has ended or was stopped; see `runtime.inline.run_inline`.

    Args:
        world: who chooses.
        run: what is driven.
        after: called after each step of a task.
    """

    def __init__(self, world: World, run: Run, after: Callable[[Task], None] = lambda task: None) -> None:
        self._world, self._run, self._after = world, run, after
        channels = [i.channel for t in run.tasks for i in t.inputs]
        self._slow = [c for c in channels if isinstance(c, SlowChannel)]
        self._idle: set[str] = set()
        self._is_woken = False
        for task in run.tasks:
            task.wake = self._wake

    def _wake(self) -> None:
        self._is_woken = True
        self._idle.clear()

    def drive(self, until: Callable[[], bool]) -> None:
        """Step until the end; `until` is asked between steps."""
        while not self._has_ended():
            until()
            fault = self._world.point("step")
            if fault is not None and fault.kind == "stop" and not self._run.is_finished:
                self._world.fired["stop"] += 1
                self._run.stop()
            able = [t for t in self._run.tasks if t.state != "finished" and t.name not in self._idle]
            late = [c for c in self._slow if c.is_late]
            if not able and not late:
                self._rest()
                continue
            choices: list[Task | SlowChannel] = [*able, *late]
            chosen = self._world.choose(choices)
            if isinstance(chosen, SlowChannel):
                chosen.deliver()
            else:
                self._step(chosen)

    def _step(self, task: Task) -> None:
        if isinstance(task, SourceTask) and self._run.stopping is not None:
            self._run.apply_stop(task)
        result = task.step()
        self._run.after_step(task, result)
        if result is Step.PROGRESS:
            self._idle.clear()
        else:
            self._idle.add(task.name)
        self._after(task)

    def _rest(self) -> None:
        """Nothing can be done: wait for a source, or for whoever wakes."""
        self._is_woken = False
        sources = self._run.parts.sources
        waits = [t.wait for t in sources if t.wait is not None and t.state != "finished"]
        self._world.wait(lambda: self._is_woken, min([_IDLE, *waits]))
        self._idle.clear()

    def _has_ended(self) -> bool:
        return self._run.is_finished or (self._run.is_quiet and not any(c.is_late for c in self._slow))
