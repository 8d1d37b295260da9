"""Run windows that are said in Python as a keyed function: rows come into them, and triggers have them give.

A row has its turn in the order of event time, a late one when the watermark of its split has passed it. So
what is late for which window, and the order of results, depends on the splits alone.

Not here: what windows keep (contents.py), how they are asked for (keyed.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any, ClassVar, Literal

from thalweg.api.process_functions import ProcessFunction
from thalweg.api.windowing.aggregators import row_type
from thalweg.api.windowing.assigners import Assigner, Bounds
from thalweg.api.windowing.calls import WindowCalls
from thalweg.api.windowing.contents import AllRows, Contents
from thalweg.api.windowing.panes import Pane, pane_type
from thalweg.api.windowing.times import micros_of, time_of
from thalweg.api.windowing.triggers import Facts, Fired, Trigger
from thalweg.api.windowing.wrappers import closing, goes_by_clock, goes_by_time, merged_memory
from thalweg.base.schema import Schema
from thalweg.errors import PlanError
from thalweg.expr.python_rows import GivenRows, Row

Results = Literal["accumulating", "discarding", "retracting"]
"""What a window that gives something again gives: all, what is new, or all with the old result taken back."""
_SHOWN_MAX = 200


@dataclass
class Settings:
    """What some windows are.

    Attributes:
        assigner: says which windows a row falls into.
        trigger: says when they give a result.
        contents: what they keep.
        results: what is given again.
        result: the columns of the result.
        calls: the function of a class of the user's, which has state; None: `contents` makes the result.
    """

    assigner: Assigner
    trigger: Trigger
    contents: Contents
    results: Results
    result: Schema
    calls: WindowCalls | None = None


def window_function(settings: Settings) -> ProcessFunction:
    """The keyed function that these windows are.

    Raises:
        PlanError: `plan-state-type`, `plan-window-function`.
    """
    trigger, calls = settings.trigger, settings.calls
    more = dict(settings.contents.fields)
    if calls is not None:
        calls.check(merges=settings.assigner.merges)
        more.update(calls.fields)
    if goes_by_clock(trigger):
        more["clocks"] = (list[int], list)
    if settings.results == "retracting":
        more["given"] = (list.__class_getitem__(row_type(settings.result)), list)
    pane = pane_type(more)
    never_ends = getattr(settings.assigner, "never_ends", False)
    bases: list[type] = [] if never_ends and not goes_by_time(trigger) else [_Timed]
    bases += [_Clocked] if goes_by_clock(trigger) else []
    members = {
        # types that are made, of which no checker of types can know
        "__annotations__": {"panes": list.__class_getitem__(pane), **(calls.hints_of_key if calls else {})},
        "__module__": __name__,
        "_retracts": settings.results == "retracting",
    }
    kind = type(settings.contents.name, (*bases, _Windows), members)
    found: ProcessFunction = kind(settings, pane)
    if calls is not None:
        calls.declare(kind, taken={*dir(kind), *vars(found), "panes"})
    return found


class _Windows(ProcessFunction):
    panes: list[Any]
    _takes_late: ClassVar[bool] = True

    def __init__(self, settings: Settings, pane: type[Pane]) -> None:
        self._assigner, self._trigger = settings.assigner, settings.trigger
        self._contents, self._results, self._pane = settings.contents, settings.results, pane
        self._by_clock, self._calls = goes_by_clock(settings.trigger), settings.calls
        self._given = GivenRows(settings.result, settings.contents.name)
        # a row of the time of its end is no row of a window, but of a session it is
        self._ahead = 0 if settings.assigner.merges else 1

    def on_event(self, row: Any) -> Iterator[Row]:
        """Put the row into its windows, and ask the trigger of each."""
        time, missed = self.turn.time_us, []
        windows = self._assigned(time, row)
        for start, end in windows:
            pane = self._merged(start, end) if self._assigner.merges else self._found(start, end)
            if pane is None:
                missed.append((start, end))
                continue
            bounds = pane.bounds
            self._contents.add(self.key, bounds, pane, time, row)
            facts = self._facts(pane, bounds, time)
            yield from self._answered(pane, facts, self._trigger.on_row(row, facts))
        for number, (start, end) in enumerate(missed):
            is_gone = number == 0 and len(missed) == len(windows)
            self.turn.miss(start, end, is_gone=is_gone)

    def _assigned(self, time: int, row: Any) -> list[tuple[Any, Any]]:
        """The windows of a row, in microseconds.

        Raises:
            PlanError: `plan-window-assigner`.
        """
        found: list[tuple[Any, Any]] = []
        for bounds in self._assigner.assign(time_of(time), row):
            if not isinstance(bounds, Bounds):
                raise _misassigned(
                    "an assigner gives windows", f"{bounds!r} for {row!r}", "Bounds(start, end)"
                )
            if bounds.start is None or bounds.end is None:
                if bounds != Bounds() or self._assigner.merges:
                    raise _misassigned("a window has a start and an end", f"{bounds!r} for {row!r}")
                found.append((None, None))
                continue
            start, end = micros_of(bounds.start), micros_of(bounds.end)
            if not start < end or end <= time:
                raise _misassigned(
                    "a window ends after its start and after its rows", f"{bounds!r} for {row!r}"
                )
            found.append((start, end))
        if not found:
            raise _misassigned("an assigner gives every row at least one window", f"no window for {row!r}")
        if len(found) > 1:
            # state of the key sees the earlier window first
            found.sort(key=_order)
        return found

    def _facts(self, pane: Pane, bounds: Bounds, time: int) -> Facts:
        now = self.turn.now_us
        has_ended = pane.end is not None and pane.end - self._ahead < now
        clock = None
        if self._by_clock:
            clock = self.clock.astimezone(UTC).replace(tzinfo=None)
        at = time_of(time)
        known = time_of(now) if now > time else at
        return Facts(bounds, at, pane.count, pane.memory, now=known, has_ended=has_ended, clock=clock)

    # -- windows come and go ----------------------------------------------------------------------

    def _found(self, start: int | None, end: int | None) -> Pane | None:
        """The window with these bounds; None if it is over."""
        for pane in self.panes:
            if pane.start == start and pane.end == end:
                found: Pane = pane
                return found
        return self._new(start, end)

    def _new(self, start: int | None, end: int | None) -> Pane | None:
        closes = None if end is None else end - self._ahead + self.turn.lateness_us
        if closes is not None and closes < self.turn.now_us:
            return None
        made = self._pane(start, end)
        self.panes.append(made)
        self._wait(end)
        return made

    def _wait(self, end: int | None) -> None:
        """Be called when a window ends, and when no row can come for it any more."""
        if end is None:
            return
        for time in {end - self._ahead, end - self._ahead + self.turn.lateness_us}:
            if time >= self.turn.now_us:
                self.turn.set_timer(time)

    def _merged(self, start: int, end: int) -> Pane | None:
        """The window that this one and all those that it meets are together; None if it is over."""
        met = sorted((p for p in self.panes if p.start <= end and start <= p.end), key=lambda p: p.start)
        if not met:
            return self._new(start, end)
        first: Pane = met[0]
        before = [p.end for p in met]
        for pane in met[1:]:
            self._contents.join(first, pane)
            if self._calls is not None:
                now = time_of(max(self.turn.now_us, self.turn.time_us))
                self._calls.merge(self, first, pane, now)
            first.memory = dict(merged_memory(self._trigger, first.memory, pane.memory))
            first.wakes.extend(pane.wakes)
            if self._by_clock:
                first.clocks.extend(pane.clocks)
            if self._results == "retracting":
                first.given.extend(pane.given)
            self.panes = [p for p in self.panes if p is not pane]
        first.start, first.end = min(start, *(p.start for p in met)), max(end, *before)
        for each in before:
            if each != first.end:
                self._wait_no_more(each)
        if first.end not in before:
            self._wait(first.end)
        return first

    def _wait_no_more(self, end: int) -> None:
        """A window does not end then any more, and nobody else waits for it."""
        wanted = {wake for p in self.panes for wake in p.wakes}
        for p in self.panes:
            wanted |= {p.end, p.end + self.turn.lateness_us}
        for time in {end, end + self.turn.lateness_us} - wanted:
            self.turn.delete_timer(time)

    # -- what triggers say ------------------------------------------------------------------------

    def _answered(self, pane: Pane, facts: Facts, fired: Fired) -> Iterator[Row]:
        """Do what the trigger says."""
        if not isinstance(fired, Fired):
            raise PlanError(
                f"{type(self._trigger).__name__} does not say whether a window gives its result",
                code="plan-window-trigger",
                expected="GO_ON, FIRE, PURGE or FIRE_AND_PURGE",
                found=repr(fired)[:_SHOWN_MAX],
            )
        self._remember(pane)
        self._woken(pane, facts)
        if fired.fires:
            yield from self._fire(pane, facts)
        if fired.purges or (fired.fires and self._results == "discarding"):
            self._contents.clear(pane)
            # a trigger that remembers nothing begins anew all the same; one that remembers 0 does not
            if pane.end is None and not pane.wakes and not pane.memory:
                keeps = self._results == "retracting" or (self._by_clock and pane.clocks)
                keeps = keeps or (self._calls is not None and self._calls.has_begun(pane))
                self.panes = [p for p in self.panes if p is not pane or keeps]

    def _remember(self, pane: Pane) -> None:
        """The memory as it is kept: what is read back from a checkpoint has the same bytes."""
        for name, value in pane.memory.items():
            if type(value) is not float:
                if not isinstance(value, (int, float)) or not isinstance(name, str):
                    raise PlanError(
                        f"{type(self._trigger).__name__} keeps what is no number",
                        code="plan-window-trigger",
                        expected="window.memory with numbers by name",
                        found=f"{name!r}: {value!r}"[:_SHOWN_MAX],
                    )
                pane.memory[name] = float(value)

    def _woken(self, pane: Pane, facts: Facts) -> None:
        """Have the trigger asked when it wants to be."""
        if not facts.timers and not facts.clock_timers:
            return
        # imported here: a plan that is made needs no operators
        from thalweg.operators.turns import PastTimer

        for at in facts.timers:
            time = micros_of(at)
            if time in pane.wakes:
                continue
            try:
                self.turn.set_timer(time - self._ahead, comes_to_end=pane.end is not None and time < pane.end)
            except PastTimer:
                raise PlanError(
                    f"{type(self._trigger).__name__} wants to be asked at a time that has passed",
                    code="plan-window-trigger",
                    expected=f"a time after {facts.now}",
                    found=str(at),
                    hint="window.now is how far event time is",
                ) from None
            pane.wakes.append(time)
        for at in facts.clock_timers:
            pane.clocks.append(micros_of(at))
            self.turn.set_clock_timer(micros_of(at))

    def _result(self, pane: Pane, facts: Facts) -> Iterable[Row]:
        """What the window gives; it is to be read to its end, before anything else happens."""
        if self._calls is None:
            return self._contents.result(self.key, pane.bounds, pane)
        assert isinstance(self._contents, AllRows), "a function with state takes all rows"
        shown = self._contents.shown(pane)
        return () if shown is None else self._calls.result(self, pane, facts.now, shown)

    def _fire(self, pane: Pane, facts: Facts) -> Iterator[Row]:
        made = self._result(pane, facts)
        if self._results != "retracting":
            yield from made
            return
        if not pane.count:
            return
        # as they are now, whatever the function does with their values afterwards
        rows: list[Row] = []
        self._given.take(made, rows)
        found = [tuple(self._given.values(row)) for row in rows]
        if found != pane.given:
            yield from ((*values, -1) for values in pane.given)
            yield from ((*values, 1) for values in found)
            pane.given = found


class _Timed(ProcessFunction):
    """Windows that time ends, or whose trigger waits for a time."""

    def on_timer(self: Any) -> Iterable[Row]:
        """The end of some windows, a time that a trigger has asked for, or when no late row can come."""
        now = self.turn.time_us + self._ahead
        for pane in sorted(self.panes, key=_place):
            is_asked = now in pane.wakes
            if is_asked:
                pane.wakes.remove(now)
            if is_asked or pane.end == now:
                facts = self._facts_of_time(pane, now)
                yield from self._answered(pane, facts, self._trigger.on_time(facts))
            if pane.end is not None and pane.end + self.turn.lateness_us == now:
                facts = self._facts_of_time(pane, now)
                yield from self._answered(pane, facts, closing(self._trigger, facts))
                if self._calls is not None:
                    self._calls.close(self, pane, facts.now)
                self.panes = [p for p in self.panes if p is not pane]

    def _facts_of_time(self: Any, pane: Pane, now: int) -> Facts:
        facts: Facts = self._facts(pane, pane.bounds, now)
        facts.has_ended = pane.end is not None and pane.end <= now
        return facts


class _Clocked(ProcessFunction):
    """Windows whose trigger goes by the clock."""

    def on_clock(self: Any) -> Iterable[Row]:
        """A time has come that the trigger has asked for."""
        due = self.turn.due_us
        for pane in sorted(self.panes, key=_place):
            if due in pane.clocks:
                pane.clocks.remove(due)
                facts = self._facts(pane, pane.bounds, self.turn.time_us)
                yield from self._answered(pane, facts, self._trigger.on_clock(facts))


def _order(bounds: tuple[int | None, int | None]) -> tuple[int, int]:
    """The earlier window first; of those that begin together, the one that ends first."""
    return bounds[0] or 0, bounds[1] or 0


def _place(pane: Pane) -> tuple[int, int]:
    return _order((pane.start, pane.end))


def _misassigned(message: str, found: str, expected: str | None = None) -> PlanError:
    return PlanError(message, code="plan-window-assigner", found=found[:_SHOWN_MAX], expected=expected)
