"""Part files appear whole, beside what is there, and an empty result can be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.unit.connectors.reading import drain
from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.connectors.files import FileSink, file_source
from thalweg.connectors.registry import create_sink, create_source
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


def test_of_input_that_ends_nothing_appears_before_it_has(tmp_path: Path) -> None:
    """Full parts are written, and wait under hidden names; a job that fails takes them away."""
    for has_ended in (False, True):
        writer = FileSink(str(tmp_path), part_rows=4).open(SCHEMA, 0)
        for number in range(4):
            writer.write(Batch(FRAME))
            writer.cut(number)
            assert all(n.startswith(".") for n in names(tmp_path))
        assert len(names(tmp_path)) == 2
        if has_ended:
            writer.end()
        writer.close()
        assert len(names(tmp_path)) == 2 * has_ended
    assert pl.read_parquet(tmp_path / "*.parquet").height == 4 * FRAME.height


def test_of_endless_input_full_parts_appear_at_cuts(tmp_path: Path) -> None:
    writer = FileSink(str(tmp_path), part_rows=4, is_bounded=False).open(SCHEMA, 0)
    for _ in range(2):
        writer.write(Batch(FRAME))
    assert [n.startswith(".") for n in names(tmp_path)] == [True]
    writer.cut(1)
    assert [n.startswith(".") for n in names(tmp_path)] == [False]


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


CSV = {"connector": "filesystem", "format": "csv", "csv.field-delimiter": ";", "csv.null-literal": "NULL"}


def written(options: dict[str, str], frame: pl.DataFrame, path: Path) -> str:
    schema = Schema.from_polars(dict(frame.schema))
    sink = create_sink(CSV | options | {"path": str(path)}, schema, is_bounded=True).sink
    writer = sink.open(schema, 0)
    writer.write(Batch(frame))
    writer.end()
    writer.close()
    (file,) = path.iterdir()
    return file.read_text()


def test_csv_is_written_as_the_options_say(tmp_path: Path) -> None:
    text = written({"csv.header": "false", "csv.quote-character": "'"}, FRAME, tmp_path)
    assert text == "1;x\n2;NULL\n3;'a \"b\", c\nd'\n"


@pytest.mark.parametrize("delimiter", [";", "\\t", ".", "-", ":", "1", "e"])
@pytest.mark.parametrize("header", ["true", "false", "auto"])
def test_csv_of_any_options_can_be_read(delimiter: str, header: str, tmp_path: Path) -> None:
    frame = FRAME.with_columns(
        f=pl.Series([1.5, -0.1, None]),
        t=pl.Series([1, None, 3]).cast(pl.Datetime("us")),
        b=pl.Series([True, None, False]),
    )
    options = {"csv.field-delimiter": delimiter, "csv.header": header}
    written(options, frame, tmp_path)
    schema = Schema.from_polars(dict(frame.schema))
    source = create_source(CSV | options | {"path": str(tmp_path)}, schema).source
    assert drain(source).frame.equals(frame, null_equal=True)


def test_csv_without_quotes(tmp_path: Path) -> None:
    bare = {"csv.disable-quote-character": "true"}
    assert written(bare, FRAME.head(2), tmp_path) == "n;s\n1;x\n2;NULL\n"
    with pytest.raises(ConnectorError) as caught:
        written(bare, FRAME, tmp_path)
    assert caught.value.code == "sink-csv-quotes"


@pytest.mark.parametrize("literal", ["a;b", 'a"', "a\nb"])
def test_a_null_literal_is_one_field(literal: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        written({"csv.null-literal": literal}, FRAME, tmp_path)
    assert caught.value.code == "connector-option-value"


def test_a_directory_that_is_gone_when_rows_are_to_appear(tmp_path: Path) -> None:
    path = tmp_path / "out"
    writer = FileSink(str(path), part_rows=1, is_bounded=False).open(SCHEMA, 0)
    writer.write(Batch(FRAME))
    shutil.rmtree(path)
    with pytest.raises(ConnectorError) as caught:
        writer.cut(1)
    assert (caught.value.code, caught.value.where) == ("sink-cannot-write", str(path))
    assert "No such file" in str(caught.value.found)
