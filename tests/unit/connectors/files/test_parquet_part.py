"""A part of a Parquet file, read by itself, is what Polars finds in the whole file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from thalweg.base.schema import Schema
from thalweg.connectors.files import parquet
from thalweg.connectors.files.parquet import ParquetFormat
from thalweg.connectors.files.select import expressions, pruned
from thalweg.errors import ConnectorError
from thalweg.protocols.conditions import Comparison

COUNT = 50
FRAME = pl.DataFrame(
    {
        "n": range(COUNT),
        "for_s": [timedelta(milliseconds=i) for i in range(COUNT)],
        "at": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(COUNT)],
        "kind": pl.Series([f"{i % 3}" for i in range(COUNT)], dtype=pl.Categorical),
        "items": [[{"a": i, "b": str(i)}] * (i % 3) if i % 5 else None for i in range(COUNT)],
        "r": [
            None
            if i % 7 == 0
            else {
                "x": i if i % 2 else None,
                "y": f"text {i}",
                "for_s": timedelta(seconds=i),
                "in": None if i % 3 == 0 else {"p": i, "q": [i, None]},
            }
            for i in range(COUNT)
        ],
    }
).with_columns(local=pl.col("at").dt.convert_time_zone("Europe/Berlin"))
CHOICES: list[Any] = [
    None,
    [("n", None)],
    [("r", ("y",))],
    [("r", ("in", "x"))],
    [("for_s", None), ("kind", None), ("r", ("for_s",))],
    [("items", None), ("at", None), ("local", None)],
]
WRITERS: dict[str, Any] = {
    "polars": lambda f, path: f.write_parquet(path, row_group_size=13),
    "plain": lambda f, path: f.write_parquet(path, row_group_size=13, compression="uncompressed"),
    "pyarrow": lambda f, path: pq.write_table(f.to_arrow(), path, row_group_size=13),
    "pages of version 2": lambda f, path: pq.write_table(
        f.to_arrow(), path, row_group_size=13, data_page_version="2.0", compression="gzip", data_page_size=64
    ),
    "without the Arrow schema": lambda f, path: pq.write_table(
        f.select(
            pl.exclude("for_s", "r", "kind"), r=pl.struct(pl.col("r").struct.field("x", "y", "in"))
        ).to_arrow(),
        path,
        row_group_size=13,
        store_schema=False,
    ),
}


def rows_of(format: ParquetFormat, file: str, target: Schema, row: int = 0) -> pl.DataFrame:
    reader = format.reader(file, target, {"row": row})
    frames = [target.polars.to_frame()]
    while not (chunk := reader.read(7)).ended or chunk.frame is not None:
        if chunk.frame is not None:
            frames.append(chunk.frame)
        if chunk.ended:
            break
    return pl.concat(frames)


@pytest.mark.parametrize("is_known", [True, False], ids=["by-itself", "by-polars"])
@pytest.mark.parametrize("fields", CHOICES, ids=str)
@pytest.mark.parametrize("writer", WRITERS)
def test_same_rows(
    writer: str, fields: Any, is_known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "x.parquet")
    WRITERS[writer](FRAME, file)
    monkeypatch.setattr(parquet, "DECODED_ROWS", 20)
    if not is_known:
        monkeypatch.setattr(parquet, "PartialFile", unknown)
    held = pl.read_parquet(file)
    schema = Schema.from_polars(dict(held.schema))
    names = [(n, m) for n, m in fields or [(n, None) for n in schema.names] if n in schema.names]
    wanted_fields = [(n, m and tuple(x for x in m if x in members(schema, n))) for n, m in names]
    wanted_fields = [(n, m) for n, m in wanted_fields if m is None or m]
    if not wanted_fields:
        return
    target = pruned(schema, wanted_fields)
    wanted = held.select(expressions(target, held.schema))
    format = ParquetFormat()
    assert rows_of(format, file, target).equals(wanted)
    assert rows_of(format, file, target, row=30).equals(wanted[30:])
    assert format.scan(file, target).collect().equals(wanted)
    assert format.scan(file, target).slice(15, 20).collect().equals(wanted[15:35])
    told = format.filtered((Comparison(("n",), "=", (14,)),))
    assert rows_of(told, file, target).equals(wanted[13:26])


def members(schema: Schema, name: str) -> list[str]:
    return [f.name for f in schema.type_of(name).fields]  # type: ignore[attr-defined]  # a row


def unknown(*_: object) -> None:
    raise ValueError("a layout that is not known")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    FRAME.write_parquet(file)
    data = file.read_bytes()
    file.write_bytes(b"PAR1" + b"\xff" * 400 + data[404:])
    target = pruned(Schema.from_polars(dict(FRAME.schema)), [("n", None)])
    with pytest.raises(ConnectorError, match="Parquet file cannot be read"):
        rows_of(ParquetFormat(), str(file), target)


def test_a_file_that_is_gone_may_hold_nulls(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    FRAME.write_parquet(path)
    assert not ParquetFormat().may_hold_null(str(path), ["n"])
    path.unlink()
    assert ParquetFormat().may_hold_null(str(path), ["n"])
