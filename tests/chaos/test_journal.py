"""What a source gave that cannot be read again is neither lost nor repeated, if it keeps a journal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos import journal_job as job
from thalweg.checkpoint.failpoints import VARIABLE

KILLS = (
    "checkpoint.data:kill:2",
    "checkpoint.committed:kill:2",
    "restore.state:kill:1",
    "store.synced:kill:9",
)


@dataclass
class Case:
    """One job: its queue, its sinks, and what it keeps."""

    folder: Path
    sinks: str
    journal: str

    def run(self, armed: str = "") -> int:
        """The exit code of one process; -9 if it was killed."""
        places = [str(self.folder / n) for n in ("queue", "out", "kept")]
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos.journal_job", *places, self.sinks, self.journal],
            env={**os.environ, VARIABLE: armed},
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    def killed(self, places: Sequence[str] = KILLS) -> int:
        """Kill it at several places, and let it end; how often it was killed."""
        kills = sum(self.run(armed) == -signal.SIGKILL for armed in places)
        assert self.run() == 0
        assert job.taken(self.folder / "queue") == job.ROWS
        return kills


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("sinks", ["files", "sqlite"])
def test_rows_of_a_queue_are_neither_lost_nor_repeated(tmp_path: Path, sinks: str) -> None:
    case = Case(tmp_path, sinks, "kept")
    kills = case.killed()
    assert kills >= 3
    found = job.found(sinks, tmp_path / "out")
    assert max(found.values()) == 1, "no row is repeated"
    missing = sorted(set(range(job.ROWS)) - set(found))
    # a process that is killed between taking rows and writing them down takes those few along
    runs = [n for n in missing if n - 1 not in missing]
    assert len(missing) <= kills * job.BATCH
    assert len(runs) <= kills
    assert job.counted(tmp_path / "out") == found.total()
    left = list((tmp_path / "kept").glob("queue/journal/*/*/segment-*"))
    assert len(left) <= 8, "what no checkpoint needs is removed"


@pytest.mark.slow
def test_without_a_journal_rows_are_lost(tmp_path: Path) -> None:
    case = Case(tmp_path, "files", "forgotten")
    kills = case.killed(KILLS[:2])
    assert job.found("files", tmp_path / "out").total() < job.ROWS - kills * job.BATCH
