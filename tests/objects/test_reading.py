"""Objects are read as files are: which they are, in which order, and that one was changed is noticed."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from tests.objects.server import BUCKET, Answer, ObjectServer
from thalweg.checkpoint.addresses import split
from thalweg.connectors.files.listing import ObjectListing
from thalweg.connectors.files.paths import find_files
from thalweg.connectors.files.source import FileSource, file_source
from thalweg.errors import ConfigError, ConnectorError, DataError, ThalwegError

ROOT = f"s3://{BUCKET}"
FRAME = pl.DataFrame({"id": range(100), "text": [f"row {n}" for n in range(100)]})


def parquet(frame: pl.DataFrame = FRAME, **how: Any) -> bytes:
    held = io.BytesIO()
    frame.write_parquet(held, **how)
    return held.getvalue()


def part_read(source: FileSource) -> tuple[Any, Any]:
    """A split, and the position in it after some rows."""
    (split,) = source.splits()
    reader = source.open(split, {}, None)
    assert reader.read(30).frame is not None
    position = reader.position
    reader.close()
    return split, position


def copies() -> list[str]:
    """The files without a name that this process has open."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [f for f in found if f.endswith("(deleted)") and f.startswith(tempfile.gettempdir() + "/#")]


def test_keys_are_listed_in_the_order_of_their_names(server: ObjectServer) -> None:
    for name in ("b", "a", "c 1", "_SUCCESS", ".hidden", "inner/d", "ä=%3A"):
        server.put(f"in/{name}.csv", b"x\n1\n")
    server.put("inner.csv", b"x\n1\n")
    found = find_files(f"{ROOT}/in/")
    assert found.kind == "directory"
    assert found.files == tuple(f"{ROOT}/in/{n}.csv" for n in ("a", "b", "c 1", "ä=%3A"))
    assert find_files(f"{ROOT}/in/a.csv").kind == "file"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["a.csv", "b1.csv"]),
        ("[!b]*.csv", ["a.csv"]),
        ("b?.csv", ["b1.csv"]),
        ("**/*.csv", ["a.csv", "b1.csv", "d/e/f.csv"]),
        ("d/*/[d-f].csv", ["d/e/f.csv"]),
        ("x*", []),
    ],
)
def test_patterns_are_those_of_files(server: ObjectServer, pattern: str, expected: list[str]) -> None:
    for name in ("a.csv", "b1.csv", "b.txt", "d/e/f.csv"):
        server.put(f"in/{name}", b"")
    assert ObjectListing().matching(f"{ROOT}/in/{pattern}") == [f"{ROOT}/in/{n}" for n in expected]


def test_an_object_that_was_changed_is_noticed(server: ObjectServer) -> None:
    server.put("in/a.parquet", parquet())
    source = file_source(f"{ROOT}/in")
    before = source.version()
    split, position = part_read(source)
    reader = source.open(split, position, None)
    again = reader.read(1000).frame
    reader.close()
    assert again is not None
    assert again["id"].to_list() == list(range(30, 100))
    server.put("in/a.parquet", parquet(FRAME.reverse()))
    assert source.version() != before
    with pytest.raises(ConnectorError) as caught:
        source.open(split, position, None)
    assert (caught.value.code, caught.value.where) == ("source-changed", f"{ROOT}/in/a.parquet")


def test_an_object_that_is_gone_is_named(server: ObjectServer) -> None:
    server.put("in/a.parquet", parquet())
    source = file_source(f"{ROOT}/in")
    split, position = part_read(source)
    bucket_path = f"/{BUCKET}/in/a.parquet"
    server.delete("in/a.parquet")
    with pytest.raises(ConnectorError) as caught:
        source.open(split, position, None)
    assert caught.value.message == "an object is gone"
    assert ("GET", bucket_path) in server.requests


def test_nothing_is_left_of_copies(server: ObjectServer) -> None:
    server.put("in/a.parquet", parquet())
    server.put("in/b.parquet", b"no Parquet")
    source = file_source(f"{ROOT}/in/a.parquet")
    before = copies()
    for _ in range(3):
        part_read(source)
        with pytest.raises(ConnectorError) as caught:
            file_source(f"{ROOT}/in/b.parquet")
        assert caught.value.where == f"{ROOT}/in/b.parquet"
    assert copies() == before
    reader = source.open(source.splits()[0], {}, None)
    assert len(copies()) == len(before) + 1
    reader.close()


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_what_the_columns_are_is_told_without_the_bytes_between(server: ObjectServer, form: str) -> None:
    """Of large objects, and of those whose footer is longer than what is fetched at first."""
    wide = pl.DataFrame({f"column {n:05} {'x' * 40}": [n] for n in range(2_000)})
    large = pl.DataFrame({"n": pl.int_range(0, 400_000, eager=True).hash()})
    for frame in (wide, large):
        held = io.BytesIO()
        frame.write_parquet(held) if form == "parquet" else frame.write_ipc(held)
        server.put(f"one.{form}", held.getvalue())
        server.sent = 0
        source = file_source(f"{ROOT}/one.{form}")
        assert source.schema.names == tuple(frame.columns)
        if frame is large:
            assert 0 < server.sent < len(held.getvalue()) / 4
        assert source.lazy(None).collect().equals(frame)


def test_bad_rows_are_named_by_their_object(server: ObjectServer) -> None:
    server.put("in/a.csv", b"id,n\n1,2\n2,x\n")
    session = tw.Session()
    schema = {"id": pl.Int64(), "n": pl.Int64()}
    with pytest.raises(DataError) as caught:
        session.read_csv(f"{ROOT}/in", schema=schema).to_polars()
    assert f"{ROOT}/in/a.csv" in str(caught.value)
    assert "/proc/" not in str(caught.value)


def test_an_answer_that_breaks_off_is_no_short_file(server: ObjectServer) -> None:
    server.put("in/a.csv", b"id\n" + b"1\n" * 1_000_000)
    source = file_source(f"{ROOT}/in/a.csv")
    (split,) = source.splits()

    def half(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer | None:
        if request["REQUEST_METHOD"] != "GET" or not request["PATH_INFO"].endswith(".csv"):
            return None
        body = b"".join(carried_out())
        request["start"](*request["said"])
        return [body[: len(body) // 2]]

    server.fault = half
    with pytest.raises(ConnectorError) as caught:
        source.open(split, {}, None)
    assert caught.value.code == "source-cannot-read"
    assert caught.value.where == f"{ROOT}/in/a.csv"


def test_a_large_object_is_read_in_pieces(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 500
    server.put("in/large", data)
    bucket, key = split(f"{ROOT}/in/large")
    monkeypatch.setattr("thalweg.checkpoint.bucket.PIECE_BYTES", 10_000)
    server.requests.clear()
    assert bucket.get(key) == data
    assert server.requests.count(("GET", f"/{BUCKET}/in/large")) == 14
    with tempfile.TemporaryFile() as file:
        bucket.download(key, file)
        file.seek(0)
        assert file.read() == data


def test_an_object_that_is_changed_while_it_is_read_is_no_mixture(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("in/a.csv", b"id\n" + b"1\n" * 10_000)
    source = file_source(f"{ROOT}/in/a.csv")
    monkeypatch.setattr("thalweg.checkpoint.bucket.PIECE_BYTES", 8_000)

    def change(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer | None:
        if "bytes=8000-" in request.get("HTTP_RANGE", ""):
            server.fault = None
            server.apart(lambda: server.put("in/a.csv", b"id\n" + b"2\n" * 10_000))
        return None

    server.fault = change
    with pytest.raises(ConnectorError, match="was changed while it was read"):
        source.open(source.splits()[0], {}, None)


def test_new_objects_are_found_while_a_stream_runs(server: ObjectServer) -> None:
    server.put("in/a.csv", b"id\n1\n")
    source = file_source(f"{ROOT}/in", interval=0.1)
    assert [s.id for s in source.splits()] == [f"{ROOT}/in/a.csv"]
    server.put("in/b.csv", b"id\n2\n")
    assert [s.id for s in source.splits()] == [f"{ROOT}/in/a.csv", f"{ROOT}/in/b.csv"]


def test_a_prefix_may_still_be_empty_where_new_objects_are_waited_for(server: ObjectServer) -> None:
    assert find_files(f"{ROOT}/to come", may_be_empty=True).files == ()
    with pytest.raises(ConfigError):
        find_files(f"{ROOT}/to come")


def test_marks_of_folders_are_no_files(server: ObjectServer) -> None:
    """Some tools leave an empty object `folder/`, also where there is nothing in it."""
    server.put("in/a.csv", b"id\n1\n")
    server.put("in/k=1/b.csv", b"id\n1\n")
    for mark in ("in/", "in/k=1/", "in/k=1/empty/"):
        server.put_raw(mark)
    assert find_files(f"{ROOT}/in").files == (f"{ROOT}/in/a.csv",)
    assert find_files(f"{ROOT}/in/*").files == (f"{ROOT}/in/a.csv",)
    assert find_files(f"{ROOT}/in/k=1").files == (f"{ROOT}/in/k=1/b.csv",)


@pytest.mark.parametrize("key", ["in//b.csv", "in/%2E%2E/b.csv"])
def test_a_key_that_cannot_be_read_is_said(server: ObjectServer, key: str) -> None:
    server.put("in/a.csv", b"id\n1\n")
    server.put_raw(key)
    with pytest.raises(ConnectorError, match="an object whose key has an empty part") as caught:
        file_source(f"{ROOT}/in")
    assert caught.value.where == f"{ROOT}/in"


@pytest.mark.parametrize("path", [f"{ROOT}/in/a.csw", f"{ROOT}/im/x", f"{ROOT}/in/*.json", "s3://none/in"])
def test_what_is_not_there_is_said(server: ObjectServer, path: str) -> None:
    server.put("in/a.csv", b"id\n1\n")
    with pytest.raises(ThalwegError) as caught:
        file_source(path)
    text = str(caught.value)
    if path.startswith("s3://none"):
        assert "there is no bucket s3://none" in text
    else:
        assert caught.value.code == "source-missing-path"
        assert "a.csv" in text or "in" in (caught.value.choices or ())
