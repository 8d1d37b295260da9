"""A job that is killed at any named place goes on, and neither loses nor repeats a row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Protocol

import pytest

from tests.chaos import job
from thalweg.checkpoint.failpoints import POINTS, VARIABLE

_OF_FILES = {"sink.staged", "sink.renamed", "sink.progress"}
"""Places that only sinks reach whose output is files."""
SINKS = ("files", "sqlite", "functions")
CASES = [(p, s) for p in sorted(POINTS) for s in SINKS if s != "sqlite" or p not in _OF_FILES]
MOVES = [(p, *pair) for p in sorted(POINTS) for pair in permutations(job.STATES, 2)]
"""Places, where state lay before the kill, and where it lies after it."""


@dataclass
class Case:
    """One job: its input, its sinks, and a folder for everything else."""

    source: Path
    folder: Path
    sinks: str
    state: str = "memory"

    def run(self, armed: str = "", tasks: int = 2) -> int:
        """The exit code of one process with so many tasks to a step; -9 if it was killed."""
        places = [str(p) for p in (self.source, self.folder / "out", self.folder / "kept")]
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos.job", *places, self.sinks, str(tasks)],
            env={**os.environ, VARIABLE: armed, job.STATE: self.state},
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    def is_right(self) -> bool:
        """Whether everything is there, once, and nothing of what broke off."""
        left = [p.name for p in self.folder.rglob(".*") if p.suffix in (".tmp", ".writing")]
        assert left == [], "what broke off is removed"
        return job.found(self.sinks, self.folder / "out") == job.expected(self.sinks)


class Killed(Protocol):
    """One job that is killed, wherever it lies."""

    def run(self, armed: str = "", tasks: int = 2) -> int: ...

    def is_right(self) -> bool: ...


def kill(case: Killed, point: str) -> None:
    """Kill a job at a named place, and run it to its end."""
    kill_at(case, point)
    assert case.run() == 0


def kill_at(case: Killed, point: str) -> None:
    """Kill a job at a named place."""
    if point in ("restore.manifest", "restore.state"):
        # only a run reaches them that goes on from a checkpoint
        assert case.run("checkpoint.complete:kill:2") == -signal.SIGKILL
    is_first = point.startswith(("final", "restore"))
    assert case.run(f"{point}:kill:{1 if is_first else 3}") == -signal.SIGKILL, "the place was reached"


def move(source: Path, folder: Path, point: str, before: str, after: str) -> Case:
    """Kill a keyed function at a named place, and run it to its end with its state elsewhere."""
    kill_at(Case(source, folder, "functions", before), point)
    moved = Case(source, folder, "functions", after)
    assert moved.run() == 0
    return moved


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clicks") / "input"
    job.write_input(path)
    return path


@pytest.mark.slow
@pytest.mark.sampled(6, 2)
@pytest.mark.parametrize(("point", "sinks"), [c for c in CASES if c[1] != "functions"])
def test_a_job_killed_at_a_named_place_goes_on(source: Path, tmp_path: Path, point: str, sinks: str) -> None:
    # all pairs of sinks and states are in `make faults-long`
    number = CASES.index((point, sinks))
    case = Case(source, tmp_path, sinks, "memory" if number % 2 else "filesystem")
    kill(case, point)
    assert case.is_right()


@pytest.mark.slow
@pytest.mark.sampled(14, 4)
@pytest.mark.parametrize("state", job.STATES)
@pytest.mark.parametrize("point", sorted(POINTS))
def test_a_function_killed_at_a_named_place_goes_on_in_every_backend(
    source: Path, tmp_path: Path, point: str, state: str
) -> None:
    case = Case(source, tmp_path, "functions", state)
    kill(case, point)
    assert case.is_right()


@pytest.mark.slow
@pytest.mark.sampled(46, 12)
@pytest.mark.parametrize(("point", "before", "after"), MOVES)
def test_a_function_that_is_killed_goes_on_in_another_backend(
    source: Path, tmp_path: Path, point: str, before: str, after: str
) -> None:
    assert move(source, tmp_path, point, before, after).is_right()


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("sinks", SINKS)
def test_a_job_killed_again_and_again_goes_on(source: Path, tmp_path: Path, sinks: str) -> None:
    case = Case(source, tmp_path, sinks)
    for number in range(1, 5):
        assert case.run(f"store.synced:kill:{10 + number}") == -signal.SIGKILL
    assert case.run() == 0
    assert case.is_right()


@pytest.mark.slow
@pytest.mark.sampled(6, 2)
@pytest.mark.parametrize(("before", "after"), list(product(range(1, 5), repeat=2)))
def test_a_job_goes_on_with_another_number_of_tasks(
    source: Path, tmp_path: Path, before: int, after: int
) -> None:
    """Killed before, once more on the way, and a third time with the first number again."""
    case = Case(source, tmp_path, SINKS[(before + 2 * after) % 3])
    assert case.run("checkpoint.published:kill:2", tasks=before) == -signal.SIGKILL
    assert case.run("checkpoint.data:kill:2", tasks=after) == -signal.SIGKILL
    assert case.run("restore.state:kill:1", tasks=before) == -signal.SIGKILL
    assert case.run(tasks=after) == 0
    assert case.is_right()
