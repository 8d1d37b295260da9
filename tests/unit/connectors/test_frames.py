"""A split that comes as frames is cut to the size asked for, and rows are counted."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from thalweg.connectors.frames import GATHERED_ROWS, FrameReader


def frames_of(sizes: list[int], row: int) -> Iterator[pl.DataFrame]:
    start = 0
    for size in sizes:
        yield pl.DataFrame({"n": range(start, start + size)}, schema={"n": pl.Int64})[max(0, row - start) :]
        start += size


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 12), st.lists(st.integers(1, 7), min_size=1))
def test_every_row_comes_once_and_in_order(sizes: list[int], row: int, reads: list[int]) -> None:
    reader = FrameReader(lambda at: frames_of(sizes, at), {"row": row})
    seen: list[int] = []
    ended = False
    for turn in range(100):
        rows_max = reads[turn % len(reads)]
        chunk = reader.read(rows_max)
        if chunk.frame is not None:
            assert chunk.offset == row + len(seen)
            assert chunk.frame.height <= rows_max
            seen += chunk.frame["n"].to_list()
        assert reader.position == {"row": row + len(seen)}
        ended = chunk.ended
        if ended:
            break
    assert ended
    assert seen == list(range(row, sum(sizes)))


def test_small_frames_are_joined_and_large_ones_are_not_copied() -> None:
    small = FrameReader(lambda row: frames_of([1] * 50, row), {})
    assert small.read(40).offset == 0
    assert small.position == {"row": 40}
    large = FrameReader(lambda row: frames_of([GATHERED_ROWS + 1, 10], row), {})
    first = large.read(GATHERED_ROWS + 5).frame
    assert first is not None
    assert first.n_chunks() == 1


def test_nothing_comes_after_close() -> None:
    reader = FrameReader(lambda row: frames_of([5], row), {})
    reader.read(1)
    reader.close()
    assert reader.read(1).frame is None
