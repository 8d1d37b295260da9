"""Describe a join as a plain value: its sides, its condition, its state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from thalweg.base.schema import Schema
from thalweg.expr.nodes import Expr
from thalweg.plan.nodes import JoinKind
from thalweg.plan.time_bounds import SideBound
from thalweg.protocols.keeping import Keeping
from thalweg.protocols.operator import Context
from thalweg.protocols.state import MultimapSpec, StateSpec

if TYPE_CHECKING:
    # the operator's module loads the compiler, which a description must not
    from thalweg.operators.join import JoinOp
    from thalweg.operators.top_rows import TopRowsSpec

SHOWN, MATCHES, UNTIL = "shown", "matches", "until"
"""What is counted of a row: with which weight it is in the output, its partners, when it can be forgotten."""


@dataclass(frozen=True)
class SideSpec:
    """One input of a join.

    Attributes:
        name: of its state.
        columns: what is kept of its rows.
        keys: the columns that its rows are found by.
        is_updating: whether rows may be taken back.
        merges: whether equal rows may be kept as one; they must be where rows can be taken back.
        bound: until when its rows can find partners, and which of them are late.
    """

    name: str
    columns: Mapping[str, pl.DataType]
    keys: tuple[str, ...]
    is_updating: bool
    merges: bool
    bound: SideBound

    @property
    def keeping(self) -> Keeping:
        """For how long its rows are kept."""
        what, until = f"rows of the {self.name} input", self.bound.until
        if until is not None:
            return Keeping(self.name, what, f"the watermark passes {until}")
        if self.is_updating:
            cure = "a window in the step that makes its rows change"
            return Keeping(self.name, f"{what}, until they are taken back", cures=(cure,))
        bound = "a time bound in the condition (an event time of one input against a time of the other)"
        return Keeping(
            self.name, what, cures=(bound, "windows of both inputs, joined by window_start and window_end")
        )

    def state(self, *, is_judged: bool, counts: bool) -> MultimapSpec:
        """What is kept: for rows that are judged by their partners also what was emitted of them."""
        counters: tuple[str, ...] = (SHOWN, *((MATCHES,) if counts else ())) if is_judged else ()
        if self.bound.until is not None:
            counters += (UNTIL,)
        forgets = is_judged or self.merges or self.bound.until is not None
        return MultimapSpec(
            self.name, self.columns, self.keys, self.merges, counters, self.keys, forgets=forgets
        )


@dataclass(frozen=True)
class JoinSpec:
    """Join two inputs by key.

    Attributes:
        both: the columns of a pair of rows, which the residual reads.
        emits_once: whether a row without a partner is emitted when it can find none any more, and stays; else
            at the next cut, and is taken back when one comes.
        first: the rows of each key that suffice of pairs that are found together.
    """

    id: str
    kind: JoinKind
    left: SideSpec
    right: SideSpec
    residual: Expr | None
    both: Schema
    emits_once: bool = False
    first: TopRowsSpec | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def keeps_left(self) -> bool:
        """Whether the output depends on which left rows have no partner."""
        return self.kind in ("left", "full", "semi", "anti")

    @property
    def keeps_right(self) -> bool:
        """Whether the output depends on which right rows have no partner."""
        return self.kind in ("right", "full")

    @property
    def counts_pairs(self) -> bool:
        """Whether a row has a partner is counted row by row, not asked of its key."""
        return self.residual is not None or self.emits_once

    def states(self) -> Iterable[StateSpec]:
        """The rows of both inputs."""
        counts = self.counts_pairs
        left = self.left.state(is_judged=self.keeps_left, counts=counts)
        return [left, self.right.state(is_judged=self.keeps_right, counts=counts)]

    def keeps(self) -> Iterable[Keeping]:
        """The rows of each input, for as long as they can find a partner."""
        return [self.left.keeping, self.right.keeping]

    def late(self) -> Iterable[str]:
        """Rows of each input whose time the watermark has passed, where the condition speaks of time."""
        for side in (self.left, self.right):
            if side.bound.late is not None:
                yield f"rows of the {side.name} input with {side.bound.late} < the watermark of their split"

    def build(self, context: Context) -> JoinOp:
        """The operator."""
        from thalweg.operators.join import JoinOp

        return JoinOp(self, context)

    def describe(self) -> str:
        """One line."""
        pairs = zip(self.left.keys, self.right.keys, strict=True)
        parts = [f"{a} = {b}" for a, b in pairs]
        parts += [] if self.residual is None else [str(self.residual)]
        until = [f"; {s.name} rows until {s.bound.until}" for s in (self.left, self.right) if s.bound.until]
        first = "" if self.first is None else f"; {self.first.describe()}"
        return f"{self.kind} join on {' AND '.join(parts) or 'everything'}{first}{''.join(until)}"
