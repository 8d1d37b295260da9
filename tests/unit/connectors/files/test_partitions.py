"""Rows are laid out by the values of columns, complete partitions are marked, and both can be read again."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, STRING
from thalweg.columnar.batch import Batch
from thalweg.connectors.files.commit import Commit
from thalweg.connectors.files.partitioned_sink import PartitionedSink
from thalweg.connectors.files.partitioned_source import PartitionedSource, source_of_files
from thalweg.connectors.files.partitions import escaped, partitioning, unescaped
from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.registry import create_sink, create_source
from thalweg.errors import ConfigError, ConnectorError, DataError, ThalwegError
from thalweg.protocols.conditions import AnyOf, Comparison, Condition
from thalweg.protocols.sink import Epoch

MINUTE = 60_000_000
ROWS = pl.DataFrame({"n": range(6), "m": ["0:0", "0:1", "0:0", None, "", "0:1"]})
SCHEMA = Schema.from_polars(dict(ROWS.schema))
FORMATS = ["parquet", "arrow", "csv", "json"]


def tree(path: Path) -> dict[str, list[str]]:
    """For every directory with files in it, how their names begin."""
    found: dict[str, list[str]] = {}
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        found.setdefault(str(file.parent.relative_to(path)), []).append(file.name.rsplit("-", 1)[0])
    return found


def sink(
    path: Path, by: tuple[str, ...] = ("m",), commit: Commit | None = None, **files: Any
) -> PartitionedSink:
    clock = files.get("clock")
    given = {} if clock is None else {"clock": clock}
    return PartitionedSink(FileSink(str(path), **files), by, marking=commit, **given)


def put(target: PartitionedSink, frame: pl.DataFrame = ROWS) -> None:
    writer = target.open(Schema.from_polars(dict(frame.schema)), 0)
    writer.write(Batch(frame))
    writer.end()
    writer.close()


@pytest.mark.parametrize("form", FORMATS)
def test_values_stand_in_the_names_of_directories(form: str, tmp_path: Path) -> None:
    put(sink(tmp_path, format=form))
    empty = "m=__HIVE_DEFAULT_PARTITION__"
    assert tree(tmp_path) == {"m=0%3A0": ["part-0-0"], "m=0%3A1": ["part-0-0"], empty: ["part-0-0"]}
    source = source_of_files(str(tmp_path), form, SCHEMA, partition_by=["m"])
    # an empty text has no name, so that it is NULL again
    expected = ROWS.with_columns(pl.col("m").replace("", None)).sort("m", "n", nulls_last=True)
    for found in (
        source.lazy(None).collect(),
        source.lazy([("m", None), ("n", None)]).collect().select("n", "m"),
    ):
        assert_frame_equal(found.sort("m", "n", nulls_last=True), expected)


def test_files_lack_the_columns_in_the_names(tmp_path: Path) -> None:
    put(sink(tmp_path))
    assert all(pl.read_parquet_schema(f).names() == ["n"] for f in tmp_path.rglob("*.parquet"))


@given(st.text())
def test_any_text_is_part_of_a_path(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not set(escaped(text)) & set("/\0=\n")


TYPED = pl.DataFrame(
    {
        "n": [1, 2],
        "i": [-3, None],
        "d": [Decimal("1.50"), Decimal("-0.01")],
        "b": [True, False],
        "day": [date(2026, 1, 31), None],
        "at": [datetime(2026, 1, 31, 23, 59, 59, 1), datetime(1969, 1, 1)],
        "f": [0.1, float("inf")],
    },
    schema_overrides={"d": pl.Decimal(10, 2)},
)


@pytest.mark.parametrize("column", TYPED.columns[1:])
def test_values_of_any_simple_type_come_back(column: str, tmp_path: Path) -> None:
    frame = TYPED.select("n", column)
    put(sink(tmp_path, (column,)), frame)
    schema = Schema.from_polars(dict(frame.schema))
    found = source_of_files(str(tmp_path), None, schema, partition_by=[column]).lazy(None).collect()
    assert_frame_equal(found.sort("n"), frame)


def test_two_levels_and_names_that_nobody_declared(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 1, 2], "n": [1, 2, 3], "b": ["x", "y", "x"]})
    put(sink(tmp_path, ("b", "a")), frame)
    assert list(tree(tmp_path)) == ["b=x/a=1", "b=x/a=2", "b=y/a=1"]
    source = source_of_files(str(tmp_path))
    assert source.schema == Schema.of({"n": INT64, "b": STRING, "a": STRING})
    found = source.lazy(None).collect().sort("n")
    assert found.rows() == [(1, "x", "1"), (2, "y", "1"), (3, "x", "2")]


def test_a_partition_is_complete_when_event_time_has_passed_it(tmp_path: Path) -> None:
    commit = Commit("partition-time", MINUTE, pattern="1970-01-01 $m:00")
    writer = sink(tmp_path, commit=commit).open(SCHEMA, 0)
    writer.write(Batch(ROWS.filter(pl.col("m") != "")))
    assert tree(tmp_path) == {}
    writer.cut(1)
    writer.on_watermark(MINUTE - 1)
    writer.cut(2)
    assert tree(tmp_path) == {}
    writer.on_watermark(MINUTE)
    assert tree(tmp_path) == {}, "only a cut shows anything"
    writer.cut(3)
    assert tree(tmp_path) == {"m=0%3A0": ["_SUCCESS", "part-0-0"]}
    writer.end()
    assert tree(tmp_path) == {n: ["_SUCCESS", "part-0-0"] for n in ("m=0%3A0", "m=0%3A1")}


def test_late_rows_are_a_further_file_of_a_partition_that_is_complete(tmp_path: Path) -> None:
    writer = sink(tmp_path, commit=Commit("partition-time", 0, pattern="1970-01-01 $m:00")).open(SCHEMA, 0)
    for number in range(2):
        writer.write(Batch(ROWS[:1]))
        writer.on_watermark(5 * MINUTE)
        writer.cut(number)
        assert tree(tmp_path) == {"m=0%3A0": ["_SUCCESS", *["part-0-0"] * (number + 1)]}


def test_a_partition_is_complete_when_the_clock_has_passed_its_first_row(tmp_path: Path) -> None:
    now = [100.0]
    commit = Commit("process-time", 10_000_000, "_DONE")
    writer = sink(tmp_path, commit=commit, clock=lambda: now[0]).open(SCHEMA, 0)
    writer.write(Batch(ROWS[:1]))
    now[0] = 105.0
    writer.write(Batch(ROWS[1:2]))
    for number, (moment, done) in enumerate([(109.9, 0), (110.0, 1), (114.9, 1), (115.0, 2)]):
        now[0] = moment
        writer.cut(number)
        assert len(list(tmp_path.rglob("_DONE"))) == done


def test_of_endless_input_partitions_appear_at_cuts_before_they_are_complete(tmp_path: Path) -> None:
    commit = Commit("partition-time", MINUTE, pattern="1970-01-01 $m:00")
    writer = sink(tmp_path, commit=commit, is_bounded=False).open(SCHEMA, 0)
    writer.write(Batch(ROWS[:1]))
    writer.cut(1)
    assert tree(tmp_path) == {"m=0%3A0": ["part-0-0"]}
    writer.on_watermark(MINUTE)
    writer.cut(2)
    assert tree(tmp_path) == {"m=0%3A0": ["_SUCCESS", "part-0-0"]}


def test_files_are_full_after_a_while(tmp_path: Path) -> None:
    now = [0.0]
    for is_bounded in (True, False):
        path = tmp_path / str(is_bounded)
        writer = sink(path, is_bounded=is_bounded, part_seconds=60, clock=lambda: now[0]).open(SCHEMA, 0)
        writer.write(Batch(ROWS[:1]))
        now[0] += 59
        writer.cut(1)
        assert tree(path) == {}
        now[0] += 1
        writer.cut(2)
        assert tree(path) == {"m=0%3A0": ["part-0-0"]}
        writer.end()
        assert tree(path) == {"m=0%3A0": ["part-0-0"]}


def test_files_are_full_of_bytes(tmp_path: Path) -> None:
    writer = FileSink(str(tmp_path), part_bytes=2 * ROWS.select("n").estimated_size()).open(SCHEMA, 0)
    for number in range(4):
        writer.write(Batch(ROWS))
        writer.cut(number)
    assert len(list(tmp_path.iterdir())) > 1


def test_what_is_held_of_all_partitions_together_is_bounded(tmp_path: Path) -> None:
    target = sink(tmp_path, ("k",), part_rows=10)
    frame = pl.DataFrame({"n": range(100), "k": [i % 7 for i in range(100)]})
    writer = target.open(Schema.from_polars(dict(frame.schema)), 0)
    for part in frame.iter_slices(5):
        writer.write(Batch(part))
        assert sum(p.writer.rows for p in writer._open.values()) == writer._rows <= 10
    writer.end()
    found = source_of_files(str(tmp_path), None, Schema.from_polars(dict(frame.schema)), partition_by=["k"])
    assert_frame_equal(found.lazy(None).collect().sort("n"), frame)


def test_without_an_end_nothing_is_left(tmp_path: Path) -> None:
    writer = sink(tmp_path, part_rows=1).open(SCHEMA, 0)
    for number in range(2):
        writer.write(Batch(ROWS))
        writer.cut(number)
    assert len(files_in(tmp_path)) > 1
    assert all(p.name.startswith(".") for p in files_in(tmp_path))
    writer.close()
    writer.close()
    assert files_in(tmp_path) == []


def test_of_input_that_ends_all_partitions_appear_when_it_has(tmp_path: Path) -> None:
    writer = sink(tmp_path, part_rows=1).open(SCHEMA, 0)
    for number in range(2):
        writer.write(Batch(ROWS))
        writer.cut(number)
    hidden = len(files_in(tmp_path))
    writer.end()
    assert len(files_in(tmp_path)) == hidden
    assert not [p for p in files_in(tmp_path) if p.name.startswith(".")]


def files_in(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file()]


# Reading ------------------------------------------------------------------------------------------


def counted(path: Path) -> PartitionedSource:
    """One file per value of `k`, 0 to 4, and one for NULL."""
    frame = pl.DataFrame({"n": range(12), "k": [None if i % 6 == 5 else i % 6 for i in range(12)]})
    put(sink(path, ("k",)), frame)
    found = source_of_files(str(path), None, Schema.from_polars(dict(frame.schema)), partition_by=["k"])
    assert isinstance(found, PartitionedSource)
    return found


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (Comparison(("k",), "=", (3,)), 1),
        (Comparison(("k",), ">=", (3,)), 2),
        (Comparison(("k",), "in", (0, 9)), 1),
        (Comparison(("k",), "is_null"), 1),
        (Comparison(("k",), "is_not_null"), 5),
        (AnyOf(((Comparison(("k",), "=", (1,)),), (Comparison(("k",), "is_null"),))), 2),
        (Comparison(("n",), "=", (3,)), 6),
    ],
    ids=str,
)
def test_partitions_that_nobody_wants_are_not_opened(condition: Condition, left: int, tmp_path: Path) -> None:
    source = counted(tmp_path)
    assert source.taken((condition,)) == (condition,)
    assert len(source.filtered((condition,)).splits()) == left


def test_a_condition_on_both_kinds_of_columns_is_left_to_the_plan(tmp_path: Path) -> None:
    both = AnyOf(((Comparison(("k",), "=", (1,)),), (Comparison(("n",), "=", (1,)),)))
    assert counted(tmp_path).taken((both,)) == ()


def test_whether_there_are_nulls_is_known(tmp_path: Path) -> None:
    source = counted(tmp_path)
    assert source.may_hold_null(["k"])
    assert not source.may_hold_null(["n"])
    for file in (tmp_path / "k=__HIVE_DEFAULT_PARTITION__").iterdir():
        file.unlink()
    assert not source.may_hold_null(["k", "n"])


def test_no_rows_are_a_table_without_partitions(tmp_path: Path) -> None:
    put(sink(tmp_path / "out"), ROWS.clear())
    source = source_of_files(str(tmp_path / "out"), "parquet", SCHEMA, partition_by=["m"])
    assert (list(source.splits()), source.lazy(None).collect().height) == ([], 0)


def test_new_partitions_are_found(tmp_path: Path) -> None:
    source = source_of_files(str(tmp_path / "out"), "parquet", SCHEMA, partition_by=["m"], interval=1.0)
    assert list(source.splits()) == []
    put(sink(tmp_path / "out"))
    assert len(source.splits()) == 3
    assert not source.is_bounded


# What is wrong ------------------------------------------------------------------------------------


def code(caught: pytest.ExceptionInfo[ThalwegError]) -> str | None:
    return caught.value.code


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        (["x"], "partition-unknown-column"),
        (["m", "m"], "partition-twice"),
        (["m", "n"], "partition-all-columns"),
        (["pair"], "partition-type"),
    ],
)
def test_columns_that_make_no_partitions(by: list[str], wanted: str) -> None:
    schema = (
        SCHEMA
        if wanted != "partition-type"
        else Schema.from_polars({"n": pl.Int64(), "pair": pl.List(pl.Int64)})
    )
    with pytest.raises(ConfigError) as caught:
        partitioning(schema, by)
    assert code(caught) == wanted


def test_a_file_beside_the_partitions(tmp_path: Path) -> None:
    put(sink(tmp_path))
    (tmp_path / "_temporary").mkdir()
    source = source_of_files(str(tmp_path), None, SCHEMA, partition_by=["m"])
    (tmp_path / "rows.parquet").touch()
    with pytest.raises(ConfigError) as caught:
        source.splits()
    assert code(caught) == "source-partition-layout"


def test_a_name_that_is_no_value(tmp_path: Path) -> None:
    put(sink(tmp_path))
    schema = Schema.of({"n": INT64, "m": INT64})
    with pytest.raises(ConfigError) as caught:
        source_of_files(str(tmp_path), None, schema, partition_by=["m"])
    assert code(caught) == "source-partition-value"


def test_a_partition_whose_values_name_no_time(tmp_path: Path) -> None:
    writer = sink(tmp_path, commit=Commit("partition-time")).open(SCHEMA, 0)
    with pytest.raises(DataError) as caught:
        writer.write(Batch(ROWS))
    assert code(caught) == "sink-partition-time"


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    writer = sink(tmp_path).open(SCHEMA, 0)
    with pytest.raises(ConnectorError) as caught:
        writer.write(Batch(pl.DataFrame({"n": [1], "m": ["x" * 300]})))
    assert code(caught) == "sink-cannot-write"


OPTIONS = {"connector": "filesystem", "format": "csv"}
COMMIT = {"sink.partition-commit.policy.kind": "success-file"}


@pytest.mark.parametrize(
    ("options", "by", "wanted"),
    [
        (COMMIT, (), "sink-no-partitions"),
        (COMMIT | {"partition.time-extractor.timestamp-pattern": "$x"}, ("m",), "partition-time-pattern"),
        ({"sink.partition-commit.policy.kind": "metastore"}, ("m",), "connector-option-value"),
        ({"partition.time-extractor.kind": "custom"}, ("m",), "connector-option-value"),
        ({"partition.time-extractor.timestamp-formatter": "bb"}, ("m",), "connector-option-value"),
        ({"sink.partition-commit.success-file.name": "done"}, ("m",), "connector-option-value"),
        ({"sink.partition-commit.watermark-time-zone": "Asia/Tokyo"}, ("m",), "connector-option-value"),
        ({"sink.rolling-policy.file-size": "0 MB"}, ("m",), "connector-option-value"),
        ({}, ("x",), "partition-unknown-column"),
    ],
)
def test_options_of_a_sink(options: dict[str, str], by: tuple[str, ...], wanted: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        create_sink(OPTIONS | options | {"path": str(tmp_path)}, SCHEMA, is_bounded=True, partition_by=by)
    assert code(caught) == wanted


def test_another_connector_has_no_partitions() -> None:
    with pytest.raises(ConfigError) as caught:
        create_source({"connector": "datagen"}, SCHEMA, partition_by=["m"])
    assert code(caught) == "connector-no-partitions"


def test_times_in_a_form_of_their_own(tmp_path: Path) -> None:
    commit = Commit("partition-time", pattern="$m", form="yyyyMMdd")
    assert commit.time({"m": "19700102"}, "") == 24 * 60 * MINUTE
    assert Commit("partition-time", form="yyyyMMddHH").time({"m": "1970010101"}, "") == 60 * MINUTE


def test_marks_that_were_broken_off_are_removed(tmp_path: Path) -> None:
    """As a process leaves them that is killed before the mark has its name; nobody else's go with them."""
    target = sink(tmp_path, commit=Commit())
    (tmp_path / "m=1").mkdir()
    left = tmp_path / "m=1" / "._SUCCESS.0123abcd.tmp"
    others = [tmp_path / "m=1" / name for name in ("._OTHER.0123abcd.tmp", "._SUCCESS.tmp", "_SUCCESS")]
    for path in (left, *others):
        path.touch()
    target.discard(Epoch("0" * 32, "sink1", 1, 3, 2), ())
    assert sorted((tmp_path / "m=1").iterdir()) == sorted(others)


def test_a_mark_that_cannot_be_written(tmp_path: Path) -> None:
    # no file system takes a name as long as this
    writer = sink(tmp_path, commit=Commit(marker="_" * 300)).open(SCHEMA, 0)
    writer.write(Batch(ROWS[:1]))
    with pytest.raises(ConnectorError) as caught:
        writer.end()
    assert (code(caught), caught.value.where) == ("sink-cannot-write", f"{tmp_path}/m=0%3A0/")
