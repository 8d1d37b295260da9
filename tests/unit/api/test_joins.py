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


AT = pl.from_epoch(pl.Series("ts", [2, 5, 7, 9])).cast(pl.Datetime("us"))
SINCE = pl.from_epoch(pl.Series("since", [1, 5, 6, 3])).cast(pl.Datetime("us"))


def timed(mode: str) -> tuple[tw.Dataset, tw.Dataset]:
    session = FakeSession(mode)
    return dataset([LEFT.with_columns(AT)], session), dataset([RIGHT.with_columns(SINCE)], session)


@MODES
def test_the_latest_row_so_far(mode: str) -> None:
    left, right = timed(mode)
    order = tw.col("ts") >= tw.col("since")
    found = left.join_asof(right, order, by="k").select("v", "w")
    assert rows_of(found) == [(10, 7), (20, 25), (21, 25), (30, None)]
    found = left.join_asof(right, order, how="inner").select("v", "w", "s_right")
    assert rows_of(found) == [(10, 7, "a"), (20, 25, "x"), (21, 9, "c"), (30, 9, "c")]
    before = left.join_asof(right, tw.col("ts") > tw.col("since"), how="inner", tolerance="1s")
    assert rows_of(before.select("v", "w")) == [(10, 7), (21, 9)]


def test_a_time_that_both_call_alike_stays_twice() -> None:
    left, right = timed("batch")
    right = right.select("k", "w", ts=tw.col("since"))
    assert left.join_asof(right, "ts", by="k", how="inner").columns == ("k", "v", "s", "ts", "w", "ts_right")


@pytest.mark.parametrize(
    ("on", "options", "code"),
    [
        ("v", {}, "plan-unknown-column"),
        ("k", {}, "plan-as-of-order"),
        (tw.col("ts") == tw.col("since"), {}, "plan-as-of-order"),
        (tw.col("ts") <= tw.col("since"), {}, "sql-not-yet"),
        (tw.col("ts") >= tw.col("since"), {"by": "v"}, "plan-unknown-column"),
        (tw.col("ts") >= tw.col("since"), {"how": "right"}, "plan-join-kind"),
    ],
)
def test_what_is_wrong_with_a_join_in_time(on: Any, options: dict[str, Any], code: str) -> None:
    left, right = timed("batch")
    with pytest.raises(ThalwegError) as caught:
        left.join_asof(right, on, **options)
    assert caught.value.code == code
