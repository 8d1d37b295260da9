"""Hold what a simulated machine has: a clock, chance, and processes that take turns and may end anywhere.

Everything that may happen between two steps of a job passes through `World.point`: there the turn may change,
and there faults strike that a plan names. Each concern draws from a stream of its own, so that one more draw
in one changes nothing in the others.

Changes:  only itself.
Not here: what is done at a point (disk.py, database.py, driving.py), the plan (scenario.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TypeVar

from thalweg.testing.simulation.medium import Medium
from thalweg.testing.simulation.turns import Activity

_T = TypeVar("_T")
_BEGINNING = 1_700_000_000.0
"""The time of day at which every simulation begins."""
_KEPT_EVENTS = 2000
_WITH_LOCK = "checkpoint.trigger"
"""The one failpoint that is passed with a lock in hand."""


class CrashedError(BaseException):
    """A process has ended where it was; nothing that it does from here on counts."""


class StuckError(AssertionError):
    """The job comes no further."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, at one place of one process.

    Attributes:
        process: the number of the process, from 1; 0: whichever passes the place, of all.
        place: the name of the place, as `sync data`; empty: any.
        nth: at which passing of the place, from 1.
        kind: what goes wrong.
        amount: how long, in what the kind counts.
    """

    process: int
    place: str
    nth: int
    kind: str
    amount: int = 1


@dataclass
class Process:
    """One process of the simulated machine.

    Attributes:
        number: counts processes from 1.
        activities: what it does.
        passed: how often it has passed each place.
        is_dead: whether it has ended, in whatever way.
        resume_at: at which step of the world it goes on; None: it is not paused.
        full_until: until which step every write of it finds the disk full.
    """

    number: int
    activities: list[Activity] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)
    is_dead: bool = False
    resume_at: int | None = None
    full_until: int = 0


class World:
    """One simulated machine.

    Args:
        seed: what all chance depends on.
        faults: what goes wrong.
        haste: how often the turn changes at a point, from 0 to 1; 0 also means that tasks go in order.
        is_orderly: whether tasks go in order in any case.
        tick: the seconds between two points.
        steps_max: after how many points a job that has not ended is stuck.

    Attributes:
        now: seconds of the clock that only measures.
        skew: seconds by which the time of day differs from it.
        fired: how often each kind of fault has struck.
        reached: how often each place was passed, by all processes.
        on_pause: told when a process is paused.
    """

    def __init__(
        self,
        seed: str,
        faults: Sequence[Fault],
        *,
        haste: float,
        tick: float,
        steps_max: int,
        is_orderly: bool = False,
    ) -> None:
        self.seed = seed
        self._sched, self._disk, self._wait = (self.stream(n) for n in ("sched", "disk", "wait"))
        self._faults = {(f.process, f.place, f.nth): f for f in faults}
        self._haste, self._tick, self._steps_max = haste, tick, steps_max
        self._is_orderly = is_orderly or not haste
        self.medium = Medium()
        self.now, self.skew = 100.0, 0.0
        self.steps = 0
        self.processes: list[Process] = []
        self.fired: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        self._current: tuple[Process, Activity] | None = None
        self._owner: dict[int, Process] = {}
        self._ready: dict[int, tuple[Callable[[], bool], float]] = {}
        self._next: Activity | None = None
        self._trace = hashlib.blake2b(digest_size=12)
        self.events: list[str] = []
        self.on_pause: Callable[[Process], None] = _nobody
        self.observe: Callable[[str, Process], None] = _nothing
        self._unique = 0

    # -- chance, time and names ----------------------------------------------------------------

    def stream(self, name: str) -> Random:
        """Chance for one concern."""
        return Random(f"{self.seed} {name}")  # noqa: S311 - chance that can be repeated is the point

    def choose(self, among: Sequence[_T]) -> _T:
        """Which of several things happens next."""
        if len(among) == 1 or self._is_orderly:
            return among[0]
        return among[self._sched.randrange(len(among))]

    def clock(self) -> float:
        """Seconds, which only grow."""
        return self.now

    def wall(self) -> datetime:
        """The time of day."""
        return datetime.fromtimestamp(_BEGINNING + self.now + self.skew, UTC)

    def wall_us(self) -> int:
        """The time of day in microseconds."""
        return int((_BEGINNING + self.now + self.skew) * 1e6)

    def unique(self) -> str:
        """A name that nobody else gets."""
        self._unique += 1
        return f"{self._unique:08x}"

    # -- the trace -----------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Add to the trace, by which two simulations are compared."""
        line = f"{self.now:.6f} {text}"
        self._trace.update(line.encode())
        self.events.append(line)
        if len(self.events) > 2 * _KEPT_EVENTS:
            del self.events[:_KEPT_EVENTS]

    @property
    def trace(self) -> str:
        """A hash of everything that happened."""
        return self._trace.hexdigest()

    # -- processes -----------------------------------------------------------------------------

    def start(self, name: str, work: Callable[[], None], process: Process | None = None) -> Process:
        """Begin an activity, in a new process or in one that is there."""
        if process is None:
            process = Process(len(self.processes) + 1)
            self.processes.append(process)
        activity = Activity(f"{process.number} {name}", work)
        process.activities.append(activity)
        self._owner[id(activity)] = process
        self.note(f"{activity.name} begins")
        return process

    @property
    def process(self) -> Process:
        """The process whose turn it is."""
        assert self._current is not None, "an activity asks"
        return self._current[0]

    def point(self, place: str, *, holds_lock: bool = False) -> Fault | None:
        """A place where the turn may change and faults strike; one that the caller is to carry out, if any.

        With a lock of the process in hand nobody else of it may go on, so that the turn stays.
        """
        assert self._current is not None, "only activities pass points"
        process, activity = self._current
        if process.is_dead:
            raise CrashedError
        self.steps += 1
        self.now += self._tick
        if self.steps > self._steps_max:
            raise StuckError(f"the job has not ended after {self.steps} points")
        self.reached[place] += 1
        self.note(f"{activity.name} {place}")
        fault = self._due_fault(process, place)
        if fault is not None and not (holds_lock and fault.kind == "pause"):
            fault = self._strike(process, activity, fault)
        elif self._haste and not holds_lock and self._sched.random() < self._haste:
            self._pass_turn(activity)
        return fault

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()

    def allow(self, steps: int) -> None:
        """A job is not stuck before so many points."""
        self._steps_max = max(self._steps_max, steps)

    def _due_fault(self, process: Process, place: str) -> Fault | None:
        passed = process.passed
        passed[place] += 1
        passed[""] += 1
        if not self._faults:
            return None
        keys = (
            (process.number, place, passed[place]),
            (process.number, "", passed[""]),
            (0, place, self.reached[place]),
            (0, "", self.steps),
        )
        return next((self._faults.pop(k) for k in keys if k in self._faults), None)

    def _strike(self, process: Process, activity: Activity, fault: Fault) -> Fault | None:
        self.note(f"fault {fault.kind}")
        if fault.kind in ("kill", "power"):
            self.fired[fault.kind] += 1
            self._crash(process, has_power=fault.kind == "kill")
            raise CrashedError
        if fault.kind == "pause":
            self.fired["pause"] += 1
            process.resume_at = self.steps + fault.amount
            self.on_pause(process)
            self._leave(activity)
            return None
        if fault.kind == "jump":
            self.fired["jump"] += 1
            self.now += fault.amount
            return None
        if fault.kind == "skew":
            self.fired["skew"] += 1
            self.skew -= fault.amount
            return None
        if fault.kind in ("refuse", "reply"):
            self.fired[fault.kind] += 1
        if fault.kind == "full":
            process.full_until = self.steps + fault.amount
        return fault

    def _crash(self, process: Process, *, has_power: bool) -> None:
        process.is_dead = True
        if not has_power:
            for other in self.processes:
                other.is_dead = True
            self.medium.cut(self._disk)

    # -- turns ---------------------------------------------------------------------------------

    def wait(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Let others go on until something is ready, or a time has passed."""
        assert self._current is not None, "an activity waits"
        process, activity = self._current
        if process.is_dead:
            raise CrashedError
        self._ready[id(activity)] = is_ready, self.now + seconds
        self._leave(activity)
        self._ready.pop(id(activity), None)

    def _pass_turn(self, activity: Activity) -> None:
        able = self._able()
        chosen = able[self._sched.randrange(len(able))]
        if chosen is not activity:
            self._next = chosen
            self._leave(activity)

    def _leave(self, activity: Activity) -> None:
        mine = self._current
        activity.leave()
        assert mine is not None, "an activity leaves off"
        if mine[0].is_dead:
            raise CrashedError

    def _able(self) -> list[Activity]:
        """The activities that can go on."""
        return [
            a
            for p in self.processes
            if not p.is_dead and p.resume_at is None
            for a in p.activities
            if not a.is_done and self._is_ready(a)
        ]

    def _is_ready(self, activity: Activity) -> bool:
        waiting = self._ready.get(id(activity))
        return waiting is None or waiting[0]() or self.now >= waiting[1]

    def go_on(self) -> Activity | None:
        """Let one activity go on until it leaves off; the activity. None: all have ended."""
        activity = self._next or self._chosen()
        self._next = None
        if activity is None:
            return None
        self._current = self._owner[id(activity)], activity
        activity.go_on()
        self._current = None
        return activity

    def _chosen(self) -> Activity | None:
        for process in self.processes:
            if process.is_dead:
                rest = [a for a in process.activities if not a.is_done]
                # what is dead is taken apart first; nothing that it does counts
                if rest:
                    return rest[0]
        for process in self.processes:
            if process.resume_at is not None and self.steps >= process.resume_at:
                self._resume(process)
        able = self._able()
        return self.choose(able) if able else self._let_time_pass()

    def _let_time_pass(self) -> Activity | None:
        """Nothing can go on: go to the next time at which something can."""
        alive = [p for p in self.processes if not p.is_dead and p.resume_at is None]
        waiting = [a for p in alive for a in p.activities if not a.is_done]
        if waiting:
            due = min(self._ready[id(a)][1] for a in waiting)
            assert due < float("inf"), "an activity waits for ever"
            self.now = max(self.now, due)
            self.steps += 1
            if self.steps > self._steps_max:
                raise StuckError("the job only waits")
            return self.choose(self._able())
        paused = [p for p in self.processes if not p.is_dead and p.resume_at is not None]
        if not paused:
            return None
        self._resume(paused[0])
        return self._chosen()

    def _resume(self, process: Process) -> None:
        process.resume_at = None
        self.note(f"{process.number} is resumed")

    # -- places that production code names ------------------------------------------------------

    is_armed = True
    is_watched = False
    """Whether an onlooker looks just now, for whom nothing happens."""

    def hit(self, name: str) -> None:
        """A failpoint was reached, see `checkpoint.failpoints`."""
        if self._current is None or self.is_watched:
            return
        self.observe(name, self.process)
        self.point(name, holds_lock=name == _WITH_LOCK)


def _nobody(process: Process) -> None:
    """Whom nothing is told."""
    del process


def _nothing(place: str, process: Process) -> None:
    """Observes nothing."""
    del place, process
