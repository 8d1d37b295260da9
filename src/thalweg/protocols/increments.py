"""How the changes of a state since the last checkpoint are written down, and what makes a row the same row.

An increment is a frame like that of `dump`, of the rows that are new or have changed. Rows that have gone
since are in it too, marked by `GONE` and before the others: of one row the last word counts.

Not here: who notes changes (state/), how increments become whole state again (checkpoint/increments.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GONE = "__state_gone"
"""True for a row that has gone. Where it is NULL, or without the column, the row is there."""
ROW = "__state_row"
"""The number of a row that nothing else tells from others, within one task."""
TASK = "__state_task"
"""The task that a row number, or a group of rows, belongs to."""

Change = Literal["row", "group", "added"]


@dataclass(frozen=True)
class Identity:
    """When a row of an increment stands for one of an increment before.

    Attributes:
        change: `row`: a row replaces the one with equal `columns`, or removes it; `group`: rows are added,
            and go together with all others that have equal `columns`; `added`: rows are only added.
        columns: what they are told apart by; none at all: there is one row.
        partition: the columns that decide the partition, where rows that have gone carry them too.
    """

    change: Change
    columns: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()

    @property
    def is_of_task(self) -> bool:
        """Whether it holds only as long as there are as many tasks."""
        return TASK in self.columns
