"""Rows that are only added keep their numbers, however the frames that hold them are joined."""

from __future__ import annotations

from random import Random

import numpy as np
import polars as pl
import pytest

from thalweg.state.segments import Segments


@pytest.mark.parametrize("seed", range(4))
def test_rows_by_number(seed: int) -> None:
    r = Random(seed)
    kept = Segments({"a": pl.Int64(), "s": pl.String()})
    sizes = [r.choice([0, 1, 1, 3, 5000, 17_000]) for _ in range(30)]
    whole = pl.DataFrame({"a": range(sum(sizes))}).with_columns(s=pl.format("row {}", "a"))
    start = 0
    for size in sizes:
        assert kept.append(whole[start : start + size]).tolist() == list(range(start, start + size))
        start += size
    numbers = np.array([r.randrange(start) for _ in range(1000)])
    for wanted in (numbers, np.sort(numbers), numbers[:0]):
        assert kept.rows(wanted).rows() == whole[wanted].rows()
    left = np.unique(numbers)
    kept.keep(left)
    assert kept.height == len(left)
    assert kept.rows(np.arange(len(left))).rows() == whole[left].rows()


def test_there_are_never_many_small_frames() -> None:
    kept = Segments({"a": pl.Int64()})
    for number in range(3000):
        kept.append(pl.DataFrame({"a": [number]}))
    assert len(kept._parts) <= 12
