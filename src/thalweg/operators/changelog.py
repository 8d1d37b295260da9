"""Make changes fit for a sink that only takes rows: as operations, one row each.

Not here: the table that they add up to (folding.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import TypeVar

import numpy as np
import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import WEIGHT, Batch, consolidate
from thalweg.columnar.eager import gather_rows, pick, texts
from thalweg.plan.nodes import SortKey
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import StateSpec

INSERT, DELETE, BEFORE_UPDATE, AFTER_UPDATE = "+I", "-D", "-U", "+U"
Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
_SMALL = 256


@dataclass(frozen=True)
class OpsSpec:
    """Put the operation into a first column `op`."""

    id: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]

    def states(self) -> Iterable[StateSpec]:
        """None: changes pass through."""
        return ()

    def build(self, context: Context) -> OpsOp:
        """The operator."""
        return OpsOp(self, context.rows_max)

    def describe(self) -> str:
        """One line."""
        return "changes as rows with op"


class OpsOp(Step):
    """Turn weights into rows: `+I`, `-D`, and where a key has both, `-U` and `+U`.

    Emits:      one row per unit of weight; of one key the removal comes before the insertion.
    State:      none.
    Late rows:  are rows like any other.
    Batch mode: every row is `+I`.
    """

    def __init__(self, spec: OpsSpec, rows_max: int) -> None:
        self._spec, self._rows_max = spec, rows_max

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Changes as rows."""
        del port
        made = Batch(with_ops(batch, self._spec.columns, self._spec.keys))
        yield from made.slices(self._rows_max)


def with_ops(batch: Batch, columns: tuple[str, ...], keys: tuple[str, ...]) -> pl.DataFrame:
    """The rows of a batch with their operation as first column `op`."""
    names = list(columns)
    if batch.weight is None:
        return _with_first(pick(batch.frame, names), [INSERT] * len(batch))
    frame = batch.frame if batch.frame.columns == names else pick(batch.frame, names)
    if len(batch) <= _SMALL and _can_be_keys(tuple(frame.dtypes)):
        rows, weights = frame.rows(), batch.weight.to_list()
        places = [names.index(k) for k in keys]
        found = _pairs(rows, weights, places) if keys else None
        if found is None:
            found = _summed(rows, weights, places)
        numbers, ops = found
        if numbers != list(range(frame.height)):
            frame = gather_rows(frame, np.array(numbers))
        return _with_first(frame, ops)
    changes = consolidate(batch).packed()
    removal = pl.col(WEIGHT) < 0
    if keys:
        paired = removal.any().over(keys) & (~removal).any().over(keys)
    else:
        paired = pl.lit(value=False)
    op = (
        pl.when(paired & removal)
        .then(pl.lit(BEFORE_UPDATE))
        .when(paired)
        .then(pl.lit(AFTER_UPDATE))
        .when(removal)
        .then(pl.lit(DELETE))
        .otherwise(pl.lit(INSERT))
    )
    made = changes.with_columns(op.alias("op"))
    if keys:
        # a reader that applies rows in order must see the old row of a key go before the new one comes
        made = made.with_row_index("__row").sort(
            pl.col("__row").min().over(keys), removal, "__row", descending=[False, True, False]
        )
    repeated = made.filter(pl.col(WEIGHT).abs() > 1).height > 0
    if repeated:
        made = made.select(pl.all().repeat_by(pl.col(WEIGHT).abs())).explode(made.columns)
    return made.select("op", *names)


_Rows = list[tuple[object, ...]]


@lru_cache(maxsize=256)
def _can_be_keys(types: tuple[pl.DataType, ...]) -> bool:
    """Whether Python's equality of the values is ours: NaN differs from itself, lists cannot be looked up."""
    return not any(t.is_float() or t.is_nested() for t in types)


def _pairs(rows: _Rows, weights: list[int], places: list[int]) -> tuple[list[int], list[str]] | None:
    """Which rows stay and their operations, if every key has one removal and one insertion at most."""
    gone: dict[object, int] = {}
    come: dict[object, int] = {}
    key_of = itemgetter(*places)
    for number, (row, weight) in enumerate(zip(rows, weights, strict=True)):
        side = come if weight == 1 else gone
        key = key_of(row)
        if key in side or weight not in (1, -1):
            return None
        side[key] = number
    numbers: list[int] = []
    ops: list[str] = []
    # by the first row of each key, as `_summed` orders them
    for key in dict.fromkeys(map(key_of, rows)):
        old, new = gone.get(key), come.get(key)
        if old is None or new is None:
            numbers.append(new if old is None else old)  # type: ignore[arg-type]  # the key has a row
            ops.append(INSERT if old is None else DELETE)
        elif rows[old] != rows[new]:
            numbers += (old, new)
            ops += (BEFORE_UPDATE, AFTER_UPDATE)
    return numbers, ops


def _summed(rows: _Rows, weights: list[int], places: list[int]) -> tuple[list[int], list[str]]:
    """Which rows stay, each as often as its weight says, and their operations."""
    sums: dict[tuple[object, ...], int] = {}
    first: dict[tuple[object, ...], int] = {}
    for number, (row, weight) in enumerate(zip(rows, weights, strict=True)):
        sums[row] = sums.get(row, 0) + weight
        first.setdefault(row, number)
    gone = {tuple(r[i] for i in places) for r, w in sums.items() if w < 0} if places else set()
    come = {tuple(r[i] for i in places) for r, w in sums.items() if w > 0} if places else set()
    paired = gone & come
    order: dict[tuple[object, ...], int] = {}
    for row in sums:
        order.setdefault(tuple(row[i] for i in places), len(order))
    ops: list[str] = []
    numbers: list[int] = []
    changed = [(r, w) for r, w in sums.items() if w]
    changed.sort(key=lambda c: (order[tuple(c[0][i] for i in places)] if places else 0, c[1] > 0))
    for row, weight in changed:
        is_update = tuple(row[i] for i in places) in paired
        removal, insertion = (BEFORE_UPDATE, AFTER_UPDATE) if is_update else (DELETE, INSERT)
        ops += [removal if weight < 0 else insertion] * abs(weight)
        numbers += [first[row]] * abs(weight)
    return numbers, ops


def _with_first(frame: pl.DataFrame, ops: list[str]) -> pl.DataFrame:
    """The rows with `op` as the first column."""
    return to_frame([texts("op", ops), *frame.get_columns()])


def in_order(rows: Frame, order: Sequence[SortKey]) -> Frame:
    """The rows, sorted; without an order as they are."""
    if not order:
        return rows
    return rows.sort(
        [k.column for k in order],
        descending=[k.descending for k in order],
        nulls_last=[not k.puts_nulls_first for k in order],
        maintain_order=True,
    )


def repeat_rows(batch: Batch) -> pl.DataFrame:
    """The rows of an insert-only batch, each as often as its weight says."""
    if batch.weight is None or (batch.weight == 1).all():
        return batch.frame
    rows = pl.int_range(0, len(batch), eager=True).repeat_by(batch.weight).explode()
    return batch.frame[rows]
