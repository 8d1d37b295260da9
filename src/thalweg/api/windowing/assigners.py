"""Say which windows a row falls into.

Assigners are plain classes, so that anybody can write one.

Not here: when windows give their results (triggers.py), windows that a query can say, which are faster
(windows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from thalweg.api.ordering import Span
from thalweg.api.windowing.times import micros_of, span_of, time_of
from thalweg.errors import PlanError


class Bounds(NamedTuple):
    """A window: from its start up to, and without, its end; the global window has neither."""

    start: datetime | None = None
    end: datetime | None = None


class Assigner(Protocol):
    """Says which windows a row falls into."""

    @property
    def merges(self) -> bool:
        """Whether windows of a key that meet are one, as those of sessions."""
        ...

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
        size, every = span_of(self.size), span_of(self.every or self.size)
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
        size, every = span_of(self.size), span_of(self.every or self.size)
        offset, now = span_of(self.offset), micros_of(time)
        start = now - (now - offset) % every
        while start > now - size:
            yield Bounds(time_of(start), time_of(start + size))
            start -= every


@dataclass(frozen=True)
class Cumulating:
    """Windows that begin together and end one step after the other: what a day has had so far, every hour.

    Example:
        >>> from datetime import datetime
        >>> shares = Cumulating("30s", every="10s").assign(datetime(2026, 1, 1, 0, 0, 12), None)
        >>> [(w.start.second, w.end.second) for w in shares]
        [(0, 20), (0, 30)]
    """

    size: Span
    every: Span
    offset: Span = "0s"
    merges: bool = False

    def __post_init__(self) -> None:
        size, every = span_of(self.size), span_of(self.every)
        if not 0 < every <= size or size % every:
            raise PlanError(
                "cumulating windows grow by steps that make up the whole",
                code="plan-window",
                expected="a size that is a multiple of every",
                found=f"size {self.size}, every {self.every}",
            )

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        """The windows that hold a time, the shortest first."""
        del row
        size, every, now = span_of(self.size), span_of(self.every), micros_of(time)
        start = now - (now - span_of(self.offset)) % size
        for end in range(now - (now - start) % every + every, start + size + 1, every):
            yield Bounds(time_of(start), time_of(end))


@dataclass(frozen=True)
class Sessions:
    """Windows that end when nothing has happened to a key for a while; the gap may depend on the row."""

    gap: Span | Callable[[Any], timedelta]
    merges: bool = True

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        """From the row until its gap is over."""
        gap = self.gap(row) if callable(self.gap) else timedelta(microseconds=span_of(self.gap))
        begin = time_of(micros_of(time))
        return [Bounds(begin, begin + gap)]


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
        local = time_of(micros_of(time)).replace(tzinfo=UTC).astimezone(zone)
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
    never_ends: ClassVar[bool] = True

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        """The only one."""
        del time, row
        return [Bounds()]
