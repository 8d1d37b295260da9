"""Files of every format: splits, positions, chosen members, types, and what is said when they do not fit."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from tests.unit.connectors.reading import check_positions, drain
from thalweg.base.schema import Schema
from thalweg.connectors.files import file_source
from thalweg.errors import ConfigError, ConnectorError, PlanError, ThalwegError
from thalweg.protocols.source import LazySource, Source

ROWS = 200
FRAME = pl.DataFrame(
    {
        "n": range(ROWS),
        "s": [None if i % 7 == 0 else f"a text of some length, number {i}" for i in range(ROWS)],
        "r": [None if i % 3 == 0 else {"a": i, "b": f"b{i}", "c": float(i)} for i in range(ROWS)],
        "t": [datetime(2026, 1, 1, 0, 0, i % 60) for i in range(ROWS)],
    },
    schema_overrides={"t": pl.Datetime("ms")},
)
FIELDS = [("t", None), ("r", ("c", "a"))]
FLAT = FRAME.select("n", "s", "t")


def write(frame: pl.DataFrame, path: Path, form: str) -> str:
    if form == "parquet":
        frame.write_parquet(path, row_group_size=30)
    elif form == "arrow":
        frame.write_ipc(path, record_batch_size=30)
    elif form == "arrow-packed":
        frame.write_ipc(path, record_batch_size=30, compression="zstd")
    else:
        frame.write_ndjson(path)
    return str(path)


@pytest.mark.parametrize("form", ["parquet", "arrow", "arrow-packed", "json"])
def test_rows_members_and_positions(form: str, tmp_path: Path) -> None:
    schema = Schema.from_polars(dict(FRAME.schema))
    source = file_source(write(FRAME, tmp_path / f"x.{form.split('-')[0]}", form), schema=schema)
    assert isinstance(source, Source)
    assert isinstance(source, LazySource)
    whole = drain(source, 64)
    assert whole.frame.equals(FRAME.cast({"t": pl.Datetime("us")}), null_equal=True)
    chosen = check_positions(source, 47, FIELDS).frame
    assert chosen.columns == ["t", "r"]
    assert [f.name for f in chosen.schema["r"].fields] == ["c", "a"]
    assert chosen["r"].is_null().to_list() == FRAME["r"].is_null().to_list()
    assert chosen["r"].struct.field("c").equals(FRAME["r"].struct.field("c"), null_equal=True)
    assert source.lazy(FIELDS).collect().equals(chosen, null_equal=True)
    assert source.lazy(None).select("n").filter(pl.col("n") > 197).collect()["n"].to_list() == [198, 199]


def test_a_directory_is_ordered_and_hides_what_begins_with_a_mark(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet", "_c.parquet", ".d.parquet"):
        write(FRAME.head(3), tmp_path / name, "parquet")
    (tmp_path / "sub").mkdir()
    source = file_source(str(tmp_path))
    assert [os.path.basename(s.id) for s in source.splits()] == ["a.parquet", "b.parquet"]
    assert source.is_ordered
    assert not file_source(str(tmp_path), order="parallel").is_ordered
    pattern = file_source(str(tmp_path / "*.parquet"))
    assert len(pattern.splits()) == 2
    assert not pattern.is_ordered
    both = file_source([str(tmp_path / "b.parquet"), str(tmp_path / "a.parquet")])
    assert [os.path.basename(s.id) for s in both.splits()] == ["b.parquet", "a.parquet"]
    assert both.lazy(None).collect().height == 6


def test_a_watched_directory_may_start_empty_and_lists_what_comes(tmp_path: Path) -> None:
    schema = Schema.from_polars({"n": pl.Int64()})
    source = file_source(str(tmp_path), "csv", schema, interval=1.0)
    assert not source.is_bounded
    assert source.splits() == []
    (tmp_path / "a.csv").write_text("1\n2\n")
    assert [s.data["path"] for s in source.splits()] == [str(tmp_path / "a.csv")]
    assert drain(source).rows() == [(1,), (2,)]


def test_a_watched_directory_may_come_later(tmp_path: Path) -> None:
    schema = Schema.from_polars({"n": pl.Int64()})
    source = file_source(str(tmp_path / "later"), "json", schema, interval=1.0)
    assert source.is_ordered
    assert source.splits() == []
    (tmp_path / "later").mkdir()
    assert source.splits() == []
    (tmp_path / "later" / "a.json").write_text('{"n": 1}\n')
    assert drain(source).rows() == [(1,)]
    with pytest.raises(ConfigError) as deep:
        file_source(str(tmp_path / "nowhere" / "later"), "json", schema, interval=1.0)
    assert deep.value.code == "source-missing-path"


@pytest.mark.parametrize(
    ("form", "schema", "what"),
    [
        (None, None, "the format and the columns"),
        ("csv", None, "the columns"),
        (None, Schema(()), "the format"),
    ],
)
def test_without_files_everything_is_declared(
    form: str | None, schema: Schema | None, what: str, tmp_path: Path
) -> None:
    for path in (tmp_path, tmp_path / "later"):
        with pytest.raises(ConfigError) as caught:
            file_source(str(path), form, schema, interval=1.0)
        assert caught.value.code == "source-no-schema"
        assert f"{what} must be declared" in str(caught.value)


@pytest.mark.parametrize(("form", "empty"), [("csv", "n,s\n"), ("json", "")])
def test_columns_follow_from_the_first_file_with_rows(form: str, empty: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{form}").write_text(empty)
    (tmp_path / f"b.{form}").write_text("n,s\n1,x\n" if form == "csv" else '{"n":1,"s":"x"}\n')
    source = file_source(str(tmp_path))
    assert str(source.schema) == "n BIGINT, s STRING"
    assert source.lazy(None).collect().rows() == [(1, "x")]


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "events.parquet").write_bytes(b"")
    with pytest.raises(ConfigError) as caught:
        file_source(str(tmp_path / "event.parquet"))
    assert caught.value.code == "source-missing-path"
    assert caught.value.choices == ("events.parquet",)
    assert "did you mean" in str(caught.value.hint)
    with pytest.raises(ConfigError) as deep:
        file_source(str(tmp_path / "nowhere" / "x.csv"))
    assert '"nowhere" is not in' in str(deep.value.where)


@pytest.mark.parametrize(("path", "code"), [("*.csv", "source-missing-path"), ("", "source-missing-path")])
def test_nothing_to_read(path: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        file_source(str(tmp_path / path))
    assert caught.value.code == code


def test_places_on_other_machines_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        file_source("hdfs://bucket/x.parquet")
    assert caught.value.code == "source-remote-path"


def test_paths_with_a_scheme(tmp_path: Path) -> None:
    write(FRAME, tmp_path / "x.parquet", "parquet")
    assert file_source(f"file://{tmp_path}/x.parquet").splits()[0].id == f"{tmp_path}/x.parquet"


def test_formats(tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_text("n\n1\n")
    with pytest.raises(ConfigError) as unknown:
        file_source(str(tmp_path / "x.dat"))
    assert unknown.value.code == "source-format"
    with pytest.raises(ConfigError) as mistyped:
        file_source(str(tmp_path / "x.dat"), "cvs")
    assert mistyped.value.hint == 'did you mean "csv"?'
    assert drain(file_source(str(tmp_path / "x.dat"), "csv")).rows() == [(1,)]
    with pytest.raises(ConfigError) as option:
        file_source(str(tmp_path / "x.dat"), "csv", seperator=";")
    assert option.value.hint == 'did you mean "separator"?'


def test_files_that_do_not_fit_each_other_or_the_declaration(tmp_path: Path) -> None:
    write(FLAT.head(2), tmp_path / "a.parquet", "parquet")
    write(FLAT.head(2).with_columns(pl.col("n").cast(pl.String)), tmp_path / "b.parquet", "parquet")
    with pytest.raises(PlanError) as types:
        file_source(str(tmp_path))
    assert types.value.code == "source-schema"
    assert (types.value.expected, types.value.found) == ("n BIGINT", "n STRING")
    assert str(types.value.where).endswith("b.parquet")
    write(FLAT.head(2).drop("n"), tmp_path / "b.parquet", "parquet")
    with pytest.raises(PlanError, match='no column "n"'):
        file_source(str(tmp_path))


def test_a_declaration_may_leave_out_columns_and_members(tmp_path: Path) -> None:
    declared = Schema.from_polars({"r": pl.Struct({"c": pl.Float64, "a": pl.Int64})})
    for form in ("parquet", "arrow"):
        source = file_source(write(FRAME, tmp_path / f"x.{form}", form), schema=declared)
        assert drain(source).frame.schema == declared.polars
        assert drain(source, fields=[("r", ("a",))]).frame.schema == {"r": pl.Struct({"a": pl.Int64})}


def test_a_file_that_changed_its_columns_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    path = write(FLAT, tmp_path / "x.parquet", "parquet")
    source = file_source(path)
    write(FLAT.rename({"n": "m"}), tmp_path / "x.parquet", "parquet")
    with pytest.raises(PlanError):
        source.open(source.splits()[0], {}, None)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("kept", [0, 3, 1000, -1, -9])
def test_damaged_files_are_our_errors(form: str, kept: int, tmp_path: Path) -> None:
    path = Path(write(FRAME, tmp_path / f"x.{form}", form))
    source = file_source(str(path))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ConnectorError) as caught:
        drain(source)
    assert caught.value.code == "source-damaged-file"


def test_every_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{]\n")
    with pytest.raises(ThalwegError) as caught:
        file_source(str(tmp_path / "x.json"))
    assert str(caught.value.where).endswith("x.json, line 1")


def test_empty_files(tmp_path: Path) -> None:
    for form in ("parquet", "arrow"):
        source = file_source(write(FRAME.head(0), tmp_path / f"x.{form}", form))
        assert drain(source).offsets == []
        assert source.lazy(FIELDS).collect().height == 0


def test_a_number_that_no_type_holds(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"a\n{'9' * 50}\n")
    with pytest.raises(ConfigError) as caught:
        file_source(str(tmp_path / "x.csv"))
    assert (caught.value.code, caught.value.hint) == ("source-no-schema", "declare the columns")
    assert "9" * 50 in str(caught.value.found)


def test_a_text_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    source = file_source(str(tmp_path / "x.csv"))
    (split,) = source.splits()
    (tmp_path / "x.csv").unlink()
    with pytest.raises(ConnectorError) as caught:
        source.open(split, {}, None).read(1)
    assert (caught.value.code, caught.value.found) == ("source-cannot-read", "No such file or directory")
    assert caught.value.where == str(tmp_path / "x.csv")
