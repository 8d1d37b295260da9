"""Frames are one stream of Arrow IPC, which other libraries read, and which can be taken apart again."""

from __future__ import annotations

import io

import polars as pl
import pyarrow as pa
import pytest

from thalweg.columnar.arrow_stream import END, frames_of, stream_of

FRAME = pl.DataFrame(
    {
        "n": [1, None, 3],
        "s": ["a", "a text of more than twelve bytes", None],
        "e": pl.Series(["x", "y", "x"], dtype=pl.Enum(["x", "y"])),
        "l": [[{"k": 1}], [], None],
        "t": pl.Series([0, 1, 2]).cast(pl.Datetime("us", "UTC")),
    }
)
FRAMES = [FRAME, FRAME.clear(), FRAME[1:], FRAME.reverse()]


@pytest.mark.parametrize("frames", [FRAMES, FRAMES[:1], [FRAME.clear()], [FRAME.select("n")] * 5])
def test_frames_come_back(frames: list[pl.DataFrame]) -> None:
    data = b"".join(stream_of(frames))
    found = list(frames_of(io.BytesIO(data).read))
    assert pl.concat(found).equals(pl.concat(frames))
    assert found[0].schema == frames[0].schema
    assert pl.read_ipc_stream(data).equals(pl.concat(frames))


def test_others_read_it() -> None:
    frames = [f.drop("e") for f in FRAMES]
    table = pa.ipc.open_stream(b"".join(stream_of(frames))).read_all()
    assert table.to_pylist() == pl.concat(frames).to_dicts()


def test_one_frame_is_read_at_a_time() -> None:
    pieces = list(stream_of(FRAMES))
    assert len(pieces) == len(FRAMES) + 1
    source = io.BytesIO(b"".join(pieces))
    reading = frames_of(source.read)
    assert next(reading).equals(FRAME)
    assert source.tell() == len(pieces[0])


def test_a_stream_that_breaks_off_is_told() -> None:
    data = b"".join(stream_of(FRAMES[:2]))
    for length in (0, 3, 7, 8, 100, len(data) - len(END), len(data) - 1):
        with pytest.raises(EOFError):
            list(frames_of(io.BytesIO(data[:length]).read))
    with pytest.raises(EOFError, match="no stream of Arrow"):
        list(frames_of(io.BytesIO(b"{}" * 100).read))
