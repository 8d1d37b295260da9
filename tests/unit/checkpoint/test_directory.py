"""A snapshot survives a directory, and damage is found before a row is used."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from thalweg.checkpoint import directory
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.errors import CheckpointError

KEY = ("group1", "group1.group", "groups")


def snapshot() -> JobSnapshot:
    frame = pl.DataFrame({"k": ["a", None], "n": [1, 2]})
    progress = {"position": {"row": 7}, "ended": False, "number": 0}
    return JobSnapshot(3, {KEY: frame}, {("source1", "file"): progress})


def test_a_snapshot_comes_back_as_it_was(tmp_path: Path) -> None:
    found = directory.load(directory.save(snapshot(), tmp_path / "3"))
    assert (found.number, dict(found.splits)) == (3, dict(snapshot().splits))
    assert_frame_equal(found.keyed[KEY], snapshot().keyed[KEY])


def test_a_directory_without_a_manifest_is_no_snapshot(tmp_path: Path) -> None:
    saved = directory.save(snapshot(), tmp_path / "3")
    (saved / directory.MANIFEST).unlink()
    with pytest.raises(CheckpointError, match="checkpoint-missing"):
        directory.load(saved)


def test_a_snapshot_is_never_written_over(tmp_path: Path) -> None:
    directory.save(snapshot(), tmp_path / "3")
    with pytest.raises(CheckpointError, match="checkpoint-exists"):
        directory.save(snapshot(), tmp_path / "3")


def test_every_flipped_byte_and_every_truncation_is_found(tmp_path: Path) -> None:
    saved = directory.save(snapshot(), tmp_path / "3")
    (state,) = saved.glob("*.arrow")
    good = state.read_bytes()
    for at in range(0, len(good), 7):
        state.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(CheckpointError, match="checkpoint-damaged"):
            directory.load(saved)
        state.write_bytes(good[:at])
        with pytest.raises(CheckpointError, match="checkpoint-damaged"):
            directory.load(saved)
    state.unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        directory.load(saved)


@pytest.mark.parametrize("text", [b"", b"{", b'{"version": 2}'])
def test_a_manifest_that_cannot_be_used_says_so(tmp_path: Path, text: bytes) -> None:
    saved = directory.save(snapshot(), tmp_path / "3")
    (saved / directory.MANIFEST).write_bytes(text)
    with pytest.raises(CheckpointError, match=r"checkpoint-(damaged|version)"):
        directory.load(saved)
