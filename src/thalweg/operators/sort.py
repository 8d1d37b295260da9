"""Give rows that do not end in the order of their event time.

A row waits until the watermark has passed its time; then all that comes before it is there.

Not here: rows that end, which are put in order when all are there (changelog.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from thalweg.columnar.batch import BEFORE, Batch
from thalweg.columnar.eager import below, beside, gather_rows, numbers, pick
from thalweg.operators.changelog import in_order
from thalweg.operators.event_times import event_times
from thalweg.operators.windows import LATE
from thalweg.plan.nodes import SortKey
from thalweg.protocols.keeping import Keeping, late_by, watermark_passes
from thalweg.protocols.operator import Context, Output, Side
from thalweg.protocols.state import RowsSpec, RowStore, StateSpec

_GROUP = "__second"
_SECOND = 1_000_000


@dataclass(frozen=True)
class SortSpec:
    """Rows in an order whose first column is an event time, upwards.

    Attributes:
        slack_us: how far the time may lag behind the watermark.
    """

    id: str
    columns: Mapping[str, pl.DataType]
    order: tuple[SortKey, ...]
    slack_us: int

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def time(self) -> str:
        """The event time."""
        return self.order[0].column

    def states(self) -> Iterable[StateSpec]:
        """The rows that wait, by the second of their time."""
        return [RowsSpec("rows", {**self.columns, _GROUP: pl.Int64()}, _GROUP)]

    def keeps(self) -> Iterable[Keeping]:
        """Rows that wait."""
        yield Keeping("rows", "rows that wait", watermark_passes(self.time, self.slack_us))

    def late(self) -> Iterable[str]:
        """Rows whose place in the order has been passed."""
        yield late_by(f"rows with {self.time} <", self.slack_us)

    def build(self, context: Context) -> SortOp:
        """The operator."""
        return SortOp(self, context)

    def describe(self) -> str:
        """One line."""
        return f"sort by {', '.join(map(str, self.order))}"


class SortOp:
    """Hold rows until their turn has come.

    Emits:      rows in their order, each once the watermark has passed its time.
    State:      rows that the watermark has not passed.
    Late rows:  a row is late if its time is before the split's watermark before the row, less the slack.
    Batch mode: a sort; no row is late.
    """

    def __init__(self, spec: SortSpec, context: Context) -> None:
        self._spec, self._rows_max = spec, context.rows_max
        self._rows: RowStore = context.state("rows")

    @property
    def due(self) -> int | None:
        """The watermark that passes the next row."""
        groups = self._rows.groups()
        if not groups:
            return None
        least = int(event_times(self._rows.rows(groups[0]), self._spec.time).min())
        return least + 1 + self._spec.slack_us

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows; turn late ones away."""
        del port
        assert batch.weight is None, "the planner puts this step on rows that stay"
        times = event_times(batch.frame, self._spec.time)
        frame = pick(batch.frame, list(self._spec.columns))
        if BEFORE in batch.frame.columns:
            before = batch.frame.get_column(BEFORE).fill_null(-(1 << 62)).to_numpy()
            late = times < before - self._spec.slack_us
            if late.any():
                some = gather_rows(frame, np.flatnonzero(late))
                yield Side(f"{LATE} sort", Batch(some), some.height)
                frame, times = gather_rows(frame, np.flatnonzero(~late)), times[~late]
        if frame.height:
            self._rows.add(beside(frame, [numbers(_GROUP, times // _SECOND)]))

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Give the rows that it has passed."""
        return self._given(time - self._spec.slack_us)

    def _given(self, until: int | None) -> Iterator[Output]:
        """All rows with a time before `until`, as many at once as fit a batch."""
        some: list[pl.DataFrame] = []
        for group in self._rows.groups():
            if until is not None and group * _SECOND >= until:
                break
            some += self._passed(group, until)
            if sum(f.height for f in some) >= self._rows_max:
                yield from self._ordered(some)
                some = []
        if some:
            yield from self._ordered(some)

    def _passed(self, group: int, until: int | None) -> list[pl.DataFrame]:
        """The rows of a second with a time before `until`; the others go on waiting."""
        frame = self._rows.take(group)
        if until is not None and (group + 1) * _SECOND > until:
            is_open = event_times(frame, self._spec.time) >= until
            if is_open.any():
                self._rows.add(gather_rows(frame, np.flatnonzero(is_open)))
                frame = gather_rows(frame, np.flatnonzero(~is_open))
        return [pick(frame, list(self._spec.columns))] if frame.height else []

    def _ordered(self, some: list[pl.DataFrame]) -> Iterator[Output]:
        yield from Batch(in_order(below(some), self._spec.order)).slices(self._rows_max)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: rows that wait are state."""
        del number
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """All rows are there."""
        del port
        return self._given(None)
