"""Datasets group by several sets of keys, in both modes, and say what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest

import thalweg.api as tw
from tests.unit.api.fake import FakeSession, dataset
from thalweg.errors import ThalwegError

FRAME = pl.DataFrame(
    {
        "k": ["a", "b", "b", None],
        "j": [1, 1, 2, 1],
        "v": [5, 3, 7, 4],
        "t": [datetime(2026, 1, 1) + timedelta(seconds=s) for s in (0, 2, 3, 9)],
    }
)
MODES = pytest.mark.parametrize("mode", ["batch", "stream"])
ALL = [("a", 1, 5), ("b", 1, 3), ("b", 2, 7), (None, 1, 4)]
BY_K = [("a", None, 5), ("b", None, 10), (None, None, 4)]
BY_J = [(None, 1, 12), (None, 2, 7)]
WHOLE = [(None, None, 19)]


def data(mode: str = "batch") -> tw.Dataset:
    return dataset([FRAME], FakeSession(mode))


def ordered(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return sorted(rows, key=str)


@MODES
@pytest.mark.parametrize(
    ("grouped", "expected"),
    [
        (lambda g: g.rollup(), [*ALL, *BY_K, *WHOLE]),
        (lambda g: g.cube(), [*ALL, *BY_K, *BY_J, *WHOLE]),
        (lambda g: g.sets(["k", "j"], "j", []), [*ALL, *BY_J, *WHOLE]),
        (lambda g: g.sets("j", "j"), [*BY_J, *BY_J]),
    ],
)
def test_sets(
    mode: str,
    grouped: Callable[[tw.GroupedDataset], tw.GroupedDataset],
    expected: list[tuple[object, ...]],
) -> None:
    made = grouped(data(mode).group_by("k", "j")).agg(total=tw.sum("v"))
    assert ordered(made.collect().rows()) == ordered(expected)


@MODES
def test_grouping_tells_absent_keys_from_null(mode: str) -> None:
    grouped = data(mode).group_by("k", "j").sets(["k", "j"], "k", [])
    made = grouped.agg(n=tw.count(), bits=tw.grouping("k", "j"), twice=tw.grouping("j") * 2)
    found = made.select("bits", "twice", "n").collect().rows()
    assert sorted(found) == [(0, 0, 1)] * 4 + [(1, 2, 1)] * 2 + [(1, 2, 2), (3, 2, 4)]


@MODES
def test_windows_are_in_every_set(mode: str) -> None:
    rows = data(mode).assign_watermark("t").window(tw.tumbling("5s"))
    made = rows.group_by("k").rollup().agg(total=tw.sum("v"))
    found = made.select("window_start", "k", "total").collect().rows()
    first, second = (datetime(2026, 1, 1) + timedelta(seconds=s) for s in (0, 5))
    expected = [(first, "a", 5), (first, "b", 10), (first, None, 15), (second, None, 4), (second, None, 4)]
    assert ordered(found) == ordered(expected)


@MODES
def test_a_query_among_the_keys(mode: str) -> None:
    rows = data(mode)
    least = rows.agg(tw.min("v")).scalar()
    made = rows.group_by(more=tw.col("v") - least).rollup().agg(n=tw.count())
    assert ordered(made.collect().rows()) == ordered([(2, 1), (0, 1), (4, 1), (1, 1), (None, 4)])


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: rows.group_by("k").sets("v").agg(n=tw.count()),
        lambda rows: rows.group_by("k").sets().agg(n=tw.count()),
        lambda rows: rows.group_by("k").sets(*["k"] * 200).agg(n=tw.count()),
        lambda rows: rows.group_by(*[tw.col("v").alias(f"v{n}") for n in range(40)]).cube(),
        lambda rows: rows.group_by("k").agg(g=tw.grouping("v")),
        lambda rows: rows.group_by("k").agg(g=tw.grouping()),
        lambda rows: rows.agg(g=tw.grouping("k")),
    ],
)
def test_mistakes(make: Callable[[tw.Dataset], tw.Dataset]) -> None:
    with pytest.raises(ThalwegError) as caught:
        make(data())
    assert caught.value.code == "plan-grouping"
    assert "test_grouping_sets.py" in str(caught.value)
