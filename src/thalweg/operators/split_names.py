"""Name the splits that late rows came from: inside a job they are numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from thalweg.columnar.batch import Batch
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import StateSpec


@dataclass(frozen=True)
class SplitNamesSpec:
    """Put the names of splits in place of their numbers.

    Attributes:
        id: the step's name.
        column: where the numbers are.
    """

    id: str
    column: str

    def states(self) -> Iterable[StateSpec]:
        """None: a name follows from the number."""
        return ()

    def build(self, context: Context) -> SplitNamesOp:
        """The operator."""
        return SplitNamesOp(self, context)

    def describe(self) -> str:
        """One line."""
        return "names of splits"


class SplitNamesOp(Step):
    """Look up the name of each split.

    Emits:      each row, with a name instead of the number.
    State:      none.
    Late rows:  are rows like any other.
    Batch mode: there are no late rows.
    """

    def __init__(self, spec: SplitNamesSpec, context: Context) -> None:
        self._column, self._context = spec.column, context

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The rows with names."""
        del port
        numbers = batch.frame.get_column(self._column)
        known = numbers.unique().drop_nulls().to_list()
        names = [self._context.split_name(number) for number in known]
        # where all are NULL, the type would stay that of the numbers
        named = numbers.replace_strict(known, names, return_dtype=pl.String()).cast(pl.String())
        yield batch.with_frame(batch.frame.with_columns(named))
