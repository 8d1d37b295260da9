"""Every file format keeps its contract, however its files are laid out."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.columnar.outside import taken_in
from thalweg.columnar.spelled import json_lines
from thalweg.connectors.files.source import make_format
from thalweg.connectors.text.written import csv_lines
from thalweg.testing import check_format

FLAT = pl.DataFrame(
    {
        "id": range(13),
        "small": pl.Series([None, *range(12)], dtype=pl.Int16),
        "name": ["a", None, 'comma, quote"', "line\nbreak", "ä", *"bcdefgh", "z" * 40],
        "amount": [None, 0.5, -1e300, *map(float, range(10))],
        "is_new": [True, False, None] * 4 + [True],
        "day": [date(2024, 2, 29)] * 12 + [None],
        "at": [datetime(2024, 1, 1, i, microsecond=i) for i in range(13)],
        "span": [timedelta(days=-1, microseconds=i) for i in range(12)] + [None],
        "raw": [b"\x00\xff", None, *[bytes([i]) for i in range(11)]],
        "price": pl.Series([Decimal("1.20"), None, *map(Decimal, range(11))], dtype=pl.Decimal(12, 2)),
    }
)
NESTED = FLAT.with_columns(
    pl.struct(pl.col("id").alias("x"), pl.struct(pl.col("name").alias("y")).alias("in")).alias("pair"),
    pl.concat_list("id", "id").alias("items"),
    pl.concat_list(
        pl.struct(pl.col("day").cast(pl.String).fill_null("").alias("key"), pl.col("span").alias("value"))
    )
    .cast(pl.Map(pl.String, pl.Duration("us")))
    .alias("tags"),
)

Write = Callable[[pl.DataFrame, Path], Any]
WRITERS: dict[str, Write] = {
    "parquet": lambda f, p: f.write_parquet(p),
    "parquet in groups": lambda f, p: f.write_parquet(p, row_group_size=4),
    "parquet without compression": lambda f, p: f.write_parquet(p, compression="uncompressed"),
    "arrow": lambda f, p: f.write_ipc(p),
    "arrow in batches": lambda f, p: f.write_ipc(p, record_batch_size=3),
    "arrow compressed": lambda f, p: f.write_ipc(p, compression="zstd", record_batch_size=5),
    "json": lambda f, p: p.write_text(json_lines(f)),
    "csv": lambda f, p: p.write_text(csv_lines(f)),
    "csv packed": lambda f, p: p.write_bytes(gzip.compress(csv_lines(f).encode())),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", WRITERS)
@pytest.mark.parametrize("rows", [13, 1, 0])
def test_a_format(how: str, rows: int, tmp_path: Path) -> None:
    name = how.split()[0]
    frame = (FLAT if name == "csv" else NESTED)[:rows]
    if name == "csv":
        # an empty field is NULL, so that an empty text cannot be told from it
        frame = frame.with_columns(pl.col("name").replace("", None))
    file = tmp_path / f"a.{name}{'.gz' if 'packed' in how else ''}"
    WRITERS[how](frame, file)
    schema = Schema.from_polars(dict(frame.schema))
    options = {"has_header": True} if name == "csv" else {}
    expected = taken_in(frame, schema)
    check_format(lambda: make_format(name, schema, options), str(file), expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("csv", "1,a\nx,b\n3,c\n4\n5,e\n"),
        ("json", '{"id":1,"name":"a"}\n{"id":"x","name":"b"}\n{"id":3,"name":"c"}\n{\n{"id":5,"name":"e"}\n'),
    ],
)
def test_bad_rows_have_their_place(name: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / f"a.{name}"
    file.write_text(text)
    expected = pl.DataFrame({"id": [1, 3, 5], "name": ["a", "c", "e"]})
    schema = Schema.from_polars(dict(expected.schema))
    check_format(lambda: make_format(name, schema, {}), str(file), expected, bad_count=2)
