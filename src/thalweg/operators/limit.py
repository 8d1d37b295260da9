"""Keep the first rows by position.

Which rows are first does not depend on when they arrive: a row of an earlier split displaces one
of a later split, so the result may change until enough rows of splits have come before which no
other split is still open. Then the operator needs no more, and an endless job ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from thalweg.columnar.batch import OFFSET, OTHER_OFFSET, OTHER_SPLIT, SPLIT, Batch, consolidate, join_batches
from thalweg.protocols.keeping import Keeping
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import RowsSpec, RowStore, StateSpec

_GROUP = "__emitted"


@dataclass(frozen=True)
class LimitSpec:
    """Keep rows number `offset + 1` to `offset + count` by position.

    Attributes:
        id: the step's name.
        columns: the columns of the rows, and their position.
        count: how many rows.
        offset: how many are passed over.
        comes_in_order: whether no step in front keeps rows back, so that those of a split come in its order.
    """

    id: str
    columns: Mapping[str, pl.DataType]
    count: int
    offset: int
    comes_in_order: bool = True

    def __hash__(self) -> int:
        return hash(self.id)

    def states(self) -> Iterable[StateSpec]:
        """The first rows so far (group 0), and what was emitted (group 1)."""
        return [RowsSpec("rows", {**self.columns, _GROUP: pl.Int64()}, _GROUP)]

    def keeps(self) -> Iterable[Keeping]:
        """Not more rows than are asked for, twice: with what was emitted of them."""
        yield Keeping("rows", f"at most {2 * (self.count + self.offset)} rows", is_limited=True)

    def build(self, context: Context) -> LimitOp:
        """The operator."""
        return LimitOp(self, context)

    def describe(self) -> str:
        """One line."""
        return f"limit {self.count}" + (f" offset {self.offset}" if self.offset else "")


def position_order(columns: Mapping[str, pl.DataType]) -> list[str]:
    """The columns to order rows by: the position, and what tells the items or windows of one row apart."""
    places = [n for n in (SPLIT, OFFSET, OTHER_SPLIT, OTHER_OFFSET) if n in columns or n in (SPLIT, OFFSET)]
    return [*places, *(n for n, t in columns.items() if n not in places and not t.is_nested())]


class LimitOp:
    """Keep the first rows by (split, offset), and by all columns among the rows that one source row became.

    Emits:      at each cut the changes since the last one.
    State:      `count + offset` rows, and the rows emitted.
    Late rows:  are rows like any other.
    Batch mode: the first rows in split order.
    """

    def __init__(self, spec: LimitSpec, context: Context) -> None:
        self._spec = spec
        self._rows: RowStore = context.state("rows")
        self._rows_max = context.rows_max
        self._order = position_order(spec.columns)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep the first of the old and the new rows."""
        del port
        assert batch.weight is None, "the planner refuses LIMIT on updating input"
        frame = batch.frame.select(list(self._spec.columns))
        known = self._rows.take(0).drop(_GROUP) if 0 in self._rows.groups() else frame.clear()
        best = pl.concat([known, frame]).sort(self._order).head(self._spec.count + self._spec.offset)
        self._rows.add(best.with_columns(pl.lit(0, dtype=pl.Int64).alias(_GROUP)))
        return iter(())

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Time does not matter."""
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """The changes of the result since the last cut."""
        del number
        hidden = [SPLIT, OFFSET, _GROUP]
        now = self._rows.rows(0).sort(self._order).slice(self._spec.offset, self._spec.count)
        groups = self._rows.groups()
        before = self._rows.take(1) if 1 in groups else now.clear()
        if now.height:
            self._rows.add(now.with_columns(pl.lit(1, dtype=pl.Int64).alias(_GROUP)))
        plus, minus = Batch(now.drop(hidden)), before.drop(hidden)
        if minus.height:
            undone = Batch(minus, pl.repeat(-1, minus.height, dtype=pl.Int64, eager=True))
            plus = consolidate(join_batches([undone, plus]))
        if len(plus):
            yield from plus.slices(self._rows_max)

    def is_final(self, first_open: int) -> bool:
        """Whether the rows that are kept all come before any that may follow."""
        wanted = self._spec.count and self._spec.count + self._spec.offset
        if not wanted:
            return True
        if not self._spec.comes_in_order:
            return False
        rows = self._rows.rows(0)
        return rows.height >= wanted and bool((rows.get_column(SPLIT) <= first_open).all())

    def on_end(self, port: int) -> Iterator[Output]:
        """The result is final."""
        del port
        return self.on_cut(0)
