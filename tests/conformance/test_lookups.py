"""Look-ups keep the contract of operators, whether rows may be taken back or not, and tables theirs."""

from __future__ import annotations

from typing import Any, Literal

import polars as pl
import pytest

from tests.conformance.feeds import batches, changes, rows
from tests.kit.broken_lookups import KeyTwin
from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import frame_source
from thalweg.connectors.memory_table import MemoryTable
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Named
from thalweg.operators.lookup import LookupSpec
from thalweg.physical.lookups import lookup_spec
from thalweg.plan import build
from thalweg.plan.lookup import LookupJoin, lookup_join
from thalweg.plan.nodes import Plan, Scan
from thalweg.protocols.lookup import LookupOptions
from thalweg.testing import check_lookup, check_operator
from thalweg.testing.scripts import Rows

pytestmark = pytest.mark.slow

COLUMNS = ["k", "s", "v", "f"]
LEFT = rows(9, 1).select(COLUMNS)
RIGHT = rows(9, 2).select(pl.col("k", "s", "v").name.suffix("_r"))
EQUAL = Call("=", (Column("k"), Column("k_r")))
CONDITIONS: dict[str, Expr] = {
    "key": EQUAL,
    "keys": Call("and", (Call("=", (Column("s"), Column("s_r"))), EQUAL)),
    "key and more": Call("and", (EQUAL, Call("<", (Column("v"), Column("v_r"))))),
}
Kind = Literal["inner", "left"]


def spec(kind: Kind, condition: Expr, table: MemoryTable, *, is_updating: bool) -> LookupSpec:
    left: Plan = Scan(frame_source(LEFT))
    if is_updating:
        names = [Named(n, Column(n)) for n in COLUMNS]
        counted = build.group_by(left, names, [*names, Named("n", Aggregate("count"))])
        left = build.select_names(counted, COLUMNS)
    plan = lookup_join(left, Scan(table), kind, condition)
    assert isinstance(plan, LookupJoin), "keys that are columns need no projection"
    return lookup_spec(plan, "lookup")


def expected(kind: Kind, condition: str) -> pl.DataFrame:
    keys = ["s", "k"] if condition == "keys" else ["k"]
    numbered = LEFT.with_row_index("n")
    pairs = numbered.join(RIGHT, left_on=keys, right_on=[f"{k}_r" for k in keys], how="inner", coalesce=False)
    if condition == "key and more":
        pairs = pairs.filter(pl.col("v") < pl.col("v_r"))
    if kind == "left":
        pairs = pl.concat([pairs, numbered.join(pairs, on="n", how="anti")], how="diagonal")
    return pairs.drop("n")


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("kind", ["inner", "left"])
def test_rows_that_stay(kind: Kind, condition: str) -> None:
    made = spec(kind, CONDITIONS[condition], MemoryTable(RIGHT), is_updating=False)
    check_operator(made, fed(batches(LEFT, 4)), expected=expected(kind, condition))


def fed(given: list[Any]) -> list[Rows]:
    return [Rows(b if isinstance(b, Batch) else Batch(b)) for b in given]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("kind", ["inner", "left"])
def test_rows_that_may_be_taken_back(kind: Kind, condition: str) -> None:
    made = spec(kind, CONDITIONS[condition], MemoryTable(RIGHT), is_updating=True)
    check_operator(made, fed(changes(LEFT)))


def test_a_hot_key_is_looked_up_in_bounded_batches() -> None:
    table = MemoryTable(pl.DataFrame({"k_r": [1] * 200, "s_r": ["x"] * 200, "v_r": range(200)}))
    for is_updating in (False, True):
        made = spec("left", EQUAL, table, is_updating=is_updating)
        check_operator(made, fed(changes(LEFT) if is_updating else batches(LEFT)))


def test_tables_in_memory_keep_their_contract() -> None:
    table = MemoryTable(RIGHT)

    def change() -> pl.DataFrame:
        table.update(RIGHT[:3].with_columns(v_r=pl.lit(-1, pl.Int64)), key="k_r")
        return table.frame

    check_lookup(lambda: table, RIGHT, ["k_r"], change)


@pytest.mark.parametrize(
    "options",
    [
        LookupOptions(),
        LookupOptions(cache="PARTIAL"),
        LookupOptions(cache="PARTIAL", rows_max=1, batch_keys=1, is_async=True, caches_missing=False),
        LookupOptions(cache="FULL"),
    ],
    ids=["none", "partial", "small", "full"],
)
def test_whatever_is_kept_the_answers_are_the_same(options: LookupOptions) -> None:
    table = KeyTwin()
    table.lookup = options
    left = pl.DataFrame({"a": [2, 1, 2, 9, None, 4, 1], "b": range(7)})
    plan = lookup_join(Scan(frame_source(left)), Scan(table), "left", Call("=", (Column("a"), Column("k"))))
    assert isinstance(plan, LookupJoin)
    wanted = left.join(table.frame, left_on="a", right_on="k", how="left", coalesce=False)
    check_operator(lookup_spec(plan, "lookup"), fed(batches(left, 3)), expected=wanted)
