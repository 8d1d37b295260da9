"""Rows that are only added keep their numbers, however the frames that hold them are joined."""

from __future__ import annotations

from random import Random

import numpy as np
import polars as pl
import pytest

from thalweg.columnar.buffers import views
from thalweg.protocols.state import RowsSpec
from thalweg.state.rows import Rows
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


@pytest.mark.parametrize("count", [10, 5_000])
def test_rows_that_are_kept_do_not_keep_the_texts_of_others_alive(count: int) -> None:
    texts = pl.DataFrame({"g": [1] * 100_000, "s": [f"a text of some length {n}" for n in range(100_000)]})
    some = texts[:count]
    segments = Segments({"g": pl.Int64(), "s": pl.String()})
    segments.append(some)
    rows = Rows(RowsSpec("rows", {"g": pl.Int64(), "s": pl.String()}, "g"))
    rows.add(some)
    for kept in (segments.rows(np.arange(count)), rows.rows(1)):
        assert kept.equals(some)
        assert sum(views(kept["s"]).sizes) < 100 * count + 20_000
