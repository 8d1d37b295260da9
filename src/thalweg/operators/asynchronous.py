"""Describe a user's asynchronous function as a step: its rows without an answer, its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.columnar.batch import BEFORE
from thalweg.expr.python_rows import GivenRows
from thalweg.protocols.calls import AsyncFunction
from thalweg.protocols.keeping import Keeping
from thalweg.protocols.operator import Context
from thalweg.protocols.state import RowsSpec, StateSpec

if TYPE_CHECKING:
    from thalweg.operators.asynchronous_op import AsyncOp

ROWS = "rows"
GROUP, COPIES = SYSTEM_PREFIX + "group", SYSTEM_PREFIX + "copies"
"""In the state: the column by which rows are kept, in their order, and that of their weights."""


@dataclass(frozen=True)
class AsyncSpec:
    """Call an asynchronous function for each row.

    Attributes:
        function: the user's function.
        given: the columns that it is called with.
        output: makes frames of what it gives.
        columns: those of the rows, positions included where rows carry them.
        carry: columns of the row that stand before what the function gives.
        is_ordered: whether answers follow each other as the rows do.
        is_updating: whether rows may be taken back; what they are answered is then taken back, too.
        is_judged: whether somebody behind the step asks whether rows are late.
        time: the column that is told as the event time of rows that fail.
        is_tolerant: whether a row without an answer is kept apart; else the job fails with it.
    """

    id: str
    function: AsyncFunction
    given: Schema
    output: GivenRows
    columns: Mapping[str, pl.DataType]
    carry: tuple[str, ...] = ()
    is_ordered: bool = True
    is_updating: bool = False
    is_judged: bool = False
    time: str | None = None
    is_tolerant: bool = False

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def held(self) -> dict[str, pl.DataType]:
        """The columns of a row that waits."""
        marks = {BEFORE: pl.Int64()} if self.is_judged else {}
        return {**self.columns, **marks, **({COPIES: pl.Int64()} if self.is_updating else {})}

    @property
    def asks_outside(self) -> bool:
        """It does nothing else."""
        return True

    def states(self) -> Iterable[StateSpec]:
        """The rows without an answer."""
        # a row and its removal meet in one task, also in another number of tasks
        where = tuple(self.given.names) if self.is_updating else (GROUP,)
        return (RowsSpec(ROWS, {**self.held, GROUP: pl.Int64()}, GROUP, where),)

    def keeps(self) -> Iterable[Keeping]:
        """Rows until they are answered."""
        yield Keeping(ROWS, "rows that wait for an answer", f"{self.function.name} has answered")

    def build(self, context: Context) -> AsyncOp:
        """The operator."""
        from thalweg.operators.asynchronous_op import AsyncOp

        return AsyncOp(self, context)

    def describe(self) -> str:
        """One line."""
        order = "in the order of the rows" if self.is_ordered else "as they come"
        return f"ask {self.function.name}, {self.function.at_once} at once, answers {order}"
