"""Aggregates over the rows around each row keep the contract of operators, in time and kept up to date."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tests.conformance.feeds import SCHEMA, SECOND, batches, changes, placed, timed
from tests.conformance.test_operators import ORDERS, ROWS, aggregate, columns, only, operators, scan
from thalweg.base.types import INT64
from thalweg.expr.nodes import Aggregate, Column, Literal, Named
from thalweg.operators.running_over import RunningOverSpec
from thalweg.plan import build
from thalweg.plan.over import Frame, over
from thalweg.testing import check_operator

pytestmark = [pytest.mark.slow, pytest.mark.sampled(9, 4)]


@pytest.mark.parametrize(
    "frame", [Frame(False, 2 * SECOND), Frame(True, 2), Frame(True, 0), Frame(), Frame(True)]
)
@pytest.mark.parametrize("partition", [("k",), ("s",), ()])
def test_over(frame: Frame, partition: tuple[str, ...]) -> None:
    made = [Named("n", Aggregate("count"))]
    made += [aggregate(f, c) for f in ("count", "sum", "avg", "min", "max") for c in ("v", "f")]
    plan = over(scan(), partition, "t", frame, [*made, aggregate("count", "s")])
    specs = only(operators(plan), "Over")
    # a row of exactly the watermark is not late
    check_operator(specs, timed(placed(ROWS)), time="t", slack_us=1)


SLIDING = [
    *(aggregate(f, c) for c in ("s", "d", "v", "f") for f in ("first_value", "last_value")),
    *(aggregate(f, c) for c in ("s", "d") for f in ("min", "max")),
    *(aggregate(f, "d") for f in ("sum", "avg")),
    *(Named(f"n_{c}", Aggregate("count", (Column(c),), distinct=True)) for c in ("s", "d", "v", "f")),
    *(Named(f"sum_{c}", Aggregate("sum", (Column(c),), distinct=True)) for c in ("d", "v")),
]
"""What needs values to be remembered, compared or counted once."""


@pytest.mark.parametrize(
    "frame",
    [
        *(Frame(False, 2 * SECOND), Frame(True, 2), Frame(), Frame(True)),
        *(Frame(True, 3, -1), Frame(True, None, -2), Frame(False, 4 * SECOND, -SECOND)),
    ],
)
@pytest.mark.parametrize("partition", [("k",), ()])
def test_over_values(frame: Frame, partition: tuple[str, ...]) -> None:
    made = [Named("n", Aggregate("count")), aggregate("sum", "v"), aggregate("max", "f"), *SLIDING]
    specs = only(operators(over(scan(), partition, "t", frame, made)), "Over")
    check_operator(specs, timed(placed(ROWS)), time="t", slack_us=1)


def test_lag() -> None:
    made = [Named(c, Aggregate("lag", (Column(c), Literal(2, INT64)))) for c in ("s", "d", "v", "f", "items")]
    renamed = [Named(f"lag_{m.name}", m.expr) for m in made]
    specs = only(operators(over(scan(), ("k",), "t", Frame(), renamed)), "Over")
    check_operator(specs, timed(placed(ROWS)), time="t", slack_us=1)


@pytest.mark.sampled(9, 4)
@pytest.mark.parametrize(
    "frame",
    [
        *(Frame(True, 2), Frame(True), Frame(), Frame(False, 0)),
        *(Frame(True, 1, 1), Frame(True, -1, None), Frame(True, None, 2), Frame(False, None, None)),
    ],
)
@pytest.mark.parametrize("order", ["f, v", "s"])
def test_running_over(frame: Frame, order: str) -> None:
    made = [Named("n", Aggregate("count")), *SLIDING]
    made += [aggregate(f, c) for f in ("count", "sum", "avg", "min", "max") for c in ("v", "f")]
    specs = only(operators(over(scan(), ("k",), ORDERS[order], frame, made)), "RunningOver")
    assert isinstance(specs[0], RunningOverSpec)
    columns = ["k", "s", "v", "f", "d"]
    spec = replace(specs[0], columns={n: SCHEMA[n] for n in columns})
    check_operator(spec, batches(ROWS.select(columns)))
    check_operator(spec, changes(ROWS.select(columns)))


@pytest.mark.parametrize("partition", [("k",), ()])
def test_running_over_whole_partitions(partition: tuple[str, ...]) -> None:
    made = [Named("n", Aggregate("count")), *(m for m in SLIDING if "value" not in m.name)]
    made += [aggregate(f, c) for f in ("sum", "avg", "min", "max") for c in ("v", "f")]
    specs = only(operators(over(scan(), partition, (), Frame(), made)), "RunningOver")
    assert isinstance(specs[0], RunningOverSpec)
    columns = ["k", "s", "v", "f", "d"]
    spec = replace(specs[0], columns={n: SCHEMA[n] for n in columns})
    check_operator(spec, batches(ROWS.select(columns)))
    check_operator(spec, changes(ROWS.select(columns)))


@pytest.mark.parametrize("order", ["f, v", "s"])
def test_places_in_partitions(order: str) -> None:
    made = [
        Named("part", Aggregate("ntile", (Literal(3, INT64),))),
        Named("all", Aggregate("ntile", (Literal(99, INT64),))),
    ]
    made += [Named("share", Aggregate("percent_rank")), Named("upto", Aggregate("cume_dist"))]
    specs = only(operators(over(scan(), ("k",), ORDERS[order], Frame(), made)), "RunningOver")
    assert isinstance(specs[0], RunningOverSpec)
    columns = ["k", "s", "v", "f"]
    spec = replace(specs[0], columns={n: SCHEMA[n] for n in columns})
    check_operator(spec, batches(ROWS.select(columns)))
    check_operator(spec, changes(ROWS.select(columns)))


def test_running_over_a_range_of_time() -> None:
    below = build.group_by(scan(), columns("k", "t"), columns("k", "t"))
    plan = over(below, ("k",), "t", Frame(False, 2 * SECOND), [Named("n", Aggregate("count"))])
    specs = only(operators(plan), "RunningOver")
    check_operator(specs, changes(ROWS.select("k", pl.when(pl.col("v") != 3).then("t").alias("t"))))
