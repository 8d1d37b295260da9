"""Turn rows away that come too late for their session, and hand the others on with their time.

A session depends on neighbours in time: a row is late if the watermark of its own split had passed the
row's time. Whether a session that it could have joined is still open elsewhere does not matter, since
that depends on other splits and on the pace.

Not here: merging rows into sessions (session_group.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from thalweg.columnar.batch import BEFORE, MOMENT, Batch
from thalweg.columnar.eager import beside, numbers, without
from thalweg.operators.windows import LATE, late_pairs, micros
from thalweg.progress.lateness import late_rows
from thalweg.progress.sessions import SessionSpec
from thalweg.protocols.keeping import late_by
from thalweg.protocols.operator import Context, Output, Side, Step
from thalweg.protocols.state import StateSpec


@dataclass(frozen=True)
class SessionsSpec:
    """Judge rows for their sessions.

    Attributes:
        id: the step's name.
        column: the time column.
        window: the sessions.
        slack_us: how far the column may lag behind the watermark; None where nothing is known: then
            no row is late, and sessions close at the end.
        columns: the columns of the input that late rows are reported with.
        port: the output for late rows.
    """

    id: str
    column: str
    window: SessionSpec
    slack_us: int | None
    columns: tuple[str, ...]
    port: str = LATE

    def states(self) -> Iterable[StateSpec]:
        """None: rows are judged by what they carry."""
        return ()

    def late(self) -> Iterable[str]:
        """Rows whose time the watermark has passed."""
        yield late_by(f"rows, with {self.column} <", self.slack_us)

    def build(self, context: Context) -> SessionsOp:
        """The operator."""
        return SessionsOp(self, context.rows_max)

    def describe(self) -> str:
        """One line."""
        return f"rows for {self.window} on {self.column}"


class SessionsOp(Step):
    """Give rows their time as a number, and turn late ones away.

    Emits:      each row with its time; on `late` the others, with the session each would make alone.
    State:      none.
    Late rows:  a row is late if its time is before the split's watermark before it, less the slack.
    Batch mode: no row is late unless `lateness="as_stream"`.
    """

    def __init__(self, spec: SessionsSpec, rows_max: int) -> None:
        self._spec, self._rows_max = spec, rows_max

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Rows in time, with their time."""
        del port
        spec = self._spec
        times = micros(batch.frame, spec.column)
        if BEFORE in batch.frame.columns and spec.slack_us is not None:
            marks = batch.frame.get_column(BEFORE)
            known = marks.is_not_null().to_numpy() if marks.null_count() else None
            is_late = late_rows(times, marks.fill_null(0).to_numpy(), known, spec.slack_us)
            if is_late.any():
                rows = np.flatnonzero(is_late)
                ends = times[rows] + spec.window.gap_us
                late = late_pairs(batch, rows, (times[rows], ends), spec.column, spec.columns)
                yield from (Side(spec.port, part, len(part)) for part in late.slices(self._rows_max))
                batch, times = batch.filter(pl.Series(~is_late)), times[~is_late]
        frame = without(batch.frame, BEFORE)
        if len(times):
            yield Batch(beside(frame, [numbers(MOMENT, times.copy())]), batch.weight)
