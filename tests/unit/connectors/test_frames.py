"""A split that comes as frames is cut to the size asked for, and rows are counted."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from thalweg.connectors.frames import GATHERED_ROWS, FrameReader, Skipped


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


def parts_of(sizes: list[tuple[int, bool]], row: int) -> Iterator[pl.DataFrame | Skipped]:
    """Frames, some of which are left out."""
    for frame, (_, is_wanted) in zip(frames_of([s for s, _ in sizes], row), sizes, strict=True):
        yield frame if is_wanted else Skipped(frame.height)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=6),
    st.integers(0, 12),
    st.lists(st.integers(1, 7), min_size=1),
    st.booleans(),
)
def test_rows_that_are_left_out_keep_the_places_of_the_others(
    sizes: list[tuple[int, bool]], row: int, reads: list[int], hops: bool
) -> None:
    wanted = [n for f in parts_of(sizes, row) if isinstance(f, pl.DataFrame) for n in f["n"]]
    reader = FrameReader(lambda at: parts_of(sizes, at), {"row": row})
    seen: list[int] = []
    for turn in range(100):
        chunk = reader.read(reads[turn % len(reads)])
        if chunk.frame is not None:
            assert chunk.offset == chunk.frame["n"][0]
            numbers = chunk.frame["n"].to_list()
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            seen += numbers
        if chunk.ended:
            break
        if hops:
            reader = FrameReader(lambda at: parts_of(sizes, at), reader.position)
    assert seen == wanted
