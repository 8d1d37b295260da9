"""Part files appear whole, beside what is there, and an empty result can be read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.unit.connectors.reading import drain
from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.connectors.files import FileSink, file_source
from thalweg.errors import ConfigError, ConnectorError
from thalweg.protocols.sink import Sink

FRAME = pl.DataFrame({"n": [1, 2, 3], "s": ["x", None, 'a "b", c\nd']})
SCHEMA = Schema.from_polars(dict(FRAME.schema))
FORMATS = ["parquet", "arrow", "csv", "json"]


def names(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_written_can_be_read(form: str, tmp_path: Path) -> None:
    sink = FileSink(str(tmp_path / "deep" / "out"), form)
    assert isinstance(sink, Sink)
    writer = sink.open(SCHEMA, 0)
    writer.write(Batch(FRAME.head(2)))
    writer.write(Batch(FRAME.tail(1)))
    writer.cut(1)
    assert names(tmp_path / "deep" / "out") == []
    writer.end()
    writer.close()
    source = file_source(str(tmp_path / "deep" / "out"), schema=SCHEMA)
    assert drain(source).frame.equals(FRAME, null_equal=True)


@pytest.mark.parametrize("form", FORMATS)
def test_no_rows_are_a_file_that_knows_its_columns(form: str, tmp_path: Path) -> None:
    for task in range(2):
        writer = FileSink(str(tmp_path), form).open(SCHEMA, task)
        writer.end()
        writer.close()
    assert len(names(tmp_path)) == 1
    assert drain(file_source(str(tmp_path), schema=SCHEMA)).offsets == []
    if form in ("parquet", "arrow"):
        assert file_source(str(tmp_path)).schema == SCHEMA


def test_unbounded_results_appear_at_cuts(tmp_path: Path) -> None:
    writer = FileSink(str(tmp_path), is_bounded=False).open(SCHEMA, 3)
    for number in range(2):
        writer.write(Batch(FRAME))
        writer.cut(number)
        writer.cut(number)
        assert len(names(tmp_path)) == number + 1
    writer.end()
    assert [n.rsplit("-", 1)[0] for n in names(tmp_path)] == ["part-3-0", "part-3-1"]


def test_full_parts_appear_at_cuts(tmp_path: Path) -> None:
    writer = FileSink(str(tmp_path), part_rows=4).open(SCHEMA, 0)
    writer.write(Batch(FRAME))
    writer.cut(1)
    assert names(tmp_path) == []
    writer.write(Batch(FRAME))
    assert all(n.startswith(".") for n in names(tmp_path))
    writer.cut(2)
    assert len(names(tmp_path)) == 1
    writer.end()
    assert len(names(tmp_path)) == 1


def test_without_an_end_nothing_more_appears(tmp_path: Path) -> None:
    writer = FileSink(str(tmp_path), part_rows=1).open(SCHEMA, 0)
    writer.write(Batch(FRAME))
    assert len(names(tmp_path)) == 1
    writer.close()
    writer.close()
    assert names(tmp_path) == []


def test_nothing_is_ever_written_over(tmp_path: Path) -> None:
    for _ in range(3):
        writer = FileSink(str(tmp_path), "csv").open(SCHEMA, 0)
        writer.write(Batch(FRAME))
        writer.end()
    assert len(names(tmp_path)) == 3


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out.parquet").write_text("mine")
    with pytest.raises(ConfigError) as caught:
        FileSink(str(tmp_path / "out.parquet")).open(SCHEMA, 0)
    assert caught.value.code == "sink-not-a-directory"
    with pytest.raises(ConnectorError):
        FileSink(str(tmp_path / "out.parquet" / "below")).open(SCHEMA, 0)
    assert (tmp_path / "out.parquet").read_text() == "mine"


def test_rows_within_rows_do_not_fit_csv(tmp_path: Path) -> None:
    nested = Schema.from_polars({"r": pl.Struct({"a": pl.Int64})})
    with pytest.raises(ConfigError) as caught:
        FileSink(str(tmp_path), "csv").open(nested, 0)
    assert caught.value.code == "sink-nested-csv"


def test_an_unknown_format_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        FileSink(str(tmp_path / "out"), "orc").open(SCHEMA, 0)
    assert names(tmp_path) == []
