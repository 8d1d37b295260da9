"""A checkpoint of a job that is not what it was is found before a row is used, and nothing is deleted."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from unittest import mock

import pytest

from tests.chaos import job
from tests.chaos.test_kills import Case
from thalweg.checkpoint import data_files
from thalweg.checkpoint.history import History
from thalweg.checkpoint.store import DirectoryStore
from thalweg.errors import CheckpointError

CHANGES = 2_000
Damage = Callable[[Path, Random], None]


def _flip(path: Path, r: Random) -> None:
    data = bytearray(path.read_bytes())
    data[r.randrange(len(data))] ^= 1 << r.randrange(8)
    path.write_bytes(data)


def _cut(path: Path, r: Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: r.randrange(len(data))])


def _lengthen(path: Path, r: Random) -> None:
    path.write_bytes(path.read_bytes() + bytes(r.randrange(1, 600)))


def _zero(path: Path, r: Random) -> None:
    """A block that never reached the disk."""
    data = bytearray(path.read_bytes())
    at = r.randrange(len(data)) // 512 * 512
    block = data[at : at + 512]
    data[at : at + 512] = bytes(len(block)) if any(block) else b"\1" * len(block)
    path.write_bytes(data)


def _swap(path: Path, r: Random) -> None:
    """Another file of the checkpoint in its place."""
    others = [p for p in path.parent.iterdir() if p != path and p.read_bytes() != path.read_bytes()]
    path.write_bytes(r.choice(others).read_bytes() if others else b"")


DAMAGES: tuple[Damage, ...] = (_flip, _flip, _cut, _cut, _lengthen, _zero, _swap)


def _killed(folder: Path) -> Case:
    """A job that was killed after some checkpoints."""
    job.write_input(folder / "input")
    case = Case(folder / "input", folder, "sqlite")
    assert case.run("checkpoint.complete:kill:5") == -signal.SIGKILL
    return case


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _killed(tmp_path_factory.mktemp("damage")).folder


def _read(folder: Path) -> None:
    """As a command does that looks at a checkpoint."""
    history = History(DirectoryStore(str(folder / "kept")), "clicks")
    _, place = history.newest()
    assert place is not None, "there is a checkpoint"
    snapshot = history.snapshot(history.manifest(place))
    assert snapshot.rows == sum(rows.frame.height for rows in snapshot.keyed.values())


def _load(folder: Path) -> None:
    """As a run does before its first row, where there is much state: files are checked as they are loaded.

    Some are not: their step has no state any more.
    """
    history = History(DirectoryStore(str(folder / "kept")), "clicks")
    _, place = history.newest()
    assert place is not None, "there is a checkpoint"
    with mock.patch.object(data_files, "_MANY_BYTES", 0):
        snapshot = history.snapshot(history.manifest(place), is_checked=False)
        for rows in list(snapshot.keyed.values())[::2]:
            assert rows.frame.height <= rows.count
        history.check_unread()


def _listing(folder: Path) -> dict[str, str]:
    """Every file, but for that of whoever held the job last."""
    files = (p for p in (folder / "kept").rglob("*") if p.is_file() and not p.name.startswith(".lock-"))
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _used(folder: Path) -> list[Path]:
    """The files that the newest checkpoint consists of."""
    history = History(DirectoryStore(str(folder / "kept")), "clicks")
    _, place = history.newest()
    assert place is not None, "there is a checkpoint"
    root = folder / "kept" / "clicks"
    return [root / place.name, *(root / "data" / name for name in history.manifest(place).files)]


def test_every_damage_is_found_before_a_row_is_used(kept: Path) -> None:
    r, used = Random(1), _used(kept)
    assert len(used) > 3, "there are data files"
    good = {path: path.read_bytes() for path in used}
    _read(kept)
    found = 0
    for _ in range(CHANGES):
        path = r.choice(used)
        r.choice(DAMAGES)(path, r)
        before = _listing(kept) if found % 50 == 0 else None
        with pytest.raises(CheckpointError, match=r"checkpoint-(damaged|version)"):
            r.choice([_read, _load])(kept)
        assert before is None or _listing(kept) == before, "nothing is deleted or written"
        path.write_bytes(good[path])
        found += 1
    _read(kept)
    _load(kept)
    assert found == CHANGES


def test_a_missing_file_is_named(kept: Path) -> None:
    for path in _used(kept)[1:]:
        data = path.read_bytes()
        path.unlink()
        for look in (_read, _load):
            with pytest.raises(CheckpointError, match="is missing") as caught:
                look(kept)
            assert path.name in str(caught.value)
        path.write_bytes(data)


def test_a_run_on_a_damaged_checkpoint_stops_and_touches_nothing(tmp_path: Path) -> None:
    """The file and what is safe to do are said, and results stay as they were."""
    case = _killed(tmp_path)
    path = _used(tmp_path)[-1]
    _flip(path, Random(3))
    before = _listing(tmp_path)
    shown = job.found("sqlite", tmp_path / "out")
    with pytest.raises(AssertionError, match="checkpoint-damaged") as caught:
        case.run()
    assert path.name in str(caught.value)
    assert "nothing was read from it or deleted" in str(caught.value)
    left = _listing(tmp_path)
    # the run had taken a number before it looked
    assert {n: left[n] for n in before} == before
    assert all("/fences/" in name for name in left.keys() - before.keys())
    assert job.found("sqlite", tmp_path / "out") == shown


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    case = _killed(tmp_path)
    root = tmp_path / "kept" / "clicks"
    foreign = [
        *(root / name for name in ("notes.txt", "data/notes", "data/" + "0" * 63, "fences/notes")),
        *(root / name for name in ("lineage-0001/notes", "lineage-0001/checkpoint-x/manifest")),
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    assert case.run() == 0
    assert case.is_right()
    assert all(path.read_text() == "mine" for path in foreign)
