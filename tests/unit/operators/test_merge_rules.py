"""Columns that are added up in one call against the parts themselves, and stacks of panes against lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.base import types as t
from thalweg.columnar.merge_cells import NO_RUNNING, WIDTHS, link_rows, merge_cells, pick_some
from thalweg.operators.accumulators import Accumulators, cells_of
from thalweg.operators.ordered_parts import PlacedPart
from thalweg.operators.parts import Part, make_part

PLACES = 3
WORD = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2)
PARTS: dict[str, Part] = {
    "count": make_part("count", t.INT64, "p."),
    "counted": make_part("count", None, "p."),
    "sum": make_part("sum", t.INT64, "p."),
    "decimal": make_part("sum", t.Decimal(20, 2), "p."),
    "min": make_part("min", t.INT64, "p."),
    "max": make_part("max", t.INT64, "p."),
    "unsigned": make_part("max", t.UINT64, "p."),
    "float": make_part("min", t.FLOAT64, "p."),
    "first": PlacedPart("p.", False, t.INT64),
    "last": PlacedPart("p.", True, t.INT64),
}
UNRULED: dict[str, Part] = {
    "float sum": make_part("sum", t.FLOAT64, "p."),
    "text": make_part("max", t.STRING, "p."),
    "first text": PlacedPart("p.", False, t.STRING),
}


@st.composite
def added(draw: st.DrawFn, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Places, and the cells that come to them."""
    count = draw(st.integers(0, 8))
    places = draw(st.lists(st.integers(0, PLACES - 1), min_size=count, max_size=count))
    rows = [
        draw(st.lists(st.integers(0, 1) if n.endswith("seen") else WORD, min_size=count, max_size=count))
        for n in part.columns
    ]
    return np.array(places, np.int64), np.array(rows, np.int64).reshape(len(part.columns), count)


def rules_of(part: Part) -> np.ndarray:
    assert part.rules is not None
    starts = np.cumsum([0, *(WIDTHS[rule] for rule, _ in part.rules)])
    assert starts[-1] == len(part.columns), "every column has a rule"
    table = [(rule, start, known) for (rule, known), start in zip(part.rules, starts, strict=False)]
    return np.array(table, np.int64).reshape(-1, 3)


@pytest.mark.parametrize("name", PARTS)
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_rules_do_what_parts_do(name: str, data: st.DataObject) -> None:
    part = PARTS[name]
    places, cells = data.draw(added(part))
    layout = cells_of(part.columns)
    known, sums = Accumulators(layout, PLACES), np.zeros((len(part.columns), PLACES), np.int64)
    running = np.empty(cells.shape, np.int64)
    merge_cells(rules_of(part), places, cells, sums, running)
    for row, place in enumerate(places):
        made = layout.named(np.ascontiguousarray(cells[:, row : row + 1]))
        part.merge(known, places[row : row + 1], made)
        assert running[:, row].tolist() == known.whole[:, place].tolist()
    assert sums.tolist() == known.whole.tolist()
    again = np.zeros_like(sums)
    merge_cells(rules_of(part), places, cells, again, NO_RUNNING)
    assert again.tolist() == sums.tolist()


@pytest.mark.parametrize("name", UNRULED)
def test_no_rules_where_order_matters_or_words_do_not_hold_it(name: str) -> None:
    assert UNRULED[name].rules is None


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=6))
@settings(deadline=None, max_examples=100)
def test_stacks_of_panes(panes: list[list[int]]) -> None:
    """`panes`: the keys of each, the latest pane first."""
    begins = np.cumsum([0, *map(len, panes)])
    owners = np.array([key for pane in panes for key in pane])
    numbers, slots = np.arange(len(panes), 0, -1), np.arange(len(owners)) + 100
    tops, below = np.full(4, -1), np.empty(len(owners), np.int64)
    latest = np.full(4, -1), np.full(4, -1)
    link_rows(begins, numbers, owners, slots, tops, below, latest)
    for depth in range(len(panes), 0, -1):
        begin, end = begins[depth - 1], begins[depth]
        for key in range(4):
            rows = np.flatnonzero(owners[:end] == key)
            # the last row of a key is that of its earliest pane, and adds up all of them
            assert tops[key] == (rows[-1] if len(rows) else -1)
        tops[owners[begin:end]] = below[begin:end]
    assert (tops == -1).all()
    for key in range(4):
        of = [p for p, keys in enumerate(panes) if key in keys]
        if of:
            assert latest[1][key] == numbers[of[0]]
            assert slots[np.flatnonzero(owners == key)[0]] == latest[0][key]


def test_what_has_no_place_is_zero() -> None:
    cells: Any = np.array([[5, 6], [7, 8]])
    found = np.empty((2, 3), np.int64)
    pick_some(cells, np.array([1, -1, 0]), np.array([2, 1, 0]), found)
    assert found.tolist() == [[5, 0, 6], [7, 0, 8]]
