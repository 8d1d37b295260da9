"""Joins keep the contract of operators, whatever their kind and whichever side may change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import chain, zip_longest
from typing import Any, get_args

import polars as pl
import pytest

from tests.conformance.feeds import SECOND, batches, changes, rows
from thalweg.columnar.batch import BEFORE, Batch
from thalweg.connectors.memory import frame_source
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Named, conjunction
from thalweg.physical.joining import broadcast_spec, join_spec
from thalweg.plan import build
from thalweg.plan.join import apart, join
from thalweg.plan.nodes import Join, JoinKind, Plan, Scan
from thalweg.protocols.messages import Watermark
from thalweg.testing import check_operator
from thalweg.testing.scripts import Rows

pytestmark = [pytest.mark.slow, pytest.mark.sampled(8, 4)]

COLUMNS = ["k", "s", "v", "f"]
TIMED = rows(15, 3).select("k", "v", "t")
TIMED_R = rows(15, 4).select(pl.col("k", "v", "t").name.suffix("_r"))
LEFT, RIGHT = rows(9, 1).select(COLUMNS), rows(9, 2).select(pl.col(COLUMNS).name.suffix("_r"))
KINDS = get_args(JoinKind)
SMALLER = Call("<", (Column("v"), Column("v_r")))
CONDITIONS: dict[str, Expr | None] = {
    "key": Call("=", (Column("k"), Column("k_r"))),
    "keys": Call("and", (Call("=", (Column("s"), Column("s_r"))), Call("=", (Column("k"), Column("k_r"))))),
    "key and more": Call("and", (Call("=", (Column("k"), Column("k_r"))), SMALLER)),
    "no key": SMALLER,
}


def side(frame: pl.DataFrame, *, is_updating: bool) -> Plan:
    """A plan with the columns of a frame, whose rows may change or not."""
    scan = Scan(frame_source(frame))
    if not is_updating:
        return scan
    names = [Named(n, Column(n)) for n in frame.columns]
    grouped = build.group_by(scan, names, [*names, Named("n", Aggregate("count"))])
    return build.select_names(grouped, frame.columns)


def spec(kind: JoinKind, condition: Expr | None, *, left: bool, right: bool) -> Any:
    """The operator of a join; `left` and `right`: whether rows of that side may change."""
    plan = join(side(LEFT, is_updating=left), side(RIGHT, is_updating=right), kind, condition)
    assert isinstance(plan, Join), "keys that are columns need no projection"
    return join_spec(plan, "join")


def feed(left: list[Any], right: list[Any]) -> list[Any]:
    """Batches of both sides by turns."""
    pairs = zip_longest([_rows(0, b) for b in left], [_rows(1, b) for b in right])
    return [r for r in chain.from_iterable(pairs) if r is not None]


def _rows(port: int, given: Any) -> Rows:
    return Rows(given if isinstance(given, Batch) else Batch(given), port)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_stay(kind: JoinKind, condition: str) -> None:
    made = spec(kind, CONDITIONS[condition], left=False, right=False)
    check_operator(made, feed(batches(LEFT, 4), batches(RIGHT, 3)), expected=_by_polars(kind, condition))


def _by_polars(kind: JoinKind, condition: str) -> pl.DataFrame | None:
    keys = {"key": ["k"], "keys": ["s", "k"]}.get(condition)
    if keys is None:
        return None
    right_on = [f"{k}_r" for k in keys]
    return LEFT.join(
        RIGHT, left_on=keys, right_on=right_on, how=kind, coalesce=None if kind in ("semi", "anti") else False
    )


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_changes_of_both_sides(kind: JoinKind, condition: str) -> None:
    made = spec(kind, CONDITIONS[condition], left=True, right=True)
    check_operator(made, feed(changes(LEFT), changes(RIGHT)))


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_changes_of_one_side(kind: JoinKind, left: bool) -> None:
    made = spec(kind, CONDITIONS["key and more"], left=left, right=not left)
    mine = changes(LEFT) if left else batches(LEFT, 4)
    others = batches(RIGHT, 4) if left else changes(RIGHT)
    # other weights would come to the side that takes none
    check_operator(made, feed(mine, others), takes_updates=False)


T, T_R = Column("t"), Column("t_r")
NEAR = conjunction(
    [
        CONDITIONS["key"] or T,
        Call(">=", (T, T_R)),
        Call("<=", (T, Call("+", (T_R, literal_of(timedelta(seconds=2)))))),
    ]
)


def in_time(kind: JoinKind) -> Any:
    """The operator of a join whose rows must be near in time."""
    left, right = (
        build.assign_watermark(Scan(frame_source(f)), n, Column(n))
        for f, n in ((TIMED, "t"), (TIMED_R, "t_r"))
    )
    plan = join(left, right, kind, NEAR)
    assert isinstance(plan, Join)
    return join_spec(plan, "join")


def timed_feed() -> list[Any]:
    """Batches of both sides by turns, each row with the watermark before it, and the watermarks of both."""
    marks = [f.get_column(n).to_physical().cum_max() - SECOND for f, n in ((TIMED, "t"), (TIMED_R, "t_r"))]
    sides = [f.with_columns(m.shift(1).alias(BEFORE)) for f, m in zip((TIMED, TIMED_R), marks, strict=True)]
    made: list[Any] = []
    for at in range(0, TIMED.height, 3):
        made += [_rows(port, side[at : at + 3]) for port, side in enumerate(sides)]
        made.append(Watermark(min(m[min(at + 3, TIMED.height) - 1] for m in marks)))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_near_in_time(kind: JoinKind) -> None:
    spec = in_time(kind)
    assert spec.left.bound.until and spec.right.bound.until  # noqa: PT018 - one fact: both are bounded
    assert spec.emits_once == (kind not in ("inner", "semi"))
    check_operator(spec, timed_feed(), time="t" if kind == "inner" else None, slack_us=2 * SECOND)


def test_sides_with_the_same_names_are_kept_apart() -> None:
    one = Scan(frame_source(LEFT))
    other, called = apart(one, one, lambda name: f"{name}_2")
    assert called == {n: f"{n}_2" for n in COLUMNS}
    assert other.schema.names == tuple(called.values())


# One input first -----------------------------------------------------------------------------------


SMALL_ON = {"left": ("inner", "right"), "right": ("inner", "left", "semi", "anti")}


def first_spec(kind: JoinKind, condition: str, first: Any, *, is_updating: bool) -> Any:
    """The operator of a join that reads one input first; `is_updating`: rows of the other change."""
    sides = [side(f, is_updating=is_updating and n != first) for f, n in ((LEFT, "left"), (RIGHT, "right"))]
    plan = join(sides[0], sides[1], kind, CONDITIONS[condition])
    assert isinstance(plan, Join), "keys that are columns need no projection"
    return broadcast_spec(replace(plan, first=first), "join")


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize(("first", "kind"), [(f, k) for f, kinds in SMALL_ON.items() for k in kinds])
def test_one_input_first(first: str, kind: JoinKind, condition: str) -> None:
    made = first_spec(kind, condition, first, is_updating=False)
    right_first = first == "right"
    mine = [_rows(0 if right_first else 1, b) for b in batches(LEFT if right_first else RIGHT, 4)]
    small = [_rows(1 if right_first else 0, b) for b in batches(RIGHT if right_first else LEFT, 3)]
    check_operator(made, [*small, *mine], expected=_by_polars(kind, condition))


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("kind", SMALL_ON["right"])
def test_changes_pass_an_input_that_came_first(kind: JoinKind, condition: str) -> None:
    made = first_spec(kind, condition, "right", is_updating=True)
    small = [_rows(1, b) for b in batches(RIGHT, 3)]
    # other weights would come to the side that takes none
    check_operator(made, [*small, *(_rows(0, b) for b in changes(LEFT))], takes_updates=False)


def test_rows_that_pass_carry_their_watermark() -> None:
    made = first_spec("left", "key", "right", is_updating=False)
    before = pl.Series(BEFORE, [None, 5, 7] * 3, dtype=pl.Int64)
    check_operator(made, [_rows(1, RIGHT), _rows(0, LEFT.with_columns(before))])


def test_a_hot_key_comes_in_bounded_batches() -> None:
    made = first_spec("inner", "key", "right", is_updating=False)
    small = RIGHT.with_columns(k_r=pl.lit(1, dtype=RIGHT.schema["k_r"]))
    mine = LEFT.with_columns(k=pl.lit(1, dtype=LEFT.schema["k"]))
    # the kit refuses batches larger than the largest that came in
    expected = mine.join(small, how="cross")
    check_operator(made, [_rows(1, small), _rows(0, mine)], expected=expected)
