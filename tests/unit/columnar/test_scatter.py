"""Scattered parts hold every row once, in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from thalweg.columnar.batch import WEIGHT, Batch
from thalweg.columnar.scatter import scatter

PARTITIONS = 256


def hashes_for(targets: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """Hashes whose partitions the given tasks own: the last partition of each."""
    return (((targets + 1) * PARTITIONS - 1) // count + 7 * PARTITIONS).astype(np.uint64)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 256])
def test_same_as_filters(count: int) -> None:
    height = 1000
    frame = pl.DataFrame(
        {
            "n": range(height),
            "s": [None if i % 7 == 0 else f"text number {i}, longer than an entry" for i in range(height)],
            "l": [[i] for i in range(height)],
        }
    )
    weight = pl.Series(WEIGHT, np.arange(height) % 3 - 1)
    targets = np.arange(height) * 7919 % 1013 % count
    parts = scatter(Batch(frame, weight), hashes_for(targets, count), PARTITIONS, count)
    assert len(parts) == count
    for target, part in enumerate(parts):
        mask = pl.Series(targets == target)
        assert part.frame.equals(frame.filter(mask))
        assert part.frame.schema == frame.schema
        assert part.weight is not None
        assert part.weight.equals(weight.filter(mask))


@pytest.mark.parametrize("count", [2, 5])
def test_parts_of_accumulators_go_along(count: int) -> None:
    parts = np.arange(60).reshape(3, 20)
    targets = np.arange(20) * 7 % count
    batch = Batch(pl.DataFrame(), parts=parts)
    found = scatter(batch, hashes_for(targets, count), PARTITIONS, count)
    for target, part in enumerate(found):
        assert part.parts is not None
        assert part.parts.tolist() == parts[:, targets == target].tolist()
        assert len(part) == int((targets == target).sum())


@pytest.mark.parametrize("partitions", [256, 250])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_tasks_own_ranges_of_partitions(partitions: int, count: int) -> None:
    frame = pl.DataFrame({"n": np.arange(partitions)})
    parts = scatter(Batch(frame), np.arange(partitions).astype(np.uint64), partitions, count)
    owned = [part.frame["n"].to_list() for part in parts]
    assert [n for own in owned for n in own] == list(range(partitions))
    assert max(map(len, owned)) - min(map(len, owned)) <= 1


@pytest.mark.parametrize("count", [3, 7])
def test_empty_parts_and_the_whole(count: int) -> None:
    batch = Batch(pl.DataFrame({"n": [1, 2]}))
    parts = scatter(batch, hashes_for(np.array([1, 1]), count), PARTITIONS, count)
    assert [len(p) for p in parts] == [0, 2] + [0] * (count - 2)
    assert parts[0].frame.schema == batch.frame.schema


@pytest.mark.parametrize("count", [2, 9])
def test_no_rows(count: int) -> None:
    batch = Batch(pl.DataFrame({"n": [1]}).clear())
    parts = scatter(batch, np.empty(0, dtype=np.uint64), PARTITIONS, count)
    assert [len(p) for p in parts] == [0] * count
