"""Divide the rows of a batch over several tasks in one pass, keeping their order.

A task owns a fixed share of the partitions: contiguous ranges of equal length.

Not here: the hash of a row (hash.py), the edges that carry the parts (runtime/).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from thalweg.columnar.batch import Batch
from thalweg.columnar.cells import pick
from thalweg.columnar.compiled import helper, kernel
from thalweg.columnar.eager import gather_rows

Array = np.ndarray[Any, Any]


def scatter(batch: Batch, hashes: Array, partitions: int, count: int) -> list[Batch]:
    """The rows of each task (0 to `count` - 1), in their order. No part shares memory with the batch.

    Only when all rows go to one task is the batch itself that task's part.

    Args:
        batch: the rows.
        hashes: of the key of each row (uint64).
        partitions: how many there are; a row is in partition `hash % partitions`.
        count: how many tasks.

    Example:
        >>> import polars as pl
        >>> batch, hashes = Batch(pl.DataFrame({"a": [1, 2, 3]})), np.array([255, 0, 128], np.uint64)
        >>> [part.frame["a"].to_list() for part in scatter(batch, hashes, 256, 2)]
        [[2], [1, 3]]
    """
    assert len(batch) < 2**32, "row numbers fit in 32 bits"
    assert len(hashes) == len(batch), "one hash per row"
    starts = np.zeros(count + 1, dtype=np.int64)
    # one place more than there are rows: `_select` writes before it knows whether the row counts
    order = np.empty(len(hashes) + 1, dtype=np.uint32)
    _order(hashes, partitions, starts, (np.empty(len(hashes), np.int64), np.empty(count, np.int64)), order)
    has_columns = batch.frame.width > 0
    parts = []
    for first, end in pairwise(starts.tolist()):
        if end - first == len(batch):
            parts.append(batch)
        elif end == first:
            parts.append(batch.empty())
        elif batch.parts is None:
            parts.append(batch.gather(order[first:end]))
        else:
            frame = gather_rows(batch.frame, order[first:end]) if has_columns else batch.frame
            parts.append(Batch(frame, parts=pick(batch.parts, order[first:end])))
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
def _count_and_place(targets, starts, cursor, order):  # type: ignore[no-untyped-def]
    for i in range(len(targets)):
        starts[targets[i] + 1] += 1
    for t in range(1, len(starts)):
        starts[t] += starts[t - 1]
    for t in range(len(cursor)):
        cursor[t] = starts[t]
    for i in range(len(targets)):
        order[cursor[targets[i]]] = i
        cursor[targets[i]] += 1


@kernel("void(uint64[::1], int64, int64[::1], UniTuple(int64[::1], 2), uint32[::1])")
def _order(hashes: Array, partitions: int, starts: Array, room: tuple[Array, Array], order: Array) -> None:
    """Row numbers by task, stable; `starts[t]` to `starts[t + 1]` are those of task t."""
    count = len(starts) - 1
    targets, cursor = room
    for i in range(len(hashes)):
        targets[i] = np.int64(hashes[i] % np.uint64(partitions)) * count // partitions
    # A pass per task without a branch beats counters in memory while there are few tasks.
    if count <= _FEW:
        _select(targets, starts, order)
    else:
        _count_and_place(targets, starts, cursor, order)
