"""A store that is damaged, or changed by others meanwhile, is told as that or written anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from thalweg.checkpoint.disk import LocalDisk
from thalweg.checkpoint.history import History, Place
from thalweg.checkpoint.store import DirectoryStore
from thalweg.connectors.files.staging import commit_parts
from thalweg.errors import CheckpointError, StoreError
from thalweg.protocols.sink import Epoch


class Tidied(LocalDisk):
    """Another run tidies up what is about to get its name, once."""

    count = 0

    def rename(self, old: str, new: str) -> None:
        self.count += 1
        if self.count == 1:
            self.remove(old)
        super().rename(old, new)


def test_a_file_that_was_tidied_away_is_written_anew(tmp_path: Path) -> None:
    disk = Tidied()
    store = DirectoryStore(str(tmp_path), disk)
    store.put("a", b"1")
    assert (disk.count, store.get("a"), store.names("")) == (2, b"1", ["a"])


def test_what_cannot_be_read_is_no_name_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(StoreError, match="cannot be read"):
        DirectoryStore(str(tmp_path)).get("a")


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    history = History(DirectoryStore(str(tmp_path)), "job")
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        history.manifest(Place(1, 99, 1))


def test_a_record_of_a_job_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "identity").write_bytes(b"no JSON")
    with pytest.raises(CheckpointError) as caught:
        History(DirectoryStore(str(tmp_path)), "job").identity()
    assert "identity" in str(caught.value.where)
    assert (tmp_path / "job" / "identity").read_bytes() == b"no JSON"


def test_a_progress_record_that_is_damaged_stops_the_commit(tmp_path: Path) -> None:
    epoch = Epoch("job", "sink", 1, 1, 3)
    commit_parts(LocalDisk(), str(tmp_path), epoch, [])
    (record,) = tmp_path.iterdir()
    record.write_bytes(b"no JSON")
    with pytest.raises(CheckpointError, match="sink-progress-damaged"):
        commit_parts(LocalDisk(), str(tmp_path), epoch, [])


def test_the_record_of_a_newer_run_takes_the_place_of_older_ones(tmp_path: Path) -> None:
    for fence in (3, 4):
        commit_parts(LocalDisk(), str(tmp_path), Epoch("job", "sink", 1, fence, fence), [])
    (record,) = tmp_path.iterdir()
    assert record.name.endswith("-4")
    with pytest.raises(CheckpointError, match="checkpoint-overtaken"):
        commit_parts(LocalDisk(), str(tmp_path), Epoch("job", "sink", 1, 5, 3), [])
    assert list(tmp_path.iterdir()) == [record]
