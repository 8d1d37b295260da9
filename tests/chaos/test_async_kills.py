"""A job that is killed while calls are under way loses no row, repeats none, closes no window early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.chaos import async_job as job
from thalweg.checkpoint.failpoints import VARIABLE

KILLS = ("checkpoint.data:kill:3", "checkpoint.committed:kill:2", "restore.state:kill:1")


def run(folder: Path, order: str, *, armed: str = "", seconds: float | None = None) -> int:
    """The exit code of one process, which is killed after some seconds; -9 if it was killed at all."""
    arguments = [str(folder / "out"), str(folder / "kept"), order]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.async_job", *arguments],
        env={**os.environ, VARIABLE: armed},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("order", ["ordered", "unordered"])
def test_killed_while_calls_are_under_way(tmp_path: Path, order: str) -> None:
    random = Random(order)
    codes = [run(tmp_path, order, armed=armed) for armed in KILLS]
    # at any other place, too
    codes += [run(tmp_path, order, seconds=random.uniform(1.0, 2.0)) for _ in range(3)]
    assert codes.count(-signal.SIGKILL) >= len(KILLS)
    assert run(tmp_path, order) == 0
    files = job.files(tmp_path / "out")
    assert Counter(n for file in files for n in file) == Counter(range(job.ROWS))
    if order == "ordered":
        assert all(file == sorted(file) for file in files)
    windows = job.counted(tmp_path / "out")
    length = int(job.WINDOW.total_seconds())
    assert set(windows.values()) == {length}
    assert len(windows) == job.ROWS // length
