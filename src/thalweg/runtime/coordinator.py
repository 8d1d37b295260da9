"""Decide when a cut or a checkpoint is due, and notice when it has passed every task.

A pure state machine: it is told what happened and what time it is, and answers which barrier to
send. One cut is under way at a time; a wish that comes meanwhile is remembered.

Not here: locks and clocks (run.py), what a task saves (assemble.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from thalweg.protocols.messages import Barrier


class Coordinator:
    """Numbers the cuts of one run."""

    def __init__(
        self,
        tasks: Iterable[str],
        *,
        first: int = 1,
        interval: float = 0.25,
        cut_batches: int | None = None,
        checkpoint_batches: int | None = None,
    ) -> None:
        self._open = set(tasks)
        self._next = first
        self._interval = interval
        self._cut_batches, self._checkpoint_batches = cut_batches, checkpoint_batches
        self._waiting_for: set[str] = set()
        self._under_way: Barrier | None = None
        self._wanted: set[str] = set()
        self._batches = 0
        self._last_at: float | None = None
        self.completed = 0
        """The number of the last complete cut."""

    def wish(self, kind: str) -> None:
        """Ask for a cut or a checkpoint as soon as possible."""
        self._wanted.add(kind)

    def note_batch(self, now: float) -> None:
        """A source batch has entered the job."""
        self._batches += 1
        if self._checkpoint_batches and self._batches % self._checkpoint_batches == 0:
            self.wish("checkpoint")
        elif self._cut_batches:
            if self._batches % self._cut_batches == 0:
                self.wish("cut")
        elif self._last_at is None:
            self._last_at = now
        elif now - self._last_at >= self._interval:
            self.wish("cut")

    def note_drained(self) -> None:
        """All input that was there has entered the job."""
        if not self._cut_batches:
            self.wish("cut")

    def next_barrier(self, now: float) -> Barrier | None:
        """The barrier to send now, if one is due and none is under way."""
        if self._under_way is not None or not self._wanted:
            return None
        kind = "checkpoint" if "checkpoint" in self._wanted else "cut"
        self._wanted.clear()
        self._under_way = Barrier(self._next, kind)  # type: ignore[arg-type]  # one of the two kinds
        self._next += 1
        self._last_at = now
        self._waiting_for = set(self._open)
        return self._under_way

    def passed(self, task: str) -> Barrier | None:
        """A task has let the barrier pass; returns the barrier if it was the last one."""
        self._waiting_for.discard(task)
        return self._complete()

    def finished(self, task: str) -> Barrier | None:
        """A task has finished; it counts as passed from now on."""
        self._open.discard(task)
        self._waiting_for.discard(task)
        return self._complete()

    def _complete(self) -> Barrier | None:
        if self._under_way is None or self._waiting_for:
            return None
        done, self._under_way = self._under_way, None
        self.completed = done.number
        return done

    @property
    def next_number(self) -> int:
        """The number of the next cut."""
        return self._next

    @property
    def is_busy(self) -> bool:
        """Whether a cut is under way or wished for."""
        return self._under_way is not None or bool(self._wanted)
