"""Datasets join by names and by conditions, in both modes, and say what is wrong with it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import thalweg.api as tw
from tests.unit.api.fake import FakeSession, dataset
from thalweg.errors import PlanError, ThalwegError

LEFT = pl.DataFrame({"k": [1, 2, 2, None], "v": [10, 20, 21, 30], "s": ["a", "b", "c", "d"]})
RIGHT = pl.DataFrame({"k": [1, 2, 5, None], "w": [7, 25, 9, 1], "s": ["a", "x", "c", "d"]})
MODES = pytest.mark.parametrize("mode", ["batch", "stream"])
KEY = tw.col("k") == tw.col("k_right")


def sides(mode: str = "batch") -> tuple[tw.Dataset, tw.Dataset]:
    session = FakeSession(mode)
    return dataset([LEFT], session), dataset([RIGHT], session)


def rows_of(data: tw.Dataset) -> list[tuple[Any, ...]]:
    return sorted(data.collect().rows(), key=repr)


@MODES
@pytest.mark.parametrize(
    ("on", "how", "names", "rows"),
    [
        (
            "k",
            "inner",
            "k v s w s_right",
            [(1, 10, "a", 7, "a"), (2, 20, "b", 25, "x"), (2, 21, "c", 25, "x")],
        ),
        (["k", "s"], "inner", "k v s w", [(1, 10, "a", 7)]),
        (KEY, "semi", "k v s", [(1, 10, "a"), (2, 20, "b"), (2, 21, "c")]),
        ("k", "anti", "k v s", [(None, 30, "d")]),
        (
            "k",
            "full",
            "k v s w s_right",
            [
                *[(1, 10, "a", 7, "a"), (2, 20, "b", 25, "x"), (2, 21, "c", 25, "x")],
                *[(5, None, None, 9, "c"), (None, 30, "d", None, None), (None, None, None, 1, "d")],
            ],
        ),
        (
            "k",
            "right",
            "k v s w s_right",
            [
                *[(1, 10, "a", 7, "a"), (2, 20, "b", 25, "x"), (2, 21, "c", 25, "x")],
                *[(5, None, None, 9, "c"), (None, None, None, 1, "d")],
            ],
        ),
        (
            ["k", tw.col("v") < tw.col("w")],
            "left",
            "k v s w s_right",
            [
                (1, 10, "a", None, None),
                (2, 20, "b", 25, "x"),
                (2, 21, "c", 25, "x"),
                (None, 30, "d", None, None),
            ],
        ),
    ],
)
def test_join(mode: str, on: Any, how: Any, names: str, rows: list[Any]) -> None:
    left, right = sides(mode)
    made = left.join(right, on, how)
    assert list(made.columns) == names.split()
    assert rows_of(made) == sorted(rows, key=repr)


@MODES
def test_cross_and_suffix(mode: str) -> None:
    left, right = sides(mode)
    made = left.select("k").join(right.select("k"), how="cross", suffix="2")
    assert list(made.columns) == ["k", "k2"]
    assert len(rows_of(made)) == 16


def test_a_dataset_joins_itself() -> None:
    left, _ = sides()
    made = left.join(left, on=(tw.col("v") == tw.col("k_right") * 10) & (tw.col("k") == tw.col("k_right")))
    assert rows_of(made.select("v", "v_right")) == [(10, 10), (20, 20), (20, 21)]


@pytest.mark.parametrize(
    ("on", "how", "code"),
    [
        ("kk", "inner", "plan-unknown-column"),
        ("v", "inner", "plan-unknown-column"),
        ((), "left", "plan-join-condition"),
        ("k", "cross", "plan-join-condition"),
        ("k", "outer", "plan-join-kind"),
        (tw.col("k") == tw.col("wrong"), "inner", "plan-unknown-column"),
        (tw.col("k") + tw.col("w"), "inner", "plan-not-a-condition"),
        (tw.sum("k") == tw.col("w"), "inner", "plan-misplaced-aggregate"),
    ],
)
def test_what_is_refused(on: Any, how: Any, code: str) -> None:
    left, right = sides()
    with pytest.raises(ThalwegError) as caught:
        left.join(right, on, how)
    assert caught.value.code == code
    assert "test_joins.py" in caught.value.render()


def test_the_side_without_the_column_is_named() -> None:
    left, right = sides()
    with pytest.raises(PlanError, match='the right side of the join has no column "v"'):
        left.join(right, on="v")
