"""Say what windows give: a plain model of them, in whole seconds, that shares no code with the engine.

It counts how often a window, and a key, has given something, as functions with state do in these tests.
It knows rows of one key as (moment, time, id), where the moment is when the row is known: at its own time, or
when its split had gone further. Time goes from alarm to alarm; all windows are looked at each time.

Not here: how windows are run (test_windows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Known = tuple[int, int, int]
Span = tuple[int | None, int | None]
FOREVER = 1 << 40


@dataclass
class Kind:
    """Which windows there are: the spans of a row, and whether those that touch are one."""

    spans: Callable[[int, int], list[Span]]
    merges: bool = False


@dataclass
class Rule:
    """When a window gives something.

    Attributes:
        count: after so many rows.
        count_keeps: whether it keeps its rows then.
        every: at multiples of so many seconds, before the end.
        delta: when the id, modulo 17, is further away from what it was.
        at_end: whether at the end.
        counts_on: whether the end changes nothing: late rows are counted as others.
        is_regular: whether rows are counted in steps of `count`, and not from the last time on.
        late: after so many late rows.
        purges: whether it forgets its rows whenever it gives something.
    """

    count: int = 0
    count_keeps: bool = True
    counts_on: bool = False
    is_regular: bool = False
    every: int = 0
    delta: int = -1
    delta_keeps: bool = True
    at_end: bool = True
    late: int = 1
    purges: bool = False


@dataclass
class Pane:
    """A window as the model sees it."""

    start: int | None
    end: int | None
    rows: list[tuple[int, int]] = field(default_factory=list)
    shown: list[Any] = field(default_factory=list)
    seen: int = 0
    seen_late: int = 0
    behind: int = 0
    unseen: bool = False
    last: int | None = None
    alarm: int | None = None
    fired: int = 0


class Model:
    """The windows of one key."""

    def __init__(
        self,
        kind: Kind,
        rule: Rule,
        results: str,
        lateness: int,
        keep: Callable[[list[tuple[int, int]]], list[tuple[int, int]]],
        make: Callable[[Span, Sequence[int], int, int], Any],
    ) -> None:
        self._kind, self._rule, self._results = kind, rule, results
        self._lateness, self._keep, self._make = lateness, keep, make
        self.panes: list[Pane] = []
        self.given: list[Any] = []
        self.missed: list[tuple[int, Span]] = []
        self.closed: list[tuple[Span, int, int]] = []
        self.fired = 0

    def run(self, rows: Sequence[Known]) -> None:
        """All rows, and then the end of time."""
        for moment, time, number in sorted(rows, key=lambda r: r[0]):
            # an alarm of a session comes after the rows of its time, any other before them
            self._go_on(moment - 1 if self._kind.merges else moment)
            self._take(moment, time, number)
        self._go_on(FOREVER)

    def _go_on(self, until: int) -> None:
        while True:
            times = [t for pane in self.panes for t in self._alarms(pane)]
            due = [t for t in times if t <= until]
            if not due:
                return
            self._alarm(min(due))

    def _alarms(self, pane: Pane) -> Iterator[int]:
        if pane.alarm is not None:
            yield pane.alarm
        if pane.end is not None:
            # the end of a window that has ended is in `behind`
            if pane.behind == 0:
                yield pane.end
            yield pane.end + self._lateness

    def _alarm(self, now: int) -> None:
        for pane in list(self.panes):
            if pane.end == now and not pane.behind:
                pane.behind = 1
                pane.alarm = None
                if self._rule.at_end:
                    self._give(pane)
            elif pane.alarm == now:
                pane.alarm = None
                if pane.end is not None:
                    self._set(pane, now)
                self._give(pane)
            if pane.end is not None and pane.end + self._lateness == now:
                if pane.unseen:
                    self._give(pane)
                self.closed.append(((pane.start, pane.end), pane.fired, self.fired))
                self.panes.remove(pane)

    def _set(self, pane: Pane, now: int) -> None:
        every = self._rule.every
        at = (now // every + 1) * every
        pane.alarm = at if pane.end is None or at < pane.end else None

    def _take(self, moment: int, time: int, number: int) -> None:
        for start, end in sorted(self._kind.spans(time, number)):
            pane = self._pane(start, end, moment)
            if pane is None:
                self.missed.append((number, (start, end)))
                continue
            pane.rows.append((time, number))
            self._asked(pane, moment, number)

    def _has_ended(self, end: int | None, moment: int) -> bool:
        if end is None:
            return False
        return end < moment if self._kind.merges else end <= moment

    def _pane(self, start: int | None, end: int | None, moment: int) -> Pane | None:
        if not self._kind.merges:
            for pane in self.panes:
                if (pane.start, pane.end) == (start, end):
                    return pane
        met = [p for p in self.panes if self._kind.merges and p.start <= end and start <= p.end]  # type: ignore[operator]
        if not met:
            if end is not None and self._has_ended(end + self._lateness, moment):
                return None
            pane = Pane(start, end)
        else:
            pane = met[0]
            for other in met[1:]:
                pane.rows += other.rows
                pane.shown += other.shown
                pane.seen += other.seen
                pane.fired += other.fired
                pane.seen_late += other.seen_late
                pane.unseen |= other.unseen
                waits = [a for a in (pane.alarm, other.alarm) if a is not None]
                pane.alarm = min(waits) if waits else None
            self.panes = [p for p in self.panes if not any(p is m for m in met)]
            pane.start = min(start, *(p.start for p in met))  # type: ignore[type-var,arg-type]
            pane.end = max(end, *(p.end for p in met))  # type: ignore[type-var,arg-type]
        pane.behind = int(self._has_ended(pane.end, moment))
        self.panes.append(pane)
        self.panes.sort(key=lambda p: (p.start or 0, p.end or 0))
        return pane

    def _asked(self, pane: Pane, moment: int, number: int) -> None:
        rule = self._rule
        if pane.behind and not rule.counts_on:
            pane.seen_late += 1
            if pane.seen_late >= rule.late:
                pane.seen_late = 0
                self._give(pane)
            else:
                pane.unseen = True
            return
        if rule.every and pane.alarm is None:
            self._set(pane, moment)
        if rule.count:
            pane.seen += 1
            if pane.seen % rule.count == 0 if rule.is_regular else pane.seen >= rule.count:
                pane.seen = 0
                self._give(pane, forgets=not rule.count_keeps)
        if rule.delta >= 0:
            value = number % 17
            last = value if pane.last is None else pane.last
            pane.last = last
            if abs(value - last) > rule.delta:
                pane.last = value
                self._give(pane, forgets=not rule.delta_keeps)

    def _give(self, pane: Pane, *, forgets: bool = False) -> None:
        pane.unseen = False
        pane.rows.sort(key=lambda r: r[0])
        pane.rows = self._keep(pane.rows)
        if pane.rows:
            pane.fired += 1
            self.fired += 1
            ids = [number for _, number in pane.rows]
            found = self._make((pane.start, pane.end), ids, pane.fired, self.fired)
            if self._results == "retracting":
                for old in pane.shown:
                    self.given.remove(old)
                pane.shown = [found]
            self.given.append(found)
        if forgets or self._rule.purges or self._results == "discarding":
            pane.rows = []
