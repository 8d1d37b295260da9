"""Say which rows of a window count when it gives its result.

Evictors are plain classes, so that anybody can write one. A window with one keeps all its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from thalweg.api.ordering import Span
from thalweg.api.windowing.times import span_of

Timed = Sequence[tuple[datetime, Any]]
"""Rows with their times, in the order of these."""


class Evictor(Protocol):
    """Says which rows of a window count when it gives its result; the others are forgotten."""

    def keep(self, rows: Timed) -> Timed:
        """Some of the rows, which come with their times in the order of these."""
        ...


@dataclass(frozen=True)
class LastRows:
    """The last rows."""

    count: int

    def keep(self, rows: Timed) -> Timed:
        """The last ones."""
        return rows[max(0, len(rows) - self.count) :]


@dataclass(frozen=True)
class LastSpan:
    """The rows of the last stretch of event time, counted from the last row."""

    span: Span

    def keep(self, rows: Timed) -> Timed:
        """Those that are not older."""
        if not rows:
            return rows
        oldest = rows[-1][0] - timedelta(microseconds=span_of(self.span))
        return [each for each in rows if each[0] > oldest]


@dataclass(frozen=True)
class NearLast:
    """The rows whose value is not further than a threshold from that of the last row."""

    value: Callable[[Any], float]
    threshold: float

    def keep(self, rows: Timed) -> Timed:
        """Those that are near."""
        if not rows:
            return rows
        last = float(self.value(rows[-1][1]))
        return [each for each in rows if abs(float(self.value(each[1])) - last) <= self.threshold]
