"""Sorted runs become one order, a bounded range of rows at a time."""

from __future__ import annotations

from collections import Counter
from random import Random

import polars as pl
import pytest

from thalweg.operators.changelog import in_order
from thalweg.operators.merging import merged
from thalweg.plan.nodes import SortKey

FLOATS = [None, float("nan"), -0.0, 0.0, 1.5, -1.5, float("inf")]
SCHEMA = {"f": pl.Float64, "n": pl.Int64, "s": pl.String}


def _runs(r: Random) -> list[pl.DataFrame]:
    """Up to 6 tables of up to 60 rows; in some of them nearly all rows tie."""
    values = r.choice([2, 5, 40])
    return [
        pl.DataFrame(
            [
                (r.choice(FLOATS[:values]), r.choice([None, r.randrange(values)]), "ab"[r.randrange(2)])
                for _ in range(r.randint(1, 60))
            ],
            SCHEMA,
            orient="row",
        )
        for _ in range(r.randint(1, 6))
    ]


def _order(r: Random) -> tuple[SortKey, ...]:
    names = r.sample(list(SCHEMA), r.randint(1, 3))
    return tuple(SortKey(name, r.random() < 0.5, r.choice([None, True, False])) for name in names)


@pytest.mark.parametrize("seed", range(60))
def test_runs_in_an_order_become_one_table_in_it(seed: int) -> None:
    r = Random(seed)
    tables, order = _runs(r), _order(r)
    runs = [in_order(table, order) for table in tables]
    found = pl.concat(merged(runs, order, count=len(runs), range_rows=r.choice([1, 3, 10, 100])))
    every = pl.concat(tables)
    names = [key.column for key in order]
    assert found.select(names).equals(in_order(every, order).select(names))
    assert Counter(map(repr, found.rows())) == Counter(map(repr, every.rows()))


@pytest.mark.parametrize("seed", range(20))
def test_no_more_than_a_range_is_put_in_order_at_once(seed: int) -> None:
    r = Random(seed)
    runs = [pl.DataFrame({"v": sorted(r.gauss(0, 1) for _ in range(r.randint(1, 500)))}) for _ in range(8)]
    # one value in every run, very often
    runs += [pl.DataFrame({"v": [0.5] * 300}) for _ in range(3)]
    parts = list(merged(runs, (SortKey("v"),), count=len(runs), range_rows=50))
    distinct = max(part.height for part in parts if part["v"].n_unique() > 1)
    assert distinct <= 2 * 50


def test_rows_that_tie_are_given_as_they_lie() -> None:
    runs = [pl.DataFrame({"v": [1] * 9, "n": range(9)}), pl.DataFrame({"v": [1] * 9, "n": range(9, 18)})]
    assert [p.height for p in merged(runs, (SortKey("v"),), count=len(runs), range_rows=4)] == [9, 9]


def test_a_column_may_be_named_twice() -> None:
    runs = [pl.DataFrame({"v": [1, 3]}), pl.DataFrame({"v": [2, 4]})]
    order = (SortKey("v"), SortKey("v", descending=True))
    assert pl.concat(merged(runs, order, count=len(runs), range_rows=1))["v"].to_list() == [1, 2, 3, 4]
