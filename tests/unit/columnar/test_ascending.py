"""Numbers in ascending order, each once."""

from __future__ import annotations

import numpy as np
import pytest

from thalweg.columnar.ascending import ascending


@pytest.mark.parametrize("numbers", [[], [4], [4, 4], [3, 1, 2], [-1, 5, -1, 5, 0], [2**62, -(2**63), 0]])
def test_it_is_what_numpy_gives(numbers: list[int]) -> None:
    asked = np.array(numbers, np.int64)
    found = ascending(asked)
    assert (found.tolist(), found.dtype) == (np.unique(asked).tolist(), np.int64)
    assert asked.tolist() == numbers
    assert not np.shares_memory(found, asked)
