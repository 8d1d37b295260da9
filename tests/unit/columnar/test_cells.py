"""Columns in one array: what they hold, how they grow, and how their changes are netted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from thalweg.columnar.cells import BLOCK, Cells, Touched, addresses_of, pick, take

LAYOUT = Cells({"n": ("int64", 5), "f": ("float64", 0.5), "z": ("float64", 0), "b": ("bool", True)})


def test_columns_hold_their_types_and_share_the_memory() -> None:
    cells = LAYOUT.new(2, above=1)
    named = LAYOUT.named(cells[1:])
    assert {n: c.tolist() for n, c in named.items()} == {
        "n": [5, 5],
        "f": [0.5, 0.5],
        "z": [0.0, 0.0],
        "b": [True, True],
    }
    named["f"][0], named["b"][1], named["n"][:] = -1.5, False, 7
    again = LAYOUT.named(cells[1:])
    assert (again["f"].tolist(), again["b"].tolist(), again["n"].tolist()) == (
        [-1.5, 0.5],
        [True, False],
        [7, 7],
    )
    assert cells[0].tolist() == [0, 0]


def test_growth_keeps_values_and_begins_with_initial_ones() -> None:
    cells = list(LAYOUT.new(2))
    LAYOUT.named(cells)["f"][:] = 2.5
    named = LAYOUT.named(LAYOUT.grown(cells, 4))
    assert named["f"].tolist() == [2.5, 2.5, 0.5, 0.5]
    assert named["n"].tolist() == [5, 5, 5, 5]
    assert named["b"].tolist() == [True] * 4


def test_growth_ahead_is_for_zeros_alone() -> None:
    """What must be filled would be memory in use."""
    cells = LAYOUT.grown(list(LAYOUT.new(2)), 4, ahead=4)
    named = LAYOUT.named(cells)
    assert {n: len(c) for n, c in named.items()} == {"n": 4, "f": 4, "z": 16, "b": 4}
    again = LAYOUT.grown(cells, 8, ahead=4)
    assert again[2] is cells[2]
    assert [len(c) for c in again] == [8, 8, 16, 8]


def test_take() -> None:
    cells, places = np.arange(12).reshape(3, 4), [3, 0, 3]
    assert take(addresses_of(cells), np.array(places)).tolist() == cells[:, places].tolist()
    assert pick(cells, np.array(places, np.uint32)).tolist() == cells[:, places].tolist()


PLACES = st.integers(0, 9)
ROWS = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1))
STEP = st.lists(st.tuples(PLACES, ROWS), max_size=12)


@given(st.lists(STEP, max_size=6), st.lists(st.booleans(), min_size=10, max_size=10))
def test_changes_against_two_tables(
    steps: list[list[tuple[int, tuple[int, int, int]]]], odd: list[bool]
) -> None:
    """Whatever happens between two cuts, what was there before goes and what is there now comes."""
    cells = np.zeros((3, 10), np.int64)  # rows of the group, a value that shows, one that does not
    touched = Touched(columns=3, mark=0, shown=[1])
    for step in steps:
        before = cells.copy()
        for place, values in step:
            touched.note(np.array([place, place]), addresses_of(cells), 10)
            cells[:, place] = values
        order = list(dict.fromkeys(place for place, _ in step))
        assert touched.places.tolist() == order
        others = np.array([odd[p] for p in order], np.bool_)
        made, *rest = touched.net(addresses_of(cells), others)
        assert not rest
        old = [
            p for p in order if before[0, p] and (not cells[0, p] or before[1, p] != cells[1, p] or odd[p])
        ]
        new = [
            p for p in order if cells[0, p] and (not before[0, p] or before[1, p] != cells[1, p] or odd[p])
        ]
        assert made.places.tolist() == old + new
        assert made.minus == len(old)
        assert made.weights.tolist() == [-1] * len(old) + [1] * len(new)
        assert [order[i] for i in made.numbers.tolist()] == old + new
        assert made.cells.T.tolist() == [before[:, p].tolist() for p in old] + [
            cells[:, p].tolist() for p in new
        ]
        assert made.gone.tolist() == [p for p in order if not cells[0, p]]
        assert touched.count == 0


def test_changes_while_the_state_grows() -> None:
    cells, touched = np.zeros((2, 4), np.int64), Touched(columns=2, mark=0, shown=[1])
    touched.note(np.arange(4), addresses_of(cells), 4)
    cells = np.concatenate([cells, np.zeros((2, 3000), np.int64)], axis=1)
    touched.note(np.arange(3004), addresses_of(cells), 3004)
    cells[0] = 1
    (made,) = touched.net(addresses_of(cells))
    assert made.places.tolist() == list(range(3004))
    assert made.weights.tolist() == [1] * 3004


def test_more_changes_than_a_block_holds() -> None:
    height = 2 * BLOCK + 10
    cells, touched = np.ones((2, height), np.int64), Touched(columns=2, mark=0, shown=[1])
    for _ in range(2):
        touched.note(np.arange(height)[::-1].copy(), addresses_of(cells), height)
        assert touched.count == height
        assert touched.places.tolist() == list(range(height))[::-1]
        cells[1] += 1
        seen: list[int] = []
        for made in touched.net(addresses_of(cells)):
            half = made.minus
            assert half == len(made.places) // 2 <= BLOCK
            assert set(made.cells[1, :half].tolist()) == {int(cells[1, 0]) - 1}
            assert set(made.cells[1, half:].tolist()) == {int(cells[1, 0])}
            assert made.numbers[:half].tolist() == made.numbers[half:].tolist()
            assert (height - 1 - made.numbers[:half]).tolist() == made.places[:half].tolist()
            seen += made.places[:half].tolist()
        assert sorted(seen) == list(range(height))
        assert touched.count == 0
