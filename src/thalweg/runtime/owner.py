"""Let the tasks of one source share its watermark owner, and sources whose rows meet know of each other.

The owners themselves are pure state machines; here they get a lock, because the tasks run on several
threads, and the clock readings that make a split or a source idle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from thalweg.progress.decisions import SplitState
from thalweg.progress.meeting import Meeting
from thalweg.progress.owner import WatermarkOwner
from thalweg.progress.split_clock import SplitClock
from thalweg.protocols.source import Source, Split, split_name


class SharedOwner:
    """One watermark owner for all tasks of one source."""

    def __init__(
        self, source: Source, owner: WatermarkOwner, *, idle_timeout: float | None, drift_max_us: int | None
    ) -> None:
        self._source, self._owner = source, owner
        self._meeting = SharedMeeting([self])
        self.idle_timeout = idle_timeout
        self._drift_max_us = drift_max_us
        self._silent_since: dict[str, float] = {}
        self._idle: set[str] = set()
        self._empty_since: float | None = None
        self._paused: frozenset[str] = frozenset()
        self.splits: list[Split] = []
        """Every split found so far; a split's number is its place here, whatever comes later."""
        self.wakers: list[Callable[[], None]] = []
        """Call the tasks of the source."""
        self.is_complete = True
        """Whether no further split can be found."""
        self.announced: int | None = None
        """The time that the source's tasks hand on; read without the lock, it only grows."""

    def add_split(self, split: Split) -> None:
        """A split is known from now on; one that is known already changes nothing."""
        with self._meeting.lock:
            if all(s.id != split.id for s in self.splits):
                self._meeting.catch_up(self)
                self._owner.add_split(split.id)
                self.splits.append(split)
                self._empty_since = None

    def complete(self, *, is_complete: bool) -> None:
        """All splits of the start are known; whether there can be no others."""
        self.is_complete = is_complete
        with self._meeting.lock:
            if is_complete:
                self._owner.all_known()
            self._meeting.settle(self)

    def resume(self, split: str, watermark: int | None, *, ended: bool) -> None:
        """A split that a snapshot knew: it stands, or ended, where its own watermark stood."""
        with self._meeting.lock:
            self._owner.open(split)
            self._owner.report(split, watermark)
            if ended:
                self._owner.finish(split)
            self._meeting.settle(self)

    def open(self, split: str) -> int | None:
        """Start to read a split; the watermark that its rows are judged from."""
        with self._meeting.lock:
            self._meeting.catch_up(self)
            return self._owner.open(split)

    def may_open(self, split: str) -> bool:
        """Whether a split's turn has come; those that are no sequence need not wait."""
        if not self._owner.ordered:
            return True
        with self._meeting.lock:
            is_known = self._owner.state_of(split) is SplitState.KNOWN
            return not is_known or split in self._owner.openable()

    def report(self, split: str, watermark: int | None) -> None:
        """A split's own watermark after some rows."""
        if watermark is None:
            return
        with self._meeting.lock:
            self._owner.report(split, watermark)
            self._meeting.settle(self)
            if self._drift_max_us is not None:
                self._paused = frozenset(self._owner.paused(self._drift_max_us))

    def had_rows(self, split: str, clock: SplitClock) -> None:
        """A split gave rows; one that was idle is woken at the time that was announced."""
        self._silent_since.pop(split, None)
        if split in self._idle:
            with self._meeting.lock:
                self._idle.discard(split)
                self._meeting.catch_up(self)
                clock.start_at(self._owner.wake(split))
                self._meeting.settle(self)

    def had_nothing(self, split: str, now: float) -> None:
        """A split was polled and had nothing; after the time-out it is idle."""
        if self.idle_timeout is None or split in self._idle:
            return
        since = self._silent_since.setdefault(split, now)
        if now - since >= self.idle_timeout:
            with self._meeting.lock:
                self._idle.add(split)
                self._owner.idle(split)
                self._meeting.settle(self)

    def found_nothing(self, now: float) -> None:
        """The source was looked at for further splits; with nothing left to read, it is idle after a time."""
        if self.idle_timeout is None:
            return
        with self._meeting.lock:
            if self._owner.unfinished:
                self._empty_since = None
            elif self._empty_since is None:
                self._empty_since = now
            elif now - self._empty_since >= self.idle_timeout:
                self._owner.idle_discovery()
                self._meeting.settle(self)

    def reach(self, time: int) -> None:
        """The clock is the watermark, and goes on while no split is read; those found later start there."""
        with self._meeting.lock:
            if not self._owner.unfinished and not self._owner.is_ended:
                self._owner.catch_up(time)
                self._meeting.settle(self)

    def finish(self, split: str) -> None:
        """A split has ended; the next one may be another task's."""
        with self._meeting.lock:
            self._owner.finish(split)
            self._meeting.settle(self)
            if self._drift_max_us is not None:
                self._paused = frozenset(self._owner.paused(self._drift_max_us))
        if self._owner.ordered:
            self.wake()

    def close(self) -> None:
        """Part from the tasks of the source, and from the sources that it meets."""
        self.wakers.clear()
        self._meeting.leave()

    def wake(self) -> None:
        """Let the tasks of the source look again."""
        for wake in self.wakers:
            wake()

    def is_paused(self, split: str) -> bool:
        """Whether the split is too far ahead of the slowest."""
        return split in self._paused

    @property
    def is_ended(self) -> bool:
        """Whether the source will bring no more rows."""
        return self._owner.is_ended

    def held_by(self) -> list[str]:
        """What holds event time back: the slowest splits, or those of other sources if this one is idle."""
        with self._meeting.lock:
            owners = self._meeting.holders() if self._owner.is_idle else [self]
            return [name for owner in owners for name in owner._slowest()]

    def _slowest(self) -> list[str]:
        names = [split_name(self._source, split) for split in self._owner.held_by()]
        return names or [f"new splits of {self._source.describe()}"]


class SharedMeeting:
    """The sources of a job whose rows meet, and the lock that they share."""

    def __init__(self, owners: Sequence[SharedOwner]) -> None:
        self.lock = threading.Lock()
        self._owners = list(owners)
        self._meeting = Meeting([o._owner for o in owners])

    def join(self) -> None:
        """Let all of them meet here; before any has a split."""
        for owner in self._owners:
            owner._meeting = self

    def leave(self) -> None:
        """All of them are done."""
        self._owners.clear()

    def catch_up(self, owner: SharedOwner) -> None:
        """Before a split wakes, opens or is found; with the lock."""
        self._meeting.catch_up(owner._owner)

    def holders(self) -> list[SharedOwner]:
        """The sources that idle ones wait for; with the lock."""
        held = self._meeting.held_by()
        return [o for o in self._owners if o._owner in held]

    def settle(self, changed: SharedOwner) -> None:
        """Let every source announce what follows from a change of one of them; with the lock."""
        changed.announced = self._meeting.announced(changed._owner)
        for owner in self._owners if len(self._owners) > 1 else ():
            before, owner.announced = owner.announced, self._meeting.announced(owner._owner)
            if owner is not changed and owner.announced != before:
                # an idle source follows the others: its tasks hand the time on
                owner.wake()
