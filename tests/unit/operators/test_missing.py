"""Every step that counts rows reports the removal of one that is not there, with what it knows of it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.conformance.test_operators import columns, operators
from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import frame_source
from thalweg.errors import DataError
from thalweg.expr.nodes import Aggregate, Call, Column, Named
from thalweg.operators.folding import FoldSpec
from thalweg.plan import build
from thalweg.plan.join import join
from thalweg.plan.nodes import Plan, Rank, Scan, SortKey
from thalweg.testing.scripts import Cut, Event, Rows
from thalweg.testing.stand import Bench, How

FRAME = pl.DataFrame({"k": ["a", "b"], "v": [1, 2]})


def counted() -> Plan:
    """Rows that may be taken back."""
    names = columns("k", "v")
    grouped = build.group_by(Scan(frame_source(FRAME)), names, [*names, Named("n", Aggregate("count"))])
    return build.select_names(grouped, ["k", "v"])


def grouped(function: str, *, distinct: bool = False, keys: tuple[str, ...] = ("k",)) -> Plan:
    call = Aggregate(function, (Column("v"),), distinct=distinct)
    return build.group_by(counted(), columns(*keys), [*columns(*keys), Named("x", call)])


def last(plan: Plan) -> Any:
    return operators(plan)[-1]


def joined(kind: str) -> Any:
    other = build.project(counted(), [Named(f"{n}_r", Column(n)) for n in ("k", "v")])
    plan = join(counted(), other, kind, Call("=", (Column("k"), Column("k_r"))))  # type: ignore[arg-type]  # a kind
    return one_of(plan, "JoinSpec")


def one_of(plan: Plan, kind: str) -> Any:
    return next(o for o in operators(plan) if type(o).__name__ == kind)


def ranked(kind: str) -> Any:
    plan = Rank(counted(), ("k",), (SortKey("v"),), kind, "n", 1)  # type: ignore[arg-type]  # a kind
    return one_of(plan, "RunningRankSpec")


STEPS = {
    "GROUP BY": lambda: last(grouped("sum")),
    "a group of all rows": lambda: last(grouped("sum", keys=())),
    "MAX": lambda: last(grouped("max")),
    "ROW_NUMBER": lambda: ranked("row_number"),
    "RANK": lambda: ranked("rank"),
    "inner join": lambda: joined("inner"),
    "left join": lambda: joined("left"),
    "semi join": lambda: joined("semi"),
    "fold": lambda: FoldSpec("fold", dict(FRAME.schema)),
}


def run(spec: Any, events: list[Event]) -> None:
    Bench((spec,), inputs=2 if type(spec).__name__ == "JoinSpec" else 1).run(events, How("by hand"))


def change(frame: pl.DataFrame, *weights: int) -> Rows:
    return Rows(Batch(frame, pl.Series(list(weights), dtype=pl.Int64)))


@pytest.mark.parametrize("step", STEPS)
def test_a_removal_of_nothing_is_reported(step: str) -> None:
    with pytest.raises(DataError) as caught:
        run(STEPS[step](), [Rows(Batch(FRAME[:1])), Cut((1, 0)), change(FRAME[1:], -2), Cut((2, 0))])
    assert caught.value.code == "data-unknown-row"
    assert "that is not there" in str(caught.value)
    if step != "a group of all rows":
        assert "k = 'b'" in str(caught.value.sample)
    assert any("step " in note for note in caught.value.__notes__)


@pytest.mark.parametrize("step", STEPS)
def test_what_cancels_before_the_cut_is_nothing(step: str) -> None:
    run(STEPS[step](), [change(FRAME, -1, -1), change(FRAME, 1, 1), Cut((4, 0)), change(FRAME, 1, 1)])


def test_a_removal_of_a_value_that_is_not_there() -> None:
    """The group has a row, but not this one."""
    row, other = FRAME[:1], FRAME[:1].with_columns(v=pl.lit(7, dtype=pl.Int64))
    twice = pl.concat([row, row])
    with pytest.raises(DataError, match="value of a group that is not there") as caught:
        run(last(grouped("max")), [Rows(Batch(twice)), change(other, -1), Cut((3, 0))])
    assert caught.value.sample == "k = 'a', v = 7"
