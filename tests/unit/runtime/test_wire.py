"""Messages with frames come through as they were, of any size; whoever is left alone is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from thalweg.columnar.batch import Batch
from thalweg.protocols.messages import Watermark
from thalweg.protocols.operator import Side
from thalweg.runtime.processes.messages import from_output, to_output
from thalweg.runtime.processes.shipping import packed_error, unpacked_error
from thalweg.runtime.processes.wire import Closed, Region, Wire

TYPES = pl.DataFrame(
    {
        "n": [1, None],
        "f": [0.5, float("nan")],
        "b": [True, None],
        "s": ["a", "ü" * 1000],
        "raw": [b"\x00\xff", None],
        "d": [Decimal("1.50"), None],
        "day": [date(2026, 1, 1), None],
        "at": [datetime(2026, 1, 1), None],
        "span": [timedelta(microseconds=1), None],
        "list": [[1, None], []],
        "struct": [{"x": 1, "y": ["a"]}, None],
    }
).with_columns(
    big=pl.Series([1 << 100, None], dtype=pl.Int128),
    kind=pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"])),
    at_utc=pl.col("at").dt.replace_time_zone("UTC"),
)


@pytest.fixture
def wires() -> Iterator[tuple[Wire, Wire]]:
    one, other = socket.socketpair()
    first, second = Region.new(), Region.new()
    ends = Wire(one, first, second), Wire(other, Region(os.dup(second.file)), Region(os.dup(first.file)))
    yield ends
    for end in ends:
        end.close()


def test_frames_of_all_types_come_through(wires: tuple[Wire, Wire]) -> None:
    frames = [TYPES, TYPES.clear(), pl.DataFrame(height=7), pl.DataFrame(), TYPES.slice(1)]
    wires[0].send(["what", 5, None, b"bytes"], frames)
    head, found = wires[1].receive()
    assert head == ["what", 5, None, b"bytes"]
    for got, sent in zip(found, frames, strict=True):
        assert got.height == sent.height
        assert_frame_equal(got, sent)


def test_frames_may_grow(wires: tuple[Wire, Wire]) -> None:
    for rows in (10, 1_000_000, 5, 3_000_000):
        frame = pl.DataFrame({"n": np.arange(rows)})
        wires[0].send([rows], [frame, frame.head(1)])
        (count,), (found, first) = wires[1].receive()
        assert (count, first.height) == (rows, 1)
        assert_frame_equal(found, frame)
        # what was received stays as it was, whatever comes afterwards
        wires[1].send(["answer"], [found.tail(2)])
        assert wires[0].receive()[1][0]["n"].to_list() == [rows - 2, rows - 1]
        assert_frame_equal(found, frame)


def test_an_end_is_told(wires: tuple[Wire, Wire]) -> None:
    wires[1].send(["last"])
    wires[1]._socket.shutdown(socket.SHUT_RDWR)
    assert wires[0].receive()[0] == ["last"]
    with pytest.raises(Closed):
        wires[0].receive()
    with pytest.raises(Closed):
        wires[0].send(["more"])


OUTPUTS = (
    Batch(pl.DataFrame({"a": [1, 2]})),
    Batch(pl.DataFrame({"a": [1, 2]}), pl.Series("__weight", [1, -3])),
    Batch(pl.DataFrame({"k": ["x"]}), parts=np.array([[1], [2]])),
    Batch(pl.DataFrame(), parts=np.array([[1, 5], [2, 6]])),
    Batch(pl.DataFrame(height=3)),
    Side("late", Batch(pl.DataFrame({"a": [1]}), pl.Series("__weight", [2])), 4, 1),
    Side("side x", Batch(pl.DataFrame({"a": [1]})), 0),
)


@pytest.mark.parametrize("number", range(len(OUTPUTS)))
def test_outputs_come_through(number: int) -> None:
    out = OUTPUTS[number]
    found = to_output(*from_output(out))
    assert type(found) is type(out)
    mine, theirs = (out.batch, found.batch) if isinstance(out, Side) else (out, found)  # type: ignore[union-attr]
    assert isinstance(mine, Batch)
    assert isinstance(theirs, Batch)
    assert_frame_equal(mine.frame, theirs.frame)
    assert len(mine) == len(theirs)
    assert (mine.weight is None) == (theirs.weight is None)
    assert mine.weights().to_list() == theirs.weights().to_list()
    assert mine.parts is None or np.array_equal(mine.parts, theirs.parts)  # type: ignore[arg-type]
    if isinstance(out, Side):
        assert isinstance(found, Side)
        assert (found.port, found.pairs, found.rows) == (out.port, out.pairs, out.rows)


def test_event_time_comes_through() -> None:
    assert to_output(*from_output(Watermark(-5))) == Watermark(-5)


def test_errors_keep_what_they_come_from() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as outer:
        outer.add_note("a note")
        found = unpacked_error(packed_error(outer))
    assert isinstance(found, ValueError)
    assert found.__notes__ == ["a note"]
    assert isinstance(found.__cause__, KeyError)
