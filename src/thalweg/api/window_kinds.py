"""Say which windows a row falls into, when a window gives its result, and which of its rows count: by row.

Assigners, triggers and evictors are plain classes, so that anybody can write one. All of them are asked in
the order of event time, so that what they say depends on the rows alone.

Not here: windows that a query can say, which are faster (windows.py), how these are run (keyed_windows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from thalweg.api.ordering import Span
from thalweg.base.durations import microseconds
from thalweg.errors import PlanError

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


class Bounds(NamedTuple):
    """A window: from its start up to, and without, its end; the global window has neither."""

    start: datetime | None = None
    end: datetime | None = None


class Assigner(Protocol):
    """Says which windows a row falls into.

    Attributes:
        merges: whether windows of a key that meet are one, as those of sessions.
    """

    merges: bool

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        """The windows of a row; at least one."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Windows of one size that start at regular distances.

    Example:
        >>> from datetime import datetime
        >>> [w.start.second for w in Fixed("10s", every="5s").assign(datetime(2026, 1, 1, 0, 0, 12), None)]
        [10, 5]
    """

    size: Span
    every: Span | None = None
    offset: Span = "0s"
    merges: bool = False

    def __post_init__(self) -> None:
        size, every = microseconds(self.size), microseconds(self.every or self.size)
        if not 0 < every <= size:
            raise PlanError(
                "windows that leave gaps are none: each row is in at least one",
                code="plan-window",
                expected="0 < every <= size",
                found=f"size {self.size}, every {self.every or self.size}",
            )

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        """The windows that hold a time, the latest first."""
        del row
        size, every = microseconds(self.size), microseconds(self.every or self.size)
        offset, now = microseconds(self.offset), (_naive(time) - _EPOCH) // _MICROSECOND
        start = now - (now - offset) % every
        while start > now - size:
            yield Bounds(_time(start), _time(start + size))
            start -= every


@dataclass(frozen=True)
class Sessions:
    """Windows that end when nothing has happened to a key for a while; the gap may depend on the row."""

    gap: Span | Callable[[Any], timedelta]
    merges: bool = True

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        """From the row until its gap is over."""
        gap = self.gap(row) if callable(self.gap) else timedelta(microseconds=microseconds(self.gap))
        return [Bounds(_naive(time), _naive(time) + gap)]


@dataclass(frozen=True)
class Calendar:
    """Days, weeks (from Monday), months or years in a time zone; some are shorter than others.

    Example:
        >>> from datetime import datetime
        >>> winter = Calendar("day", "Europe/Berlin").assign(datetime(2026, 10, 25, 12), None)
        >>> [(w.end - w.start).total_seconds() / 3600 for w in winter]
        [25.0]
    """

    unit: str
    zone: str = "UTC"
    merges: bool = False

    def __post_init__(self) -> None:
        if self.unit not in _NEXT:
            message = f'a calendar has no "{self.unit}"'
            raise PlanError(message, code="plan-window", found=self.unit, choices=[*_NEXT])
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            message = f'there is no time zone "{self.zone}"'
            raise PlanError(message, code="plan-window", found=self.zone) from error

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        """The day, week, month or year of the zone's calendar that holds a time."""
        del row
        zone = ZoneInfo(self.zone)
        local = _naive(time).replace(tzinfo=UTC).astimezone(zone)
        midnight = datetime(local.year, local.month, local.day)
        begin = {
            "day": midnight,
            "week": midnight - timedelta(days=midnight.weekday()),
            "month": midnight.replace(day=1),
            "year": midnight.replace(month=1, day=1),
        }[self.unit]
        ends = (begin, _NEXT[self.unit](begin))
        utc = [each.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None) for each in ends]
        return [Bounds(*utc)]


_NEXT: dict[str, Callable[[datetime], datetime]] = {
    "day": lambda begin: begin + timedelta(days=1),
    "week": lambda begin: begin + timedelta(days=7),
    "month": lambda begin: (begin + timedelta(days=32)).replace(day=1),
    "year": lambda begin: begin.replace(year=begin.year + 1),
}


@dataclass(frozen=True)
class Global:
    """One window for all rows of a key: its trigger says when it gives something."""

    merges: bool = False

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        """The only one."""
        del time, row
        return [Bounds()]


# Triggers ------------------------------------------------------------------------------------------


class Fired(NamedTuple):
    """What a trigger says: whether the window gives its result now, and whether it forgets its rows then."""

    fires: bool = False
    purges: bool = False


GO_ON, FIRE, FIRE_AND_PURGE = Fired(), Fired(fires=True), Fired(fires=True, purges=True)


class Facts:
    """What a trigger knows of a window; `memory` is its own, and starts as {}.

    Attributes:
        bounds: the window.
        time: the event time of the row, or timer.
        count: how many rows the window has.
        memory: whatever the trigger keeps: numbers by name.
    """

    __slots__ = ("bounds", "count", "memory", "time", "timers")

    def __init__(self, bounds: Bounds, time: datetime, count: int, memory: dict[str, float]) -> None:
        self.bounds, self.time, self.count, self.memory = bounds, time, count, memory
        self.timers: list[datetime] = []

    def wake(self, at: datetime) -> None:
        """Have `on_time` asked once event time has reached a time."""
        self.timers.append(at)


class Trigger(Protocol):
    """Says when a window gives its result."""

    def on_row(self, row: Any, window: Facts) -> Fired:
        """A row has come into the window."""
        ...

    def on_time(self, window: Facts) -> Fired:
        """A time has come that was asked for with `wake`, or the window's end."""
        ...


class AtEnd:
    """When event time has reached the window's end: what windows do by themselves."""

    def on_row(self, row: Any, window: Facts) -> Fired:
        """Not before."""
        del row, window
        return GO_ON

    def on_time(self, window: Facts) -> Fired:
        """At the end."""
        return FIRE_AND_PURGE if window.time == window.bounds.end else GO_ON


@dataclass(frozen=True)
class Count:
    """After so many rows, which are then forgotten unless they are to be kept."""

    rows: int
    keeps: bool = False

    def on_row(self, row: Any, window: Facts) -> Fired:
        """Count."""
        del row
        seen = window.memory["seen"] = window.memory.get("seen", 0) + 1
        if seen < self.rows:
            return GO_ON
        window.memory["seen"] = 0
        return FIRE if self.keeps else FIRE_AND_PURGE

    def on_time(self, window: Facts) -> Fired:
        """The end of a window forgets it."""
        return Fired(purges=window.time == window.bounds.end)


@dataclass(frozen=True)
class Early:
    """Every so often before the end, by event time or by rows, and at the end.

    Attributes:
        every: a span of event time; None: not by time.
        rows: so many rows; None: not by rows.
    """

    every: Span | None = None
    rows: int | None = None

    def on_row(self, row: Any, window: Facts) -> Fired:
        """Begin to wait; or enough rows have come."""
        del row
        if self.every is not None and not window.memory.get("next"):
            self._again(window)
        seen = window.memory["seen"] = window.memory.get("seen", 0) + 1
        return FIRE if self.rows is not None and seen % self.rows == 0 else GO_ON

    def _again(self, window: Facts) -> None:
        span = microseconds(self.every or "0s")
        now = (_naive(window.time) - _EPOCH) // _MICROSECOND
        at = _time(now - now % span + span)
        # the end of a session may yet move, and a row that moves it begins to wait again
        is_before = window.bounds.end is None or at < window.bounds.end
        window.memory["next"] = float(is_before)
        if is_before:
            window.wake(at)

    def on_time(self, window: Facts) -> Fired:
        """A time has come, or the end."""
        if window.time == window.bounds.end:
            return FIRE_AND_PURGE
        self._again(window)
        return FIRE


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
        """The end of a window forgets it."""
        return Fired(purges=window.time == window.bounds.end)


# Evictors ------------------------------------------------------------------------------------------


class Evictor(Protocol):
    """Says which rows of a window count when it gives its result; the others are forgotten."""

    def keep(self, rows: Sequence[tuple[datetime, Any]]) -> Sequence[tuple[datetime, Any]]:
        """Some of the rows, which come with their times in the order of these."""
        ...


@dataclass(frozen=True)
class LastRows:
    """The last rows."""

    count: int

    def keep(self, rows: Sequence[tuple[datetime, Any]]) -> Sequence[tuple[datetime, Any]]:
        """The last ones."""
        return rows[max(0, len(rows) - self.count) :]


@dataclass(frozen=True)
class LastSpan:
    """The rows of the last stretch of event time, counted from the last row."""

    span: Span

    def keep(self, rows: Sequence[tuple[datetime, Any]]) -> Sequence[tuple[datetime, Any]]:
        """Those that are not older."""
        if not rows:
            return rows
        oldest = rows[-1][0] - timedelta(microseconds=microseconds(self.span))
        return [each for each in rows if each[0] > oldest]


def _naive(time: datetime) -> datetime:
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
