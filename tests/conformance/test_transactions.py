"""Every sink that commits with checkpoints keeps its contract."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.connectors.files.commit import Commit
from thalweg.connectors.files.partitioned_sink import PartitionedSink
from thalweg.connectors.files.partitioned_source import source_of_files
from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.files.source import file_source
from thalweg.connectors.sqlite import SqliteSink
from thalweg.protocols.sink import TransactionalSink
from thalweg.testing import check_transactional
from thalweg.testing.sinks import SAMPLE

SCHEMA = Schema.from_polars(dict(SAMPLE.schema))


@pytest.mark.parametrize("form", ["parquet", "arrow", "csv", "json"])
@pytest.mark.parametrize("part_rows", [1_000_000, 2])
def test_files(form: str, part_rows: int, tmp_path: Path) -> None:
    made: list[FileSink] = []

    def make() -> FileSink:
        made.append(FileSink(str(tmp_path / str(len(made))), form, part_rows=part_rows))
        return made[-1]

    def read_back(sink: TransactionalSink) -> pl.DataFrame | None:
        assert isinstance(sink, FileSink)
        if not any(p.suffix and not p.name.startswith(".") for p in Path(sink.path).iterdir()):
            return None
        return file_source(sink.path, form, SCHEMA).lazy(None).collect()

    check_transactional(make, read_back)


@pytest.mark.parametrize("marking", [None, Commit()])
@pytest.mark.parametrize("part_rows", [1_000_000, 2])
def test_partitions(marking: Commit | None, part_rows: int, tmp_path: Path) -> None:
    made: list[PartitionedSink] = []

    def make() -> PartitionedSink:
        files = FileSink(str(tmp_path / str(len(made))), part_rows=part_rows)
        made.append(PartitionedSink(files, ("name",), None, marking))
        return made[-1]

    def read_back(sink: TransactionalSink) -> pl.DataFrame | None:
        assert isinstance(sink, PartitionedSink)
        if not list(Path(sink.files.path).glob("name=*/part-*")):
            return None
        source = source_of_files(sink.files.path, "parquet", SCHEMA, partition_by=("name",))
        return source.lazy(None).collect().select(SAMPLE.columns)

    # an empty text is NULL in the name of a directory
    check_transactional(make, read_back, rows=SAMPLE.with_columns(pl.col("name").replace("", "z")))


@pytest.mark.parametrize("key", [(), ("id",)])
def test_sqlite(key: tuple[str, ...], tmp_path: Path) -> None:
    made: list[SqliteSink] = []

    def make() -> SqliteSink:
        made.append(SqliteSink(str(tmp_path / f"{len(made)}.db"), 'a "table"', key))
        return made[-1]

    def read_back(sink: TransactionalSink) -> pl.DataFrame | None:
        assert isinstance(sink, SqliteSink)
        with closing(sqlite3.connect(sink.path)) as database:
            found = database.execute('SELECT id, name, amount FROM "a ""table"""').fetchall()
        return pl.DataFrame(found, schema=dict(SAMPLE.schema), orient="row")

    check_transactional(make, read_back)
