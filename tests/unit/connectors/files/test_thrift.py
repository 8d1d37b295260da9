"""Structures survive being taken apart and put together, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from thalweg.connectors.files import thrift
from thalweg.connectors.files.thrift import Items, Value, decode, encode

EVERYTHING = {
    1: Value(thrift.TRUE, None),
    2: Value(thrift.FALSE, None),
    3: Value(thrift.BYTE, 200),
    4: Value(thrift.I16, -1),
    5: Value(thrift.I32, 1 << 30),
    40: Value(thrift.I64, -(1 << 62)),
    41: Value(thrift.DOUBLE, b"12345678"),
    42: Value(thrift.BINARY, b""),
    43: Value(thrift.LIST, Items(thrift.I32, list(range(20)))),
    44: Value(thrift.SET, Items(thrift.TRUE, [1, 2])),
    45: Value(thrift.MAP, (thrift.BINARY, thrift.STRUCT, [(b"k", {1: Value(thrift.I32, 1)})])),
    46: Value(thrift.MAP, (0, 0, [])),
    47: Value(thrift.STRUCT, {}),
}


def test_every_type() -> None:
    assert decode(encode(EVERYTHING)) == EVERYTHING


def test_a_footer_as_another_library_wrote_it(tmp_path: Path) -> None:
    table = pa.table({"a": [1, None], "r": [{"x": 1, "y": ["a"]}, None]})
    path = tmp_path / "x.parquet"
    pq.write_table(table.replace_schema_metadata({"k": "v" * 300}), path, row_group_size=1)
    data = path.read_bytes()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    assert encode(decode(footer)) == footer


@pytest.mark.parametrize("data", [b"", b"\x15", b"\x1d\x00", b"\x18\x7f", b"\x19\xf5\xff\xff\xff\x7f"])
def test_other_bytes(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        decode(data)
