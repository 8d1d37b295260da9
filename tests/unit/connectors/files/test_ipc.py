"""Arrow files are mapped as they were written, by whomever, and what is wrong in them is found."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.connectors.reading import drain
from thalweg.base.schema import Schema
from thalweg.connectors.files import file_source
from thalweg.connectors.files.ipc_footer import UnknownLayout
from thalweg.connectors.files.ipc_mapped import MappedFile, _check_views
from thalweg.errors import ConnectorError, ThalwegError

N = 70
ARRAYS = {
    "bool": pa.array([None if i % 5 == 0 else i % 2 == 0 for i in range(N)]),
    "i8": pa.array(range(N), pa.int8()),
    "u16": pa.array(range(N), pa.uint16()),
    "i32": pa.array([None, *range(N - 1)], pa.int32()),
    "u64": pa.array([2**64 - 1 - i for i in range(N)], pa.uint64()),
    "f32": pa.array([i / 4 for i in range(N)], pa.float32()),
    "f64": pa.array([None if i == 3 else i / 3 for i in range(N)]),
    "dec": pa.array(range(N), pa.decimal128(20, 0)),
    "text": pa.array([None if i % 4 == 0 else "ä" * i for i in range(N)]),
    "large": pa.array([str(i) * 9 for i in range(N)], pa.large_string()),
    "view": pa.array([None if i % 9 == 0 else f"{i} and some more text" for i in range(N)], pa.string_view()),
    "bytes": pa.array([bytes([i]) * i for i in range(N)]),
    "day": pa.array(range(N), pa.date32()),
    "time": pa.array(range(N), pa.time64("ns")),
    "ms": pa.array(range(N), pa.timestamp("ms")),
    "us": pa.array(range(N), pa.timestamp("us", "UTC")),
    "ns": pa.array([i * 1000 for i in range(N)], pa.timestamp("ns")),
    "span": pa.array(range(N), pa.duration("us")),
    "list": pa.array([None if i % 6 == 0 else [i] * (i % 4) for i in range(N)]),
    "rows": pa.array([None if i % 3 == 0 else {"a": i, "b": {"c": "x" * i, "d": i}} for i in range(N)]),
    "nested": pa.array([[{"a": i, "b": "x" * 20}] for i in range(N)]),
}


def write(path: Path, table: pa.Table, chunk: int = 16) -> str:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=chunk)
    return str(path)


def mapped(path: str, target: Schema) -> pl.DataFrame:
    return pl.concat(list(MappedFile(path, target).frames(0)))


@pytest.mark.parametrize("name", ARRAYS)
def test_every_type_is_mapped(name: str, tmp_path: Path) -> None:
    table = pa.table({"before": ARRAYS["view"], name: ARRAYS[name], "after": ARRAYS["rows"]})
    path = write(tmp_path / "x.arrow", table)
    source = file_source(path)
    MappedFile(path, source.schema)
    expected = pl.from_arrow(table.select([name]))
    assert isinstance(expected, pl.DataFrame)
    read = drain(source, 1000, fields=[(name, None)]).frame
    assert read.equals(expected.cast(source.schema.polars[name]), null_equal=True)


def test_members_are_taken_at_any_depth(tmp_path: Path) -> None:
    path = write(tmp_path / "x.arrow", pa.table({"rows": ARRAYS["rows"], "n": ARRAYS["i8"]}))
    declared = Schema.from_polars({"n": pl.Int8(), "rows": pl.Struct({"b": pl.Struct({"d": pl.Int64})})})
    read = drain(file_source(path, schema=declared)).frame
    assert read.schema == declared.polars
    assert read["rows"].is_null().sum() == -(-N // 3)
    assert read["rows"].struct.field("b").struct.field("d").drop_nulls().sum() == sum(
        i for i in range(N) if i % 3
    )


def test_what_is_not_mapped_is_read_by_polars(tmp_path: Path) -> None:
    table = pa.table(
        {"c": pa.array(["x", "y"] * 35).dictionary_encode(), "n": ARRAYS["i8"], "o": pa.nulls(N)}
    )
    path = write(tmp_path / "x.arrow", table)
    source = file_source(path)
    with pytest.raises(UnknownLayout):
        MappedFile(path, source.schema)
    assert drain(source).frame["c"].to_list() == ["x", "y"] * 35
    assert mapped(path, source.schema.select(["n"]))["n"].to_list() == list(range(N))


def test_rows_outlive_their_reader_and_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x.arrow", pa.table({"s": ARRAYS["view"]}))
    source = file_source(path)
    reader = source.open(source.splits()[0], {}, None)
    frame = reader.read(10).frame
    reader.close()
    os.unlink(path)
    gc.collect()
    assert frame is not None
    assert frame["s"].to_list() == [None if i % 9 == 0 else f"{i} and some more text" for i in range(10)]


def test_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], "<i4")), pa.py_buffer(b"\xff")]
    )
    path = write(tmp_path / "x.arrow", pa.table({"s": broken}))
    with pytest.raises(ThalwegError) as caught:
        drain(file_source(path))
    assert caught.value.code == "source-damaged-file"


def view(length: int, number: int, start: int) -> list[int]:
    return [length, 0, number, start]


@pytest.mark.parametrize(
    "bad", [view(13, 1, 0), view(21, 0, 0), view(13, 0, 8), view(2**32 - 1, 0, 0), view(13, 2**31, 0)]
)
@pytest.mark.parametrize("sizes", [[20], [20, 5]])
def test_strings_outside_their_buffers_are_found(bad: list[int], sizes: list[int]) -> None:
    good = [view(12, 9, 9), view(20, 0, 0)]
    _check_views(np.array(good, np.uint32), np.array(sizes), None)
    views = np.array([*good, bad], np.uint32)
    with pytest.raises(ValueError, match="outside"):
        _check_views(views, np.array(sizes), None)
    _check_views(views, np.array(sizes), np.array([0b011], np.uint8))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_do_worse_than_an_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.arrow"
    write(path, pa.table({k: ARRAYS[k] for k in ("i32", "text", "view", "list", "rows")}), 40)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        frame = drain(file_source(str(path))).frame
    except ThalwegError:
        return
    # Whatever was read can be looked at.
    frame.write_ndjson()


def test_packed_values_that_are_damaged_name_the_file(tmp_path: Path) -> None:
    table, packed = pa.table({"n": range(1000)}), pa.ipc.IpcWriteOptions(compression="zstd")
    path = tmp_path / "x.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=packed) as writer:
        writer.write_table(table)
    source = file_source(str(path))
    assert drain(source).frame["n"].to_list() == list(range(1000))
    begin = b"\x28\xb5\x2f\xfd"
    assert path.read_bytes().count(begin) == 1
    path.write_bytes(path.read_bytes().replace(begin, b"\xff" * 4))
    with pytest.raises(ConnectorError) as caught:
        drain(source)
    assert (caught.value.code, caught.value.where) == ("source-damaged-file", str(path))
