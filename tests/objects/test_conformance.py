"""Files that are objects keep the contracts of sources and of sinks that commit with checkpoints."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from datetime import datetime
from itertools import count

import polars as pl
import pytest

from tests.objects.server import BUCKET, ObjectServer
from thalweg.base.schema import Schema
from thalweg.checkpoint.addresses import split
from thalweg.columnar.batch import Batch
from thalweg.connectors.files.commit import Commit
from thalweg.connectors.files.partitioned_sink import PartitionedSink
from thalweg.connectors.files.partitioned_source import source_of_files
from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.files.source import file_source
from thalweg.protocols.sink import Sink, TransactionalSink
from thalweg.testing import check_sink, check_source, check_transactional
from thalweg.testing.sinks import SAMPLE

FRAME = pl.DataFrame(
    {
        "id": range(6),
        "name": ["a", None, "", "ä", "b", None],
        "pair": [*({"x": i, "y": str(i)} for i in range(5)), None],
        "at": [datetime(2024, 1, 1, i, microsecond=i) for i in range(6)],
    }
)
SCHEMA = Schema.from_polars(dict(FRAME.schema))
SAMPLED = Schema.from_polars(dict(SAMPLE.schema))
ROOT = f"s3://{BUCKET}"


def written(call: Callable[[io.BytesIO], object]) -> bytes:
    held = io.BytesIO()
    call(held)
    return held.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "arrow", "json"])
def test_sources(server: ObjectServer, form: str) -> None:
    for number, part in enumerate((FRAME[:3], FRAME[4:])):
        calls = {"parquet": part.write_parquet, "arrow": part.write_ipc, "json": part.write_ndjson}
        server.put(f"in/{number}.{form}", written(calls[form]))
    server.put("in/_SUCCESS", b"")
    server.put("in/inner/more.parquet", b"not read")
    check_source(lambda: file_source(f"{ROOT}/in", form, SCHEMA), pl.concat([FRAME[:3], FRAME[4:]]))


@pytest.mark.slow
def test_packed_text(server: ObjectServer) -> None:
    frame = FRAME.drop("pair", "name")
    server.put("in/a.csv.gz", gzip.compress(frame.write_csv().encode()))
    schema = Schema.from_polars(dict(frame.schema))
    check_source(lambda: file_source(f"{ROOT}/in/*.gz", "csv", schema), frame)


@pytest.mark.slow
def test_partitioned_source(server: ObjectServer) -> None:
    frame = FRAME[:2].select("id", "name").with_columns(k=pl.when(pl.col("id") != 1).then(pl.lit("a b/%")))
    writer = PartitionedSink(FileSink(f"{ROOT}/parts"), ("k",)).open(
        Schema.from_polars(dict(frame.schema)), 0
    )
    writer.write(Batch(frame))
    writer.end()
    read = frame.sort("k", nulls_last=False)
    schema = Schema.from_polars(dict(frame.schema))
    check_source(lambda: source_of_files(f"{ROOT}/parts", schema=schema, partition_by=["k"]), read)


def has_rows(sink: FileSink) -> bool:
    bucket, key = split(sink.path)
    names = (found.key.rpartition("/")[2] for found in bucket.walk(key))
    return any(not name.startswith((".", "_")) for name in names)


def read_files(sink: Sink | TransactionalSink) -> pl.DataFrame | None:
    assert isinstance(sink, FileSink)
    return file_source(sink.path, sink.format, SAMPLED).lazy(None).collect() if has_rows(sink) else None


def read_partitions(sink: TransactionalSink) -> pl.DataFrame | None:
    assert isinstance(sink, PartitionedSink)
    if not has_rows(sink.files):
        return None
    source = source_of_files(sink.files.path, "parquet", SAMPLED, partition_by=("name",))
    return source.lazy(None).collect().select(SAMPLE.columns)


@pytest.mark.slow
@pytest.mark.parametrize(("form", "part_rows"), [("parquet", 1_000_000), ("csv", 4)])
def test_files(server: ObjectServer, form: str, part_rows: int) -> None:
    """Broken off after each copy, too."""
    numbers = count()
    check_transactional(
        lambda: FileSink(f"{ROOT}/out {next(numbers)}", form, part_rows=part_rows), read_files
    )


@pytest.mark.slow
def test_partitions(server: ObjectServer) -> None:
    numbers = count()

    def make() -> PartitionedSink:
        return PartitionedSink(
            FileSink(f"{ROOT}/out {next(numbers)}", part_rows=5), ("name",), None, Commit()
        )

    rows = SAMPLE.with_columns(name=pl.when(pl.col("id") % 2 == 0).then(pl.lit("a=b")))
    check_transactional(make, read_partitions, rows=rows)


@pytest.mark.slow
def test_files_without_checkpoints(server: ObjectServer) -> None:
    numbers = count()
    check_sink(lambda: FileSink(f"{ROOT}/out {next(numbers)}", is_bounded=False), read_files)
