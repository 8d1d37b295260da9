"""What is done without a query gives what the query would."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from thalweg.columnar import eager

FRAME = pl.DataFrame(
    {
        "n": [1, None, 3, 4],
        "s": ["a", "", None, "a text of more than twelve bytes"],
        "r": [{"p": 1, "q": "x"}, None, {"p": None, "q": "y"}, {"p": 4, "q": None}],
        "l": [[1], [], None, [2, 3]],
    }
)


def same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert found.schema == expected.schema
    assert found.rows() == expected.rows()


@pytest.mark.parametrize("mask", [[True, None, False, True], [False] * 4, [True] * 4])
def test_filter(mask: list[bool | None]) -> None:
    series = pl.Series(mask, dtype=pl.Boolean)
    same(eager.filter_rows(FRAME, series), FRAME.filter(series))


@pytest.mark.parametrize("rows", [[3, 0, 0], [], [1]])
def test_gather(rows: list[int]) -> None:
    places = np.array(rows, dtype=np.int64)
    same(eager.gather_rows(FRAME, places), FRAME[rows] if rows else FRAME.clear())


def test_frames_without_columns_keep_their_height() -> None:
    rows = pl.DataFrame(height=3)
    assert eager.gather_rows(rows, np.array([0, 2])).height == 2
    assert eager.filter_rows(rows, pl.Series([True, False, True])).height == 2
    assert eager.without(FRAME, *FRAME.columns).height == FRAME.height
    assert eager.below([rows, rows]).height == 6
    assert eager.gather_below([rows, rows], np.array([1, 2]), np.array([0, 0, 1])).height == 3


@pytest.mark.parametrize("count", [1, 2, 20])
def test_below_each_other(count: int) -> None:
    same(eager.below([FRAME] * count), pl.concat([FRAME] * count))


@pytest.mark.parametrize("names", [None, ["s", "n"]])
@pytest.mark.parametrize("per_frame", [1, 3, 20])
@pytest.mark.parametrize("count", [1, 2, 30])
def test_gathered_below_each_other(count: int, per_frame: int, names: list[str] | None) -> None:
    random = np.random.default_rng(count * per_frame)
    frames = [FRAME, *[FRAME.reverse().head(random.integers(1, 5)) for _ in range(count - 1)]]
    counts = random.integers(0, 2 * per_frame, count)
    rows = [random.integers(0, f.height, c) for f, c in zip(frames, counts, strict=True)]
    found = eager.gather_below(frames, counts, np.concatenate(rows), names)
    expected = pl.concat([f[r.tolist()] for f, r in zip(frames, rows, strict=True)])
    same(found, expected if names is None else expected.select(names))


def test_whole_frames_below_each_other_are_not_copied() -> None:
    frames = [pl.DataFrame({"n": np.arange(100 * k, 100 * k + 100)}) for k in range(3)]
    found = eager.gather_below(frames, np.full(3, 100), np.tile(np.arange(100), 3))
    assert found.n_chunks() == 3
    same(found, pl.concat(frames))


def test_below_leaves_the_first_frame_as_it_was() -> None:
    first = FRAME.clone()
    eager.below([first, FRAME])
    assert first.height == FRAME.height


def test_columns_beside_and_without() -> None:
    more = eager.beside(FRAME, [pl.Series("x", [1, 2, 3, 4])])
    same(eager.without(more, "x", "nowhere"), FRAME)
    assert eager.without(FRAME, "nowhere") is FRAME
    same(eager.empty(FRAME), FRAME.clear())


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool", "int32", "uint32"])
def test_numbers(dtype: str) -> None:
    values = np.array([1, 0, 1, 1]).astype(dtype)
    same(eager.numbers("v", values).to_frame(), pl.DataFrame({"v": values}))
    same(eager.numbers("v", values[::2]).to_frame(), pl.DataFrame({"v": values[::2]}))
