"""Which columns are bounds of windows follows renames, copies, joins and unions."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from thalweg.base.types import INTERVAL
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Literal, Named
from thalweg.plan import build
from thalweg.plan.join import equal, join
from thalweg.plan.nodes import AssignWatermark, GroupBy, JoinKind, Plan, Rank, Scan, SortKey
from thalweg.plan.properties import UNTIL_END, closing_window, properties, ranked_window, window_slack
from thalweg.plan.window_columns import WindowColumns
from thalweg.progress.windows import WindowSpec

S = 1_000_000
FRAME = pl.DataFrame({"k": [1], "t": [datetime(2026, 1, 1)]})
TENS = WindowSpec.tumbling(10 * S)


def windowed(**names: str) -> Plan:
    """Rows in windows of ten seconds, whose columns are called differently: new name = old name."""
    timed = build.assign_watermark(Scan(frame_source(FRAME)), "t", Column("t"))
    return renamed(build.window(timed, "t", TENS), **names) if names else build.window(timed, "t", TENS)


def renamed(plan: Plan, **names: str) -> Plan:
    return build.project(plan, [Named(new, Column(old)) for new, old in names.items()])


def grouped(plan: Plan, *keys: str) -> GroupBy:
    made = build.group_by(
        plan, [Named(k, Column(k)) for k in keys], [*named(*keys), Named("n", Aggregate("count"))]
    )
    assert isinstance(made, GroupBy)
    return made


def named(*names: str) -> list[Named]:
    return [Named(n, Column(n)) for n in names]


def test_a_window_has_its_own_names() -> None:
    (found,) = properties(windowed()).windows
    assert found.bounds == {"window_start": "start", "window_end": "end", "window_time": "time"}


def test_names_follow_projections() -> None:
    plan = windowed(s="window_start", e="window_end", e2="window_end", k="k")
    (found,) = properties(plan).windows
    assert found == WindowColumns(frozenset({"s"}), frozenset({"e", "e2"}))
    assert closing_window(grouped(plan, "k", "s", "e2")) == WindowColumns(frozenset({"s"}), frozenset({"e2"}))


@pytest.mark.parametrize("keys", [("k",), ("s", "k"), ("e",), ("e", "e2")])
def test_a_group_of_less_than_a_window_is_never_final(keys: tuple[str, ...]) -> None:
    plan = grouped(windowed(s="window_start", e="window_end", e2="window_end", k="k"), *keys)
    assert closing_window(plan) is None
    assert properties(plan).is_updating


def test_a_shifted_bound_is_a_time_but_no_bound() -> None:
    later: Expr = Call("+", (Column("window_end"), Literal(timedelta(seconds=1), INTERVAL)))
    plan = build.project(windowed(), [*named("window_start"), Named("e", later)])
    assert properties(plan).windows == ()
    assert properties(plan).times["e"] == -S


def test_a_column_with_the_name_of_a_bound_is_none() -> None:
    plan = windowed(window_start="t", window_end="window_end")
    assert properties(plan).windows == ()


def test_a_grouping_passes_on_its_window_and_no_other_time() -> None:
    plan = grouped(windowed(s="window_start", e="window_end", t="t"), "s", "e", "t")
    # `t` lies before the end of the window, for which its row has waited
    assert properties(plan).times == {"s": 10 * S, "e": 0}
    assert properties(plan).windows == (WindowColumns(frozenset({"s"}), frozenset({"e"})),)


def test_a_ranking_passes_on_all_columns_of_its_window() -> None:
    plan = Rank(windowed(), ("window_start", "window_end"), (SortKey("k"),), "rank", None, 1)
    assert ranked_window(plan) is not None
    assert properties(plan).times == {"window_start": 10 * S, "window_end": 0, "window_time": 1000}
    assert len(properties(plan).windows) == 1


@pytest.mark.parametrize(
    ("kind", "pairs", "ends"),
    [
        ("inner", [("s", "s2"), ("e", "e2")], {"e", "e2"}),
        ("inner", [("e", "e2")], {"e", "e2"}),
        ("inner", [("k", "k2")], set()),
        ("left", [("s", "s2"), ("e", "e2")], set()),
    ],
)
def test_a_join_by_windows_is_in_the_windows_of_both(
    kind: JoinKind, pairs: list[tuple[str, str]], ends: set[str]
) -> None:
    left = windowed(s="window_start", e="window_end", k="k")
    right = windowed(s2="window_start", e2="window_end", k2="k")
    plan = join(left, right, kind, equal([(Column(a), Column(b)) for a, b in pairs]))
    assert {e for w in properties(plan).windows for e in w.ends} == ends


def test_the_parts_of_a_union_must_agree() -> None:
    same = windowed(s="window_start", e="window_end")
    swapped = windowed(s="window_end", e="window_start")
    assert len(properties(build.union_all([same, same])).windows) == 1
    assert properties(build.union_all([same, swapped])).windows == ()


def test_without_a_watermark_bounded_windows_close_at_the_end() -> None:
    timed = windowed().inputs[0]
    assert isinstance(timed, AssignWatermark)
    plan = renamed(build.window(timed.input, "t", TENS), s="window_start", e="window_end")
    (found,) = properties(plan).windows
    assert window_slack(found, properties(plan)) == UNTIL_END
