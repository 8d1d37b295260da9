"""Every sink keeps its contract, as far as what it does can be seen."""

from __future__ import annotations

import io
import os
import sys
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.connectors.files.commit import Commit
from thalweg.connectors.files.partitioned_sink import PartitionedSink
from thalweg.connectors.files.partitioned_source import source_of_files
from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.files.source import file_source
from thalweg.connectors.memory import MemorySink, folded
from thalweg.connectors.sinks import BlackholeSink, CallbackSink, Checksum, ChecksumSink, PrintSink
from thalweg.protocols.sink import Sink
from thalweg.testing import check_sink
from thalweg.testing.sinks import SAMPLE

SCHEMA = Schema.from_polars(dict(SAMPLE.schema))
REMOVALS = ("-D", "-U")


def table_of_ops(changes: pl.DataFrame) -> pl.DataFrame:
    """The table that changes with a column `op` add up to."""
    weight = pl.Series([-1 if op in REMOVALS else 1 for op in changes.get_column("op")], dtype=pl.Int64)
    return folded(Batch(changes.drop("op"), weight))


@pytest.mark.parametrize("emit", ["cut", "now"])
def test_memory(emit: Any) -> None:
    check_sink(lambda: MemorySink(emit=emit), lambda sink: sink.table(), takes_updates=True)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "arrow", "csv", "json"])
@pytest.mark.parametrize("is_bounded", [False, True])
@pytest.mark.parametrize("part_rows", [1_000_000, 4, 2])
def test_files(form: str, is_bounded: bool, part_rows: int, tmp_path: Path) -> None:
    made: list[FileSink] = []

    def make() -> FileSink:
        made.append(FileSink(str(tmp_path / str(len(made))), form, is_bounded, part_rows))
        return made[-1]

    def read_back(sink: Sink) -> pl.DataFrame | None:
        assert isinstance(sink, FileSink)
        if all(name.startswith(".") for name in os.listdir(sink.path)):
            return None
        return file_source(sink.path, form, SCHEMA).lazy(None).collect()

    check_sink(make, read_back, takes_updates=False, waits_for_end=is_bounded)
    left = [file.name for file in tmp_path.rglob(".*")]
    assert left == [], "a writer leaves no hidden files behind"


WAYS = list(
    product(
        ["parquet", "csv"],
        [("name",), ("amount", "name")],
        [None, Commit(), Commit(delay=3_600_000_000)],
        [False, True],
        [1_000_000, 2],
    )
)


@pytest.mark.slow
@pytest.mark.sampled(5)
@pytest.mark.parametrize(("form", "by", "commit", "is_bounded", "part_rows"), WAYS)
def test_partitions(
    tmp_path: Path, form: str, by: tuple[str, ...], commit: Commit | None, is_bounded: bool, part_rows: int
) -> None:
    """Laid out by a column that is NULL or empty in some rows, with and without marks, parts full at once."""
    made: list[Path] = []

    def make(**how: Any) -> PartitionedSink:
        made.append(tmp_path / str(len(made)))
        files = FileSink(str(made[-1]), form, is_bounded, part_rows)
        return PartitionedSink(files, by=by, marking=commit, **how)

    def read_back(sink: Sink) -> pl.DataFrame:
        assert isinstance(sink, PartitionedSink)
        return source_of_files(sink.files.path, form, SCHEMA, partition_by=by).lazy(None).collect()

    check_sink(
        make,
        read_back,
        takes_updates=False,
        rows=SAMPLE.with_columns(pl.col("name").replace("", None)),
        waits_for_end=is_bounded,
    )
    assert list(tmp_path.rglob(".*")) == [], "a writer leaves no hidden files behind"


@pytest.mark.parametrize("emit", ["cut", "now"])
def test_callback_with_rows(emit: Any) -> None:
    calls: list[pl.DataFrame] = []

    def make() -> CallbackSink:
        calls.clear()
        return CallbackSink(calls.append, emit=emit)

    empty = SAMPLE.clear()
    check_sink(make, lambda sink: pl.concat([empty, *calls]), takes_updates=False)


@pytest.mark.parametrize("key", [(), ("id",)])
def test_callback_with_changes(key: tuple[str, ...]) -> None:
    calls: list[pl.DataFrame] = []

    def make() -> CallbackSink:
        calls.clear()
        return CallbackSink(calls.append, has_ops=True, key=key)

    empty = SAMPLE.clear().select(pl.lit("").alias("op"), "*")
    check_sink(make, lambda sink: table_of_ops(pl.concat([empty, *calls])), takes_updates=True)


def test_print(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> PrintSink:
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        return PrintSink()

    def read_back(sink: Sink) -> pl.DataFrame:
        assert isinstance(sys.stdout, io.StringIO)
        printed = sys.stdout.getvalue().splitlines()
        columns = {"op": [t[:2] for t in printed], "line": [t[2:] for t in printed]}
        return table_of_ops(pl.DataFrame(columns, schema={"op": pl.String, "line": pl.String}))

    def shown(table: pl.DataFrame) -> pl.DataFrame:
        return table.select(pl.format("[{}, {}]", "id", "name").alias("line"))

    rows = pl.DataFrame({"id": range(12), "name": list("abcdefghijkl")})
    check_sink(make, read_back, takes_updates=True, rows=rows, shown=shown)


def test_blackhole() -> None:
    def shown(table: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({"rows": [table.height]})

    def read_back(sink: Sink) -> pl.DataFrame:
        assert isinstance(sink, BlackholeSink)
        return pl.DataFrame({"rows": [sink.seen.rows]})

    check_sink(BlackholeSink, read_back, takes_updates=True, shown=shown)


def test_checksum() -> None:
    def read_back(sink: Sink) -> pl.DataFrame:
        assert isinstance(sink, ChecksumSink)
        return sums(sink.seen)

    def shown(table: pl.DataFrame) -> pl.DataFrame:
        seen = Checksum()
        seen.add_values(Batch(table))
        return sums(seen)

    check_sink(ChecksumSink, read_back, takes_updates=True, shown=shown)


def sums(seen: Checksum) -> pl.DataFrame:
    """What was seen, without names whose sums are nothing."""
    said = {k: v for k, v in seen.sums.items() if v} | {
        f"nulls of {k}": v for k, v in seen.nulls.items() if v
    }
    return pl.DataFrame({"rows": [seen.rows], "said": [str(sorted(said.items()))]})
