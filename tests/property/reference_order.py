"""The rows of the reference, and how they are ordered.

Used by: reference.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tests.property.reference_values import order_of
from thalweg.plan.nodes import SortKey
from thalweg.plan.over import Over

Place = tuple[int, int, int]


@dataclass(frozen=True)
class R:
    """A row: its values, its place (source, split, offset), and its split's watermark before it."""

    values: Mapping[str, Any]
    place: Place | None = None
    pair: tuple[Place, Place] | None = None
    before: datetime | None = None

    def having(self, **values: Any) -> R:
        return replace(self, values={**self.values, **values})


def sortable(row: R) -> list[Any]:
    """All values of a row, for ties; NULL first."""
    values = [v for v in row.values.values() if not isinstance(v, list)]
    return [(v is not None, (False, 0) if v is None else order_of(v)) for v in values]


def is_within(plan: Over, row: R, current: R) -> bool:
    """Whether the frame of the current row, which goes by time or by peers, holds a row."""
    frame, far = plan.frame, float(compare(plan.sort_keys, row, current))
    first, last = row.values[plan.order], current.values[plan.order]
    if (frame.reach or frame.end) and first is not None and last is not None:
        far = (first - last) / timedelta(microseconds=1)
    elif far:
        far *= math.inf
    return (frame.reach is None or far >= -frame.reach) and (frame.end is None or far <= frame.end)


def compare(order: Sequence[SortKey], a: R, b: R) -> int:
    """Which of two rows comes first: less than 0, 0 for ties, more than 0."""
    for key in order:
        x, y = a.values[key.column], b.values[key.column]
        if x is None or y is None:
            if (x is None) != (y is None):
                return -1 if (x is None) == key.puts_nulls_first else 1
        elif order_of(x) != order_of(y):
            return -1 if (order_of(x) < order_of(y)) != key.descending else 1
    return 0
