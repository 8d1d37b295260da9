"""Rows come in the order that sorting by all of time, split and offset gives, however many share a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from thalweg.columnar.time_order import time_order

PLACES = st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 2), st.integers(0, 40)), max_size=200)


@given(PLACES)
def test_ties_follow_their_positions(rows: list[tuple[int, int, int]]) -> None:
    columns = np.array(rows, np.int64).reshape(-1, 3).T.copy()
    times, splits, offsets = columns
    found = time_order(times, splits, offsets)
    if len(set(rows)) < len(rows):
        assert found is None
        return
    assert found is not None
    assert [rows[i] for i in found.tolist()] == sorted(rows)


def test_many_rows_of_one_time_are_put_in_order_too() -> None:
    offsets = np.random.default_rng(1).permutation(1000)
    found = time_order(np.zeros(1000, np.int64), np.zeros(1000, np.int64), offsets)
    assert found is not None
    assert offsets[found].tolist() == list(range(1000))
    offsets[3] = offsets[500]
    assert time_order(np.zeros(1000, np.int64), np.zeros(1000, np.int64), offsets) is None
