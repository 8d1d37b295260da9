"""Changes become operations; few rows and many rows take different ways to the same answer."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from thalweg.columnar.batch import Batch
from thalweg.operators import changelog
from thalweg.operators.changelog import with_ops

CHANGES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([-2, -1, 1, 2])), max_size=12
)


def as_batch(changes: list[tuple[int, int, int]]) -> Batch:
    """Rows (k, n) with weights."""
    frame = pl.DataFrame(
        {"k": [c[0] for c in changes], "n": [c[1] for c in changes]},
        schema={"k": pl.Int64, "n": pl.Int64},
    )
    return Batch(frame, pl.Series([c[2] for c in changes], dtype=pl.Int64))


@given(CHANGES, st.booleans())
def test_few_rows_and_many_rows_give_the_same_operations(
    changes: list[tuple[int, int, int]], keyed: bool
) -> None:
    keys = ("k",) if keyed else ()
    few = with_ops(as_batch(changes), ("k", "n"), keys)
    limit = changelog._SMALL
    try:
        changelog._SMALL = -1
        many = with_ops(as_batch(changes), ("k", "n"), keys)
    finally:
        changelog._SMALL = limit
    assert sorted(few.rows()) == sorted(many.rows())
    assert few.schema == many.schema


@given(CHANGES)
def test_the_old_row_of_a_key_goes_before_the_new_one_comes(changes: list[tuple[int, int, int]]) -> None:
    for key in range(4):
        ops = with_ops(as_batch(changes), ("k", "n"), ("k",)).filter(pl.col("k") == key)["op"].to_list()
        assert ops == sorted(ops, key=lambda op: op in ("+I", "+U"))


def test_operations_of_one_key() -> None:
    batch = as_batch([(1, 4, -1), (1, 5, 1), (2, 1, 1), (3, 7, -1), (0, 0, 1), (0, 0, -1)])
    assert with_ops(batch, ("k", "n"), ("k",)).rows() == [
        ("-U", 1, 4),
        ("+U", 1, 5),
        ("+I", 2, 1),
        ("-D", 3, 7),
    ]
