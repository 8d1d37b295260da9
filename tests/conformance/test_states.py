"""State keeps its contract, wherever it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from thalweg.columnar.allocation import allocating
from thalweg.protocols.state import ColumnsSpec, RowsSpec, StateSpec
from thalweg.state.filesystem import MappedMemory
from thalweg.state.memory import KeyedColumns
from thalweg.state.rocksdb import RocksColumns
from thalweg.state.rocksdb_store import RocksDirectory, RocksStore
from thalweg.state.rows import Rows
from thalweg.testing import check_state


def memory(spec: StateSpec) -> Any:
    return Rows(spec) if isinstance(spec, RowsSpec) else KeyedColumns(spec)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_memory(seed: int) -> None:
    check_state(memory, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5, 8))
def test_filesystem(seed: int, tmp_path: Path) -> None:
    mapped = MappedMemory(str(tmp_path), smallest=1)
    with allocating(mapped):
        check_state(memory, seed=seed)
        kept = KeyedColumns(ColumnsSpec("n", {"k": pl.Int64()}))
        kept.slots(pl.DataFrame({"k": [7]}))
    assert mapped.nbytes >= kept.capacity * 8, "or nothing of this was in a file"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "budget", "listed_max"), [(8, 1, 64), (9, 1, 0), (10, 600, 64), (11, 1 << 20, 64)]
)
def test_rocksdb(seed: int, budget: int, listed_max: int, tmp_path: Path) -> None:
    directory, made = RocksDirectory(str(tmp_path)), list[RocksColumns]()

    def brief(spec: StateSpec) -> Any:
        assert isinstance(spec, ColumnsSpec)
        store = RocksStore(f"{directory.path}/{len(made)}", 1 << 20, listed_max=listed_max)
        made.append(RocksColumns(spec, store, budget))
        return made[-1]

    check_state(brief, ["brief"], seed=seed)
    for state in made:
        state.close()
    directory.close()
