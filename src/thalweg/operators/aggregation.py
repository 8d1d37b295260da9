"""Describe a grouping: its keys, the parts that its aggregates are made from, and its windows.

What the three ways to group share: running.py (changes), window_group.py (windows, with or without
panes), partials.py (adding up before the exchange).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import DataType
from thalweg.columnar.batch import FIRST, PANE, Batch
from thalweg.columnar.eager import pick, plain
from thalweg.columnar.key_cells import KeyCells
from thalweg.expr.nodes import Aggregate
from thalweg.operators.extremes import Extremes
from thalweg.operators.layout import Layout
from thalweg.operators.multiset import Multiset
from thalweg.plan.window_columns import Bound
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.keeping import JOIN_ENDS, Keeping, watermark_passes
from thalweg.protocols.operator import Context, Operator
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, KeyedColumns, StateSpec

Array = np.ndarray[Any, Any]
DONE, SHOWN = "__done", "__shown"
NEVER = -(1 << 62)


@dataclass(frozen=True)
class WindowGrouping:
    """How a grouping closes its windows.

    Attributes:
        slack_us: how far the time may lag behind the watermark.
        window: the windows whose panes rows carry; None if rows carry the bounds as columns.
        bounds: the columns of the output that hold a bound, and which one.
        time: the type of the bounds.
        lag_us: how far the time may lag in rows that are in time: windows are emitted then, and corrected
            until the slack has passed; None: they are emitted once.
    """

    slack_us: int
    window: WindowSpec | None
    bounds: Mapping[str, Bound]
    time: pl.DataType
    lag_us: int | None = None

    @property
    def end(self) -> str:
        """The column of the windows' ends."""
        return next(n for n, bound in self.bounds.items() if bound == "end")

    @property
    def last(self) -> str:
        """The time after which a group is forgotten, in words."""
        return self.end if self.window is None else f"the end of the last window of the pane, {self.window}"


@dataclass(frozen=True)
class GroupingSpec:
    """Group rows by key and aggregate them.

    Attributes:
        id: the step's name.
        keys: the key columns and their types.
        calls: the aggregates by output name, each over one column of the input or over none.
        argument_types: the types of those columns.
        is_updating: whether the input may retract rows.
        window: how windows close; None for a running grouping.
        columns: the output's columns, in order.
        partials: whether the input was added up before the exchange.
        fed: arguments that no row carries: what distinct values come and go is sent here (distinct.py).
        is_placed: whether rows carry their position, because an aggregate depends on it.
        closes: the argument whose greatest value in a group is the time at which it gets no more rows, and a
            slack in microseconds; only of a running grouping of rows that stay.
        keeps_places: whether first and last values are found among all that are kept: rows may be taken
            back, or share a position.
    """

    id: str
    keys: Mapping[str, pl.DataType]
    calls: tuple[tuple[str, Aggregate], ...]
    argument_types: Mapping[str, DataType]
    is_updating: bool
    window: WindowGrouping | None
    columns: tuple[str, ...]
    partials: bool
    fed: frozenset[str] = frozenset()
    is_placed: bool = False
    closes: tuple[str, int] | None = None
    keeps_places: bool = False

    @cached_property
    def layout(self) -> Layout:
        """The parts, each once."""
        return Layout(self)

    @property
    def is_corrected(self) -> bool:
        """Whether windows may change after they were emitted."""
        return self.window is not None and self.window.lag_us is not None

    @property
    def has_panes(self) -> bool:
        """Whether rows carry panes."""
        return self.window is not None and self.window.window is not None

    def states(self) -> Iterable[StateSpec]:
        """The groups; and for lists, and extremes that must be undone, the values of each group."""
        columns = dict(self.layout.stored)
        if self.has_panes:
            columns |= {DONE: ColumnSpec("int64", NEVER)}
        if self.is_corrected:
            columns |= {SHOWN: ColumnSpec("bool", initial=False)}
        if self.window is None and not self.keys:
            columns |= {DONE: ColumnSpec("bool", initial=False)}
        yield ColumnsSpec("groups", self.row_keys, columns, partition=self.partition)
        for kept in self.layout.kept:
            yield kept.declared(self.keys, self.partition)

    def keeps(self) -> Iterable[Keeping]:
        """Groups, until their window is complete or for ever."""
        keys = ", ".join(k for k in self.keys if not k.startswith("__")) or "()"
        window = self.window
        until = None if window is None else watermark_passes(window.last, window.slack_us)
        until = until if self.closes is None else JOIN_ENDS
        cures = ("a window in GROUP BY",)
        is_one = not self.keys and self.window is None
        what = f"one pane by {keys}" if self.has_panes else f"one group by {keys}"
        yield Keeping("groups", "one group of all rows" if is_one else what, until, is_one, cures)
        for kept in self.layout.kept:
            argument = kept.argument.removeprefix("__arg ")
            yield Keeping(kept.state, f"one value of {argument} by {keys}", until, cures=cures)

    @property
    def partition(self) -> tuple[str, ...]:
        """The key columns by which rows reach a task."""
        if self.window is None or self.has_panes:
            return tuple(self.keys)
        # rows meet by their keys; what differs only in its window may meet elsewhere too
        own = tuple(k for k in self.keys if k not in self.window.bounds)
        return own or (self.window.end,)

    @cached_property
    def row_keys(self) -> dict[str, pl.DataType]:
        """The key columns of the rows, and where there are panes those too."""
        own = dict(self.keys)
        return own | {PANE: pl.Int64(), FIRST: pl.Int64()} if self.has_panes else own

    @cached_property
    def key_cells(self) -> KeyCells | None:
        """Where rows that were added up hold their key; None if columns of a frame hold it."""
        return KeyCells(self.row_keys, self.partition) if KeyCells.can_hold(self.row_keys) else None

    def take(self, state: KeyedColumns, batch: Batch, note: Callable[[Array], None] | None = None) -> Array:
        """Add rows to their groups, and return these; `note` sees the slots before anything changes."""
        parts, cells = batch.parts, self.key_cells
        if parts is None or cells is None:
            slots = state.slots(key_frame(batch.frame, self.row_keys))
        else:
            slots = state.slots_of(cells.words(parts))
        if note is not None:
            note(slots)
        if parts is None:
            self.layout.update(state, slots, batch)
        else:
            own = parts if cells is None else parts[cells.height :]
            self.layout.merge_sent(state, slots, self.layout.cells.named(own))
        return slots

    def values(self, context: Context) -> list[Multiset | Extremes]:
        """The values that groups keep."""
        groups: KeyedColumns = context.state("groups")
        return [k.build(context.state(k.state), groups, self.keys) for k in self.layout.kept]

    def build(self, context: Context) -> Operator:
        """The operator that fits the windows."""
        if self.window is None:
            from thalweg.operators.running import RunningGroupOp

            return RunningGroupOp(self, context)
        if self.is_corrected:
            from thalweg.operators.corrected_group import CorrectedGroupOp

            return CorrectedGroupOp(self, context)
        if self.has_panes:
            from thalweg.operators.pane_group import PaneGroupOp
            from thalweg.operators.sliding_group import SlidingGroupOp, can_slide

            return SlidingGroupOp(self, context) if can_slide(self) else PaneGroupOp(self, context)
        from thalweg.operators.window_group import WindowGroupOp

        return WindowGroupOp(self, context)

    def describe(self) -> str:
        """One line."""
        keys = ", ".join(self.keys) or "()"
        how = "per window" if self.window else "running"
        how += ", corrected" if self.is_corrected else ""
        calls = ", ".join(f"{n} = {c}" for n, c in self.calls)
        return f"group by {keys} {how}: {calls}" + (" from partials" if self.partials else "")


def can_split(spec: GroupingSpec) -> bool:
    """Whether rows can be added up before the exchange."""
    return spec.layout.can_merge


def least_key(spec: GroupingSpec, batch: Batch, name: str) -> int | None:
    """The least value of a key column of numbers or times; None without rows."""
    if not len(batch):
        return None
    if batch.parts is not None and spec.key_cells is not None:
        return int(spec.key_cells.column(batch.parts, name).min())
    least = plain(batch.frame.get_column(name)).min()
    assert isinstance(least, int), "it is never null"
    return least


def key_frame(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """The key columns; without any, a frame that still has its number of rows."""
    wanted = list(names)
    return pick(frame, wanted) if wanted else pl.DataFrame(height=frame.height)
