"""Let the tasks of one source share its watermark owner.

The owner itself is a pure state machine; here it gets a lock, because the tasks of one source run
on several threads, and the clock readings that make a split idle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from thalweg.progress.decisions import SplitState
from thalweg.progress.owner import WatermarkOwner
from thalweg.progress.split_clock import SplitClock
from thalweg.protocols.source import Split


class SharedOwner:
    """One watermark owner for all tasks of one source."""

    def __init__(
        self, owner: WatermarkOwner, *, idle_timeout: float | None, drift_max_us: int | None
    ) -> None:
        self._owner = owner
        self._lock = threading.Lock()
        self.idle_timeout = idle_timeout
        self._drift_max_us = drift_max_us
        self._silent_since: dict[str, float] = {}
        self._idle: set[str] = set()
        self._paused: frozenset[str] = frozenset()
        self.splits: list[Split] = []
        """Every split found so far; a split's number is its place here, whatever comes later."""
        self.wakers: list[Callable[[], None]] = []
        """Call the tasks of the source."""
        self.is_complete = True
        """Whether no further split can be found."""

    @property
    def published(self) -> int | None:
        """The watermark of the source; read without the lock, it only grows."""
        return self._owner.published

    def add_split(self, split: Split) -> None:
        """A split is known from now on; one that is known already changes nothing."""
        with self._lock:
            if all(s.id != split.id for s in self.splits):
                self._owner.add_split(split.id)
                self.splits.append(split)

    def resume(self, split: str, watermark: int | None, *, ended: bool) -> None:
        """A split that a snapshot knew: it stands, or ended, where its own watermark stood."""
        with self._lock:
            self._owner.open(split)
            self._owner.report(split, watermark)
            if ended:
                self._owner.finish(split)

    def open(self, split: str) -> int | None:
        """Start to read a split; the watermark that its rows are judged from."""
        with self._lock:
            return self._owner.open(split)

    def may_open(self, split: str) -> bool:
        """Whether a split's turn has come; those that are no sequence need not wait."""
        if not self._owner.ordered:
            return True
        with self._lock:
            is_known = self._owner.state_of(split) is SplitState.KNOWN
            return not is_known or split in self._owner.openable()

    def report(self, split: str, watermark: int | None) -> None:
        """A split's own watermark after some rows."""
        if watermark is None:
            return
        with self._lock:
            self._owner.report(split, watermark)
            if self._drift_max_us is not None:
                self._paused = frozenset(self._owner.paused(self._drift_max_us))

    def had_rows(self, split: str, clock: SplitClock) -> None:
        """A split gave rows; one that was idle is woken at the published value."""
        self._silent_since.pop(split, None)
        if split in self._idle:
            with self._lock:
                self._idle.discard(split)
                clock.start_at(self._owner.wake(split))

    def had_nothing(self, split: str, now: float) -> None:
        """A split was polled and had nothing; after the time-out it is idle."""
        if self.idle_timeout is None or split in self._idle:
            return
        since = self._silent_since.setdefault(split, now)
        if now - since >= self.idle_timeout:
            with self._lock:
                self._idle.add(split)
                self._owner.idle(split)

    def finish(self, split: str) -> None:
        """A split has ended; the next one may be another task's."""
        with self._lock:
            self._owner.finish(split)
            if self._drift_max_us is not None:
                self._paused = frozenset(self._owner.paused(self._drift_max_us))
        if self._owner.ordered:
            for wake in self.wakers:
                wake()

    def is_paused(self, split: str) -> bool:
        """Whether the split is too far ahead of the slowest."""
        return split in self._paused

    def why(self) -> str:
        """Which split holds event time back."""
        held = self._owner.held_by()
        return f"event time is held back by {', '.join(held)}" if held else "no event time yet"
