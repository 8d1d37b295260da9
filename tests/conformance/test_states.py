"""The state kept in memory keeps its contract."""

from __future__ import annotations

from typing import Any

import pytest

from thalweg.protocols.state import RowsSpec, StateSpec
from thalweg.state.memory import KeyedColumns
from thalweg.state.rows import Rows
from thalweg.testing import check_state


def memory(spec: StateSpec) -> Any:
    return Rows(spec) if isinstance(spec, RowsSpec) else KeyedColumns(spec)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_memory(seed: int) -> None:
    check_state(memory, seed=seed)
