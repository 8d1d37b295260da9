"""Aggregate over the rows around each row, in the order of event time.

A row is emitted once the watermark has passed it: then all rows that its window may hold are there, and
its result stays.

Not here: the windows themselves (slider.py), numbers of rows (window_rank.py, top_rows.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import DataType
from thalweg.columnar.batch import OFFSET, SPLIT, Batch
from thalweg.columnar.eager import beside, pick, without
from thalweg.expr.nodes import Aggregate, Column
from thalweg.operators.limit import position_order
from thalweg.operators.slider import Slider
from thalweg.operators.waiting_rows import GROUP, SECOND, WaitingRows
from thalweg.operators.windows import LATE
from thalweg.plan.over import Frame, reads_places
from thalweg.protocols.keeping import Keeping, watermark_passes
from thalweg.protocols.operator import Context, Output, Side
from thalweg.protocols.state import RowsSpec, RowStore, StateSpec

Array = np.ndarray[Any, Any]

_PORT = f"{LATE} over"
"""Not the port of a window step, which may follow in the same stage."""
_SPARE = 4096


@dataclass(frozen=True)
class OverSpec:
    """Aggregates over the rows around each row.

    Attributes:
        id: the step's name.
        columns: the input's columns and types (positions included, where rows carry them).
        partition: rows of other partitions are not looked at.
        order: the time column; for rows that are aggregated anew the first column of their order, or nothing.
        frame: which rows before the current one count.
        calls: the aggregates, over columns, with their names and the types of their results.
        slack_us: how far the time may lag behind the watermark; None: nothing is known of it.
    """

    id: str
    columns: Mapping[str, pl.DataType]
    partition: tuple[str, ...]
    order: str
    frame: Frame
    calls: tuple[tuple[str, Aggregate, DataType], ...]
    slack_us: int | None

    def __hash__(self) -> int:
        return hash(self.id)

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The columns that are aggregated."""
        given = (a for _, call, _ in self.calls for a in call.args if isinstance(a, Column))
        return tuple(dict.fromkeys(map(str, given)))

    @cached_property
    def ties(self) -> tuple[str, ...]:
        """What orders rows of equal time, where that matters."""
        if not reads_places(self.frame, (call for _, call, _ in self.calls)):
            return ()
        have_positions = SPLIT in self.columns
        names = position_order(self.columns) if have_positions else list(self.columns)
        return tuple(n for n in names if n != self.order and (have_positions or not n.startswith("__")))

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The columns that later rows look back at."""
        return tuple(dict.fromkeys((*self.partition, self.order, *self.arguments, *self.ties)))

    def states(self) -> Iterable[StateSpec]:
        """The rows that the watermark has not passed, and those that rows to come look back at."""
        pending = {**self.columns, GROUP: pl.Int64()}
        window = {**{n: self.columns[n] for n in self.kept}, GROUP: pl.Int64()}
        return [
            RowsSpec("pending", pending, GROUP, self.partition),
            RowsSpec("window", window, GROUP, self.partition),
        ]

    def keeps(self) -> Iterable[Keeping]:
        """Rows that wait for the watermark, and those that rows to come look back at."""
        keys = f" by {', '.join(self.partition)}" if self.partition else ""
        yield Keeping("pending", "rows to come", watermark_passes(self.order, self.slack_us))
        reach = self.frame.reach
        if reach is None:
            cures = ("a frame with an end: RANGE or ROWS … PRECEDING",)
            yield Keeping("window", f"all rows{keys} before", cures=cures)
        elif self.frame.is_rows:
            yield Keeping("window", f"the last {reach} rows{keys}", is_limited=not self.partition)
        else:
            until = watermark_passes(self.order, None if self.slack_us is None else self.slack_us + reach)
            yield Keeping("window", "rows that others look back at", until)

    def late(self) -> Iterable[str]:
        """Rows whose time the watermark has passed."""
        if self.slack_us is not None:
            yield f"rows with {self.order} < the watermark of their split"

    def build(self, context: Context) -> OverOp:
        """The operator."""
        return OverOp(self, context)

    def describe(self) -> str:
        """One line."""
        calls = ", ".join(f"{n} = {c}" for n, c, _ in self.calls)
        return f"over ({', '.join(self.partition)}) order {self.order} {self.frame}: {calls}"


class OverOp:
    """Rows with aggregates over the rows around them.

    Emits:      each row once the watermark has passed its time; nothing is ever taken back.
    State:      rows that the watermark has not passed; of those that it has, the columns that are looked
                back at, as far as the frame reaches (with UNBOUNDED, all).
    Late rows:  a row is late if its time is before the split's watermark before the row, less the slack.
    Batch mode: the same over the whole table at once.
    """

    def __init__(self, spec: OverSpec, context: Context) -> None:
        self._spec = spec
        self._pending = WaitingRows(context.state("pending"), spec.order, spec.slack_us)
        self._window: RowStore = context.state("window")
        self._rows_max = context.rows_max
        self._names = list(spec.columns)
        self._look_back()

    def _look_back(self) -> None:
        """Slide over what is looked back at."""
        self._slider = Slider(self._spec)
        self._kept = 0
        for group in self._window.groups():
            frame = without(self._window.rows(group), GROUP)
            self._kept += frame.height
            self._slider.take(self._slider.ordered(frame))
        self._kept_least = self._kept

    @property
    def due(self) -> int | None:
        """The watermark that passes the next row."""
        least = self._pending.least
        return None if least is None else least + 1 + (self._spec.slack_us or 0)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows until the watermark has passed them; turn late ones away."""
        del port
        frame, late = self._pending.judged(batch, self._names)
        self._pending.hold(frame)
        if late is not None:
            yield Side(_PORT, Batch(without(late, SPLIT, OFFSET)), late.height)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the rows that it has passed."""
        if self._spec.slack_us is None:
            return iter(())
        return self._close(time - self._spec.slack_us)

    def _close(self, until: int | None) -> Iterator[Output]:
        """Emit all rows with a time before `until`."""
        for frame in self._pending.passed(until):
            yield from self._emit(frame)
        if until is not None:
            self._forget(until)

    def _emit(self, frame: pl.DataFrame) -> Iterator[Output]:
        frame = self._slider.ordered(frame)
        results = self._slider.results(self._slider.take(frame))
        self._window.add(pick(frame, [*self._spec.kept, GROUP]))
        self._kept += frame.height
        made = beside(without(frame, GROUP), results)
        yield from Batch(made).slices(self._rows_max)

    def _forget(self, until: int) -> None:
        """Forget what no row from `until` on looks back at."""
        reach = self._spec.frame.reach
        if reach is None:
            return
        if self._spec.frame.is_rows:
            if self._kept > 2 * self._kept_least + _SPARE:
                self._keep_last(reach)
            return
        self._slider.expire(until - reach)
        for group in self._window.groups():
            if (group + 1) * SECOND > until - reach:
                break
            self._kept -= self._window.take(group).height
        if self._slider.remembered > 2 * self._kept + _SPARE:
            self._look_back()

    def _keep_last(self, reach: int) -> None:
        """Of each key, keep the rows that the next one looks back at."""
        frames = [self._window.take(g) for g in self._window.groups()]
        ordered = self._slider.ordered(pl.concat(frames))
        keys = list(self._spec.partition)
        if keys:
            last = pl.int_range(pl.len(), dtype=pl.Int64).reverse().over(keys) < reach
            kept = ordered.filter(last)
        else:
            kept = ordered.tail(reach)
        if kept.height:
            self._window.add(kept)
        if self._slider.remembered:
            # values that nobody looks back at any more lose their numbers
            self._look_back()
        self._kept = self._kept_least = kept.height

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: rows that wait are state."""
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """All rows are there."""
        del port
        return self._close(None)


def slide_whole(frame: pl.DataFrame, spec: OverSpec) -> pl.DataFrame:
    """The whole table at once."""
    slider = Slider(spec)
    ordered = slider.ordered(frame)
    return beside(ordered, slider.results(slider.take(ordered)))
