"""Rows that cannot be read wait in an object store, and are looked at there; they are put back elsewhere."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from tests.objects.server import BUCKET, ObjectServer
from thalweg.errors import ConfigError

ROOT = f"s3://{BUCKET}"
SCHEMA = {"n": pl.Int64()}


def rows(folder: Path) -> list[int]:
    """The rows of a job that reads everything."""
    session = tw.Session(checkpoint_dir=f"{ROOT}/kept", parallelism=1)
    read = session.read_csv(f"{ROOT}/in", schema=SCHEMA, dead_letter=f"{ROOT}/letters")
    read.write_csv(str(folder / "out"))
    session.run("rows", mode="stream", start="fresh")
    return sorted(pl.read_csv(folder / "out" / "*.csv")["n"].to_list())


def test_letters(server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    server.put("in/a.csv", b"n\n1\nx\n3\n")
    assert rows(tmp_path) == [1, 3]
    letters = tw.DeadLetters(f"{ROOT}/letters")
    assert letters.rows().select("split", "position").rows() == [(f"{ROOT}/in/a.csv", 3)]
    with pytest.raises(ConfigError) as caught:
        letters.replay(f"{ROOT}/in")
    assert caught.value.code == "letters-in-objects"
    assert not (tmp_path / "s3:").exists(), "an address is no directory of this machine"

    server.download(tmp_path / "bucket")
    near = tw.DeadLetters(tmp_path / "bucket" / "letters")
    (id,) = near.rows()["id"]
    (tmp_path / "edits").write_text(f'{{"id": "{id}", "text": "2"}}\n')
    put = near.replay(f"{ROOT}/in", edits=tmp_path / "edits")
    assert put.rows == 1
    assert server.held()[f"in/{Path(str(put.file)).name}"] == b"n\n2\n"
    assert near.replay(f"{ROOT}/in").rows == 0
