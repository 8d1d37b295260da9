"""For how long rows of a join are kept follows from its condition and the event times of its inputs."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from thalweg.base.types import INTERVAL
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Literal, Named, conjunction
from thalweg.plan import build
from thalweg.plan.join import join
from thalweg.plan.nodes import Join, JoinKind, Plan, Scan
from thalweg.plan.properties import join_bounds, properties

S = 1_000_000
FRAME = pl.DataFrame({"k": [1], "t": [datetime(2026, 1, 1)], "end": [datetime(2026, 1, 1)]})


def side(suffix: str = "", *, slack: int = 0) -> Plan:
    """Rows with the event time `t`, as far behind the watermark as `slack` says."""
    plan = build.assign_watermark(Scan(frame_source(FRAME)), "t", Column("t"))
    items = [Named(f"{n}{suffix}", Column(n)) for n in ("k", "end")]
    return build.project(plan, [*items, Named(f"t{suffix}", shift(Column("t"), -slack))])


def shift(expr: Expr, seconds: int) -> Expr:
    return Call("+", (expr, Literal(timedelta(seconds=seconds), INTERVAL))) if seconds else expr


def made(*parts: Expr, kind: JoinKind = "inner", right: Plan | None = None, slack: int = 0) -> Join:
    key = Call("=", (Column("k"), Column("k2")))
    found = join(side(slack=slack), side("2") if right is None else right, kind, conjunction([key, *parts]))
    assert isinstance(found, Join)
    return found


T, T2, END = Column("t"), Column("t2"), Column("end")


def bounds(plan: Join) -> list[tuple[str | None, str | None]]:
    def text(value: object) -> str | None:
        return None if value is None else str(value)

    return [(text(b.until), text(b.late)) for b in join_bounds(plan)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], [(None, None), (None, None)]),
        ([Call(">=", (T2, T))], [(None, "t"), ("t2", None)]),
        ([Call(">", (T2, T)), Call("<=", (T2, END))], [("end", "t"), ("t2", "t2")]),
        ([Call("<", (T2, shift(T, 5)))], [("t + 5s", None), (None, "t2")]),
        ([Call(">=", (shift(T2, 7), shift(T, 5)))], [(None, "t"), ("t2 + 2s", None)]),
        ([Call("=", (T, T2))], [("t", "t"), ("t2", "t2")]),
        ([Call("<>", (T, T2))], [(None, None), (None, None)]),
        ([Call("<=", (END, Column("end2")))], [(None, None), (None, None)]),
        ([Call("or", (Call("<=", (T, T2)), Call("<=", (T2, T))))], [(None, None), (None, None)]),
    ],
)
def test_bounds(parts: list[Expr], expected: list[tuple[str | None, str | None]]) -> None:
    assert bounds(made(*parts)) == expected


def test_slack_of_the_inputs_counts() -> None:
    plan = made(Call("<=", (T, T2)), slack=3)
    assert bounds(plan) == [(None, "t + 3s"), ("t2 + 3s", None)]


def test_rows_that_may_be_taken_back_are_kept_for_ever() -> None:
    names = [Named(n, Column(n)) for n in ("k2", "t2", "end2")]
    counted = build.group_by(side("2"), names, [*names, Named("n", Aggregate("count"))])
    assert bounds(made(Call("=", (T, T2)), right=counted)) == [(None, None), (None, None)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], {}),
        ([Call(">=", (T2, T)), Call("<=", (T2, END))], {"t2": 0}),
        ([Call(">=", (T2, T)), Call("<=", (T2, shift(T, 5)))], {"t": 5 * S, "t2": 0}),
        ([Call("=", (T, T2))], {"t": 0, "t2": 0}),
    ],
)
def test_event_times_of_pairs(parts: list[Expr], expected: dict[str, int]) -> None:
    assert properties(made(*parts)).times == expected


@pytest.mark.parametrize("kind", ["left", "right", "full", "semi", "anti"])
def test_what_waits_for_a_cut_is_no_event_time(kind: JoinKind) -> None:
    assert properties(made(Call("=", (T, T2)), kind=kind)).times == {}
