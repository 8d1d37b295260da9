"""A job that is killed at any named place goes on, and neither loses nor repeats a row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import job
from thalweg.checkpoint.failpoints import POINTS, VARIABLE

_LATER = {"restore.fenced", "restore.manifest", "restore.state", "restore.committed"}
"""Places that only a run reaches which goes on from a checkpoint."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clicks") / "input"
    job.write_input(path)
    return path


def run(source: Path, folder: Path, armed: str = "") -> int:
    """The exit code of one process; -9 if it was killed."""
    command = [
        sys.executable,
        "-m",
        "tests.chaos.job",
        str(source),
        str(folder / "out"),
        str(folder / "ckpt"),
    ]
    done = subprocess.run(command, env={**os.environ, VARIABLE: armed}, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize("point", sorted(POINTS))
def test_a_job_killed_at_a_named_place_goes_on(source: Path, tmp_path: Path, point: str) -> None:
    armed = f"{point}:kill:{1 if point.startswith(('final', 'restore')) else 3}"
    if point in _LATER:
        assert run(source, tmp_path, "checkpoint.complete:kill:2") == -signal.SIGKILL
    assert run(source, tmp_path, armed) == -signal.SIGKILL, "the place was reached"
    assert run(source, tmp_path) == 0
    assert job.found(tmp_path / "out") == job.expected()


def test_a_job_killed_again_and_again_goes_on(source: Path, tmp_path: Path) -> None:
    for number in range(1, 6):
        assert run(source, tmp_path, f"store.synced:kill:{10 + number}") == -signal.SIGKILL
    assert run(source, tmp_path) == 0
    assert job.found(tmp_path / "out") == job.expected()


def test_a_job_that_has_ended_does_nothing(source: Path, tmp_path: Path) -> None:
    assert run(source, tmp_path) == 0
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert run(source, tmp_path) == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before
