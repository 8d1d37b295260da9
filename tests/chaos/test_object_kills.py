"""A job whose checkpoints, input and results are objects is killed at any named place, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos import job
from tests.chaos.test_kills import kill
from tests.objects.server import BUCKET, ObjectServer, running
from thalweg.checkpoint.failpoints import OBJECT_POINTS, POINTS, VARIABLE

_OF_FILES = {"sink.staged", "sink.renamed", "sink.progress", "object.copied"}
"""Places that only sinks reach whose output is files."""
_LEASE = "THALWEG_HIGH_AVAILABILITY_LEASE_DURATION"
"""After a kill nobody frees a job in a store: the next process waits as long."""
PLACES = [p for p in (*sorted(POINTS), *OBJECT_POINTS) if not p.startswith("store.")]
CASES = [(p, s) for p in PLACES for s in ("files", "sqlite") if s == "files" or p not in _OF_FILES]


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with running() as made:
        yield made


@dataclass
class Case:
    """One job; results are objects too, or a database in a folder."""

    server: ObjectServer
    folder: Path
    sinks: str

    def __post_init__(self) -> None:
        self.server.empty()
        job.write_input(self.folder / "input")
        self.server.upload(self.folder / "input", "input")

    def run(self, armed: str = "", tasks: int = 2) -> int:
        """The exit code of one process; -9 if it was killed."""
        root = f"s3://{BUCKET}"
        output = f"{root}/out" if self.sinks == "files" else str(self.folder / "out")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.chaos.job", f"{root}/input", output, f"{root}/kept"),
                *(self.sinks, str(tasks)),
            ],
            env={**os.environ, VARIABLE: armed, _LEASE: "1 s"},
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    def is_right(self) -> bool:
        """Whether everything is there, once, and nothing of what broke off."""
        self.server.download(self.folder)
        left = [p.name for p in self.folder.rglob(".*") if p.suffix in (".tmp", ".writing")]
        assert left == [], "what broke off is removed"
        return job.found(self.sinks, self.folder / "out") == job.expected(self.sinks)


@pytest.mark.slow
@pytest.mark.sampled(40, 12)
@pytest.mark.parametrize(("point", "sinks"), CASES)
def test_a_job_killed_at_a_named_place_goes_on(
    server: ObjectServer, tmp_path: Path, point: str, sinks: str
) -> None:
    case = Case(server, tmp_path, sinks)
    kill(case, point)
    assert case.is_right()


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("sinks", ["files", "sqlite"])
def test_a_job_killed_again_and_again_goes_on(server: ObjectServer, tmp_path: Path, sinks: str) -> None:
    """Between a copy and the deletion of the original, where there are copies; another time on its way."""
    case = Case(server, tmp_path, sinks)
    for number in range(1, 4):
        place = "object.copied" if sinks == "files" else "object.written"
        assert case.run(f"{place}:kill:{5 + number}", tasks=number) == -signal.SIGKILL
    assert case.run() == 0
    assert case.is_right()
