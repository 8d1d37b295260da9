"""Aggregate over the rows around each row, in the order of event time.

A row is emitted once the watermark has passed it: then all rows that its window may hold are there, and
its result stays.

Not here: the windows themselves (columnar/sliding.py), numbers of rows (window_rank.py, top_rows.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import DataType
from thalweg.columnar.accumulate import from_ordered_words, ordered_words
from thalweg.columnar.batch import BEFORE, OFFSET, SPLIT, Batch
from thalweg.columnar.buffers import is_plain, presence, to_polars, values_and_validity
from thalweg.columnar.eager import beside, compute, gather_rows, numbers, pick, without
from thalweg.columnar.index import KeyIndex
from thalweg.columnar.keys import KeyCodec
from thalweg.columnar.sliding import EXTREMES, IS_FLOAT, SUMS, Slid, SlidingWindows
from thalweg.errors import DataError
from thalweg.expr import aggregates
from thalweg.expr.nodes import Aggregate
from thalweg.operators.event_times import event_times
from thalweg.operators.limit import position_order
from thalweg.operators.windows import LATE
from thalweg.plan.over import Frame
from thalweg.protocols.keeping import Keeping, watermark_passes
from thalweg.protocols.operator import Context, Output, Side
from thalweg.protocols.state import RowsSpec, RowStore, StateSpec

Array = np.ndarray[Any, Any]

_GROUP, _ROWS = "__second", "__rows"
_PORT = f"{LATE} over"
"""Not the port of a window step, which may follow in the same stage."""
_SECOND = 1_000_000
_SPARE = 4096


@dataclass(frozen=True)
class OverSpec:
    """Aggregates over the rows around each row.

    Attributes:
        id: the step's name.
        columns: the input's columns and types (positions included, where rows carry them).
        partition: rows of other partitions are not looked at.
        order: the time column.
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
        return tuple(dict.fromkeys(str(a) for _, call, _ in self.calls for a in call.args))

    @cached_property
    def ties(self) -> tuple[str, ...]:
        """What orders rows of equal time, where that matters."""
        if not self.frame.is_rows:
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
        pending = {**self.columns, _GROUP: pl.Int64()}
        window = {**{n: self.columns[n] for n in self.kept}, _GROUP: pl.Int64()}
        return [
            RowsSpec("pending", pending, _GROUP, self.partition),
            RowsSpec("window", window, _GROUP, self.partition),
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


class Slider:
    """Computes the aggregates of rows that come in the order of their times."""

    def __init__(self, spec: OverSpec) -> None:
        self._spec = spec
        self._codec = KeyCodec({k: spec.columns[k] for k in spec.partition})
        self.index = KeyIndex(self._codec.width)
        self.windows = SlidingWindows(
            [self._wanted(a) for a in spec.arguments], is_rows=spec.frame.is_rows, reach=spec.frame.reach
        )

    def _wanted(self, argument: str) -> int:
        functions = {c.function for _, c, _ in self._spec.calls if [str(a) for a in c.args] == [argument]}
        found = IS_FLOAT if self._spec.columns[argument].is_float() else 0
        found |= SUMS if functions & {"sum", "avg", "mean"} else 0
        return found | (EXTREMES if functions & {"min", "max"} else 0)

    def ordered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows in the order in which they are looked at."""
        spec = self._spec
        if spec.ties:
            return frame.sort([spec.order, *spec.ties])
        times = event_times(frame, spec.order)
        if len(times) < 2 or (times[1:] >= times[:-1]).all():
            return frame
        return gather_rows(frame, np.argsort(times, kind="stable"))

    def take(self, frame: pl.DataFrame, times: Array | None = None) -> Slid:
        """Rows in order; what their windows hold. `times` are what frames go by, where these are no times."""
        spec = self._spec
        height, width = frame.height, len(spec.arguments)
        slots = self.index.insert(self._codec.encode(frame))
        words = np.zeros((height, width), np.int64)
        valid = np.ones((height, width), np.bool_)
        floats = np.zeros((height, width), np.float64)
        for at, name in enumerate(spec.arguments):
            column = frame.get_column(name)
            if not is_plain(spec.columns[name]):
                found = presence(column)
                if len(found):
                    valid[:, at] = found
                continue
            values, validity = values_and_validity(column)
            words[:, at] = ordered_words(values) if values.dtype == np.float64 else values
            if values.dtype == np.float64:
                floats[:, at] = values
            if validity is not None:
                valid[:, at] = validity
        if times is None:
            times = event_times(frame, spec.order)
        return self.windows.slide(slots, times, words, valid, floats, self.index.capacity)

    def expire(self, before: int) -> None:
        """Nothing looks back beyond this time any more."""
        gone = self.windows.expire(before, self.index.capacity)
        if len(gone):
            self.index.free(gone)
            self._codec.compact(self.index.rows(self.index.live()))

    def results(self, slid: Slid) -> list[pl.Series]:
        """The aggregates of the rows."""
        spec = self._spec
        parts = {_ROWS: numbers(_ROWS, slid.rows)}
        for at, name in enumerate(spec.arguments):
            parts |= self._parts(at, name, slid)
        frame = pl.DataFrame(list(parts.values()))
        exprs = []
        for number, (_, call, result) in enumerate(spec.calls):
            entry = aggregates.lookup(call.function)
            argument = str(call.args[0]) if call.args else None
            columns = {k: pl.col(_ROWS if argument is None else f"{k} {argument}") for k in entry.parts}
            exprs.append(entry.finish(columns, result).alias(f"= {number}"))
        try:
            made = compute(frame, exprs)
        except pl.exceptions.InvalidOperationError as error:
            raise DataError(
                "a sum or average does not fit the type of its result",
                code="data-overflow",
                where=", ".join(f"{n} = {c}" for n, c, _ in spec.calls),
                hint="cast the argument to DECIMAL(38, 0) before it is summed",
            ) from error
        return [s.alias(name) for s, (name, _, _) in zip(made.get_columns(), spec.calls, strict=True)]

    def _parts(self, at: int, name: str, slid: Slid) -> dict[str, pl.Series]:
        """What the aggregates of one argument are made from."""
        counts, high, low, least, most = slid.words[at]
        held, wanted = self._spec.columns[name], self._wanted(name)
        some = counts > 0
        made = {f"count {name}": numbers(f"count {name}", counts.copy())}
        if wanted & SUMS and wanted & IS_FLOAT:
            made[f"sum {name}"] = to_polars(f"sum {name}", pl.Float64(), slid.floats[at].copy(), some)
        elif wanted & SUMS:
            made[f"sum {name}"] = _wide_sum(f"sum {name}", high, low, some)
        if wanted & EXTREMES:
            for kind, words in (("min", least), ("max", most)):
                values = from_ordered_words(words) if wanted & IS_FLOAT else words.copy()
                made[f"{kind} {name}"] = to_polars(f"{kind} {name}", held, values, some)
        return made


def _wide_sum(name: str, high: Array, low: Array, some: Array) -> pl.Series:
    """Sums of integers from two limbs of 32 bits."""
    carried = high + (low >> 32)
    if ((carried >= -(1 << 31)) & (carried < 1 << 31)).all():
        return to_polars(name, pl.Int64(), (carried << 32) + (low & 0xFFFFFFFF), some).cast(pl.Int128)
    limbs = pl.DataFrame(
        [numbers("high", high.copy()), numbers("low", low.copy()), numbers("some", some.copy())]
    )
    total = pl.col("high").cast(pl.Int128) * (1 << 32) + pl.col("low").cast(pl.Int128)
    return compute(limbs, [pl.when(pl.col("some")).then(total).alias(name)]).get_column(name)


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
        self._pending: RowStore = context.state("pending")
        self._window: RowStore = context.state("window")
        self._rows_max = context.rows_max
        self._names = list(spec.columns)
        self._slider = Slider(spec)
        self._kept = 0
        for group in self._window.groups():
            frame = without(self._window.rows(group), _GROUP)
            self._kept += frame.height
            self._slider.take(self._slider.ordered(frame))
        self._kept_least = self._kept

    @property
    def due(self) -> int | None:
        """The watermark that passes the next row."""
        groups = self._pending.groups()
        if not groups:
            return None
        least = self._pending.rows(groups[0]).get_column(self._spec.order).to_physical().min()
        assert isinstance(least, int), "a time is a number"
        return least + 1 + (self._spec.slack_us or 0)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows until the watermark has passed them; turn late ones away."""
        del port
        assert batch.weight is None, "the planner puts this step on rows that stay"
        times = event_times(batch.frame, self._spec.order)
        frame = pick(batch.frame, self._names)
        if BEFORE in batch.frame.columns and self._spec.slack_us is not None:
            before = batch.frame.get_column(BEFORE).fill_null(-(1 << 62)).to_numpy()
            late = times < before - self._spec.slack_us
            if late.any():
                some = gather_rows(frame, np.flatnonzero(late))
                shown = without(some, SPLIT, OFFSET)
                yield Side(_PORT, Batch(shown), shown.height)
                frame, times = gather_rows(frame, np.flatnonzero(~late)), times[~late]
        if len(times):
            self._pending.add(beside(frame, [numbers(_GROUP, times // _SECOND)]))

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the rows that it has passed."""
        if self._spec.slack_us is None:
            return iter(())
        return self._close(time - self._spec.slack_us)

    def _close(self, until: int | None) -> Iterator[Output]:
        """Emit all rows with a time before `until`."""
        for group in self._pending.groups():
            if until is not None and group * _SECOND >= until:
                break
            frame = self._pending.take(group)
            if until is not None and (group + 1) * _SECOND > until:
                times = event_times(frame, self._spec.order)
                open_ = times >= until
                if open_.any():
                    self._pending.add(gather_rows(frame, np.flatnonzero(open_)))
                    frame = gather_rows(frame, np.flatnonzero(~open_))
            if frame.height:
                yield from self._emit(frame)
        if until is not None:
            self._forget(until)

    def _emit(self, frame: pl.DataFrame) -> Iterator[Output]:
        frame = self._slider.ordered(frame)
        results = self._slider.results(self._slider.take(frame))
        self._window.add(pick(frame, [*self._spec.kept, _GROUP]))
        self._kept += frame.height
        made = beside(without(frame, _GROUP), results)
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
            if (group + 1) * _SECOND > until - reach:
                return
            self._kept -= self._window.take(group).height

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
