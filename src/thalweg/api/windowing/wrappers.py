"""Make triggers of triggers: before and after the end of a window, or with rows that are forgotten.

Not here: the triggers themselves (triggers.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from thalweg.api.windowing.triggers import FIRE, GO_ON, Clock, Count, Delta, Facts, Fired, Memory, Trigger

_LATE = "unseen"


@dataclass(frozen=True)
class AtEnd:
    """When event time has reached the window's end, and again for rows that come late: what windows do.

    Attributes:
        early: says when the window gives something before its end; None: never.
        late: says when it does after its end; None: for every late row. What is left when the window is
            forgotten it gives then.
    """

    early: Trigger | None = None
    late: Trigger | None = None

    def on_row(self, row: Any, window: Facts) -> Fired:
        """A row in time, or a late one."""
        if not window.has_ended:
            return self._noted(window, _part("early", self.early, window, lambda t, w: t.on_row(row, w)))
        if self.late is None:
            return FIRE
        return self._noted(window, _part("late", self.late, window, lambda t, w: t.on_row(row, w)), 1)

    def on_time(self, window: Facts) -> Fired:
        """The end, or a time that one of both has asked for."""
        if window.time == window.bounds.end:
            # a session that had ended may have gone on with a late row
            return self._noted(window, FIRE)
        name, part = ("late", self.late) if window.has_ended else ("early", self.early)
        return self._noted(window, _part(name, part, window, lambda t, w: t.on_time(w)))

    def on_clock(self, window: Facts) -> Fired:
        """The same, by the clock."""
        name, part = ("late", self.late) if window.has_ended else ("early", self.early)
        return self._noted(window, _part(name, part, window, _on_clock))

    def on_close(self, window: Facts) -> Fired:
        """What late rows have changed, if nobody has seen it yet."""
        return FIRE if window.memory.get(_LATE) else GO_ON

    def merged(self, first: Memory, second: Memory) -> Memory:
        """Those of both parts."""
        found: Memory = {_LATE: max(first.get(_LATE, 0), second.get(_LATE, 0))}
        for name, part in (("early", self.early), ("late", self.late)):
            if part is not None:
                made = merged_memory(part, _memory(name, first), _memory(name, second))
                found.update({f"{name} {k}": v for k, v in made.items()})
        return found

    def _noted(self, window: Facts, fired: Fired, more: int = 0) -> Fired:
        """Remember whether late rows have changed something that nobody has seen."""
        if self.late is not None:
            unseen = 0.0 if fired.fires else max(window.memory.get(_LATE, 0.0), float(more))
            if unseen:
                window.memory[_LATE] = unseen
            else:
                window.memory.pop(_LATE, None)
        return fired


@dataclass(frozen=True)
class Purging:
    """When another trigger says; then the rows are forgotten, so that the next result has later ones only."""

    trigger: Trigger

    def on_row(self, row: Any, window: Facts) -> Fired:
        """As it says."""
        return _purged(self.trigger.on_row(row, window))

    def on_time(self, window: Facts) -> Fired:
        """As it says."""
        return _purged(self.trigger.on_time(window))

    def on_clock(self, window: Facts) -> Fired:
        """As it says."""
        return _purged(_on_clock(self.trigger, window))

    def on_close(self, window: Facts) -> Fired:
        """As it says."""
        return closing(self.trigger, window)

    def merged(self, first: Memory, second: Memory) -> Memory:
        """As it says."""
        return merged_memory(self.trigger, first, second)


def goes_by_time(trigger: Trigger) -> bool:
    """Whether event time matters to a trigger, in a window that never ends."""
    if isinstance(trigger, Purging):
        return goes_by_time(trigger.trigger)
    return not isinstance(trigger, (Count, Delta, Clock))


def goes_by_clock(trigger: Trigger | None) -> bool:
    """Whether a trigger is asked at processing times."""
    if isinstance(trigger, Purging):
        return goes_by_clock(trigger.trigger)
    if isinstance(trigger, AtEnd):
        return goes_by_clock(trigger.early) or goes_by_clock(trigger.late)
    return hasattr(trigger, "on_clock")


def merged_memory(trigger: Trigger, first: Memory, second: Memory) -> Memory:
    """What a trigger keeps of two windows that have become one."""
    merge = getattr(trigger, "merged", None)
    return first if merge is None else cast(Memory, merge(first, second))


def closing(trigger: Trigger, window: Facts) -> Fired:
    """What a trigger says before a window is forgotten."""
    ask = getattr(trigger, "on_close", None)
    return GO_ON if ask is None else cast(Fired, ask(window))


def _on_clock(trigger: Trigger, window: Facts) -> Fired:
    ask = getattr(trigger, "on_clock", None)
    return GO_ON if ask is None else cast(Fired, ask(window))


def _purged(fired: Fired) -> Fired:
    return Fired(fired.fires, fired.fires or fired.purges)


def _memory(name: str, whole: Memory) -> Memory:
    """One part's share of a memory."""
    return {key.removeprefix(f"{name} "): value for key, value in whole.items() if key.startswith(f"{name} ")}


def _part(name: str, trigger: Trigger | None, window: Facts, ask: Callable[[Trigger, Facts], Fired]) -> Fired:
    """Ask a part, which has a memory of its own."""
    if trigger is None:
        return GO_ON
    inner = Facts(
        window.bounds,
        window.time,
        window.count,
        _memory(name, window.memory),
        now=window.now,
        has_ended=window.has_ended,
        clock=window.clock,
    )
    fired = ask(trigger, inner)
    for key in [key for key in window.memory if key.startswith(f"{name} ")]:
        del window.memory[key]
    window.memory.update({f"{name} {key}": value for key, value in inner.memory.items()})
    window.timers += inner.timers
    window.clock_timers += inner.clock_timers
    return fired
