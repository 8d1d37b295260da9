"""Row-wise steps of one stage: a filter hands on what the steps behind it read, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, STRING
from thalweg.columnar.batch import OFFSET, SPLIT, Batch
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Call, Column, Expr, Named
from thalweg.operators import rowwise
from thalweg.operators.rowwise import FilterStep, ProjectStep, RowStep, RowwiseSpec

SCHEMA = Schema.of({"k": INT64, "a": INT64, "s": STRING})
ROWS = pl.DataFrame({"k": [1, 2, 3], "a": [10, 20, 30], "s": ["x", "y", "z"]})


@dataclass(frozen=True)
class Given:
    rows_max: int = 100
    inputs: int = 1

    def state(self, name: str) -> Any:
        raise AssertionError("row-wise steps have no state")

    def split_name(self, number: int) -> str:
        raise AssertionError("nobody asks for names of splits")


def more_than(column: str, least: int) -> FilterStep:
    return FilterStep(Call(">", (Column(column), literal_of(least))), SCHEMA)


def project(**items: Expr) -> ProjectStep:
    return ProjectStep(tuple(Named(n, e) for n, e in items.items()), SCHEMA)


def run(*steps: RowStep, frame: pl.DataFrame = ROWS) -> list[pl.DataFrame]:
    return [b.frame for b in RowwiseSpec("rows", steps).build(Given()).on_batch(0, Batch(frame))]


@pytest.fixture
def filtered(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The columns that filters went through."""
    seen: list[list[str]] = []
    original = Batch.filter

    def spy(self: Batch, mask: pl.Series) -> Batch:
        seen.append(self.frame.columns)
        return original(self, mask)

    monkeypatch.setattr(rowwise.Batch, "filter", spy)
    return seen


def test_a_filter_copies_only_what_is_still_read(filtered: list[list[str]]) -> None:
    (found,) = run(more_than("k", 1), project(s=Column("s")))
    assert found.rows() == [("y",), ("z",)]
    assert filtered == [["s"]]


def test_a_second_filter_still_has_its_column(filtered: list[list[str]]) -> None:
    (found,) = run(more_than("k", 1), more_than("a", 20), project(s=Column("s")))
    assert found.rows() == [("z",)]
    assert filtered == [["a", "s"], ["s"]]


def test_without_a_projection_every_column_stays() -> None:
    (found,) = run(more_than("k", 1))
    assert found.columns == ROWS.columns


def test_positions_travel_along(filtered: list[list[str]]) -> None:
    placed = ROWS.with_columns(pl.lit(0).alias(SPLIT), pl.Series(OFFSET, [5, 6, 7]))
    (found,) = run(more_than("k", 1), project(s=Column("s")), frame=placed)
    assert found.get_column(OFFSET).to_list() == [6, 7]


def test_a_constant_behind_a_filter_has_a_value_for_each_row() -> None:
    (found,) = run(more_than("k", 1), project(one=literal_of(1)))
    assert found.rows() == [(1,), (1,)]
