"""A process that stands still is taken over, and changes nothing that counts when it wakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import job
from tests.chaos.zombies import Zombie

CASES = [
    ("checkpoint.data:stop:3", "sqlite", None),
    ("sink.progress:stop:3", "files", None),
    ("store.synced:stop:2", "files", 0.1),
    ("checkpoint.committed:stop:4", "sqlite", 0.1),
    ("sink.renamed:stop:3", "files", 0.1),
    ("checkpoint.taken:stop:3", "sqlite", None),
]


@pytest.mark.slow
@pytest.mark.sampled(5, 2)
@pytest.mark.parametrize(("armed", "sinks", "wakes"), CASES)
def test_a_process_that_was_stopped_is_taken_over_and_ends_when_it_wakes(
    tmp_path: Path, armed: str, sinks: str, wakes: float | None
) -> None:
    job.write_input(tmp_path / "input")
    zombie = Zombie(tmp_path, sinks)
    process = zombie.stopped(armed)
    assert process is not None, "the place was reached"
    zombie.overtake(process, wakes=wakes)
    assert zombie.wrong == {}
