"""Say when a window gives its result, and whether it forgets its rows then.

Triggers are plain classes, so that anybody can write one. In the order of event time what they say depends on
the rows alone, unless they go by the clock.

Not here: which windows there are (assigners.py), what a late row is (keyed.py), wrappers (wrappers.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from thalweg.api.ordering import Span
from thalweg.api.windowing.assigners import Bounds
from thalweg.api.windowing.times import micros_of, span_of, time_of
from thalweg.errors import PlanError

Memory = dict[str, float]
"""What a trigger keeps of a window: numbers by name."""


class Fired(NamedTuple):
    """What a trigger says: whether the window gives its result now, and whether it forgets its rows then."""

    fires: bool = False
    purges: bool = False


GO_ON, FIRE, FIRE_AND_PURGE = Fired(), Fired(fires=True), Fired(fires=True, purges=True)
PURGE = Fired(purges=True)


class Facts:
    """What a trigger knows of a window; `memory` is its own, and starts as {}.

    Attributes:
        bounds: the window.
        time: the event time of the row, or timer.
        count: how many rows the window has.
        memory: whatever the trigger keeps: numbers by name.
        now: how far event time is; of a row that came late, further than its own time.
        has_ended: whether event time has passed the window's end: rows that still come are late.
        clock: the processing time.
    """

    __slots__ = ("bounds", "clock", "clock_timers", "count", "has_ended", "memory", "now", "time", "timers")

    def __init__(
        self,
        bounds: Bounds,
        time: datetime,
        count: int,
        memory: Memory,
        *,
        now: datetime | None = None,
        has_ended: bool = False,
        clock: datetime | None = None,
    ) -> None:
        self.bounds, self.time, self.count, self.memory = bounds, time, count, memory
        self.now, self.has_ended, self.clock = now or time, has_ended, clock
        self.timers: list[datetime] = []
        self.clock_timers: list[datetime] = []

    def wake(self, at: datetime) -> None:
        """Have `on_time` asked once event time has reached a time."""
        self.timers.append(at)

    def wake_clock(self, at: datetime) -> None:
        """Have `on_clock` asked once processing time has reached a time."""
        self.clock_timers.append(at)


class Trigger(Protocol):
    """Says when a window gives its result.

    It may have three more methods: `on_clock(window)` is asked at times that `wake_clock` has asked for,
    `on_close(window)` before a window is forgotten, and `merged(first, second)` makes one memory of those of
    two windows that have become one; without it the first one's stays.
    """

    def on_row(self, row: Any, window: Facts) -> Fired:
        """A row has come into the window."""
        ...

    def on_time(self, window: Facts) -> Fired:
        """A time has come that was asked for with `wake`, or the window's end."""
        ...


@dataclass(frozen=True)
class Count:
    """After so many rows, which are then forgotten unless they are to be kept."""

    rows: int
    keeps: bool = False

    def __post_init__(self) -> None:
        _check_positive("a window fires after at least one row", self.rows)

    def on_row(self, row: Any, window: Facts) -> Fired:
        """Count."""
        del row
        seen = window.memory["seen"] = window.memory.get("seen", 0) + 1
        if seen < self.rows:
            return GO_ON
        del window.memory["seen"]
        return FIRE if self.keeps else FIRE_AND_PURGE

    def on_time(self, window: Facts) -> Fired:
        """Time does not matter."""
        del window
        return GO_ON

    def merged(self, first: Memory, second: Memory) -> Memory:
        """The rows of both."""
        return {"seen": first.get("seen", 0) + second.get("seen", 0)}


@dataclass(frozen=True)
class Early:
    """Every so often before the end, by event time or by rows, at the end, and for every late row.

    Attributes:
        every: a span of event time; None: not by time.
        rows: so many rows; None: not by rows.
    """

    every: Span | None = None
    rows: int | None = None

    def __post_init__(self) -> None:
        if self.rows is not None:
            _check_positive("a window fires after at least one row", self.rows)
        if self.every is not None:
            _check_positive("a window fires after some time", span_of(self.every))

    def on_row(self, row: Any, window: Facts) -> Fired:
        """Begin to wait; or enough rows have come."""
        del row
        if window.has_ended:
            return FIRE
        if self.every is not None and not window.memory.get("next"):
            self._again(window)
        seen = window.memory["seen"] = window.memory.get("seen", 0) + 1
        return FIRE if self.rows is not None and seen % self.rows == 0 else GO_ON

    def _again(self, window: Facts) -> None:
        span, now = span_of(self.every or "0s"), micros_of(window.now)
        at = time_of(now - now % span + span)
        # the end of a session may yet move, and a row that moves it begins to wait again
        is_before = window.bounds.end is None or at < window.bounds.end
        window.memory["next"] = float(is_before)
        if is_before:
            window.wake(at)

    def on_time(self, window: Facts) -> Fired:
        """A time has come, or the end."""
        if window.time == window.bounds.end:
            return FIRE
        if window.bounds.end is None:
            # it would go on for ever, also when no row comes: the next one begins to wait again
            window.memory.pop("next", None)
        else:
            self._again(window)
        return FIRE

    def merged(self, first: Memory, second: Memory) -> Memory:
        """The rows of both; both may wait."""
        return {name: first.get(name, 0) + second.get(name, 0) for name in first.keys() | second.keys()}


@dataclass(frozen=True)
class Clock:
    """So long by the clock after the first row that no result has shown, and at the end of the window.

    What it gives is another result another time. When the input ends, windows that wait give theirs.
    """

    after: Span

    def __post_init__(self) -> None:
        _check_positive("a window fires after some time", span_of(self.after))

    def on_row(self, row: Any, window: Facts) -> Fired:
        """Begin to wait."""
        del row
        if not window.memory.get("waits"):
            assert window.clock is not None, "a trigger that goes by the clock is told what it shows"
            window.memory["waits"] = 1
            window.wake_clock(time_of(micros_of(window.clock) + span_of(self.after)))
        return GO_ON

    def on_clock(self, window: Facts) -> Fired:
        """The time is over."""
        if not window.memory.get("waits"):
            return GO_ON
        window.memory.pop("waits", None)
        return FIRE

    def on_time(self, window: Facts) -> Fired:
        """The end."""
        if window.time != window.bounds.end:
            return GO_ON
        window.memory.pop("waits", None)
        return FIRE

    def on_close(self, window: Facts) -> Fired:
        """What late rows have changed, if nobody has seen it yet."""
        return FIRE if window.memory.get("waits") else GO_ON

    def merged(self, first: Memory, second: Memory) -> Memory:
        """Both may wait."""
        return {"waits": max(first.get("waits", 0), second.get("waits", 0))}


@dataclass(frozen=True)
class Delta:
    """When a value is further than a threshold from what it was when the window last gave something."""

    value: Callable[[Any], float]
    threshold: float
    keeps: bool = True

    def on_row(self, row: Any, window: Facts) -> Fired:
        """Compare."""
        value = float(self.value(row))
        last = window.memory.setdefault("last", value)
        if abs(value - last) <= float(self.threshold):
            return GO_ON
        window.memory["last"] = value
        return FIRE if self.keeps else FIRE_AND_PURGE

    def on_time(self, window: Facts) -> Fired:
        """Time does not matter."""
        del window
        return GO_ON


def _check_positive(message: str, number: int) -> None:
    if number <= 0:
        raise PlanError(message, code="plan-window", expected="more than 0", found=str(number))
