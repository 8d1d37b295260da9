"""Rows of a batch are numbered by key as Python's dict would number them, however their words lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.columnar.groups import group_columns, group_rows

LEAST, MOST = -(2**63), 2**63 - 1


def check(words: np.ndarray) -> None:
    found = group_rows(words)
    numbers: dict[tuple[int, ...], int] = {}
    firsts = []
    expected = []
    for i, row in enumerate(map(tuple, words.tolist())):
        if row not in numbers:
            numbers[row] = len(numbers)
            firsts.append(i)
        expected.append(numbers[row])
    assert found.ids.tolist() == expected
    assert found.firsts.tolist() == firsts
    assert found.height == len(numbers)
    same = group_columns(list(np.ascontiguousarray(words.T)))
    assert (same.ids.tolist(), same.firsts.tolist()) == (expected, firsts)


edges = st.sampled_from([LEAST, LEAST + 1, -1, 0, 1, 2, 1_000_000, 2_000_000, MOST - 1, MOST])


@given(arrays(np.int64, st.tuples(st.integers(0, 40), st.integers(1, 3)), elements=edges))
def test_any_words(words: np.ndarray) -> None:
    check(np.ascontiguousarray(words))


r = np.random.default_rng(7)
SHAPES = {
    "near each other": r.integers(1000, 1500, (3000, 1)),
    "near, with a constant": np.column_stack([r.integers(0, 500, 3000), np.full(3000, MOST)]),
    "few, far apart": np.column_stack([r.integers(0, 300, 3000), r.integers(0, 5, 3000) * 10**15]),
    "as many as can be few": r.integers(0, 32, (3000, 1)) * 10**15,
    "one too many to be few": r.integers(0, 33, (3000, 1)) * 10**15,
    "all different": r.permutation(3000).reshape(-1, 1) * 10**12,
    "both ends": np.array([[LEAST], [MOST]] * 50),
    "a product too wide": r.integers(0, 2000, (3000, 3)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_way_of_numbering(shape: str) -> None:
    check(np.ascontiguousarray(SHAPES[shape]))


def test_no_rows() -> None:
    check(np.zeros((0, 2), np.int64))
