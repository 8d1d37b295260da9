"""Jobs give the same rows whatever is crashed, paused and forgotten; a seed always gives one trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.simulation.plans import FIRST
from tests.simulation.workloads import SimulatedWorkload, random_workload
from thalweg.protocols.source import Chunk
from thalweg.testing.simulation import simulation, source
from thalweg.testing.simulation.conditions import KINDS, Conditions
from thalweg.testing.simulation.simulation import Report, Simulation
from thalweg.testing.simulation.world import StuckError

SEEDS, COMPARED = 500, 50


def _begun(first: int, last: int, hash_seed: int) -> subprocess.Popen[str]:
    """Seeds in a process of their own: Polars must not start threads, and hashes have a seed of their own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.simulation.cases", str(first), str(last)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "POLARS_MAX_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _outcome(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, said = process.communicate()
    assert process.returncode == 0, said[-8000:]
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture(scope="module")
def halves() -> list[dict[str, Any]]:
    half = SEEDS // 2
    return [_outcome(p) for p in [_begun(0, half - 1, 1), _begun(FIRST, FIRST + half - 1, 2)]]


@pytest.mark.slow
def test_no_seed_loses_or_repeats_a_row(halves: list[dict[str, Any]]) -> None:
    assert sum(len(half["traces"]) for half in halves) == SEEDS


@pytest.mark.slow
def test_every_kind_of_fault_strikes(halves: list[dict[str, Any]]) -> None:
    fired = {kind for half in halves for kind, count in half["fired"].items() if count}
    assert fired >= {*KINDS, "lineage"}


@pytest.mark.slow
def test_a_seed_gives_one_trace_whatever_the_hashes_are(halves: list[dict[str, Any]]) -> None:
    for half, first in zip(halves, (0, FIRST), strict=True):
        again = _outcome(_begun(first, first + COMPARED - 1, 77))["traces"]
        assert len(again) == COMPARED
        assert again == {seed: half["traces"][seed] for seed in again}


def _simulated(monkeypatch: pytest.MonkeyPatch, steps_per_task: int) -> Report:
    monkeypatch.setattr(simulation, "_STEPS_PER_TASK", steps_per_task)
    return Simulation(SimulatedWorkload(random_workload(3)), Conditions(3), steps_max=100).run()


def test_a_job_may_take_more_points_the_more_tasks_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _simulated(monkeypatch, 500).points > 200
    with pytest.raises(StuckError, match="has not ended after 101 points"):
        _simulated(monkeypatch, 2)


def test_a_job_that_does_not_end_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Chunk(None, wait=0.05)
    monkeypatch.setattr(source._PacedReader, "read", lambda reader, rows_max: nothing)
    with pytest.raises(StuckError):
        _simulated(monkeypatch, 500)
