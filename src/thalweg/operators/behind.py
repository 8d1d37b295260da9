"""Give the rows that come too late for what depends on their neighbours in time, such as a join.

A step that turns rows away counts them; this one gives them to whoever asks, by the same rule. It reads the
rows of that step's input, so that it does not matter how the step itself is run.

Not here: the late rows of windows, which leave their step through a port (windows.py, sessions.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from thalweg.columnar.batch import BEFORE, OFFSET, SPLIT, Batch
from thalweg.columnar.eager import gather_rows, plain
from thalweg.progress.lateness import late_rows
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import StateSpec


@dataclass(frozen=True)
class BehindSpec:
    """Keep the rows that are late.

    Attributes:
        id: the step's name.
        column: the time column.
        slack_us: how far it may lag behind the watermark.
        columns: the columns to report.
    """

    id: str
    column: str
    slack_us: int
    columns: tuple[str, ...]

    def states(self) -> Iterable[StateSpec]:
        """None: rows are judged by what they carry."""
        return ()

    def build(self, context: Context) -> BehindOp:
        """The operator."""
        del context
        return BehindOp(self)

    def describe(self) -> str:
        """One line."""
        return f"rows that are late by {self.column}"


class BehindOp(Step):
    """The late rows, with their split and position.

    Emits:      each row whose time is before its split's watermark before it, less the slack.
    State:      none.
    Late rows:  are what it emits.
    Batch mode: no row is late unless `lateness="as_stream"`.
    """

    def __init__(self, spec: BehindSpec) -> None:
        self._spec = spec

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The late rows of the batch; a row without a time is none."""
        del port
        if BEFORE not in batch.frame.columns:
            return
        times, marks = plain(batch.frame.get_column(self._spec.column)), batch.frame.get_column(BEFORE)
        known = (marks.is_not_null() & times.is_not_null()).to_numpy()
        before = marks.fill_null(0).to_numpy()
        found = np.flatnonzero(late_rows(times.fill_null(0).to_numpy(), before, known, self._spec.slack_us))
        if not len(found):
            return
        frame = gather_rows(batch.frame, found)
        missing = pl.lit(None, dtype=pl.Int64)
        place = [
            (pl.col(held) if held in frame.columns else missing).alias(name)
            for held, name in ((SPLIT, "split"), (OFFSET, "position"))
        ]
        weight = None if batch.weight is None else batch.weight.gather(found)
        yield Batch(frame.select(*self._spec.columns, *place), weight)
