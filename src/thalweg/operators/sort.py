"""Give rows that do not end in the order of their event time.

A row waits until the watermark has passed its time; then all that comes before it is there.

Not here: rows that end, which are put in order when all are there (changelog.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from thalweg.columnar.batch import Batch
from thalweg.columnar.eager import below, pick
from thalweg.operators.changelog import in_order
from thalweg.operators.waiting_rows import GROUP, WaitingRows
from thalweg.operators.windows import LATE
from thalweg.plan.nodes import SortKey
from thalweg.protocols.keeping import Keeping, late_by, watermark_passes
from thalweg.protocols.operator import Context, Output, Side
from thalweg.protocols.state import RowsSpec, StateSpec


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
        return [RowsSpec("rows", {**self.columns, GROUP: pl.Int64()}, GROUP)]

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
        self._names = list(spec.columns)
        self._rows = WaitingRows(context.state("rows"), spec.time, spec.slack_us)

    @property
    def due(self) -> int | None:
        """The watermark that passes the next row."""
        least = self._rows.least
        return None if least is None else least + 1 + self._spec.slack_us

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows; turn late ones away."""
        del port
        frame, late = self._rows.judged(batch, self._names)
        self._rows.hold(frame)
        if late is not None:
            yield Side(f"{LATE} sort", Batch(late), late.height)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Give the rows that it has passed."""
        return self._given(time - self._spec.slack_us)

    def _given(self, until: int | None) -> Iterator[Output]:
        """All rows with a time before `until`, as many at once as fit a batch."""
        some: list[pl.DataFrame] = []
        count = 0
        for frame in self._rows.passed(until):
            some.append(pick(frame, self._names))
            count += frame.height
            if count >= self._rows_max:
                yield from self._ordered(some)
                some, count = [], 0
        if some:
            yield from self._ordered(some)

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
