"""Rows that are kept apart are neither lost nor repeated by a crash, and all rows are accounted for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import thalweg as tw
from tests.chaos import letters_job as job
from thalweg.checkpoint.failpoints import POINTS, VARIABLE

CASES = [(p, ("files", "sqlite")[n % 2]) for n, p in enumerate(sorted(POINTS))]
"""Both kinds of sink by turns; each place with both is killed in test_kills.py."""


@dataclass
class Case:
    """One job: its input, its sinks, and a folder for everything else."""

    source: Path
    folder: Path
    sinks: str

    def run(self, armed: str = "") -> int:
        """The exit code of one process; -9 if it was killed."""
        places = [str(p) for p in (self.source, self.folder / "out", self.folder / "kept")]
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos.letters_job", *places, self.sinks],
            env={**os.environ, VARIABLE: armed},
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    @property
    def found(self) -> job.Found:
        """What is there."""
        return job.found(self.sinks, self.folder / "out")

    def check_accounts(self) -> None:
        """Whatever was read up to the newest checkpoint was processed, is late, or could not be read."""
        kept = tw.Checkpoints(self.folder / "kept").open(job.JOB)
        read, bad = kept.positions["rows_read"].sum(), kept.positions["rows_bad"].sum()
        states = [kept.state(row["operator"], row["state"]) for row in kept.states.to_dicts()]
        waiting = sum(frame["__rows"].sum() for frame in states)
        now = self.found
        assert now.passed.total() == read
        assert now.counted + waiting + now.late.total() == read
        assert now.unreadable.total() == bad


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clicks") / "input"
    job.write_input(path)
    return path


@pytest.mark.slow
@pytest.mark.sampled(12, 4)
@pytest.mark.parametrize(("point", "sinks"), CASES)
def test_no_letter_is_lost_or_repeated(source: Path, tmp_path: Path, point: str, sinks: str) -> None:
    case = Case(source, tmp_path, sinks)
    is_first = point.startswith(("final", "restore"))
    if point in ("restore.manifest", "restore.state"):
        assert case.run("checkpoint.complete:kill:2") == -signal.SIGKILL
    assert case.run(f"{point}:kill:{1 if is_first else 3}") == -signal.SIGKILL, "the place was reached"
    assert case.run() == 0
    assert case.found.wrong == {"lost": 0, "repeated": 0}
    assert (case.found.unreadable.total(), case.found.late.total()) == (76, 104)


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("sinks", ["files", "sqlite"])
def test_all_rows_are_accounted_for_at_checkpoints(source: Path, tmp_path: Path, sinks: str) -> None:
    case = Case(source, tmp_path, sinks)
    for kill in (1, 2, 3):
        assert case.run(f"checkpoint.complete:kill:{kill}") == -signal.SIGKILL
        case.check_accounts()
    assert case.run() == 0
    assert case.found.wrong == {"lost": 0, "repeated": 0}


def test_lost_and_repeated_rows_are_counted() -> None:
    ids = range(job.ROWS)
    late = Counter(filter(job.is_late, ids))
    passed = Counter(n for n in ids if not job.is_unreadable(n))
    right = job.Found(passed, passed.total() - late.total(), Counter(filter(job.is_unreadable, ids)), late)
    assert right.wrong == {"lost": 0, "repeated": 0}
    lost = replace(right, unreadable=right.unreadable - Counter([5]), counted=right.counted - 2)
    assert lost.wrong == {"lost": 3, "repeated": 0}
    again = replace(right, late=right.late + Counter([min(late)]), counted=right.counted + 1)
    assert again.wrong == {"lost": 0, "repeated": 2}
