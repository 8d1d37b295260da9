"""Joins in time keep the contract of operators, and find the rows that the definition names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import polars as pl
import pytest

from tests.conformance.feeds import SECOND, placed, rows
from thalweg.columnar.batch import BEFORE, OFFSET, SPLIT, Batch
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Call, Column, Expr, conjunction
from thalweg.operators.as_of import AsOfJoinOp
from thalweg.operators.as_of_spec import AsOfSpec, TimedSide
from thalweg.physical.joining import as_of_spec
from thalweg.plan import build
from thalweg.plan.as_of import AsOfJoin, AsOfKind, as_of_join
from thalweg.plan.nodes import Plan, Scan
from thalweg.protocols.messages import Watermark
from thalweg.testing import check_operator
from thalweg.testing.scripts import Rows

pytestmark = [pytest.mark.slow, pytest.mark.sampled(8, 4)]

LEFT = rows(18, 3).select("k", "s", "v", "t")
RIGHT = placed(rows(18, 4)).select(
    pl.col("k", "s", "v", "f", "t").name.suffix("_r"), (pl.col("v") > 1).alias("is_there"), SPLIT, OFFSET
)
KINDS = get_args(AsOfKind)
LAG = {"t": 2 * SECOND, "t_r": SECOND}
KEY = Call("=", (Column("k"), Column("k_r")))
CONDITIONS: dict[str, Expr | None] = {
    "key": KEY,
    "keys": conjunction([KEY, Call("=", (Column("s"), Column("s_r")))]),
    "key and more": conjunction([KEY, Call("<=", (Column("v"), Column("v_r")))]),
    "no key": None,
}


def spec(kind: AsOfKind, condition: Expr | None, *, is_placed: bool = True, **more: Any) -> AsOfSpec:
    """The operator of a join in time."""
    sides: list[Plan] = [
        build.assign_watermark(Scan(frame_source(f)), n, Column(n))
        for f, n in ((LEFT, "t"), (RIGHT.drop(SPLIT, OFFSET), "t_r"))
    ]
    plan = as_of_join(AsOfJoin(sides[0], sides[1], kind, ("t", "t_r"), **more), condition)
    # keys that are columns need no projection below; only that condition is not shown
    plan = plan.inputs[0] if "alive" in more else plan
    assert isinstance(plan, AsOfJoin)
    return as_of_spec(plan, "as_of", is_placed=is_placed)


def marks(frame: pl.DataFrame, time: str) -> list[int]:
    """The watermark behind each row."""
    return (frame.get_column(time).to_physical().cum_max() - LAG[time]).to_list()


def feed(right: pl.DataFrame = RIGHT) -> list[Any]:
    """Batches of both sides by turns, each row with the watermark before it, and the watermarks of both."""
    found = [marks(LEFT, "t"), marks(right, "t_r")]
    sides = [
        f.with_columns(pl.Series(BEFORE, [None, *m[:-1]], dtype=pl.Int64))
        for f, m in zip((LEFT, right), found, strict=True)
    ]
    made: list[Any] = []
    for at in range(0, LEFT.height, 3):
        made += [Rows(Batch(side[at : at + 3]), port) for port, side in enumerate(sides)]
        made.append(Watermark(min(m[min(at + 3, LEFT.height) - 1] for m in found)))
    return made


def expected(made: AsOfSpec, condition: str, right: pl.DataFrame = RIGHT) -> pl.DataFrame:
    """Row by row, from the definition."""
    mine, others = (
        [r for r, m in zip(f.rows(named=True), [None, *marks(f, t)][:-1], strict=True) if _in_time(r[t], m)]
        for f, t in ((LEFT, "t"), (right, "t_r"))
    )
    others.sort(key=lambda r: (r["t_r"], -r[OFFSET] if made.takes_first else r[OFFSET]))
    found = []
    for row in mine:
        near = [o for o in others if _may_pair(made, condition, row, o)]
        last = near[-1] if near else None
        if last is not None and made.reach is not None:
            last = last if row["t"] - last["t_r"] <= timedelta(microseconds=made.reach) else None
        if last is not None and made.alive is not None and not last[made.alive]:
            last = None
        if last is not None and condition == "key and more":
            last = last if None not in (row["v"], last["v_r"]) and row["v"] <= last["v_r"] else None
        if last is not None or made.kind == "left":
            none = dict.fromkeys(RIGHT.columns)
            found.append({**row, **(last or none)})
    schema = {**LEFT.schema, **RIGHT.schema}
    return pl.DataFrame(found, schema=schema).drop(SPLIT, OFFSET)


def _in_time(time: Any, before: int | None) -> bool:
    micros = (time - time.min.replace(year=1970)) // timedelta(microseconds=1)
    return before is None or micros >= before


def _may_pair(made: AsOfSpec, condition: str, row: dict[str, Any], other: dict[str, Any]) -> bool:
    keys = {"keys": ("k", "s"), "no key": ()}.get(condition, ("k",))
    if any(row[k] is None or row[k] != other[f"{k}_r"] for k in keys):
        return False
    return bool(other["t_r"] < row["t"] if made.is_strict else other["t_r"] <= row["t"])


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_latest_row_so_far(kind: AsOfKind, condition: str) -> None:
    made = spec(kind, CONDITIONS[condition])
    check_operator(made, feed(), expected=expected(made, condition), time="t", slack_us=1)


@pytest.mark.parametrize("is_strict", [True, False])
@pytest.mark.parametrize("takes_first", [True, False])
@pytest.mark.parametrize("reach", [None, SECOND])
def test_which_row_is_the_latest(is_strict: bool, takes_first: bool, reach: int | None) -> None:
    made = spec("left", KEY, is_strict=is_strict, takes_first=takes_first, reach=reach)
    check_operator(made, feed(), expected=expected(made, "key"), time="t", slack_us=1)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_only_end_others(kind: AsOfKind) -> None:
    made = spec(kind, KEY, alive="is_there")
    check_operator(made, feed(), expected=expected(made, "key"), time="t", slack_us=1)


def test_rows_without_places_are_ordered_by_all_their_columns() -> None:
    made = spec("left", KEY, is_placed=False)
    check_operator(made, feed(RIGHT.drop(SPLIT, OFFSET)), time="t", slack_us=1)


def tied(*, in_order: bool) -> pl.DataFrame:
    """Many rows of one time, which come in the order of their positions or against it."""
    place = pl.col(OFFSET) if in_order else 1000 - pl.col(OFFSET)
    return RIGHT.with_columns(pl.col("t_r").dt.truncate("4s"), place.alias(OFFSET))


@pytest.mark.parametrize("takes_first", [True, False])
def test_positions_break_ties(takes_first: bool) -> None:
    made, right = spec("left", None, takes_first=takes_first), tied(in_order=takes_first)
    check_operator(made, feed(right), expected=expected(made, "no key", right), time="t", slack_us=1)


@pytest.mark.parametrize("takes_first", [True, False])
def test_ignored_ties_are_found(takes_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    original = AsOfJoinOp._by_time

    def by_time_alone(
        self: AsOfJoinOp, frames: list[pl.DataFrame], side: TimedSide, *, breaks_ties: bool
    ) -> pl.DataFrame:
        del breaks_ties
        return original(self, frames, side, breaks_ties=False)

    monkeypatch.setattr(AsOfJoinOp, "_by_time", by_time_alone)
    with pytest.raises(AssertionError):
        test_positions_break_ties(takes_first)
