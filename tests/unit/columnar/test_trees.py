"""Members come and go in any order, also those that nothing but their slots tells apart."""

from __future__ import annotations

from random import Random

import numpy as np
import polars as pl
import pytest

from thalweg.columnar.trees import Trees
from thalweg.protocols.state import ColumnsSpec
from thalweg.state.memory import KeyedColumns


def _state(values: list[int]) -> tuple[KeyedColumns, np.ndarray]:
    state = KeyedColumns(ColumnsSpec("s", {"v": pl.Int64(), "w": pl.Int64()}))
    return state, state.slots(pl.DataFrame({"v": values, "w": range(len(values))}))


@pytest.mark.parametrize("seed", range(20))
def test_members_that_tie_are_found_again(seed: int) -> None:
    r = Random(seed)
    state, slots = _state([r.randrange(3) for _ in range(200)])
    order, trees = state.order([("v", False, False)]), Trees()
    owners = np.array([r.randrange(4) for _ in slots])
    held: set[int] = set()
    for _ in range(30):
        some = np.array(r.sample(range(len(slots)), 40))
        fresh = np.array([i for i in some if i not in held], np.int64)
        gone = np.array([i for i in some if i in held and r.random() < 0.7], np.int64)
        trees.add(slots[fresh], owners[fresh], order)
        trees.remove(slots[gone], owners[gone], order)
        held = (held | set(fresh.tolist())) - set(gone.tolist())
        members, whose = trees.members(np.arange(4))
        assert sorted(members.tolist()) == sorted(slots[sorted(held)].tolist())
        assert all(owners[np.flatnonzero(slots == m)[0]] == o for m, o in zip(members, whose, strict=True))


def test_what_is_no_member_is_not_searched_for_ever() -> None:
    state, slots = _state([1, 2, 3])
    order, trees = state.order([("v", False, False)]), Trees()
    trees.add(slots[:2], np.array([0, 0]), order)
    with pytest.raises(AssertionError, match="where its order says"):
        trees.remove(slots[2:], np.array([0]), order)
