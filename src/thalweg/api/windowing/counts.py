"""Windows of so many rows: an assigner that brings its trigger and its evictor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from thalweg.api.windowing.assigners import Bounds
from thalweg.api.windowing.evictors import Evictor, LastRows
from thalweg.api.windowing.triggers import Count, Trigger
from thalweg.errors import PlanError


@dataclass(frozen=True)
class Counts:
    """Windows of so many rows of a key; with `every` a new one after so many, which shares rows with others.

    Rows at the end that make up no window are none. With `every`, the first windows have fewer rows.

    Example:
        >>> Counts(100, every=10).trigger, Counts(100, every=10).evictor
        (Count(rows=10, keeps=True), LastRows(count=100))
    """

    size: int
    every: int | None = None
    merges: bool = False
    never_ends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < (self.every or self.size) <= self.size or self.every == 0:
            raise PlanError(
                "windows that leave gaps are none: each row is in at least one",
                code="plan-window",
                expected="0 < every <= size",
                found=f"size {self.size}, every {self.size if self.every is None else self.every}",
            )

    @property
    def trigger(self) -> Trigger:
        """When such a window gives its result."""
        return Count(self.size) if self.every is None else Count(self.every, keeps=True)

    @property
    def evictor(self) -> Evictor | None:
        """Which of its rows count."""
        return None if self.every is None else LastRows(self.size)

    def assign(self, time: datetime, row: Any) -> Iterable[Bounds]:
        """The only one; its trigger makes many of it."""
        del time, row
        return [Bounds()]
