"""Row groups are found as another Parquet library wrote them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from thalweg.connectors.files.parquet_footer import read_footer
from thalweg.errors import ConnectorError

TABLE = pa.table(
    {
        "n": pa.array(range(1000)),
        "s": pa.array([f"{i}" for i in range(1000)]),
        "r": pa.array([{"a": i, "b": [True, None]} for i in range(1000)]),
        "m": pa.array([[("k", i)] for i in range(1000)], pa.map_(pa.string(), pa.int64())),
    }
)


@pytest.mark.parametrize("size", [1, 100, 333, 5000])
def test_sizes(size: int, tmp_path: Path) -> None:
    path = str(tmp_path / "x.parquet")
    pq.write_table(TABLE.replace_schema_metadata({"k": "v" * 300}), path, row_group_size=size)
    metadata = pq.ParquetFile(path).metadata
    assert [g.rows for g in read_footer(path).groups] == [
        metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)
    ]


def test_no_rows(tmp_path: Path) -> None:
    path = str(tmp_path / "x.parquet")
    pl.DataFrame({"a": pl.Series([], dtype=pl.Int64)}).write_parquet(path)
    assert sum([g.rows for g in read_footer(path).groups]) == 0


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1", b"PAR1\x02\x15\x08\x00\x00\x00PAR1"]
)
def test_other_bytes(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ConnectorError):
        read_footer(str(tmp_path / "x"))


@pytest.mark.parametrize("footer", [b"\xff" * 8, b"\0" * 8, b"\x19\xff" * 4])
def test_a_footer_that_means_nothing(footer: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ConnectorError) as caught:
        read_footer(str(path))
    assert (caught.value.code, caught.value.where) == ("source-damaged-file", str(path))
    assert str(caught.value.found).startswith("its footer cannot be read (")
