"""Row groups are found as another Parquet library wrote them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from thalweg.connectors.files.parquet import _frames
from thalweg.connectors.files.parquet_footer import row_group_sizes
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
    assert row_group_sizes(path) == [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def test_no_rows(tmp_path: Path) -> None:
    path = str(tmp_path / "x.parquet")
    pl.DataFrame({"a": pl.Series([], dtype=pl.Int64)}).write_parquet(path)
    assert sum(row_group_sizes(path)) == 0


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1", b"PAR1\x02\x15\x08\x00\x00\x00PAR1"]
)
def test_other_bytes(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ConnectorError):
        row_group_sizes(str(tmp_path / "x"))


@pytest.mark.parametrize("row", [0, 1, 99, 100, 101, 250, 999, 1000, 2000])
def test_rows_from_anywhere(row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thalweg.connectors.files.parquet.DECODED_ROWS", 150)
    plan = pl.LazyFrame({"n": range(1000)})
    frames = list(_frames(plan, [100, 100, 60, 740], row))
    assert [n for f in frames for n in f["n"]] == list(range(row, 1000))
    # Nothing is decoded twice: only the first frame may begin within a row group.
    assert all(f["n"][0] in (0, 200, 260) for f in frames[1:])
