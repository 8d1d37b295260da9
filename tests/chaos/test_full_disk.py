"""A disk that is full or cannot sync, at any call for a checkpoint, costs no row and completes none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos import job
from tests.chaos.full_disk import CALLS_MAX, Faults, run, tried
from tests.chaos.test_kills import Case

CASES = [(sinks, n) for sinks, most in CALLS_MAX.items() for n in range(1, most + 1)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clicks") / "input"
    job.write_input(path)
    return path


@pytest.mark.slow
@pytest.mark.sampled(24, 10)
@pytest.mark.parametrize("stays", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize(("sinks", "nth"), CASES)
def test_a_call_that_fails_costs_no_row(
    source: Path, tmp_path: Path, sinks: str, nth: int, stays: bool
) -> None:
    outcome = tried(source, tmp_path, sinks, Faults(nth, stays))
    assert outcome.faults.fired or nth > outcome.faults.count, "it has failed, if there is such a call"
    assert outcome.faults.violations == []
    assert (outcome.wrong, outcome.left) == ({}, [])


@pytest.mark.slow
@pytest.mark.parametrize("sinks", CALLS_MAX)
def test_there_are_as_many_calls_as_are_tried(source: Path, tmp_path: Path, sinks: str) -> None:
    faults = Faults()
    assert run(source, tmp_path, sinks, faults) == []
    assert CALLS_MAX[sinks] / 2 < faults.count <= CALLS_MAX[sinks]


@pytest.mark.parametrize("taken", [1, 2])
def test_a_checkpoint_that_is_complete_in_spite_of_a_failed_sync_is_noticed(taken: int) -> None:
    faults = Faults(nth=1)
    faults.is_writer = lambda: True
    faults.hit("checkpoint.complete")
    faults.hit("checkpoint.taken")
    assert faults.fails("sync", "a")
    assert not faults.fails("rename", "b")
    assert faults.violations == []
    if taken == 2:
        faults.hit("checkpoint.taken")
        assert not faults.fails("rename", "a")
        assert faults.violations == ["a gets its name"]
        faults.violations.clear()
    faults.hit("checkpoint.complete")
    assert len(faults.violations) == (taken == 1), "another checkpoint may be"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of some megabytes, in memory."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts disks")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 12))


@pytest.mark.slow
@pytest.mark.parametrize("sinks", ["files", "sqlite"])
def test_a_job_goes_on_when_there_is_room_again(source: Path, small_disk: Path, sinks: str) -> None:
    """Broken off after two checkpoints, started on a full disk, and again when there is room."""
    case = Case(source, small_disk, sinks)
    assert case.run("checkpoint.complete:kill:2") == -9
    before = sorted(p.name for p in small_disk.rglob("manifest"))
    filler = small_disk / "filler"
    fill(filler)
    said = run(source, small_disk, sinks, Faults())
    assert said
    assert all("No space left on device" in text or "is full" in text for text in said)
    assert sorted(p.name for p in small_disk.rglob("manifest")) == before, "nothing was deleted"
    filler.unlink()
    assert case.run() == 0
    assert case.is_right()
