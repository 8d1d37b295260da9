"""Give rows their windows: as rows of their own, or as panes that neighbouring windows share.

A pane is the longest stretch of time that lies in the same windows throughout. Counting per pane
and adding up panes when a window closes does the work once instead of once per window (Li et al.,
"No pane, no gain", SIGMOD Record 2005).

Lateness is judged here, per (row, window), by the watermark that the row's own split had before
the row. What is judged late goes to the `late` output with the window and the position.

Not here: aggregation (pane_aggregate.py, aggregate.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from thalweg.columnar.batch import BEFORE, FIRST, OFFSET, PANE, SPLIT, Batch
from thalweg.columnar.buffers import values_and_validity
from thalweg.columnar.eager import beside, compute_with, gather_rows, numbers, pick, without
from thalweg.errors import DataError
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME
from thalweg.plan.properties import WINDOW_TIME_US, bound_types
from thalweg.progress.lateness import Micros
from thalweg.progress.windows import WindowSpec, WindowVerdict
from thalweg.protocols.keeping import late_by
from thalweg.protocols.operator import Context, Output, Side, Step
from thalweg.protocols.state import StateSpec

LATE = "late"


@dataclass(frozen=True)
class WindowsSpec:
    """Give each row its windows.

    Attributes:
        id: the step's name.
        column: the time column.
        window: the windows.
        slack_us: how far the column may lag behind the watermark; None where nothing is known: then
            no row is late, and windows close at the end.
        shares_panes: whether rows get a pane instead of being repeated for each window.
        columns: the columns of the input that late rows are reported with.
        port: the output for late rows; window steps of one stage have one each.
    """

    id: str
    column: str
    window: WindowSpec
    slack_us: int | None
    shares_panes: bool
    columns: tuple[str, ...]
    port: str = LATE

    def states(self) -> Iterable[StateSpec]:
        """None: rows are judged by what they carry."""
        return ()

    def late(self) -> Iterable[str]:
        """Pairs of a row and a window that is complete."""
        yield late_by("(row, window) pairs, with the window's end <=", self.slack_us)

    def build(self, context: Context) -> WindowsOp:
        """The operator."""
        return WindowsOp(self, context.rows_max)

    def describe(self) -> str:
        """One line."""
        how = "panes of" if self.shares_panes else "windows of"
        return f"{how} {self.window} on {self.column}"


class WindowsOp(Step):
    """Assign windows or panes to rows, and turn late pairs away.

    Emits:      each row with its pane, or once per window; on `late` one row per missed pair.
    State:      none.
    Late rows:  a (row, window) pair is late if the window's end is at or before the split's
                watermark before the row, less the column's slack.
    Batch mode: no row is late unless `lateness="as_stream"`.
    """

    def __init__(self, spec: WindowsSpec, rows_max: int) -> None:
        self._spec, self._rows_max = spec, rows_max

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Rows with their windows."""
        del port
        spec = self._spec
        times = micros(batch.frame, spec.column)
        verdict: WindowVerdict | None = None
        if BEFORE in batch.frame.columns:
            if spec.slack_us is not None:
                verdict, late = self._judge(batch, times, spec.slack_us)
                if late is not None:
                    # a row may be late for many windows, and in time for others
                    yield from late_sides(spec.port, late, self._rows_max, int(verdict.is_late.sum()))
        if spec.shares_panes:
            batch = Batch(without(batch.frame, BEFORE), batch.weight)
            yield from self._panes(batch, times, verdict)
        else:
            yield from self._repeat(batch, times, verdict)

    def _judge(self, batch: Batch, times: Micros, slack_us: int) -> tuple[WindowVerdict, Batch | None]:
        """For which windows each row is in time, and what is late."""
        spec = self._spec
        marks = batch.frame.get_column(BEFORE)
        known = marks.is_not_null().to_numpy() if marks.null_count() else None
        before = marks.fill_null(0).to_numpy()
        verdict = spec.window.judge(times, before, known, slack_us)
        if not verdict.missed_count:
            return verdict, None
        rows, ends = spec.window.missed_pairs(times, verdict)
        return verdict, self._late(batch, rows, ends)

    def _late(self, batch: Batch, rows: Micros, ends: Micros) -> Batch:
        spec = self._spec
        return late_pairs(batch, rows, (spec.window.window_start(ends), ends), spec.column, spec.columns)

    def _panes(self, batch: Batch, times: Micros, verdict: WindowVerdict | None) -> Iterator[Output]:
        window = self._spec.window
        panes = window.pane_start(times)
        if verdict is None:
            yield _with(batch, {PANE: panes, FIRST: window.first_end(panes)})
            return
        done = _with(batch, {PANE: panes, FIRST: verdict.first_open})
        out = done.filter(pl.Series(~verdict.is_late)) if verdict.is_late.any() else done
        if len(out):
            yield out

    def _repeat(self, batch: Batch, times: Micros, verdict: WindowVerdict | None) -> Iterator[Output]:
        window = self._spec.window
        firsts = window.first_end(times) if verdict is None else verdict.first_open
        counts = np.maximum((window.last_end(times) - firsts) // window.slide_us + 1, 0)
        rows = np.repeat(np.arange(len(times)), counts)
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        ends = firsts[rows] + nth * window.slide_us
        held = bound_types(batch.frame.schema[self._spec.column])
        for at in range(0, len(rows), self._rows_max):
            some, until = rows[at : at + self._rows_max], ends[at : at + self._rows_max]
            of = batch.gather(some)
            added = [
                pl.Series(WINDOW_START, window.window_start(until)).cast(held[WINDOW_START]),
                pl.Series(WINDOW_END, until).cast(held[WINDOW_END]),
                pl.Series(WINDOW_TIME, until - WINDOW_TIME_US).cast(held[WINDOW_TIME]),
            ]
            yield Batch(beside(of.frame, added), of.weight)


def _with(batch: Batch, columns: dict[str, Micros]) -> Batch:
    return Batch(beside(batch.frame, [numbers(n, a) for n, a in columns.items()]), batch.weight)


def late_sides(port: str, late: Batch, rows_max: int, rows: int) -> Iterator[Output]:
    """Late pairs on a side output; so many rows are among them that are in time for no window."""
    for part in late.slices(rows_max):
        yield Side(port, part, len(part), rows)
        rows = 0


def late_pairs(
    batch: Batch, rows: Micros, bounds: tuple[Micros, Micros], column: str, columns: tuple[str, ...]
) -> Batch:
    """What is reported of (row, window) pairs that come too late.

    Args:
        batch: the rows, among them the late ones.
        rows: the row of each pair.
        bounds: the start and the end of its window.
        column: the time column, whose type says that of the bounds.
        columns: the columns to report.
    """
    frame = gather_rows(batch.frame, rows)
    held = bound_types(frame.schema[column])
    starts, ends = (
        pl.Series(n, b).cast(held[n]) for n, b in zip((WINDOW_START, WINDOW_END), bounds, strict=True)
    )
    missing = pl.lit(None, dtype=pl.Int64)
    position = [
        (pl.col(SPLIT) if SPLIT in frame.columns else missing).alias("split"),
        (pl.col(OFFSET) if OFFSET in frame.columns else missing).alias("position"),
    ]
    made = compute_with(frame, [pl.lit(starts), pl.lit(ends), *position])
    weight = None if batch.weight is None else batch.weight[rows]
    return Batch(pick(made, [*columns, WINDOW_START, WINDOW_END, "split", "position"]), weight)


def micros(frame: pl.DataFrame, column: str) -> Micros:
    """The time column in microseconds; a row without a time is a bad row."""
    series = frame.get_column(column)
    if series.null_count():
        row = int(series.is_null().arg_max() or 0)
        raise DataError(
            f'the event time "{column}" is NULL, so that the row falls into no window',
            code="data-null-time",
            offset=row,
            sample=str(frame.row(row, named=True)),
        )
    return values_and_validity(series)[0]
