"""Asynchronous functions keep the contract of operators, whenever their answers come.

The kit's answers come in any order and at any time, and every cut finds rows without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pytest

from tests.conformance.feeds import SECOND, changes, placed, rows, timed
from thalweg.api.types import schema_of
from thalweg.columnar.batch import BEFORE, OFFSET, SPLIT, Batch
from thalweg.connectors.memory import frame_source
from thalweg.connectors.sinks import BlackholeSink
from thalweg.expr.nodes import Column
from thalweg.expr.python_rows import GivenRows
from thalweg.operators.asynchronous import AsyncSpec
from thalweg.operators.asynchronous_op import AsyncOp
from thalweg.physical.planner import plan_job
from thalweg.plan import build
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.nodes import Scan, Write
from thalweg.protocols.calls import AsyncFunction
from thalweg.protocols.operator import Context, Output, Watermark
from thalweg.testing import ConformanceError, check_operator

pytestmark = [pytest.mark.slow]

GIVEN = schema_of("n BIGINT, told STRING")
ROWS = rows(40)
LAG = 2 * SECOND


async def several(row: Any) -> Any:
    """No row, one or two."""
    number = row.v or 0
    if number % 3 == 0:
        return None
    made = (number, f"{row.k} {row.s}")
    return made if number % 3 == 1 else [made, {"n": -number}]


FUNCTION = AsyncFunction("several", several, at_once=3)


def spec(frame: pl.DataFrame, **options: Any) -> AsyncSpec:
    schema = frame_source(ROWS).schema
    columns = {n: t for n, t in frame.schema.items() if n != BEFORE}
    carry = options.pop("carry", ("t", "k"))
    return AsyncSpec("ask", FUNCTION, schema, GivenRows(GIVEN, "several"), columns, carry, **options)


def expected(frame: pl.DataFrame) -> pl.DataFrame:
    """What the function gives for each row, by its definition."""
    made = []
    for row in frame.select("t", "k", "s", "v").iter_rows(named=True):
        number = row["v"] or 0
        text = f"{row['k']} {row['s']}"
        given = [[], [(number, text)], [(number, text), (-number, None)]][number % 3]
        made += [(row["t"], row["k"], *values) for values in given]
    types = {"t": pl.Datetime("us"), "k": pl.Int64, "n": pl.Int64, "told": pl.String}
    return pl.DataFrame(made, schema=types, orient="row")


@pytest.mark.parametrize("is_ordered", [True, False], ids=["in order", "as they come"])
@pytest.mark.parametrize("made", [ROWS, placed(ROWS)], ids=["plain", "placed"])
def test_answers_wait_for_nobody_but_watermarks_do(is_ordered: bool, made: pl.DataFrame) -> None:
    found = spec(made, is_ordered=is_ordered, is_judged=True)
    check_operator(found, timed(made, LAG), expected=expected(made), time="t", slack_us=100 * SECOND)


def test_watermarks_never_overtake_rows() -> None:
    # the times of rows that are in time are never at or before a watermark that was handed on
    latest = ROWS.get_column("t").to_physical().cum_max() - LAG
    in_time = ROWS.filter(ROWS.get_column("t").to_physical() > latest.shift(1, fill_value=-(1 << 60)))
    for is_ordered in (True, False):
        check_operator(spec(ROWS, is_ordered=is_ordered, is_judged=True), timed(in_time, LAG), time="t")


def test_rows_that_are_taken_back_are_answered_in_order() -> None:
    made = spec(ROWS, is_updating=True)
    check_operator(made, changes(ROWS))


@pytest.mark.parametrize("is_ordered", [True, False], ids=["in order", "as they come"])
def test_the_planner_describes_it(is_ordered: bool) -> None:
    below = build.assign_watermark(Scan(frame_source(ROWS)), "t", Column("t"))
    asked = MapAsync(below, FUNCTION, GIVEN, ("t", "k"), is_ordered)
    stages = plan_job([Write(asked, BlackholeSink())], name="job", parallelism=1).stages
    (made,) = (o for s in stages for o in s.operators if isinstance(o, AsyncSpec))
    assert replace(made, id="ask") == spec(ROWS, is_ordered=is_ordered, is_judged=True, time="t")
    assert made.describe().endswith("in the order of the rows" if is_ordered else "as they come")


# Operators that are wrong, each in one way -----------------------------------------------------------


class Forgetful(AsyncOp):
    """Keeps no state: whoever goes on has lost the rows."""

    def on_cut(self, number: int) -> Iterator[Output]:
        return iter(())


class Repeating(AsyncOp):
    """Leaves rows in the state that have been answered."""

    def _forget(self, answers: Any) -> None:
        super()._forget(answers)
        self._changed = {g: b for g, b in self._changed.items() if not b.is_stored}


class Hasty(AsyncOp):
    """Hands event time on at once."""

    def on_watermark(self, time: int) -> Iterator[Output]:
        yield Watermark(time)


class Impatient(AsyncOp):
    """Does not wait for answers at the end."""

    def on_end(self, port: int) -> Iterator[Output]:
        return iter(())


@dataclass(frozen=True)
class Broken:
    """A description of another operator."""

    inner: AsyncSpec
    operator: type[AsyncOp]

    @property
    def id(self) -> str:
        return self.inner.id

    def states(self) -> Any:
        return self.inner.states()

    def build(self, context: Context) -> AsyncOp:
        return self.operator(self.inner, context)

    def describe(self) -> str:
        return self.inner.describe()


@pytest.mark.parametrize(
    ("operator", "line"), [(Forgetful, "O3"), (Repeating, "O3"), (Hasty, "O7"), (Impatient, "O9")]
)
def test_the_kit_finds_what_is_wrong(operator: type[AsyncOp], line: str) -> None:
    latest = ROWS.get_column("t").to_physical().cum_max() - LAG
    in_time = ROWS.filter(ROWS.get_column("t").to_physical() > latest.shift(1, fill_value=-(1 << 60)))
    broken = Broken(spec(ROWS, is_judged=True), operator)
    with pytest.raises(ConformanceError) as caught:
        check_operator(broken, timed(in_time, LAG), time="t")
    assert caught.value.line.id == line


def test_a_batch_without_marks_has_rows_in_time() -> None:
    feed = [ROWS[:4], ROWS[4:8].with_columns(pl.lit(5, pl.Int64).alias(BEFORE)), Watermark(1), ROWS[8:]]
    check_operator(spec(ROWS, is_judged=True), feed, expected=expected(ROWS))


def test_rows_without_columns_of_their_own_have_answers_too() -> None:
    made = placed(ROWS)
    found = spec(made, carry=(), is_ordered=False)
    check_operator(found, [Batch(made[:20]), Watermark(3), made[20:]], expected=expected(made).drop("t", "k"))
    assert SPLIT in found.held
    assert OFFSET in found.held
