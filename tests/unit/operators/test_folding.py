"""Changes are folded to the same table, whether it is kept as a whole or in groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import polars as pl
import pytest

from thalweg.columnar.batch import Batch
from thalweg.operators.folding import FoldOp, FoldSpec
from thalweg.plan.nodes import SortKey
from thalweg.protocols.state import RowsSpec
from thalweg.state.rows import Rows


class _Context:
    """What an operator is built with."""

    rows_max = 10

    def __init__(self, spec: FoldSpec) -> None:
        (declared,) = spec.states()
        assert isinstance(declared, RowsSpec), "a table is rows"
        self.rows = Rows(declared)

    def state(self, name: str) -> Rows:
        assert name == "rows", "its only state"
        return self.rows


def _operator(spec: FoldSpec, context: _Context, split_from: int = 10**9) -> FoldOp:
    return FoldOp(spec, context, split_from=split_from)  # type: ignore[arg-type]  # all that it asks for


def _folded(spec: FoldSpec, batches: list[Batch], split_from: int) -> list[tuple[Any, ...]]:
    operator = _operator(spec, _Context(spec), split_from)
    for batch in batches:
        assert list(operator.on_batch(0, batch)) == []
    return [row for part in operator.on_end(0) for row in part.frame.rows()]


def _changes(r: Random) -> Iterator[Batch]:
    held: Counter[tuple[int | None, str]] = Counter()
    for _ in range(30):
        rows, weights = [], []
        for _ in range(r.randint(1, 40)):
            if held and r.random() < 0.4:
                row, weight = r.choice(list(held)), -1
            else:
                row, weight = (r.choice([None, r.randint(0, 50)]), r.choice("abc") * r.choice([1, 20])), 1
            held[row] += weight
            if not held[row]:
                del held[row]
            rows.append(row)
            weights.append(weight)
        yield Batch(pl.DataFrame(rows, {"k": pl.Int64, "v": pl.String}, orient="row"), pl.Series(weights))


@pytest.mark.parametrize("seed", range(20))
def test_a_table_in_groups_is_the_same_table(seed: int) -> None:
    batches = list(_changes(Random(seed)))
    spec = FoldSpec("fold", {"k": pl.Int64(), "v": pl.String()})
    whole, split = (_folded(spec, batches, split_from) for split_from in (10**9, 5))
    expected: Counter[Any] = Counter()
    for batch in batches:
        for row, weight in zip(batch.frame.rows(), batch.weights().to_list(), strict=True):
            expected[row] += weight
    assert Counter(whole) == Counter(split) == +expected


def test_a_table_in_groups_is_given_in_its_order() -> None:
    batches = list(_changes(Random(1)))
    order = (SortKey("k", descending=True), SortKey("v"))
    spec = FoldSpec("fold", {"k": pl.Int64(), "v": pl.String()}, order)
    assert _folded(spec, batches, 5) == _folded(spec, batches, 10**9)


def test_groups_are_known_again_after_a_restart() -> None:
    spec = FoldSpec("fold", {"k": pl.Int64(), "v": pl.String()})
    batches = list(_changes(Random(2)))
    first, others = batches[:15], batches[15:]
    context, again = _Context(spec), _Context(spec)
    before = _operator(spec, context, 5)
    for batch in first:
        list(before.on_batch(0, batch))
    saved = context.rows.dump()
    assert saved["__group"].n_unique() > 1, "the table was divided"
    again.rows.load(saved)
    restored = _operator(spec, again)
    for batch in others:
        list(restored.on_batch(0, batch))
    found = [row for part in restored.on_end(0) for row in part.frame.rows()]
    assert Counter(found) == Counter(_folded(spec, batches, 10**9))
