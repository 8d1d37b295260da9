"""Number the rows of each window once the window is complete, and keep the first ones.

Ties: `rank` gives equal rows the same number; `row_number` breaks ties by position, or where rows
have none (they come out of an aggregation) by all their columns; downwards where the latest come first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.columnar.batch import SPLIT, SYSTEM_COLUMNS, Batch
from thalweg.operators.limit import position_order
from thalweg.plan.nodes import SortKey
from thalweg.protocols.keeping import Keeping, watermark_passes
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import RowsSpec, RowStore, StateSpec

_GROUP = "__window"


@dataclass(frozen=True)
class WindowRankSpec:
    """Number the rows of each partition of each window.

    Attributes:
        id: the step's name.
        columns: the input's columns and types (positions included, where rows carry them).
        partition: what to number within; contains the window's bounds.
        order: the order of the numbers.
        kind: `rank`, `dense_rank` or `row_number`.
        output: the column of the number, or None.
        limit: the greatest number kept, or None.
        end: the column of the windows' ends.
        slack_us: how far it may lag behind the watermark.
        exchange: the columns by which rows come to this task.
    """

    id: str
    columns: Mapping[str, pl.DataType]
    partition: tuple[str, ...]
    order: tuple[SortKey, ...]
    kind: str
    output: str | None
    limit: int | None
    end: str
    slack_us: int
    exchange: tuple[str, ...]

    def __hash__(self) -> int:
        return hash(self.id)

    def states(self) -> Iterable[StateSpec]:
        """The rows of open windows."""
        return [RowsSpec("rows", {**self.columns, _GROUP: pl.Int64()}, _GROUP, self.exchange)]

    def keeps(self) -> Iterable[Keeping]:
        """The rows of open windows."""
        yield Keeping("rows", "rows of open windows", watermark_passes(self.end, self.slack_us))

    def build(self, context: Context) -> WindowRankOp:
        """The operator."""
        return WindowRankOp(self, context)

    def describe(self) -> str:
        """One line."""
        limit = "" if self.limit is None else f" <= {self.limit}"
        return (
            f"{self.kind}{limit} over ({', '.join(self.partition)}) order {', '.join(map(str, self.order))}"
        )


class WindowRankOp:
    """Keep the rows of open windows, and number them when a window closes.

    Emits:      the rows of a window with `number <= limit`, once the watermark passes its end.
    State:      the rows of open windows; of `rank <= 1` only the best ones so far.
    Late rows:  were turned away where the window was assigned.
    Batch mode: `End` closes every window, so the result equals ranking the whole table.
    """

    def __init__(self, spec: WindowRankSpec, context: Context) -> None:
        self._spec = spec
        self._rows: RowStore = context.state("rows")
        self._rows_max = context.rows_max

    @property
    def due(self) -> int | None:
        """The watermark that closes the next window."""
        end = min(self._rows.groups(), default=None)
        return None if end is None else end + self._spec.slack_us

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows."""
        del port
        assert batch.weight is None, "the planner puts this step on final input only"
        end = pl.col(self._spec.end).to_physical().cast(pl.Int64).alias(_GROUP)
        names = list(self._spec.columns)
        self._rows.add(self._best(batch.frame.select(names)).with_columns(end))
        return iter(())

    def _best(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows that can still be among the first: the same numbering, on what is there."""
        if self._spec.limit is None:
            return frame
        return self._numbered(frame).select(frame.columns)

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        return number_rows(frame.lazy(), self._spec).collect()

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Number the windows that are complete."""
        return self._close(time - self._spec.slack_us)

    def _close(self, until: int | None) -> Iterator[Output]:
        for end in self._rows.groups():
            if until is not None and end > until:
                return
            # positions stay with the rows: a step behind this one may number them again
            frame = self._numbered(self._rows.take(end).drop(_GROUP))
            yield from Batch(frame).slices(self._rows_max)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: open windows are state."""
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """Every window is complete."""
        del port
        return self._close(None)


def number_rows(frame: pl.LazyFrame, spec: WindowRankSpec) -> pl.LazyFrame:
    """The rows with `number <= limit`, and the number if it is wanted; for both modes."""
    name = spec.output or "__number"
    if spec.kind == "rank" and spec.limit == 1 and spec.output is None and _is_simple(spec):
        return frame.filter(_is_first(spec.order[0], spec.partition))
    if spec.kind != "row_number":
        keys = [_ordinal(k) for k in spec.order]
        rank = keys[0] if len(keys) == 1 else pl.struct(keys)
        method: Literal["min", "dense"] = "min" if spec.kind == "rank" else "dense"
        number = _within(rank.rank(method), spec.partition).cast(pl.Int64)
        return _keep(frame.with_columns(number.alias(name)), spec, name)
    ordered = _sorted(frame, spec, ())
    if spec.limit == 1 and spec.partition:
        # of 1.8 million rows of as many keys in half the time
        first = ordered.unique(subset=list(spec.partition), keep="first", maintain_order=True)
        return first if spec.output is None else first.with_columns(pl.lit(1, pl.Int64).alias(name))
    number = _within(pl.int_range(1, pl.len() + 1, dtype=pl.Int64), spec.partition)
    return _keep(ordered.with_columns(number.alias(name)), spec, name)


def _within(expr: pl.Expr, partition: tuple[str, ...]) -> pl.Expr:
    return expr.over(partition) if partition else expr


def ordered_rows(frame: pl.LazyFrame, spec: WindowRankSpec, first: tuple[str, ...]) -> pl.LazyFrame:
    """Rows in order within the columns `first`; those that tie have the same `__tied`, and are neighbours."""
    ordered = _sorted(frame, spec, first)
    columns = list(dict.fromkeys((*first, *(k.column for k in spec.order))))
    ties = pl.struct(columns).rle_id() if columns else pl.lit(0)
    return ordered.with_columns(ties.cast(pl.Int64).alias("__tied"))


def _sorted(frame: pl.LazyFrame, spec: WindowRankSpec, first: tuple[str, ...]) -> pl.LazyFrame:
    ties = tie_columns(spec.columns, [k.column for k in spec.order])
    lead, is_turned = len(first), turns_ties(spec.order)
    descending = [False] * lead + [k.descending for k in spec.order] + [is_turned] * len(ties)
    nulls_last = [False] * lead + [not k.puts_nulls_first for k in spec.order]
    nulls_last += [is_turned] * len(ties)
    order = [*first, *(k.column for k in spec.order), *ties]
    return frame.sort(order, descending=descending, nulls_last=nulls_last)


def turns_ties(order: Iterable[SortKey]) -> bool:
    """Whether rows that tie go downwards: the latest first."""
    return any(k.latest_first for k in order)


def tie_columns(columns: Mapping[str, pl.DataType], order: Collection[str]) -> list[str]:
    """What tells rows apart that tie: their position, or all that they hold.

    What a plan has computed under a name of the engine's is part of a row, but comes last.
    """
    if SPLIT in columns:
        ties = position_order(columns)
    else:
        held = [c for c in columns if c not in SYSTEM_COLUMNS]
        ties = sorted(held, key=lambda c: c.startswith(SYSTEM_PREFIX))
    return [t for t in ties if t not in order]


def _is_simple(spec: WindowRankSpec) -> bool:
    """Whether the first rank is the greatest or least value of one column (NaN has an order of its own)."""
    return len(spec.order) == 1 and not spec.columns[spec.order[0].column].is_float()


def _is_first(key: SortKey, partition: tuple[str, ...]) -> pl.Expr:
    """Rows that share the first rank, found without sorting."""
    value = pl.col(key.column)
    best = _within(value.max() if key.descending else value.min(), partition)
    if not key.puts_nulls_first:
        return value.eq_missing(best)
    has_null = _within(value.null_count() > 0, partition)
    return pl.when(has_null).then(value.is_null()).otherwise(value == best)


def _keep(frame: pl.LazyFrame, spec: WindowRankSpec, name: str) -> pl.LazyFrame:
    if spec.limit is not None:
        frame = frame.filter(pl.col(name) <= spec.limit)
    return frame if spec.output is not None else frame.drop(name)


def _ordinal(key: SortKey) -> pl.Expr:
    """A number per value that orders as the key does, NULL included."""
    dense = pl.col(key.column).rank("dense", descending=key.descending).cast(pl.Int64)
    edge = -1 if key.puts_nulls_first else (1 << 62)
    return dense.fill_null(edge)
