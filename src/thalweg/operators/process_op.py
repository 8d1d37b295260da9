"""Call a user's keyed function for rows and timers: in the order of event time, or as they arrive.

In the order of time rows and timers wait until the watermark has passed them. Either way those of one key
come one after the other, and keys are independent of each other.

Not here: the description of the step (process.py), the calls (process_calls.py, process_columns.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.ascending import ascending
from thalweg.columnar.batch import OFFSET, SPLIT, Batch
from thalweg.columnar.eager import below, pick, without
from thalweg.operators.event_timers import Due, EventTimers
from thalweg.operators.event_times import event_times
from thalweg.operators.process import CLOCK, LAST, NEVER, REACHED, TURN, ProcessInput, ProcessSpec
from thalweg.operators.process_broadcast import BroadcastRows
from thalweg.operators.process_calls import RowCalls
from thalweg.operators.process_columns import ColumnCalls
from thalweg.operators.process_missed import missed_side
from thalweg.operators.process_state import idle_slots
from thalweg.operators.process_work import Rounds, Work, in_parts, in_rounds, laid_out
from thalweg.operators.turns import RowTurns
from thalweg.operators.waiting_rows import WaitingRows
from thalweg.operators.windows import LATE
from thalweg.protocols.operator import Context, Output, Side
from thalweg.protocols.process import MISSED_PORT
from thalweg.protocols.state import BriefColumns

Array = np.ndarray[Any, Any]


class _Keyed:
    """What is common to both orders: the state of keys, their timers, and the calls."""

    def __init__(self, spec: ProcessSpec, context: Context) -> None:
        self._spec, self._rows_max = spec, context.rows_max
        self._timers = EventTimers(context.state("timers"))
        self._kept: BriefColumns = context.state("values")
        self._calls: ColumnCalls | RowCalls
        self._is_by_column = spec.function.by == "column"
        self._calls = ColumnCalls(spec) if self._is_by_column else RowCalls(spec)
        self._rules = None if spec.rules is None else BroadcastRows(spec, context, self._calls.function)
        self._inputs = len(spec.inputs) + (spec.rules is not None)
        self._clock = EventTimers(context.state(CLOCK)) if spec.function.has_clock else None
        if isinstance(self._calls, RowCalls):
            self._calls.turns.wall = context.wall
            self._calls.turns.lateness_us = spec.inputs[0].lateness_us
        self._reach = context.state(REACHED) if spec.function.has_clock else None
        self._nothing = [pl.Schema(side.columns).to_frame() for side in spec.inputs]
        self._reached = self._known()
        self._remembered = 0

    def _known(self) -> int | None:
        """How far event time was at the last cut of the run before."""
        if self._reach is None:
            return None
        slot = self._reach.find(pl.DataFrame(height=1))[0]
        time = NEVER if slot < 0 else int(self._reach.column("time")[slot])
        return None if time == NEVER else time

    def _called(self, work: Work | Rounds) -> Iterator[Output]:
        """What the function gives for some rows and timers."""
        for port, frame in self._calls.run(work, self._kept, self._rows_max):
            made = Batch.unpacked(frame) if port is None and self._spec.function.retracts else Batch(frame)
            for batch in made.slices(self._rows_max):
                if port == MISSED_PORT:
                    yield missed_side(batch.frame)
                else:
                    yield batch if port is None else Side(port, batch, 0, 0)
        for is_set, numbers, times in self._calls.turns.taken():
            change = self._timers.set if is_set else self._timers.delete
            change(work.keys_of(numbers), times)
        if self._clock is not None:
            for is_set, numbers, times in self._calls.turns.taken_clocked():
                change = self._clock.set if is_set else self._clock.delete
                change(work.keys_of(numbers), times)
        # keys that hold nothing any more are forgotten
        gone = idle_slots(self._spec.function.states, self._kept, work.slots)
        if len(gone):
            # a key may have a row in several rounds
            self._kept.free(ascending(gone) if isinstance(work, Rounds) else gone)

    @property
    def clock_due(self) -> int | None:
        """The processing time at which the next key is to be called."""
        return None if self._clock is None else self._clock.least

    def on_clock(self, now: int) -> Iterator[Output]:
        """Call the function for the keys whose processing time has come."""
        return self._clocked(now + 1)

    def _clocked(self, until: int | None) -> Iterator[Output]:
        """The timers of processing time before `until` (None: all)."""
        if self._clock is None:
            return
        due = self._clock.take(until)
        if not len(due.times):
            return
        frames = self._nothing
        work = laid_out(frames, self._spec.inputs, due, self._kept, is_ordered=False)
        turns = self._calls.turns
        was_waiting = turns.is_waiting
        # event time stands meanwhile: no timer of it is due in this turn
        turns.is_clock = turns.is_waiting = True
        turns.until = None
        if isinstance(turns, RowTurns):
            turns.time_us = 0 if self._reached is None else self._reached
            turns.now_us = NEVER if self._reached is None else self._reached
        yield from self._called(work)
        turns.is_clock, turns.is_waiting = False, was_waiting

    def _forget(self) -> None:
        """Forget keys whose state has outlived its time; look when many have come since the last time."""
        ttl = self._spec.function.ttl_us
        if ttl is None or self._reached is None or self._kept.count <= 2 * self._remembered:
            return
        for slots in self._kept.parts(self._rows_max):
            self._kept.free(slots[self._kept.column(LAST)[slots] < self._reached - ttl])
        self._remembered = self._kept.count

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: what waits is state."""
        del number
        if self._reach is not None and self._reached is not None:
            slots = self._reach.slots(pl.DataFrame(height=1))
            self._reach.column("time")[slots] = self._reached
        self._forget()
        self._timers.compact()
        self._kept.compact()
        return iter(())


class ProcessOp(_Keyed):
    """Call a keyed function for rows and timers in the order of event time.

    Emits:      what the function gives for a row or timer, once the watermark has passed it.
    State:      rows that the watermark has not passed; per key the state of the function, and its timers.
    Late rows:  a row is late if its time is before the split's watermark before the row, less the slack;
                where the function judges by itself, it has its turn when that watermark is passed.
    Batch mode: the same; all rows are passed at the end.
    """

    def __init__(self, spec: ProcessSpec, context: Context) -> None:
        super().__init__(spec, context)
        self._waiting = [
            WaitingRows(context.state(name), _turn_of(side), side.slack_us)
            for side, name in zip(spec.inputs, spec.waiting, strict=True)
        ]
        self._ended: set[int] = set()

    @property
    def due(self) -> int | None:
        """The watermark that passes the next row or timer."""
        rules = None if self._rules is None else self._rules.least
        times = [t for t in (*(w.least for w in self._waiting), self._timers.least, rules) if t is not None]
        return min(times) + 1 + (self._spec.slack_us or 0) if times else None

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows until the watermark has passed them; turn late ones away."""
        if port == len(self._waiting):
            assert self._rules is not None, "only rows for all keys come there"
            self._rules.hold(batch.frame)
            return
        side = self._spec.inputs[port]
        if self._spec.function.takes_late:
            assert side.time is not None, "the planner finds the time"
            names = [n for n in side.columns if n != TURN]
            self._waiting[port].hold(self._waiting[port].with_turns(batch, names, side.time))
            return
        frame, late = self._waiting[port].judged(batch, list(side.columns))
        self._waiting[port].hold(frame)
        if late is not None:
            name = f"{LATE} process" if len(self._waiting) == 1 else f"{LATE} process {port + 1}"
            yield Side(name, Batch(without(late, SPLIT, OFFSET)), late.height)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Call the function for what it has passed."""
        if self._spec.slack_us is None:
            return iter(())
        self._reached = time - self._spec.slack_us
        return self._close(self._reached)

    def _close(self, until: int | None) -> Iterator[Output]:
        """All rows and timers with a time before `until`, with the rows for all keys between them."""
        self._calls.turns.is_end = until is None
        if self._rules is not None:
            for time, rules in self._rules.passed(until):
                yield from self._until(time, are_more=True)
                self._rules.take(rules)
            for waiting in self._waiting:
                waiting.close()
        yield from self._until(until)

    def _until(self, until: int | None, *, are_more: bool = False) -> Iterator[Output]:
        """The same, without rows for all keys; as many rows at once as fit a batch.

        With `are_more` rows of the same seconds are asked for next.
        """
        some: list[list[pl.DataFrame]] = [[] for _ in self._waiting]
        count = 0
        seconds = [set(w.seconds(until)) for w in self._waiting]
        for second in sorted(set().union(*seconds)):
            taken = [
                (w.part if are_more else w.taken)(second, until) if second in those else None
                for w, those in zip(self._waiting, seconds, strict=True)
            ]
            found = [(port, frame) for port, frame in enumerate(taken) if frame is not None]
            height = sum(frame.height for _, frame in found)
            if height > self._rows_max:
                if count:
                    least = (event_times(f, _turn_of(self._spec.inputs[p])).min() for p, f in found)
                    yield from self._taken(some, int(min(least)))
                frames = [
                    pl.Schema(s.columns).to_frame() if f is None else f
                    for f, s in zip(taken, self._spec.inputs, strict=True)
                ]
                for parts, before in in_parts(frames, self._spec.inputs, self._rows_max):
                    some, count = [[f] if f.height else [] for f in parts], sum(f.height for f in parts)
                    if before is not None:
                        yield from self._taken(some, before)
                continue
            if count and count + height > self._rows_max:
                least = (event_times(f, _turn_of(self._spec.inputs[p])).min() for p, f in found)
                yield from self._taken(some, int(min(least)))
                some, count = [[] for _ in self._waiting], 0
            for port, frame in found:
                some[port].append(frame)
            count += height
        yield from self._taken(some, until)

    def _taken(self, some: list[list[pl.DataFrame]], until: int | None) -> Iterator[Output]:
        """These rows, and the timers before `until`."""
        due = self._timers.take(until)
        if not any(some) and not len(due.times):
            return
        frames = [
            below(parts) if parts else nothing for parts, nothing in zip(some, self._nothing, strict=True)
        ]
        has_timers = self._spec.has_timers or len(due.times) > 0
        if self._is_by_column and not has_timers and sum(f.height > 0 for f in frames) == 1:
            work: Work | Rounds = in_rounds(frames, self._spec.inputs, self._kept)
        else:
            work = laid_out(frames, self._spec.inputs, due, self._kept)
        self._calls.turns.until = until
        yield from self._called(work)

    def on_end(self, port: int) -> Iterator[Output]:
        """When all inputs have ended, all rows are there, and every timer is due."""
        self._ended.add(port)
        return self._finished() if len(self._ended) == self._inputs else iter(())

    def _finished(self) -> Iterator[Output]:
        yield from self._close(None)
        yield from self._clocked(None)


def _turn_of(side: ProcessInput) -> str:
    assert side.turn is not None, "the planner finds the time"
    return side.turn


class ArrivalOp(_Keyed):
    """Call a keyed function for rows as they arrive, and for timers when the watermark has passed them.

    Emits:      what the function gives for a row, at once.
    State:      per key the state of the function, and its timers.
    Late rows:  are rows like any other.
    Batch mode: the same; timers are due at the end.

    Which row of a key comes first is chance where several splits have some, and how rows and timers follow
    each other depends on when watermarks come: what the function gives may depend on it.
    """

    def __init__(self, spec: ProcessSpec, context: Context) -> None:
        super().__init__(spec, context)
        self._calls.turns.is_strict = False
        self._ended: set[int] = set()

    @property
    def due(self) -> int | None:
        """The watermark that passes the next timer."""
        least = self._timers.least
        return None if least is None else least + 1 + (self._spec.slack_us or 0)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Call the function for each row."""
        assert batch.weight is None, "the planner puts such steps on rows that stay"
        if port == len(self._spec.inputs):
            assert self._rules is not None, "only rows for all keys come there"
            self._rules.take(batch.frame)
            return
        frames = [*self._nothing]
        frames[port] = pick(batch.frame, list(self._spec.inputs[port].columns))
        self._calls.turns.is_waiting = True
        if isinstance(self._calls, RowCalls):
            # a row is judged by how far the whole step is
            self._calls.turns.judged_us = NEVER if self._reached is None else self._reached
        if self._is_by_column and batch.frame.height:
            yield from self._called(in_rounds(frames, self._spec.inputs, self._kept, is_ordered=False))
        else:
            yield from self._called(self._laid(frames, self._timers.none))

    def _laid(self, frames: list[pl.DataFrame], due: Due) -> Work:
        return laid_out(frames, self._spec.inputs, due, self._kept, is_ordered=False)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Call the function for the timers that it has passed."""
        if self._spec.slack_us is None:
            return iter(())
        self._reached = time - self._spec.slack_us
        return self._fired(self._reached)

    def on_end(self, port: int) -> Iterator[Output]:
        """When all inputs have ended, every timer is due."""
        self._ended.add(port)
        if len(self._ended) < self._inputs:
            return iter(())
        return self._finished()

    def _finished(self) -> Iterator[Output]:
        self._calls.turns.is_end = True
        yield from self._fired(None)
        yield from self._clocked(None)

    def _fired(self, until: int | None) -> Iterator[Output]:
        due = self._timers.take(until)
        if not len(due.times):
            return
        turns = self._calls.turns
        turns.is_waiting, turns.until = False, until
        frames = self._nothing
        yield from self._called(self._laid(frames, due))
