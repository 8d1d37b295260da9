"""Scattered parts hold every row once, in order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from thalweg.columnar.scatter import scatter


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
    targets = np.arange(height) * 7919 % 1013 % count
    parts = scatter(frame, targets, count)
    assert len(parts) == count
    for target, part in enumerate(parts):
        assert part.equals(frame.filter(pl.Series(targets == target)))
        assert part.schema == frame.schema


@pytest.mark.parametrize("count", [3, 7])
def test_empty_parts_and_the_whole(count: int) -> None:
    frame = pl.DataFrame({"n": [1, 2]})
    parts = scatter(frame, np.array([1, 1]), count)
    assert [p.height for p in parts] == [0, 2] + [0] * (count - 2)
    assert parts[0].schema == frame.schema


@pytest.mark.parametrize("count", [2, 9])
def test_no_rows(count: int) -> None:
    parts = scatter(pl.DataFrame({"n": [1]}).clear(), np.empty(0, dtype=np.int64), count)
    assert [p.height for p in parts] == [0] * count
