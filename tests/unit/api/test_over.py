"""Datasets aggregate over the rows around each row, in both modes, and say what is wrong with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

import thalweg.api as tw
from tests.unit.api.fake import FakeSession, dataset
from thalweg.errors import ThalwegError
from thalweg.plan.nodes import Project
from thalweg.plan.over import Over
from thalweg.plan.properties import properties

TIMES = [datetime(2026, 1, 1) + timedelta(seconds=s) for s in (0, 2, 3, 9)]
FRAME = pl.DataFrame({"k": [1, 1, 2, 1], "v": [5, 3, 7, 4], "t": TIMES})
MODES = pytest.mark.parametrize("mode", ["batch", "stream"])


def data(mode: str = "batch") -> tw.Dataset:
    return dataset([FRAME], FakeSession(mode))


def column(made: tw.Dataset, name: str) -> list[Any]:
    """The values of a column, by the times of the rows."""
    return made.collect().sort("t").get_column(name).to_list()


@MODES
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"by": "v", "rows": 1}, [9, 3, 12, 7]),
        ({"by": tw.desc("v"), "partition": "k"}, [5, 12, 7, 9]),
        ({"by": ["k", "v"]}, [12, 3, 19, 7]),
        ({"by": "t", "rows": 0}, [5, 3, 7, 4]),
        ({"by": ["v", tw.desc("v")], "partition": ["k", "k"]}, [12, 3, 7, 7]),
        ({}, [19, 19, 19, 19]),
        ({"partition": "k"}, [12, 12, 7, 12]),
    ],
)
def test_sums_in_any_order(mode: str, how: dict[str, Any], expected: list[int]) -> None:
    assert column(data(mode).over(tw.sum("v").alias("s"), **how), "s") == expected


@MODES
def test_in_the_order_of_time_rows_stay(mode: str) -> None:
    timed = data(mode).assign_watermark("t")
    made = timed.over(n=tw.count(), total=tw.sum("v").filter(tw.col("v") > 3), by="t", within="3s")
    assert not properties(made.plan).is_updating
    assert column(made, "n") == [1, 2, 3, 1]
    assert column(made, "total") == [5, 5, 12, 4]


@MODES
def test_neighbours(mode: str) -> None:
    made = data(mode).over(
        before=tw.lag("v"), first=tw.first_value("v"), two=tw.lead("v", 2, -1), by="t", partition="k"
    )
    assert list(made.columns) == ["k", "v", "t", "before", "first", "two"]
    assert column(made, "before") == [None, 5, None, 3]
    assert column(made, "first") == [5, 5, 7, 5]
    assert column(made, "two") == [4, -1, -1, -1]


@MODES
def test_defaults_are_not_cut(mode: str) -> None:
    made = data(mode).over(
        wide=tw.lag("v", 1, 1.5), same=tw.lag("v", 1, 8), none=tw.lead("v", 1, None), by="t"
    )
    assert [str(made.schema.type_of(n)) for n in ("wide", "same")] == ["DOUBLE", "BIGINT"]
    assert column(made, "wide") == [1.5, 5, 3, 7]
    assert column(made, "same") == [8, 5, 3, 7]
    assert column(made, "none") == [3, 7, 4, None]


@MODES
def test_a_condition_that_is_never_true(mode: str) -> None:
    made = data(mode).over(n=tw.count().filter(tw.lit(None)), by="t")
    assert column(made, "n") == [0, 0, 0, 0]


@MODES
def test_order_and_partition_by_one_column(mode: str) -> None:
    made = data(mode).over(before=tw.lag("v"), by=["k", "t"], partition=["k"])
    assert column(made, "before") == [None, 5, None, 3]
    assert column(data(mode).row_number("n", by=["v", "v"], partition=["k", "k"]), "n") == [3, 1, 1, 2]


@MODES
def test_places_in_partitions(mode: str) -> None:
    made = data(mode).over(part=tw.ntile(2), share=tw.percent_rank(), upto=tw.cume_dist(), by="k")
    assert sorted(column(made, "part")) == [1, 1, 2, 2]
    assert column(made, "share") == [0, 0, 1, 0]
    assert column(made, "upto") == [0.75, 0.75, 1, 0.75]


@MODES
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"rows": (1, 1)}, [8, 15, 14, 11]),
        ({"rows": (1, -1)}, [None, 5, 3, 7]),
        ({"rows": (None, None)}, [19, 19, 19, 19]),
        ({"within": (None, -timedelta(seconds=1))}, [None, 5, 8, 15]),
        ({"within": ("0s", "1s")}, [5, 10, 7, 4]),
        ({"within": ("3s", "-1s")}, [None, 5, 8, None]),
    ],
)
def test_frames_that_end_elsewhere(mode: str, how: dict[str, Any], expected: list[int]) -> None:
    assert column(data(mode).over(total=tw.sum("v"), by="t", **how), "total") == expected


@MODES
def test_a_lag_in_time_is_emitted_once(mode: str) -> None:
    timed = data(mode).assign_watermark("t")
    made = timed.over(before=tw.lag("v", 1, 0), n=tw.count("k", distinct=True), by="t")
    assert not properties(made.plan).is_updating
    assert column(made, "before") == [0, 5, 3, 7]
    assert column(made, "n") == [1, 1, 2, 2]
    assert properties(timed.over(behind=tw.lead("v"), by="t").plan).is_updating


@MODES
def test_over_groups_that_change(mode: str) -> None:
    grouped = data(mode).group_by("k").agg(n=tw.count(), t=tw.min("t"))
    made = grouped.over(so_far=tw.sum(tw.col("n") * 10), by="k")
    assert list(made.columns) == ["k", "n", "t", "so_far"]
    assert column(made, "so_far") == [30, 40]


@MODES
def test_dense_rank(mode: str) -> None:
    assert column(data(mode).dense_rank("n", by="k", descending=True), "n") == [2, 2, 1, 2]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda d: d.over(tw.count(), rows=1), "plan-over-order"),
        (lambda d: d.over(tw.lag("v")), "plan-over-order"),
        (lambda d: d.over(tw.count(), by="z"), "plan-unknown-column"),
        (lambda d: d.over(tw.count(), by="v", within="2s"), "plan-over-order"),
        (lambda d: d.over(tw.count(), by="t", within="2s", rows=1), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", rows=-1), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", rows=1.5), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", rows=(1.5, 0)), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", rows=True), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", rows="2"), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", rows=(1, 2, 3)), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", within=3), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", within=("1s", "2s", "3s")), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", within="-3s"), "plan-over-frame"),
        (lambda d: d.over(tw.count(), by="t", within=("3s", "-x")), "config-duration"),
        (lambda d: d.row_number("n", by=[]), "plan-over-order"),
        (lambda d: d.over(by="t"), "plan-over-aggregate"),
        (lambda d: d.over(tw.count(), by="t", rows=(1, -2)), "plan-over-frame"),
        (lambda d: d.over(tw.lag("v", -1), by="t"), "plan-over-frame"),
        (lambda d: d.over(tw.ntile(0), by="t"), "plan-over-frame"),
        (lambda d: d.over(tw.cume_dist().filter(tw.col("v") > 1), by="t"), "plan-over-frame"),
        (lambda d: d.over(tw.call("cume_dist", tw.col("v")), by="t"), "expr-wrong-type"),
        (lambda d: d.over(tw.lag("v").filter(tw.col("v") > 1), by="t"), "plan-over-frame"),
        (lambda d: d.over(tw.call("lag", tw.col("v"), 1, 2, 3), by="t"), "expr-wrong-type"),
        (lambda d: d.over(tw.lag("v", 1, "x"), by="t"), "expr-wrong-type"),
        (lambda d: d.group_by("k").agg(tw.lag("v")), "plan-needs-over"),
        (lambda d: d.over(tw.col("v") + 1, by="t"), "plan-over-aggregate"),
        (lambda d: d.over(tw.array_agg("v"), by="t"), "plan-over-aggregate"),
        (lambda d: d.over(v=tw.sum("v"), by="t"), "plan-name-taken"),
    ],
)
def test_mistakes(call: Any, code: str) -> None:
    with pytest.raises(ThalwegError) as caught:
        call(data())
    assert caught.value.code == code


@pytest.mark.parametrize("by", [(), "v", "t"])
def test_aggregates_over_the_same_rows_share_a_step(by: Any) -> None:
    made = data().over(a=tw.sum("v"), by=by, partition="k").over(n=tw.count(), by=by, partition="k")
    assert isinstance(made.plan, Over)
    assert [a.name for a in made.plan.aggregates] == ["a", "n"]
    assert not isinstance(made.plan.input, (Over, Project))
