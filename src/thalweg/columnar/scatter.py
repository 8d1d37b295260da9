"""Divide the rows of a frame over several targets in one pass, keeping their order.

Not here: how a row finds its target (hash.py), the edges that carry the parts (runtime/).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.compiled import helper, kernel
from thalweg.columnar.eager import empty, gather_rows

Array = np.ndarray[Any, Any]


def scatter(frame: pl.DataFrame, targets: Array, count: int) -> list[pl.DataFrame]:
    """The rows of each target (0 to `count` - 1), in their order. No part shares memory with the frame.

    Only when all rows have one target is the frame itself that target's part.

    Example:
        >>> frame = pl.DataFrame({"a": [1, 2, 3]})
        >>> [part["a"].to_list() for part in scatter(frame, np.array([1, 0, 1]), 2)]
        [[2], [1, 3]]
    """
    targets = np.ascontiguousarray(targets, dtype=np.int64)
    assert frame.height < 2**32, "row numbers fit in 32 bits"
    assert len(targets) == frame.height, "one target per row"
    starts = np.zeros(count + 1, dtype=np.int64)
    order = _order(targets, starts)
    parts = []
    for target in range(count):
        first, end = int(starts[target]), int(starts[target + 1])
        if end - first == frame.height:
            parts.append(frame)
        elif end == first:
            parts.append(empty(frame))
        else:
            parts.append(gather_rows(frame, order[first:end]))
    return parts


_FEW = 4


@helper
def _select(targets, starts, order):  # type: ignore[no-untyped-def]
    at = np.int64(0)
    for target in range(len(starts) - 1):
        starts[target] = at
        for i in range(len(targets)):
            order[at] = i
            at += np.int64(targets[i] == target)
    starts[-1] = at


@helper
def _count_and_place(targets, starts, order):  # type: ignore[no-untyped-def]
    for i in range(len(targets)):
        starts[targets[i] + 1] += 1
    for t in range(1, len(starts)):
        starts[t] += starts[t - 1]
    cursor = starts[:-1].copy()
    for i in range(len(targets)):
        order[cursor[targets[i]]] = i
        cursor[targets[i]] += 1


@kernel("uint32[::1](int64[::1], int64[::1])")
def _order(targets: Array, starts: Array) -> Array:
    """Row numbers by target, stable; `starts[t]` to `starts[t + 1]` are those of target t."""
    # One place more than there are rows: `_select` writes before it knows whether the row counts.
    order = np.empty(len(targets) + 1, dtype=np.uint32)
    # A pass per target without a branch beats counters in memory while there are few targets.
    if len(starts) - 1 <= _FEW:
        _select(targets, starts, order)
    else:
        _count_and_place(targets, starts, order)
    return order
