"""Advance one task of a source stage: read splits, keep their clocks, emit batches and watermarks.

A source task owns some splits. It reads them in turn, finds each row's event time before any
filter, keeps the split's watermark, and hands rows to its chain with the columns that the chain
needs: the watermark before the row where a row may be late, and the position where ties need it.

States: `running` reads; `emitting` and `blocked` as in task.py; `finished` after `End`.

Not here: the merging of splits into one watermark (progress/owner.py, shared by all tasks of the
source), the decision when to cut (coordinator.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.schema import STAMP
from thalweg.base.types import TIMESTAMP_LTZ
from thalweg.columnar.batch import BEFORE, OFFSET, SPLIT, Batch
from thalweg.columnar.eager import beside, compute_with, numbers
from thalweg.errors import DataError
from thalweg.job.job import ScanSpec
from thalweg.progress.merge import Progress
from thalweg.progress.split_clock import Advance, SplitClock
from thalweg.protocols.letters import Origin, letters
from thalweg.protocols.messages import Barrier, Message
from thalweg.protocols.operator import BAD, Output, Side
from thalweg.protocols.source import (
    BadRow,
    Chunk,
    DurableReader,
    Reader,
    Split,
    bad_row,
    discovery_interval,
    split_name,
)
from thalweg.runtime.breaker import Kept
from thalweg.runtime.locate import locate
from thalweg.runtime.owner import SharedOwner
from thalweg.runtime.task import Step, Task, TaskParts
from thalweg.runtime.times import TimeReader

_DRAINED_ROWS = 1024
"""A read that gives fewer rows has taken all there was; files give more until their end."""
_TICK = 0.1
"""Seconds between two looks at the clock, where it is the watermark of a source without rows just now."""
_NEVER = -(1 << 62)
Clocks = tuple[Callable[[], float], Callable[[], int]]
"""Seconds of a clock that only measures, and microseconds of the time of day."""


@dataclass
class OpenSplit:
    """A split that this task reads."""

    number: int
    split: Split
    name: str
    reader: Reader
    clock: SplitClock
    rows: int = 0
    bad: int = 0
    idle_since: float | None = None
    resume_at: float = 0.0
    stamp: int = _NEVER
    """The processing time of its last rows; it never goes back, whatever the clock does."""


class SourceTask(Task):
    """One instance of a source stage."""

    def __init__(
        self,
        parts: TaskParts,
        on_barrier: Callable[[Task, Barrier], None],
        *,
        scan: ScanSpec,
        owner: SharedOwner,
        clocks: Clocks,
    ) -> None:
        super().__init__(parts, on_barrier)
        self.scan, self.owner = scan, owner
        self._clock, self._wall = clocks
        self._is_clocked = scan.stamp == "clock"
        self._ticked_at = -math.inf
        self._times = None if scan.time is None else TimeReader(scan.time, scan.schema)
        self.splits: list[OpenSplit] = []
        self.pending: list[tuple[int, Split, Mapping[str, Any]]] = []
        self.ended: dict[str, Mapping[str, Any]] = {}
        self._turn = self._rows_seen = 0
        self._requested: Barrier | None = None
        self.is_stopping = False
        self.share = (0, 1, 0)
        """Of the splits found later: which remainder, of how many tasks, from which number on."""
        self._looked_at = self._clock()
        self.rows_read = self.rows_bad = self.rows_ahead = 0
        self.last_bad: Kept | None = None
        self.fresh = False
        """Whether rows were read, or event time moved, since the last cut, so that another is due."""
        self.is_drained = False
        """Whether the last read gave fewer rows than asked for, as live input does when all is read."""
        self.wait: float | None = None
        """After an idle step: seconds until it is worth trying again; None: until woken."""

    @property
    def has_barrier(self) -> bool:
        """Whether a barrier is to go out before the next batch."""
        return self._requested is not None and not self.is_working

    @property
    def rows_in(self) -> int:
        """Rows that readers gave, whatever became of them."""
        return self._rows_seen

    def request(self, barrier: Barrier) -> None:
        """Ask for a barrier before the next batch."""
        self._requested = barrier

    def _start_next(self) -> bool:
        if self._requested is not None:
            barrier, self._requested = self._requested, None
            self.fresh = False
            self._emitting = self.pass_barrier(Barrier(barrier.number, barrier.kind, self._first_open()))
            return True
        if self.is_stopping:
            return False
        self._discover()
        self._open_pending()
        if self._is_clocked:
            self._tick()
        if not self.splits and not self.pending and self.owner.is_complete:
            if self.chain.is_asking:
                # barriers pass while answers are missing; in the middle of the end they could not
                return False
            self._emitting = self._end_all()
            return True
        if self.chain.is_full:
            self.wait = None
            return False
        return self._read_next()

    def _first_open(self) -> int:
        """The first split that a row may still come from, numbered as in the SPLIT column."""
        numbers = [s.number for s in self.splits] + [number for number, _, _ in self.pending]
        if not self.owner.is_complete:
            numbers.append(self.share[2])
        return _split_number(self.scan, min(numbers)) if numbers else _split_number(self.scan) + (1 << 32)

    def _tick(self) -> None:
        """Let the clock go on for splits that have no rows just now."""
        now = self._clock()
        if now - self._ticked_at < _TICK:
            return
        self._ticked_at, time = now, self._wall()
        for current in self.splits:
            current.clock.start_at(time)
            self.owner.report(current.split.id, current.clock.current)
        self.owner.reach(time)

    def finish(self) -> Iterator[Output | Message]:
        """As any task; what is still open was read for nobody."""
        for current in self.splits:
            current.reader.close()
        yield from super().finish()

    def _discover(self) -> None:
        """Look for new splits from time to time, and take those that fall to this task."""
        if self.owner.is_complete:
            return
        interval = discovery_interval(self.scan.source) or 1.0
        now = self._clock()
        if self.index == 0 and now - self._looked_at >= interval:
            self._looked_at = now
            for split in self.scan.source.splits():
                self.owner.add_split(split)
            self.owner.found_nothing(now)
        remainder, tasks, seen = self.share
        for number in range(seen, len(self.owner.splits)):
            if number % tasks == remainder:
                self.pending.append((number, self.owner.splits[number], {}))
        self.share = (remainder, tasks, len(self.owner.splits))

    def _open_pending(self) -> None:
        while self.pending and self._may_open(self.pending[0][1]):
            number, split, saved = self.pending.pop(0)
            start, name = self.owner.open(split.id), split_name(self.scan.source, split.id)
            reader = self.scan.source.open(split, saved.get("position", {}), self.scan.fields)
            clock = SplitClock.from_data(saved["clock"]) if "clock" in saved else SplitClock()
            clock.start_at(start)
            clock.start_at(saved.get("watermark"))
            opened = OpenSplit(number, split, name, reader, clock, saved.get("rows", 0), saved.get("bad", 0))
            opened.stamp = saved.get("stamp", _NEVER)
            self.splits.append(opened)

    def _may_open(self, split: Split) -> bool:
        """Splits in order are read one at a time, and with event time so by all tasks of the source."""
        is_next = not self.splits or not self.scan.source.is_ordered
        return is_next and self.owner.may_open(split.id)

    def _read_next(self) -> bool:
        self.wait = None if self.owner.is_complete else 0.1
        if self._is_clocked:
            self._note_wait(_TICK)
        now = self._clock()
        for _ in range(len(self.splits)):
            self._turn = (self._turn + 1) % len(self.splits)
            current = self.splits[self._turn]
            if current.resume_at > now or self.owner.is_paused(current.split.id):
                self._note_wait(max(0.0, current.resume_at - now))
                continue
            chunk = current.reader.read(self._rows_max)
            if chunk.frame is None and not chunk.ended and not chunk.bad:
                self._nothing_now(current, chunk, now)
                continue
            rows = 0 if chunk.frame is None else chunk.frame.height
            self.is_drained = rows < min(self._rows_max, _DRAINED_ROWS)
            self._rows_seen += rows + len(chunk.bad)
            self._emitting = self._take(current, chunk)
            return True
        return self._publish_only()

    def _nothing_now(self, current: OpenSplit, chunk: Chunk, now: float) -> None:
        if chunk.wait is not None:
            current.resume_at = now + chunk.wait
            self._note_wait(chunk.wait)
        if self._is_clocked:
            return
        self.owner.had_nothing(current.split.id, now)
        if self.owner.idle_timeout is not None:
            self._note_wait(self.owner.idle_timeout)

    def _note_wait(self, seconds: float) -> None:
        self.wait = seconds if self.wait is None else min(self.wait, seconds)

    def _publish_only(self) -> bool:
        """Other tasks of the source, or other sources, may have moved event time on."""
        published = self._announced
        if published is None or published == self._watermark:
            return False
        self._emitting = self._advance(published)
        return True

    @property
    def _announced(self) -> int | None:
        """How far event time has come on this source, as far as the tasks behind it are to know."""
        is_held = self.scan.time is not None and self.scan.time.is_held and not self.owner.is_ended
        return None if is_held else self.owner.announced

    def _advance(self, merged: Progress | None) -> Iterator[Output | Message]:
        """Hand event time on; windows that it closes are published by the next cut."""
        before = self._watermark
        yield from super()._advance(merged)
        self.fresh = self.fresh or self._watermark != before

    def _take(self, current: OpenSplit, chunk: Chunk) -> Iterator[Output | Message]:
        if self.scan.stamp is not None:
            chunk = self._stamped(current, chunk)
        chunk = self._checked_times(current, chunk)
        if chunk.bad:
            yield self._kept_apart(current, chunk.bad)
        if chunk.frame is not None and chunk.frame.height:
            self.fresh = True
            self.rows_read += chunk.frame.height
            frame = self._with_system_columns(current, chunk, chunk.frame)
            current.rows += chunk.frame.height
            self.note_batch(frame.height)
            yield from self._through_chain(current, chunk, Batch(frame))
            self.rows_processed += frame.height
        if chunk.ended:
            self._close_split(current)
        if self._times is not None:
            yield from self._advance(self._announced)

    def _kept_apart(self, current: OpenSplit, bad: Sequence[BadRow]) -> Side:
        """Rows that could not be read, for whoever takes them; without leave they stop the job."""
        if not self.scan.is_tolerant:
            raise bad_row(current.split.id, bad[0], current.name)
        self.fresh = True
        self.rows_bad += len(bad)
        current.bad += len(bad)
        self.last_bad = Kept(current.name, bad[-1])
        origin = Origin(self.scan.source.describe(), current.split.id, self.stage, self._wall())
        # where the clock is event time, such a row has none
        times = () if self._times is None or self._is_clocked else self._times.of_rows(bad)
        return Side(BAD, Batch(letters(origin, bad, times)), len(bad))

    def _stamped(self, current: OpenSplit, chunk: Chunk) -> Chunk:
        """The rows with the time at which they were read; no later rows of the split get an earlier one."""
        if chunk.frame is None:
            return chunk
        reached = current.clock.current if self._is_clocked else None
        current.stamp = max(self._wall(), current.stamp, _NEVER if reached is None else reached)
        stamp = pl.lit(current.stamp, dtype=pl.Int64).cast(TIMESTAMP_LTZ.polars).alias(STAMP)
        # the clock is no news of when rows arrived
        arrived = None if self._is_clocked else chunk.arrived
        return replace(chunk, frame=compute_with(chunk.frame, [stamp]), arrived=arrived)

    def _through_chain(self, current: OpenSplit, chunk: Chunk, batch: Batch) -> Iterator[Output | Message]:
        try:
            yield from self.chain.on_batch(0, batch)
        except DataError as error:
            place = current.split.id, current.name
            found = locate(error, self.chain, batch, place=place, chunk=chunk)
            # an error is not its own cause: what the user's function raised would be lost
            raise found from (error.__cause__ if found is error else error)

    def _checked_times(self, current: OpenSplit, chunk: Chunk) -> Chunk:
        """The chunk with rows that have no event time among the bad ones, where those are kept apart."""
        if self._times is None or not self.scan.is_tolerant or chunk.frame is None:
            return chunk
        return self._times.without_null(chunk)

    def _close_split(self, current: OpenSplit) -> None:
        self._sync()
        current.reader.close()
        self.splits.remove(current)
        self.ended[current.split.id] = self._progress(current, ended=True)
        self.owner.finish(current.split.id)

    def _with_system_columns(self, current: OpenSplit, chunk: Chunk, frame: pl.DataFrame) -> pl.DataFrame:
        added: list[pl.Series] = []
        if self._times is not None:
            times, marks = self._times.read(chunk, split=current.split.id, name=current.name)
            self.owner.had_rows(current.split.id, current.clock)
            advance = current.clock.advance(marks, times, chunk.arrived)
            self.rows_ahead += advance.ahead_count
            self.owner.report(current.split.id, advance.after)
            wanted = self.scan.time is not None and self.scan.time.wants_verdict
            if wanted and not advance.punctual:
                added.append(_before(advance))
        if self.scan.wants_position:
            split = _split_number(self.scan, current.number)
            added.append(numbers(SPLIT, np.full(frame.height, split, np.int64)))
            added.append(chunk.offsets_of(frame).cast(pl.Int64).alias(OFFSET))
        return beside(frame, added) if added else frame

    def pass_barrier(self, barrier: Barrier) -> Iterator[Output | Message]:
        """As any task; what readers keep of what they gave is durable before a checkpoint names it."""
        if barrier.kind == "checkpoint":
            self._sync()
        yield from super().pass_barrier(barrier)

    def _sync(self) -> None:
        for current in self.splits:
            if isinstance(current.reader, DurableReader):
                current.reader.sync()

    def progress(self) -> dict[str, Mapping[str, Any]]:
        """Where every split of this task stands, as plain data."""
        now = {s.split.id: self._progress(s, ended=False) for s in self.splits}
        waiting = {
            split.id: {"number": n, "split": dict(split.data)} | dict(saved)
            for n, split, saved in self.pending
        }
        # what was handed on is a promise: after a restart no split may begin before it
        said = {"watermark": self._watermark}
        return {name: {**data, **said} for name, data in {**self.ended, **waiting, **now}.items()}

    def _progress(self, s: OpenSplit, *, ended: bool) -> dict[str, Any]:
        return {
            "number": s.number,
            "split": dict(s.split.data),
            "position": dict(s.reader.position),
            "clock": s.clock.to_data(),
            "rows": s.rows,
            "ended": ended,
            **({"bad": s.bad} if s.bad else {}),
            **({} if s.stamp == _NEVER else {"stamp": s.stamp}),
        }

    def drain(self) -> Step:
        """Stop reading and close every window, as if the input had ended here."""
        self.pending.clear()
        for current in list(self.splits):
            self._close_split(current)
        return Step.PROGRESS

    def close(self) -> None:
        super().close()
        for current in self.splits:
            current.reader.close()


def _split_number(scan: ScanSpec, number: int = 0) -> int:
    """What orders a split among all splits of the job."""
    return (scan.number << 32) + number


def _before(advance: Advance) -> pl.Series:
    """The watermark before each row, NULL where there was none yet."""
    assert advance.before is not None, "a batch that is not punctual has a watermark per row"
    series = pl.Series(BEFORE, advance.before)
    known = advance.known
    return series if known is None else series.set(pl.Series(~known), None)
