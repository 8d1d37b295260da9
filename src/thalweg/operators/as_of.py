"""Join each row of one input with the latest row of the other one, in the order of event time.

Rows of both inputs wait until the watermark has passed them; then all that came before them is there, and
they are taken in the order of their times. What is emitted stays.

Not here: the pass over both inputs (columnar/as_of.py), the description of the step (as_of_spec.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.as_of import latest_rows
from thalweg.columnar.batch import Batch
from thalweg.columnar.buffers import NO_WORDS
from thalweg.columnar.eager import below, beside, filter_rows, gather_rows, pick
from thalweg.expr.evaluate import Predicate
from thalweg.operators.as_of_spec import SINCE, AsOfSpec, TimedSide
from thalweg.operators.event_times import event_times
from thalweg.operators.waiting_rows import WaitingRows
from thalweg.operators.windows import LATE
from thalweg.protocols.operator import Context, Output, Side
from thalweg.protocols.state import Multimap

Array = np.ndarray[Any, Any]
_LOOKS = 8
"""How often a row may be looked at in vain: more often keeps fewer rows that are of no use any more."""


class AsOfJoinOp:
    """Put each row of the left input together with the latest one of the right.

    Emits:      each left row once the watermark has passed its time; nothing is ever taken back.
    State:      rows that the watermark has not passed; of the right rows that it has, the latest one of each
                key, with a reach only as long as it can be found.
    Late rows:  a row is late if its time is before the split's watermark before the row, less the slack.
    Batch mode: one as-of join.
    """

    def __init__(self, spec: AsOfSpec, context: Context) -> None:
        self._spec, self._rows_max = spec, context.rows_max
        self._residual = None if spec.residual is None else Predicate(spec.residual, spec.both)
        self._sides = (spec.left, spec.right)
        is_judged = spec.slack_us is not None
        self._waiting = [
            WaitingRows(context.state(s.name), s.time, (s.slack_us or 0) if is_judged else None)
            for s in self._sides
        ]
        self._latest: Multimap = context.state("latest")
        self._added = 0
        self._ended: set[int] = set()

    @property
    def due(self) -> int | None:
        """The watermark that passes the next row of the left input."""
        least = self._waiting[0].least
        return None if least is None else least + 1 + (self._spec.slack_us or 0)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows until the watermark has passed them; turn late ones away."""
        side = self._sides[port]
        frame, late = self._waiting[port].judged(batch, list(side.columns))
        if late is not None:
            yield Side(f"{LATE} {port + 1}", Batch(pick(late, list(side.shown))), late.height)
        if port == 1 or self._spec.kind == "inner":
            has_key = _has_key(frame, side)
            if has_key is not None:
                frame = gather_rows(frame, np.flatnonzero(has_key))
        self._waiting[port].hold(frame)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Join the rows that it has passed."""
        if self._spec.slack_us is None:
            return iter(())
        return self._close(time - self._spec.slack_us)

    def _close(self, until: int | None) -> Iterator[Output]:
        """Join all rows with a time before `until`, as many at once as fit a batch."""
        some: tuple[list[pl.DataFrame], list[pl.DataFrame]] = ([], [])
        count = 0
        seconds = [set(rows.seconds(until)) for rows in self._waiting]
        for second in sorted(seconds[0] | seconds[1]):
            for rows, those, frames in zip(self._waiting, seconds, some, strict=True):
                frame = rows.taken(second, until) if second in those else None
                if frame is not None:
                    frames.append(frame)
                    count += frame.height
            if count >= self._rows_max:
                yield from self._joined(*some)
                some, count = ([], []), 0
        if count:
            yield from self._joined(*some)
        if until is not None and self._spec.reach is not None:
            self._expire(until - self._spec.reach)

    def _joined(self, left: list[pl.DataFrame], right: list[pl.DataFrame]) -> Iterator[Output]:
        """The left rows, joined with those that were kept and with the right rows between them."""
        mine = self._by_time(left, self._spec.left, breaks_ties=False)
        others = self._by_time(right, self._spec.right, breaks_ties=True)
        slots = self._latest.slots(_keys_of(others, self._spec.right))
        all_slots = np.concatenate([self._slots_of(mine), slots])
        known, keys = np.unique(all_slots, return_inverse=True)
        latest = np.full(len(known), -1, np.int64)
        for places, rows in self._latest.pairs(known, self._rows_max):
            latest[places] = rows
        before = latest[latest >= 0]
        times = event_times(others, self._spec.right.time)
        added = self._latest.add(others, slots, NO_WORDS)
        self._latest.counter(SINCE)[added] = times
        found = np.empty(mine.height, np.int64)
        keys = np.ascontiguousarray(keys, np.int64)
        latest_rows(
            event_times(mine, self._spec.left.time),
            keys[: mine.height],
            times,
            keys[mine.height :],
            self._partners(others, added),
            self._spec.is_strict,
            latest,
            found,
        )
        yield from self._emitted(mine, found)
        passed = np.setdiff1d(np.concatenate([before, added]), latest)
        if len(passed):
            self._latest.free(passed)
        self._added += len(added)

    def _by_time(self, frames: list[pl.DataFrame], side: TimedSide, *, breaks_ties: bool) -> pl.DataFrame:
        if not frames:
            return pl.Schema(side.columns).to_frame()
        frame = below(frames)
        times = event_times(frame, side.time)
        steps = np.diff(times)
        if (steps > 0).all() or (not breaks_ties and (steps >= 0).all()):
            return frame
        if not breaks_ties:
            return gather_rows(frame, np.argsort(times, kind="stable"))
        descending = [False, *(self._spec.takes_first for _ in side.ties)]
        return frame.sort([side.time, *side.ties], descending=descending, nulls_last=descending)

    def _slots_of(self, frame: pl.DataFrame) -> Array:
        """The slots of the keys of left rows, -1 where no right row has the key."""
        side = self._spec.left
        has_key = _has_key(frame, side)
        if has_key is None:
            return self._latest.find(_keys_of(frame, side))
        slots = np.full(frame.height, -1, np.int64)
        places = np.flatnonzero(has_key)
        slots[places] = self._latest.find(_keys_of(gather_rows(frame, places), side))
        return slots

    def _partners(self, others: pl.DataFrame, rows: Array) -> Array:
        """The rows that can be found; -1 for those that only end the row before them."""
        if self._spec.alive is None:
            return rows
        alive = others.get_column(self._spec.alive).fill_null(value=False).to_numpy()
        return np.where(alive, rows, -1)

    def _emitted(self, mine: pl.DataFrame, found: Array) -> Iterator[Output]:
        """Left rows with what was found for each, in bounded batches."""
        if self._spec.reach is not None:
            places = np.flatnonzero(found >= 0)
            since = self._latest.counter(SINCE)[found[places]]
            far = event_times(mine, self._spec.left.time)[places] - since > self._spec.reach
            found[places[far]] = -1
        for start in range(0, len(found), self._rows_max):
            rows = found[start : start + self._rows_max]
            frame = pick(mine.slice(start, len(rows)), list(self._spec.left.shown))
            yield from self._paired(frame, rows)

    def _paired(self, frame: pl.DataFrame, rows: Array) -> Iterator[Output]:
        has_partner = rows >= 0
        places = np.flatnonzero(has_partner)
        pairs = beside(gather_rows(frame, places), self._latest.frame(rows[places]).get_columns())
        if self._residual is not None and len(places):
            mask = self._residual.mask(pairs)
            pairs = filter_rows(pairs, mask)
            has_partner[places[~mask.to_numpy()]] = False
        if self._spec.kind == "left" and not has_partner.all():
            alone = gather_rows(frame, np.flatnonzero(~has_partner))
            pairs = below([pairs, beside(alone, self._nulls(alone.height))])
        if pairs.height:
            yield Batch(pairs)

    def _nulls(self, height: int) -> list[pl.Series]:
        columns = self._spec.right.shown.items()
        return [pl.Series(n, [], dtype=t).extend_constant(None, height) for n, t in columns]

    def _expire(self, before: int) -> None:
        """Forget rows of a time before this, but look only when many have come since the last time."""
        if self._added <= self._latest.count // _LOOKS:
            return
        rows = self._latest.live()
        self._latest.free(rows[self._latest.counter(SINCE)[rows] < before])
        self._added = 0

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: rows that wait are state."""
        del number
        self._latest.compact()
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """When both inputs have ended, all rows are there."""
        self._ended.add(port)
        return self._close(None) if len(self._ended) == len(self._sides) else iter(())


def _keys_of(frame: pl.DataFrame, side: TimedSide) -> pl.DataFrame:
    return pick(frame, list(side.keys)) if side.keys else pl.DataFrame(height=frame.height)


def _has_key(frame: pl.DataFrame, side: TimedSide) -> Array | None:
    """Which rows have a value in every key column; None if all have."""
    found: Array | None = None
    for name in side.keys:
        column = frame.get_column(name)
        if column.null_count():
            some = column.is_not_null().to_numpy()
            found = some if found is None else found & some
    return found
