"""Join rows with a small table that is read first, to its end, and that every task holds.

Then rows pass one by one: each finds all of its partners at once, so that nothing is kept of it, and what is
taken back finds the same partners again.

Not here: when a join is one of these (plan/broadcast.py), rows that wait meanwhile (runtime/spill.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import BEFORE, Batch
from thalweg.columnar.eager import beside, filter_rows, gather_rows, pick
from thalweg.expr.evaluate import Predicate
from thalweg.expr.nodes import Expr
from thalweg.plan.nodes import JoinKind
from thalweg.protocols.keeping import Keeping
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import MultimapSpec, StateSpec

if TYPE_CHECKING:
    from thalweg.protocols.state import Multimap

Array = np.ndarray[Any, Any]
TABLE = "table"
_NO_WEIGHTS = np.empty(0, np.int64)


@dataclass(frozen=True)
class BroadcastJoinSpec:
    """Join the rows of one input with those of another one that was read before.

    Attributes:
        first_port: the input that is read first: 0 the left, 1 the right one.
        columns: of the rows of both inputs.
        keys: the columns of both inputs that are equal.
        residual: what else must be true of a pair.
        both: the columns of a pair.
    """

    id: str
    kind: JoinKind
    first_port: int
    columns: tuple[Mapping[str, pl.DataType], Mapping[str, pl.DataType]]
    keys: tuple[tuple[str, ...], tuple[str, ...]]
    residual: Expr | None
    both: Schema

    def __hash__(self) -> int:
        return hash(self.id)

    def states(self) -> Iterable[StateSpec]:
        """The rows of the small input, the same in every task."""
        columns, keys = self.columns[self.first_port], self.keys[self.first_port]
        return [MultimapSpec(TABLE, columns, keys, is_updating=False, forgets=False, scope="broadcast")]

    def keeps(self) -> Iterable[Keeping]:
        """The small input."""
        side = ("left", "right")[self.first_port]
        what = f"rows of the {side} input, which is read first, in every task"
        return [Keeping(TABLE, what, is_limited=True)]

    def build(self, context: Context) -> BroadcastJoinOp:
        """The operator."""
        return BroadcastJoinOp(self, context)

    def describe(self) -> str:
        """One line."""
        parts = [f"{a} = {b}" for a, b in zip(*self.keys, strict=True)]
        parts += [] if self.residual is None else [str(self.residual)]
        side = ("left", "right")[self.first_port]
        return f"broadcast join, {self.kind}, {side} input first, on {' AND '.join(parts) or 'everything'}"


class BroadcastJoinOp(Step):
    """Put rows together with those of an input that came before them.

    Emits:      each row with its partners, at once, with the weight that it came with; a row without one too,
                if the kind of join has it so.
    State:      the rows of the input that is read first, in every task.
    Late rows:  are rows like any other, and carry on what says that they are late.
    Batch mode: one join.
    """

    def __init__(self, spec: BroadcastJoinSpec, context: Context) -> None:
        self._kind, self._rows_max = spec.kind, context.rows_max
        self._first, passing = spec.first_port, 1 - spec.first_port
        self._columns = [list(c) for c in spec.columns]
        self._table: Multimap = context.state(TABLE)
        self._table_keys, self._keys = list(spec.keys[self._first]), list(spec.keys[passing])
        self._residual = None if spec.residual is None else Predicate(spec.residual, spec.both)
        self._nulls = {n: pl.Series(n, [], dtype=t) for n, t in spec.columns[self._first].items()}

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows of the first input; put those of the other one together with them."""
        if port == self._first:
            self._keep(batch)
        elif self._kind in ("semi", "anti"):
            yield from self._chosen(batch)
        else:
            yield from self._joined(batch)

    def _keep(self, batch: Batch) -> None:
        """Rows without a key are nobody's partners."""
        assert batch.weight is None, "the rows of a small input stay"
        frame = pick(batch.frame, self._columns[self._first])
        known = _known(frame, self._table_keys)
        if known is not None:
            frame = filter_rows(frame, known)
        if frame.height:
            self._table.add(frame, self._table.slots(_picked(frame, self._table_keys)), _NO_WEIGHTS)

    def _slots(self, frame: pl.DataFrame) -> Array:
        """The place of each row's partners in the table, or -1."""
        known = _known(frame, self._keys)
        if known is None:
            return self._table.find(_picked(frame, self._keys))
        slots = np.full(frame.height, -1, np.int64)
        places = known.to_numpy()
        if places.any():
            slots[places] = self._table.find(_picked(filter_rows(frame, known), self._keys))
        return slots

    def _chosen(self, batch: Batch) -> Iterator[Output]:
        """The rows that have a partner, or those that have none."""
        rows = batch.with_frame(self._passing(batch.frame))
        slots = self._slots(rows.frame)
        if self._residual is None:
            found = slots >= 0
        else:
            found = np.zeros(len(rows), np.bool_)
            for _, places in self._pairs(rows.frame, slots):
                found[places] = True
        wanted = found if self._kind == "semi" else ~found
        if wanted.any():
            yield from rows.filter(pl.Series(wanted)).slices(self._rows_max)

    def _joined(self, batch: Batch) -> Iterator[Output]:
        """Pairs; where the kind keeps all rows, also those without a partner."""
        rows = batch.with_frame(self._passing(batch.frame))
        found = np.zeros(len(rows), np.bool_)
        for pairs, places in self._pairs(rows.frame, self._slots(rows.frame)):
            found[places] = True
            yield Batch(pairs, None if rows.weight is None else rows.weight.gather(places))
        if self._kind != "inner" and not found.all():
            alone = rows.filter(pl.Series(~found))
            missing = [s.extend_constant(None, len(alone)) for s in self._fresh_nulls()]
            yield from alone.with_frame(self._beside(alone.frame, missing)).slices(self._rows_max)

    def _pairs(self, frame: pl.DataFrame, slots: Array) -> Iterator[tuple[pl.DataFrame, Array]]:
        """In bounded parts: pairs that fulfil the condition, and the place in the frame of each one's row."""
        for places, rows in self._table.pairs(slots, self._rows_max):
            made = self._beside(gather_rows(frame, places), self._table.frame(rows).get_columns())
            if self._residual is not None:
                mask = self._residual.mask(made)
                made, places = filter_rows(made, mask), places[mask.to_numpy()]
            if len(places):
                yield made, places

    def _passing(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The columns that are handed on."""
        carried = [BEFORE] if BEFORE in frame.columns else []
        return pick(frame, [*self._columns[1 - self._first], *carried])

    def _beside(self, frame: pl.DataFrame, partners: list[pl.Series]) -> pl.DataFrame:
        """Rows and their partners side by side, the left input's columns first."""
        if self._first == 1:
            return beside(frame, partners)
        return beside(pl.DataFrame(partners), frame.get_columns()) if partners else frame

    def _fresh_nulls(self) -> list[pl.Series]:
        return [s.clone() for s in self._nulls.values()]


def _known(frame: pl.DataFrame, keys: list[str]) -> pl.Series | None:
    """Which rows have no NULL in a key column; None if all are so."""
    known = None
    for name in keys:
        column = frame.get_column(name)
        if column.null_count():
            known = column.is_not_null() if known is None else known & column.is_not_null()
    return known


def _picked(frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return pick(frame, keys) if keys else pl.DataFrame(height=frame.height)


__all__ = ["BroadcastJoinOp", "BroadcastJoinSpec"]
