"""Every source keeps its contract."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import from_polars
from thalweg.columnar.batch import Batch
from thalweg.connectors import nexmark_source
from thalweg.connectors.datagen import DatagenSource
from thalweg.connectors.datagen_values import ColumnSpec
from thalweg.connectors.files.partitioned_sink import PartitionedSink
from thalweg.connectors.files.partitioned_source import source_of_files
from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.files.source import file_source
from thalweg.connectors.iterators import IteratorSource, from_iter
from thalweg.connectors.memory import frame_source
from thalweg.connectors.nexmark import NexmarkConfig
from thalweg.connectors.nexmark_source import NexmarkSource
from thalweg.connectors.required import required
from thalweg.connectors.socket_source import SocketSource
from thalweg.physical.values import ValuesSource
from thalweg.testing import check_source

FRAME = pl.DataFrame(
    {
        "id": range(11),
        "name": ["a", None, "", "ä", *"defghi", None],
        "pair": [*({"x": i, "y": str(i)} for i in range(10)), None],
        "items": [[i] * (i % 3) for i in range(11)],
        "at": [datetime(2024, 1, 1, i, microsecond=i) for i in range(11)],
    }
)
SCHEMA = Schema.from_polars(dict(FRAME.schema))
TWICE = pl.concat([FRAME, FRAME[:4]])


def test_frames() -> None:
    check_source(lambda: frame_source([FRAME, FRAME[:4], FRAME[:0]]), TWICE)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "json"])
def test_partitions(form: str, tmp_path: Path) -> None:
    """Columns from the names of directories, read as files are; conditions leave whole files out."""
    frame = FRAME.with_columns(k=pl.when(pl.col("id") != 3).then(pl.col("id") // 6))
    schema = Schema.from_polars(dict(frame.schema))
    writer = PartitionedSink(FileSink(str(tmp_path), form), ("k",)).open(schema, 0)
    writer.write(Batch(frame))
    writer.end()
    made = partial(source_of_files, str(tmp_path), form, schema, partition_by=["k"])
    assert len(made().splits()) == 3
    check_source(made, frame.sort("k", nulls_last=True, maintain_order=True))


def test_frames_whose_types_are_converted() -> None:
    held = FRAME.with_columns(pl.col("at").cast(pl.Datetime("ms")), pl.col("name").cast(pl.Categorical))
    expected = FRAME.with_columns(pl.col("at").dt.truncate("1ms"))
    check_source(lambda: frame_source(held, schema=SCHEMA), expected)


def test_constant_rows() -> None:
    check_source(lambda: ValuesSource(FRAME), FRAME)


@pytest.mark.parametrize("ordered", ["ordered", "parallel"])
def test_files_of_a_directory(tmp_path: Path, ordered: Any) -> None:
    FRAME.write_parquet(tmp_path / "1.parquet", row_group_size=3)
    FRAME[:4].write_parquet(tmp_path / "2.parquet")
    check_source(lambda: file_source(str(tmp_path), order=ordered), TWICE)


def test_files_that_are_looked_for_again(tmp_path: Path) -> None:
    FRAME.write_ipc(tmp_path / "1.arrow")
    check_source(lambda: file_source(str(tmp_path), interval=1.0), rows=100)


def test_columns_that_are_not_null(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "1.parquet", row_group_size=3)
    check_source(lambda: required(file_source(str(tmp_path)), ("id", "at")), FRAME)
    check_source(lambda: required(frame_source([FRAME, FRAME[:4]]), ("id",)), TWICE)


def test_rows_that_lack_a_column_that_is_not_null(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "1.parquet", row_group_size=3)
    named = FRAME.filter(pl.col("name").is_not_null())
    check_source(lambda: required(file_source(str(tmp_path)), ("name",)), named, bad_count=2)
    check_source(lambda: required(frame_source([FRAME]), ("pair", "name")), named, bad_count=2)


@pytest.mark.slow
@pytest.mark.parametrize(("generators", "turns"), [(1, 1), (2, 2)])
def test_nexmark(generators: int, turns: int) -> None:
    config = NexmarkConfig(events_num=60, generators=generators)
    check_source(lambda: NexmarkSource(config, splits_per_generator=turns))


@pytest.mark.slow
def test_nexmark_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nexmark_source, "MADE_ROWS", 64)
    check_source(lambda: NexmarkSource(NexmarkConfig()), rows=30)


@pytest.mark.slow
def test_nexmark_on_a_schedule() -> None:
    config = NexmarkConfig(events_num=30)
    check_source(lambda: NexmarkSource(config, rate_limit=50_000.0))


# Rows from Python --------------------------------------------------------------------------------


ROWS = FRAME.to_dicts()


def test_a_list_of_rows() -> None:
    check_source(lambda: from_iter(ROWS, SCHEMA), FRAME)


def test_rows_and_frames_by_turns() -> None:
    mixed = [*ROWS[:2], FRAME[2:6], FRAME[6:7], *ROWS[7:]]
    check_source(lambda: from_iter(mixed, SCHEMA), FRAME)


def test_rows_that_do_not_fit() -> None:
    bad = [*ROWS[:3], {**ROWS[3], "id": "three"}, *ROWS[4:]]
    check_source(lambda: from_iter(bad, SCHEMA), pl.concat([FRAME[:3], FRAME[4:]]), bad_count=1)


def test_a_generator() -> None:
    check_source(lambda: from_iter((row for row in ROWS), SCHEMA), FRAME)


@pytest.mark.slow
def test_an_asynchronous_generator() -> None:
    async def rows() -> AsyncIterator[Any]:
        for row in ROWS:
            yield row

    def make() -> IteratorSource:
        return from_iter(rows(), SCHEMA)

    check_source(make, FRAME)


# Generated rows ----------------------------------------------------------------------------------


def test_datagen() -> None:
    types = {"n": pl.Int64(), "s": pl.String(), "d": pl.Float64(), "at": pl.Datetime("us")}
    specs = {name: ColumnSpec(known(held)) for name, held in types.items()}
    schema = Schema.from_polars(types)
    check_source(lambda: DatagenSource(schema, specs, count=12, rate=1e6, base_us=1_700_000_000_000_000))


def known(held: pl.DataType) -> Any:
    found = from_polars(held)
    assert found is not None
    return found


# A socket ----------------------------------------------------------------------------------------


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody who says the same to everyone who calls."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"one,1\ntwo,2\nthree,x\nfour,4\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.slow
def test_a_socket(port: int) -> None:
    schema = Schema.from_polars({"name": pl.String(), "n": pl.Int64()})
    expected = pl.DataFrame({"name": ["one", "two", "four"], "n": [1, 2, 4]})
    check_source(lambda: SocketSource("127.0.0.1", port, schema, "csv"), expected, bad_count=1, rows=10)
