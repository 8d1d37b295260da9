"""Describe a join in time as a plain value: its sides, its condition, its state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from thalweg.base.durations import shown
from thalweg.base.schema import Schema
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.expr.nodes import Expr
from thalweg.operators.limit import position_order
from thalweg.operators.waiting_rows import GROUP
from thalweg.plan.as_of import AsOfKind
from thalweg.protocols.keeping import Keeping, watermark_passes
from thalweg.protocols.operator import Context
from thalweg.protocols.state import MultimapSpec, RowsSpec, StateSpec

if TYPE_CHECKING:
    # the operator's module loads the compiler, which a description must not
    from thalweg.operators.as_of import AsOfJoinOp

SINCE = "since"
"""What is kept of a row of the right input besides: its time."""


@dataclass(frozen=True)
class TimedSide:
    """One input of a join in time.

    Attributes:
        name: of the state of its rows that wait.
        columns: what is kept of its rows (positions included, where they break ties).
        keys: the columns that its rows are found by.
        time: its time column.
        slack_us: how far the time may lag behind the watermark; None: nothing is known of it.
    """

    name: str
    columns: Mapping[str, pl.DataType]
    keys: tuple[str, ...]
    time: str
    slack_us: int | None

    @property
    def shown(self) -> dict[str, pl.DataType]:
        """The columns without the engine's."""
        return {n: t for n, t in self.columns.items() if n not in (SPLIT, OFFSET)}

    @cached_property
    def ties(self) -> tuple[str, ...]:
        """What orders rows of equal time."""
        have_positions = SPLIT in self.columns
        names = position_order(self.columns) if have_positions else list(self.columns)
        return tuple(n for n in names if n != self.time and (have_positions or not n.startswith("__")))

    def waiting(self) -> RowsSpec:
        """The rows that the watermark has not passed."""
        return RowsSpec(self.name, {**self.columns, GROUP: pl.Int64()}, GROUP, self.keys)


@dataclass(frozen=True)
class AsOfSpec:
    """Each row of the left input with the latest one of the right.

    Attributes:
        both: the columns of a pair of rows, which the residual reads.
        reach: how much earlier a partner may be, in microseconds; None: any time.
        alive: the column of the right input that says whether a row is a partner; None: each one is.
        takes_first: whether of right rows with equal times the first one counts; else the last one.
    """

    id: str
    kind: AsOfKind
    left: TimedSide
    right: TimedSide
    residual: Expr | None
    both: Schema
    is_strict: bool = False
    reach: int | None = None
    alive: str | None = None
    takes_first: bool = False

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def slack_us(self) -> int | None:
        """How far behind the watermark rows of either input may still come."""
        slacks = (self.left.slack_us, self.right.slack_us)
        return None if None in slacks else max(s for s in slacks if s is not None)

    def states(self) -> Iterable[StateSpec]:
        """The rows that wait for the watermark, and of each key the latest row that it has passed."""
        side = self.right
        latest = MultimapSpec(
            "latest", side.shown, side.keys, is_updating=False, counters=(SINCE,), partition=side.keys
        )
        return [self.left.waiting(), side.waiting(), latest]

    def keeps(self) -> Iterable[Keeping]:
        """Rows that wait, and the versions that rows to come may need."""
        for side in (self.left, self.right):
            until = watermark_passes(side.time, self.slack_us)
            yield Keeping(side.name, f"rows of the {side.name} input that wait", until)
        keys = ", ".join(self.right.keys) or "()"
        yield Keeping(
            "latest", f"the latest row of the right input by {keys}", is_limited=not self.right.keys
        )

    def late(self) -> Iterable[str]:
        """Rows whose time the watermark has passed."""
        for side in (self.left, self.right):
            if side.slack_us is not None:
                yield f"rows of the {side.name} input with {side.time} < the watermark of their split"

    def build(self, context: Context) -> AsOfJoinOp:
        """The operator."""
        from thalweg.operators.as_of import AsOfJoinOp

        return AsOfJoinOp(self, context)

    def describe(self) -> str:
        """One line."""
        parts = [f"{a} = {b}" for a, b in zip(self.left.keys, self.right.keys, strict=True)]
        parts.append(f"{self.left.time} {'>' if self.is_strict else '>='} {self.right.time}")
        parts += [] if self.residual is None else [str(self.residual)]
        reach = "" if self.reach is None else f" by at most {shown(self.reach)}"
        return f"{self.kind} as-of join on {' AND '.join(parts)}{reach}"
