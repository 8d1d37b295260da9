"""Which checkpoint holds, and that damage is found before a row is used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from thalweg.checkpoint.disk import LocalDisk
from thalweg.checkpoint.encoding import encoded
from thalweg.checkpoint.history import History, Place
from thalweg.checkpoint.manifest import Manifest, StateEntry
from thalweg.checkpoint.savepoint import with_origin
from thalweg.checkpoint.store import DirectoryStore
from thalweg.errors import CheckpointError, StoreError
from thalweg.protocols.increments import Identity

KEY = ("group1", "group1.group", "groups")
FRAME = pl.DataFrame({"k": ["a", None], "n": [1, 2]})
SPLIT = {"stage": "source1", "split": "file", "data": {"position": {"row": 7}, "ended": False, "number": 0}}


class Kept:
    """A job's history, with short ways to act on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.history = History(DirectoryStore(str(path)), "job")

    def begin(self) -> tuple[int, int]:
        """The lineage and fence of a new run."""
        fence = self.history.take_fence()
        lineage, base = self.history.newest()
        lineage = lineage or self.history.open_lineage(None, fence)
        self.history.record_base(fence, base, lineage)
        return lineage, fence

    def publish(self, lineage: int, fence: int, number: int, frame: pl.DataFrame = FRAME) -> Place:
        """A checkpoint with one state and one split."""
        file, data = encoded(frame)
        self.history.put_data(file.sha256, data, ())
        entry = StateEntry(*KEY, Identity("row", ("k",)), 1, frame.height, ((file,),))
        manifest = Manifest("job", lineage, number, fence, "program", "0", "2026-01-01T00:00:00+00:00")
        return self.history.publish(replace(manifest, states=(entry,), splits=(SPLIT,)))

    def put_late(self, place: Place) -> None:
        """The manifest of a run that had looked at the fences long before it wrote."""
        late = Manifest("job", place.lineage, place.number, place.fence, "program", "0", "")
        DirectoryStore(str(self.path)).put(f"job/{place.name}", late.encode())

    def file(self, place: Place) -> Path:
        """The manifest's file."""
        return self.path / "job" / place.name

    def data(self) -> list[Path]:
        """The data files."""
        return sorted((self.path / "job" / "data").iterdir())


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "store")


def test_a_checkpoint_comes_back_as_it_was(kept: Kept) -> None:
    place = kept.publish(*kept.begin(), 3)
    assert kept.history.newest() == (1, place)
    found = kept.history.snapshot(kept.history.manifest(place))
    assert (found.number, dict(found.splits)) == (3, {("source1", "file"): SPLIT["data"]})
    assert_frame_equal(found.keyed[KEY].frame, FRAME)


def test_a_lineage_without_a_checkpoint_starts_as_it_was_opened(kept: Kept) -> None:
    place = kept.publish(*kept.begin(), 3)
    assert kept.history.open_lineage(place, kept.history.take_fence()) == 2
    assert kept.history.newest() == (2, place)
    assert kept.history.open_lineage(None, kept.history.take_fence()) == 3
    assert kept.history.newest() == (3, None)


def test_a_lineage_that_a_run_opens_which_was_overtaken_does_not_hold(kept: Kept) -> None:
    old = kept.history.take_fence()
    lineage, new = kept.begin()
    place = kept.publish(lineage, new, 4)
    late = kept.history.open_lineage(None, old)
    assert (late, kept.history.newest()) == (2, (1, place))
    kept.history.record_base(old, None, late)
    assert kept.history.newest() == (1, place)


def test_a_checkpoint_without_a_manifest_is_none(kept: Kept) -> None:
    lineage, fence = kept.begin()
    first, second = (kept.publish(lineage, fence, n) for n in (3, 4))
    kept.file(second).unlink()
    assert kept.history.newest() == (1, first)


def test_a_run_that_was_overtaken_publishes_nothing_that_holds(kept: Kept) -> None:
    lineage, old = kept.begin()
    base = kept.publish(lineage, old, 3)
    _, new = kept.begin()
    with pytest.raises(CheckpointError, match="checkpoint-overtaken"):
        kept.publish(lineage, old, 4)
    kept.put_late(Place(lineage, 4, old))
    assert kept.history.newest() == (1, base)
    own = kept.publish(lineage, new, 4)
    assert kept.history.newest() == (1, own)


def test_what_a_run_published_before_another_looked_holds(kept: Kept) -> None:
    lineage, old = kept.begin()
    fence = kept.history.take_fence()
    kept.put_late(Place(lineage, 4, old))
    _, base = kept.history.newest()
    kept.history.record_base(fence, base, lineage)
    assert kept.history.newest() == (1, Place(1, 4, old))


def test_what_an_overtaken_run_says_late_of_its_base_changes_nothing(kept: Kept) -> None:
    """It has looked at the checkpoints, and stands still while others complete one and go on from it."""
    lineage, first = kept.begin()
    base = kept.publish(lineage, first, 3)
    late = kept.history.take_fence()
    last = Place(lineage, 4, first)
    kept.put_late(last)
    _, newer = kept.begin()
    kept.history.record_base(late, base, lineage)
    assert kept.history.places(lineage) == [base, last]
    own = kept.publish(lineage, newer, 5)
    assert kept.history.places(lineage) == [base, last, own]


def test_checkpoints_hold_that_the_newest_run_is_built_on(kept: Kept) -> None:
    lineage, first = kept.begin()
    base = kept.publish(lineage, first, 3)
    _, second = kept.begin()
    kept.put_late(Place(lineage, 4, first))
    own = kept.publish(lineage, second, 5)
    kept.begin()
    assert kept.history.places(lineage) == [base, own]


def test_numbers_of_runs_are_given_once(kept: Kept) -> None:
    assert [kept.history.take_fence() for _ in range(5)] == [1, 2, 3, 4, 5]
    store = DirectoryStore(str(kept.path))
    assert store.put_new("job/fences/000006", b"{}")
    assert not store.put_new("job/fences/000006", b"other")
    assert store.get("job/fences/000006") == b"{}"
    assert kept.history.take_fence() == 7


def test_every_changed_byte_of_a_manifest_is_found(kept: Kept) -> None:
    place = kept.publish(*kept.begin(), 3)
    good = kept.file(place).read_bytes()
    for at in range(len(good)):
        kept.file(place).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(CheckpointError, match=r"checkpoint-(damaged|version)"):
            kept.history.manifest(place)
        kept.file(place).write_bytes(good[:at])
        with pytest.raises(CheckpointError, match="checkpoint-damaged"):
            kept.history.manifest(place)


def test_every_changed_byte_and_every_truncation_of_state_is_found(kept: Kept) -> None:
    place = kept.publish(*kept.begin(), 3)
    manifest = kept.history.manifest(place)
    (file,) = kept.data()
    good = file.read_bytes()
    for at in range(0, len(good), 5):
        file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(CheckpointError, match="checkpoint-damaged"):
            kept.history.snapshot(manifest)
        file.write_bytes(good[:at])
        with pytest.raises(CheckpointError, match="checkpoint-damaged"):
            kept.history.snapshot(manifest)
    file.unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        kept.history.snapshot(manifest)


def test_a_manifest_in_another_place_is_found(kept: Kept) -> None:
    lineage, fence = kept.begin()
    first, second = (kept.publish(lineage, fence, n) for n in (3, 4))
    kept.file(second).write_bytes(kept.file(first).read_bytes())
    with pytest.raises(CheckpointError, match="checkpoint 3 of lineage 1"):
        kept.history.manifest(second)


def test_only_what_nothing_names_is_removed(kept: Kept) -> None:
    lineage, fence = kept.begin()
    frames = [FRAME, pl.concat([FRAME, FRAME]), FRAME, FRAME.head(1)]
    places = [kept.publish(lineage, fence, n, f) for n, f in enumerate(frames)]
    kept.history.retain(lineage, 2, fence)
    assert kept.history.places(lineage) == places[2:]
    assert len(kept.data()) == 3, "nothing goes before its grace is over"
    foreign = kept.path / "job" / "data" / "notes"
    foreign.write_text("mine")
    kept.history.retain(lineage, 2, fence, grace=-1.0)
    for place in places[2:]:
        kept.history.snapshot(kept.history.manifest(place))
    assert (len(kept.data()), foreign.read_text()) == (3, "mine")


def test_nothing_is_removed_while_a_manifest_cannot_be_read(kept: Kept) -> None:
    lineage, fence = kept.begin()
    places = [kept.publish(lineage, fence, n, FRAME.head(n)) for n in range(3)]
    kept.file(places[2]).write_bytes(b"")
    with pytest.raises(CheckpointError, match="checkpoint-damaged"):
        kept.history.retain(lineage, 2, fence, grace=-1.0)
    assert len(kept.data()) == 3


def test_the_checkpoint_that_a_lineage_was_opened_at_is_kept(kept: Kept) -> None:
    lineage, fence = kept.begin()
    first, *_ = (kept.publish(lineage, fence, n) for n in range(4))
    kept.history.open_lineage(first, kept.history.take_fence())
    fence += 1
    kept.history.retain(lineage, 1, fence, grace=-1.0)
    assert kept.history.places(lineage)[0] == first


def saved(directory: Path) -> tuple[History, Manifest]:
    """A savepoint of another job."""
    other = Kept(directory)
    lineage, fence = other.begin()
    place = other.publish(lineage, fence, 7)
    manifest = with_origin(other.history, other.history.manifest(place), is_committed=True)
    return other.history, manifest


def test_a_lineage_begins_with_a_checkpoint_from_elsewhere(kept: Kept, tmp_path: Path) -> None:
    source, manifest = saved(tmp_path / "other")
    place = kept.history.adopt(source, manifest, 3, path="/far/away")
    assert place == Place(1, 7, 3)
    assert kept.history.newest() == (1, place)
    assert kept.history.savepoint_of(1) == {"path": "/far/away", **(manifest.origin or {})}
    assert_frame_equal(kept.history.snapshot(kept.history.manifest(place)).keyed[KEY].frame, FRAME)


def test_what_was_taken_up_half_is_in_no_lineage(kept: Kept, tmp_path: Path) -> None:
    source, manifest = saved(tmp_path / "other")
    store = DirectoryStore(str(kept.path))
    # broken off before the lineage was opened
    late = replace(manifest, lineage=1, fence=1)
    store.put(f"job/{Place(1, 7, 1).name}", late.encode())
    assert kept.history.lineages() == []
    lineage, _ = kept.begin()
    assert kept.history.places(lineage) == []
    assert kept.history.newest() == (lineage, None)
    again = kept.history.adopt(source, manifest, 9, path="/far/away")
    assert kept.history.places(again.lineage) == [again]


def test_files_are_copied_where_they_cannot_have_two_names(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, manifest = saved(tmp_path / "other")

    def refuse(disk: LocalDisk, old: str, new: str) -> None:
        raise OSError(18, "another disk")

    with monkeypatch.context() as patched:
        patched.setattr(LocalDisk, "link", refuse)
        kept.history.copy_data(source, manifest.files)
    (file,) = kept.data()
    assert file.stat().st_nlink == 1
    (theirs,) = (tmp_path / "other" / "job" / "data").iterdir()
    theirs.write_bytes(b"damaged")
    file.unlink()
    monkeypatch.setattr(LocalDisk, "link", refuse)
    with pytest.raises(CheckpointError, match="checkpoint-damaged"):
        kept.history.copy_data(source, manifest.files)
    assert kept.data() == []


def test_a_run_whose_checkpoint_a_newer_one_has_removed_is_overtaken(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still between the name of its manifest and the sync of the directory."""
    lineage, old = kept.begin()
    put = DirectoryStore.put

    def stands_still(self: DirectoryStore, name: str, data: bytes) -> None:
        if name.endswith("manifest"):
            monkeypatch.setattr(DirectoryStore, "put", put)
            kept.begin()
            raise StoreError("No such file or directory", code="store-failed")
        put(self, name, data)

    monkeypatch.setattr(DirectoryStore, "put", stands_still)
    with pytest.raises(CheckpointError, match="checkpoint-overtaken"):
        kept.publish(lineage, old, 3)
