"""Hold rows until the watermark has passed their time, and turn away those that come after that.

Used by: operators that take rows in the order of event time (over.py, sort.py, as_of.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import BEFORE, Batch
from thalweg.columnar.eager import beside, gather_rows, numbers, pick
from thalweg.operators.event_times import event_times
from thalweg.protocols.state import RowStore

Array = np.ndarray[Any, Any]

GROUP = "__second"
"""The column by which the rows are kept: the second of their time."""
SECOND = 1_000_000


class WaitingRows:
    """The rows that wait.

    Args:
        store: keeps them, by `GROUP`.
        time: the column of their event time, or of their turn.
        slack_us: how far it may lag behind the watermark; None: nothing is known of it, and no row is late.
    """

    def __init__(self, store: RowStore, time: str, slack_us: int | None) -> None:
        self._store, self._time, self._slack_us = store, time, slack_us
        self._opened: dict[int, tuple[pl.DataFrame, Array]] = {}

    @property
    def least(self) -> int | None:
        """The time of the next row; None if none waits."""
        groups = self._store.groups()
        return int(event_times(self._store.rows(groups[0]), self._time).min()) if groups else None

    def with_turns(self, batch: Batch, names: Sequence[str], time: str) -> pl.DataFrame:
        """These columns of the rows of a batch, and beside them when they have their turn.

        That is their time; of a row that the watermark of its split had passed, that watermark: so no row
        comes behind the one of the step, and the turns depend on the splits alone.
        """
        assert batch.weight is None, "the planner puts such steps on rows that stay"
        frame = pick(batch.frame, list(names))
        turns = event_times(frame, time)
        if BEFORE in batch.frame.columns and self._slack_us is not None:
            before = batch.frame.get_column(BEFORE).fill_null(-(1 << 62)).to_numpy()
            turns = np.maximum(turns, before - self._slack_us)
        return beside(frame, [numbers(self._time, turns)])

    def judged(self, batch: Batch, names: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """These columns of the rows of a batch that are in time, and of those that are late, if any are."""
        assert batch.weight is None, "the planner puts such steps on rows that stay"
        frame = pick(batch.frame, list(names))
        if BEFORE not in batch.frame.columns or self._slack_us is None:
            return frame, None
        before = batch.frame.get_column(BEFORE).fill_null(-(1 << 62)).to_numpy()
        is_late = event_times(frame, self._time) < before - self._slack_us
        if not is_late.any():
            return frame, None
        return gather_rows(frame, np.flatnonzero(~is_late)), gather_rows(frame, np.flatnonzero(is_late))

    def hold(self, frame: pl.DataFrame) -> None:
        """Rows wait from now on."""
        if frame.height:
            seconds = event_times(frame, self._time) // SECOND
            self._store.add(beside(frame, [numbers(GROUP, seconds)]))

    def seconds(self, until: int | None) -> list[int]:
        """The seconds in which there may be rows with a time before `until` (None: all), ascending."""
        found = self._store.groups()
        if self._opened:
            found = sorted({*found, *self._opened})
        return [g for g in found if until is None or g * SECOND < until]

    def taken(self, second: int, until: int | None) -> pl.DataFrame | None:
        """The rows of one of `seconds(until)` with a time before `until`, if any; they wait no more."""
        frame = self._store.take(second)
        if until is not None and (second + 1) * SECOND > until:
            is_open = event_times(frame, self._time) >= until
            if is_open.any():
                self._store.add(gather_rows(frame, np.flatnonzero(is_open)))
                frame = gather_rows(frame, np.flatnonzero(~is_open))
        return frame if frame.height else None

    def part(self, second: int, until: int | None) -> pl.DataFrame | None:
        """The same as `taken`, where more of the second is asked for soon; `close` ends that.

        What is left of the second is in the order of time meanwhile, and not in the state: what is asked for
        next costs no look at all the rest.
        """
        if second not in self._opened:
            self._opened[second] = self._in_order(self._store.take(second))
        frame, times = self._opened.pop(second)
        count = frame.height if until is None else int(np.searchsorted(times, until))
        if count < frame.height:
            self._opened[second] = frame.slice(count), times[count:]
            frame = frame.head(count)
        return frame if count else None

    def _in_order(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, Array]:
        times = event_times(frame, self._time)
        order = np.argsort(times, kind="stable")
        return gather_rows(frame, order), times[order]

    def close(self) -> None:
        """What is left of seconds of which parts were taken is state again."""
        opened, self._opened = self._opened, {}
        for frame, _ in opened.values():
            # a slice would keep the whole
            self._store.add(gather_rows(frame, np.arange(frame.height)))

    def passed(self, until: int | None) -> Iterator[pl.DataFrame]:
        """The rows with a time before `until` (None: all), second by second; they wait no more."""
        for second in self.seconds(until):
            frame = self.taken(second, until)
            if frame is not None:
                yield frame
