"""Plans that once gave a wrong result, each kept as it was found (and then made small)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import polars as pl
import pytest

from tests.property import laws
from tests.property.harness import Way, batch, stream
from tests.property.laws import check, expected
from tests.property.plans import BOUNDS, Case, drop_some, minus, scan
from tests.property.worlds import SECOND, random_world
from thalweg.base.types import INT64, Decimal
from thalweg.expr.nodes import Aggregate, Call, Cast, Column, Literal, Named
from thalweg.plan import build
from thalweg.plan.join import join
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    FrameFunction,
    Late,
    MapBatches,
    Plan,
    Rank,
    SortKey,
    rows,
)
from thalweg.plan.over import Frame, over
from thalweg.plan.properties import properties
from thalweg.progress.windows import WindowSpec

HOP = WindowSpec.hopping(6 * SECOND, 2 * SECOND)
LATE = random_world(Random(1), is_punctual=False, sizes=[40, 30])
PUNCTUAL = random_world(Random(2), is_punctual=True, sizes=[30, 20])


def _group(plan: Plan, keys: tuple[str, ...], *calls: Aggregate) -> Plan:
    outputs = [Named(k, Column(k)) for k in keys] + [Named(f"a{i}", c) for i, c in enumerate(calls)]
    return build.group_by(plan, [Named(k, Column(k)) for k in keys], outputs)


def _over(function: str, column: str) -> Aggregate:
    return Aggregate(function, (Column(column),))


def _again(plan: Plan) -> Plan:
    """The rows of a window, with its bounds out of the way of another one."""
    names = {n: f"{n}1" if n in BOUNDS else n for n in plan.schema.names}
    return build.project(plan, [Named(new, Column(old)) for old, new in names.items()])


def _map(plan: Plan) -> Plan:
    return MapBatches(plan, FrameFunction("drop_some", drop_some), plan.schema)


def time_without_watermark() -> tuple[Plan, ...]:
    """Windows on a time that no watermark speaks of judged its rows by the watermark of another."""
    windowed = build.window(scan(LATE), "u", HOP)
    return _group(windowed, (WINDOW_START, WINDOW_END), Aggregate("count")), Late(windowed)


def no_aggregates() -> tuple[Plan, ...]:
    """The distinct windows were none."""
    return (_group(build.window(scan(LATE), "t", HOP), (WINDOW_START, WINDOW_END)),)


def text_extremes_of_panes() -> tuple[Plan, ...]:
    """Extremes of texts and decimals over overlapping windows crashed."""
    windowed = build.window(scan(LATE), "t", HOP)
    return (_group(windowed, (WINDOW_START, WINDOW_END), _over("min", "s"), _over("max", "d")),)


def count_after_a_function() -> tuple[Plan, ...]:
    """A grouping that needs no column counted no rows."""
    return (_group(_map(scan(PUNCTUAL)), (), Aggregate("count")),)


def limit_of_union_with_constants() -> tuple[Plan, ...]:
    """Constant rows shared their positions with the source before them."""
    constants = rows(PUNCTUAL.frames[0].head(3))
    return (build.limit(build.union_all([scan(PUNCTUAL), constants]), 31),)


def limit_among_items() -> tuple[Plan, ...]:
    """Items of one row have one position: which of them came first was left to chance."""
    return (build.limit(build.explode(scan(PUNCTUAL), "xs"), 12),)


def rank_of_rank() -> tuple[Plan, ...]:
    """Rows lost their positions on the way through a ranking."""
    bounds = (WINDOW_START, WINDOW_END)
    first = Rank(build.window(scan(LATE), "t", HOP), bounds, (SortKey("k"),), "rank", None, 2)
    return (Rank(first, bounds, (SortKey("s"),), "row_number", None, 1),)


def union_of_placed_and_unplaced() -> tuple[Plan, ...]:
    """Rows with and without positions met in one step."""
    both = build.union_all([scan(LATE), _map(scan(PUNCTUAL))])
    windowed = build.window(both, "u", HOP)
    return Rank(windowed, (WINDOW_START, WINDOW_END), (SortKey("id"),), "row_number", None, 1), Late(windowed)


def windows_on_two_times() -> tuple[Plan, ...]:
    """The first windows used up the watermark that the second ones judge by."""
    windowed = build.window(_again(build.window(scan(LATE), "u", HOP)), "t", HOP)
    return _group(windowed, (WINDOW_START, WINDOW_END), Aggregate("count")), Late(windowed)


def late_rows_of_two_windows() -> tuple[Plan, ...]:
    """The late rows of both steps left through one port."""
    first = build.window(scan(LATE), "t", HOP)
    second = build.window(_again(first), "t", WindowSpec.tumbling(3 * SECOND))
    return second, Late(first), Late(second)


def shared_between_window_and_grouping() -> tuple[Plan, ...]:
    """A step between a window and its grouping that another result reads was placed twice in one stage."""
    windowed = build.window(scan(LATE), "t", HOP)
    filtered = build.filter_rows(windowed, Call(">", (Column("v"), Literal(3, INT64))))
    return _group(filtered, (WINDOW_START, WINDOW_END), Aggregate("count")), filtered


def average_that_is_a_half() -> tuple[Plan, ...]:
    """Averages of decimals were rounded half to even, or half up, as the engine that divided did it."""
    averages = _group(scan(PUNCTUAL), ("k", "s"), _over("avg", "d"))
    more = _group(averages, ("k",), _over("avg", "a0"))
    halves = [Named("n", Column("n")), Named("h", Column("h"))]
    exact = rows(pl.DataFrame({"n": [1, 1, 2, 2], "h": ["0.000001", "0.000002", "-1", "-1.000003"]}))
    half = Named("h", Cast(Column("h"), Decimal(20, 6)))
    return more, _group(build.project(exact, [halves[0], half]), ("n",), _over("avg", "h"))


def greatest_float_taken_back() -> tuple[Plan, ...]:
    """The greatest of floats that can be taken back crashed."""
    firsts = _group(scan(PUNCTUAL), ("k",), _over("min", "x"))
    return (_group(firsts, (), _over("max", "a0"), _over("min", "a0")),)


def late_rows_of_over_and_window() -> tuple[Plan, ...]:
    """The late rows of OVER left through the port of a window step behind it."""
    counted = over(scan(LATE), ["k"], "t", Frame(reach=SECOND), [Named("n", Aggregate("count"))])
    windowed = build.window(counted, "t", HOP)
    return windowed, Late(windowed)


def partners_of_rows_that_come_again() -> tuple[Plan, ...]:
    """A row that was there already counted its partners once more, and never was without one again."""
    totals = build.project(
        _group(scan(PUNCTUAL), ("k",), Aggregate("count")),
        [Named("key", Column("k")), Named("n", Column("a0"))],
    )
    equal = build.select_names(_group(scan(PUNCTUAL), ("k", "s", "v"), Aggregate("count")), ["k"])
    pair = Call("=", (Column("key"), Column("k")))
    few = Call("<", (Column("n"), Literal(4, INT64)))
    kinds = ("full", "left", "right")
    return tuple(join(totals, equal, kind, Call("and", (pair, few))) for kind in kinds)


def windows_of_windows_with_partners() -> tuple[Plan, ...]:
    """Groups of two windows came when the later one closed, and their partners went with the earlier one."""
    narrow = build.window(scan(PUNCTUAL), "t", WindowSpec.tumbling(2 * SECOND))
    first = _again(_group(narrow, (WINDOW_START, WINDOW_END), Aggregate("count")))
    bounds = (f"{WINDOW_START}1", f"{WINDOW_END}1")
    wide = build.window(first, bounds[1], WindowSpec.tumbling(8 * SECOND))
    both = _group(wide, (*bounds, WINDOW_START, WINDOW_END), Aggregate("count"))
    other = build.project(first, [Named("end", Column(bounds[1])), Named("n", Column("a0"))])
    return (join(both, other, "inner", Call("=", (Column(bounds[1]), Column("end")))),)


def shifted_values_of_equal_rows() -> tuple[Plan, ...]:
    """Rows that only a shifted value tells apart had no order of their own, and were taken back as others."""
    once = build.select_names(scan(PUNCTUAL), ["id", "k", "v", "t"])
    rows_ = build.union_all([once, _map(once), once])
    lead = Named("next", Aggregate("lead", (Column("t"), Literal(1, INT64), Column("t"))))
    least = Named("least", _over("min", "k"))
    return (over(rows_, [], [SortKey("v", descending=True)], Frame(True, 2, -2), [lead, least]),)


FIXED = (
    *(time_without_watermark, no_aggregates, text_extremes_of_panes, count_after_a_function),
    *(limit_of_union_with_constants, limit_among_items, rank_of_rank, union_of_placed_and_unplaced),
    *(windows_on_two_times, late_rows_of_two_windows, shared_between_window_and_grouping),
    *(average_that_is_a_half, greatest_float_taken_back, late_rows_of_over_and_window),
    *(partners_of_rows_that_come_again, shifted_values_of_equal_rows, windows_of_windows_with_partners),
)


@pytest.mark.slow
@pytest.mark.parametrize("plans", FIXED, ids=lambda f: f.__name__)
def test_found(plans: Callable[[], tuple[Plan, ...]]) -> None:
    case = Case((LATE,), plans())
    check(case, batch(case), expected(case, judges=False), "batch")
    for way in (Way(), Way(rows_max=4, parallelism=2, cut_batches=1, pace=3)):
        check(case, stream(case, way).tables(), expected(case), f"{way}")


def extreme_of_a_limit() -> tuple[Plan, ...]:
    """A LIMIT takes rows back when a row of an earlier split comes, and the plan says that it never does."""
    return (_group(build.limit(scan(PUNCTUAL), 31), (), _over("max", "id")),)


def windows_of_a_limit() -> tuple[Plan, ...]:
    """A LIMIT gives its rows at cuts, behind the watermark that has passed it."""
    windowed = build.window(build.limit(scan(PUNCTUAL), 20), "t", HOP)
    return (_group(windowed, (WINDOW_START, WINDOW_END), Aggregate("count")),)


@pytest.mark.slow
@pytest.mark.parametrize("plans", [extreme_of_a_limit, windows_of_a_limit], ids=lambda f: f.__name__)
def test_steps_after_a_limit(plans: Callable[[], tuple[Plan, ...]]) -> None:
    case = Case((PUNCTUAL,), plans())
    for way in (Way(rows_max=3, cut_batches=1), Way(rows_max=4, parallelism=2, cut_batches=1, pace=3)):
        check(case, stream(case, way).tables(), expected(case), f"{way}")


def test_a_shifted_time_closes_windows() -> None:
    shifted = build.with_columns(scan(PUNCTUAL), [Named("w", minus(Column("t"), timedelta(seconds=3)))])
    windowed = build.window(shifted, "w", HOP)
    assert properties(windowed).times["w"] == 3 * SECOND


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4])
def test_groups_that_wait_for_one_of_two_inputs_are_not_empty(seed: int) -> None:
    """Distinct values come by another way than rows: a watermark may pass between them."""
    laws.cuts_are_consistent(Random(seed))
