"""Let rows pass that are in time for a step behind, and turn the others away.

For rows that every task of the step gets: each of them would turn them away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from thalweg.columnar.batch import BEFORE, OFFSET, SPLIT, Batch
from thalweg.columnar.eager import gather_rows, without
from thalweg.operators.event_times import event_times
from thalweg.operators.windows import LATE
from thalweg.protocols.operator import Context, Output, Side, Step
from thalweg.protocols.state import StateSpec


@dataclass(frozen=True)
class OnTimeSpec:
    """Rows whose time the watermark of their split had not passed before them.

    Attributes:
        time: the column of event time.
        slack_us: how far it may lag behind.
    """

    id: str
    time: str
    slack_us: int

    def states(self) -> Iterable[StateSpec]:
        """None: every row is judged by itself."""
        return ()

    def late(self) -> Iterable[str]:
        """The rows that do not pass."""
        yield f"rows with {self.time} < the watermark of their split"

    def build(self, context: Context) -> OnTimeOp:
        """The operator."""
        del context
        return OnTimeOp(self)

    def describe(self) -> str:
        """One line."""
        return f"rows in time by {self.time}"


class OnTimeOp(Step):
    """Judge rows.

    Emits:      the rows that are in time.
    State:      none.
    Late rows:  a row is late if its time is before the split's watermark before the row, less the slack.
    Batch mode: no row is late.
    """

    def __init__(self, spec: OnTimeSpec) -> None:
        self._spec = spec

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Judge rows."""
        del port
        assert batch.weight is None, "the planner puts such steps on rows that stay"
        frame = without(batch.frame, BEFORE)
        if BEFORE in batch.frame.columns:
            before = batch.frame.get_column(BEFORE).fill_null(-(1 << 62)).to_numpy()
            is_late = event_times(frame, self._spec.time) < before - self._spec.slack_us
            if is_late.any():
                late = gather_rows(frame, np.flatnonzero(is_late))
                yield Side(f"{LATE} in time", Batch(without(late, SPLIT, OFFSET)), late.height)
                frame = gather_rows(frame, np.flatnonzero(~is_late))
        if frame.height:
            yield Batch(frame)
