"""Call a user's keyed function for each row and each timer, in the order of event time.

Rows and timers wait until the watermark has passed them. Then those of one key come one after the other, with
the key's state as attributes of the function; keys are independent of each other.

Not here: the description of the step (process.py), what the function asks for meanwhile (turns.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT, Batch
from thalweg.columnar.eager import below, gather_rows, pick, without
from thalweg.columnar.groups import group_rows
from thalweg.operators.event_timers import EventTimers
from thalweg.operators.event_times import event_times
from thalweg.operators.process import ProcessSpec, side_port
from thalweg.operators.process_calls import Calls, Work
from thalweg.operators.turns import Turns
from thalweg.operators.waiting_rows import WaitingRows
from thalweg.operators.windows import LATE
from thalweg.protocols.operator import Context, Output, Side
from thalweg.protocols.state import KeyedColumns

Array = np.ndarray[Any, Any]


class ProcessOp:
    """Call a keyed function.

    Emits:      what the function gives for a row or timer, once the watermark has passed it.
    State:      rows that the watermark has not passed; per key the state of the function, and its timers.
    Late rows:  a row is late if its time is before the split's watermark before the row, less the slack.
    Batch mode: the same; all rows are passed at the end.
    """

    def __init__(self, spec: ProcessSpec, context: Context) -> None:
        self._spec, self._rows_max = spec, context.rows_max
        self._waiting = WaitingRows(context.state("rows"), spec.time, spec.slack_us)
        self._timers = EventTimers(context.state("timers"))
        self._kept: KeyedColumns = context.state("values")
        self._turns = Turns(spec.function.sides)
        self._calls = Calls(spec, self._turns)

    @property
    def due(self) -> int | None:
        """The watermark that passes the next row or timer."""
        times = [t for t in (self._waiting.least, self._timers.least) if t is not None]
        return min(times) + 1 + (self._spec.slack_us or 0) if times else None

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows until the watermark has passed them; turn late ones away."""
        del port
        frame, late = self._waiting.judged(batch, list(self._spec.columns))
        self._waiting.hold(frame)
        if late is not None:
            yield Side(f"{LATE} process", Batch(without(late, SPLIT, OFFSET)), late.height)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Call the function for what it has passed."""
        if self._spec.slack_us is None:
            return iter(())
        return self._close(time - self._spec.slack_us)

    def _close(self, until: int | None) -> Iterator[Output]:
        """All rows and timers with a time before `until`, as many rows at once as fit a batch."""
        self._turns.is_end = until is None
        some: list[pl.DataFrame] = []
        count = 0
        for second in self._waiting.seconds(until):
            frame = self._waiting.taken(second, until)
            if frame is None:
                continue
            if count and count + frame.height > self._rows_max:
                first = int(event_times(frame, self._spec.time).min())
                yield from self._taken(below(some), first)
                some, count = [], 0
            some.append(frame)
            count += frame.height
        rows = below(some) if some else pl.Schema(self._spec.columns).to_frame()
        yield from self._taken(rows, until)

    def _taken(self, rows: pl.DataFrame, until: int | None) -> Iterator[Output]:
        """These rows, and the timers before `until`."""
        due = self._timers.take(until)
        if not rows.height and not len(due.times):
            return
        rows = in_turn(rows, self._spec.time, self._spec.ties)
        keys = below([pick(rows, list(self._spec.keys)), due.keys])
        slots = self._kept.slots(keys)
        groups = group_rows(slots.reshape(-1, 1))
        places = groups.ids[: rows.height]
        order = np.argsort(places, kind="stable")
        work = Work(
            gather_rows(keys, groups.firsts), slots[groups.firsts], gather_rows(rows, order), places[order]
        )
        work.remind(due.times, groups.ids[rows.height :])
        self._turns.until = until
        yield from self._emitted(self._calls.run(work, self._kept, self._rows_max))
        self._settle(work)

    def _emitted(self, parts: Iterable[list[Any]]) -> Iterator[Output]:
        for part in parts:
            for frame in self._spec.output.frames(part, self._rows_max):
                yield Batch(frame)
        for side, rows in self._turns.given.items():
            for frame in self._spec.sides[side].frames(rows, self._rows_max):
                yield Side(side_port(side), Batch(frame), 0, 0)
            rows.clear()

    def _settle(self, work: Work) -> None:
        """Timers to the state; keys that hold nothing any more are forgotten."""
        later = self._turns.later
        if later:
            numbers, times = np.array([*later], np.int64).T
            alive = np.fromiter(later.values(), np.bool_, len(later))
            for wanted, change in ((False, self._timers.delete), (True, self._timers.set)):
                some = alive == wanted
                change(gather_rows(work.keys, numbers[some]), np.ascontiguousarray(times[some]))
            later.clear()
        gone = self._calls.idle(self._kept, work.slots)
        if len(gone):
            self._kept.free(gone)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: what waits is state."""
        del number
        self._timers.compact()
        self._kept.compact()
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """All rows are there, and every timer is due."""
        del port
        return self._close(None)


def in_turn(rows: pl.DataFrame, time: str, ties: Sequence[str]) -> pl.DataFrame:
    """The rows in the order of time, those of one time in that of their positions.

    Args:
        ties: what else decides, such as where a row was unfolded into several; positions first, if there are any.
    """
    times = event_times(rows, time)
    steps = np.diff(times)
    if (steps > 0).all():
        return rows
    places = [rows.get_column(n).to_numpy() for n in (SPLIT, OFFSET) if n in rows.columns]
    if places:
        order = np.lexsort([*reversed(places), times])
        keys = [times[order], *(p[order] for p in places)]
        if np.logical_or.reduce([k[1:] != k[:-1] for k in keys]).all():
            return gather_rows(rows, order)
    return rows.sort([time, *ties])
