"""Lists of first rows give back what they do not need any more."""

from __future__ import annotations

import numpy as np
import pytest

from thalweg.columnar.best import PLACE, BestRows


def test_forgotten_groups_give_back_their_rows_and_begin_anew() -> None:
    best = BestRows(width=1, limit=2)
    rows, _ = best.insert(np.array([0, 0, 1]), np.array([[5], [3], [4]]), groups=2)
    best.cells[rows, PLACE] = [70, 71, 72]
    best.differences(numbered=True)
    best.forget(np.array([0]))
    assert sorted(best.take_dead().tolist()) == [70, 71]
    again, sources = best.insert(np.array([0, 1]), np.array([[9], [1]]), groups=2)
    assert set(again.tolist()) <= {*rows.tolist(), 3}
    assert sources.tolist() == [0, 1]
    found = best.differences(numbered=False)
    assert found.weights.tolist() == [1, 1]
    assert best.take_dead().tolist() == []


def test_what_was_not_shown_is_not_forgotten() -> None:
    best = BestRows(width=1, limit=2)
    best.insert(np.array([0]), np.array([[5]]), groups=1)
    with pytest.raises(AssertionError, match="not shown"):
        best.forget(np.array([0]))
